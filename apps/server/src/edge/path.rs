//! Paths as clients write them, made into those that are served.

use actix_web::{
    Error as ActixError, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, Uri, uri::PathAndQuery},
    middleware::Next,
};

/// Marks a request that asked for the head of an answer alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WasHead;

/// Takes doubled slashes out of the path, and answers HEAD as GET: the body is left out later.
///
/// Within `/api` only slashes at the start are merged: between two others an identifier is missing.
pub(crate) async fn normalize(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    if let Some(uri) = merged(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    if request.method() == Method::HEAD {
        request.extensions_mut().insert(WasHead);
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

/// The address with single slashes, if that is another one.
fn merged(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") {
        return None;
    }
    let mut merged = format!("/{}", path.trim_start_matches('/'));
    while merged.contains("//") && !merged.contains("/api/") {
        merged = merged.replace("//", "/");
    }
    if let Some(query) = uri.query() {
        merged.push('?');
        merged.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(merged).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_slashes_are_merged() -> anyhow::Result<()> {
        for (written, expected) in [
            ("//translate", Some("/translate")),
            ("/tools///translate//?q=a//b", Some("/tools/translate/?q=a//b")),
            ("//api/item//x", Some("/api/item//x")),
            ("/translate?q=//", None),
            ("/", None),
        ] {
            let merged = merged(&written.parse()?).map(|uri| uri.to_string());
            assert_eq!(merged.as_deref(), expected, "{written}");
        }
        Ok(())
    }
}
