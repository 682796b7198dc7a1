//! Which pages may use what is served: CORS, and requests that pages send without asking.

use actix_web::{
    Error as ActixError, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

use crate::config::ServerConfig;

/// Methods that change nothing.
const SAFE: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];

/// What browsers say of a page and its request; pages cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which pages may use `/api`, `/admin` and DeepL's API.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    prefix: String,
    allowed: Vec<String>,
}

/// What tells our own pages from others.
#[derive(Debug, Clone, Copy, Default)]
struct RequestHead<'a> {
    host: Option<&'a str>,
    /// Whether the browser says that the page is ours: behind a proxy the host may be another.
    is_same_origin: bool,
}

/// A page may not do this.
#[derive(Debug, thiserror::Error)]
#[error("a page of `{0}` may not do this; the setting `allowed_origins` can allow it")]
struct Foreign(String);

impl ResponseError for Foreign {
    fn status_code(&self) -> actix_web::http::StatusCode {
        actix_web::http::StatusCode::FORBIDDEN
    }
}

impl Origins {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self { prefix: config.prefix(), allowed: config.http.allowed_origins.clone() }
    }

    /// Whether all pages may use everything.
    fn is_for_all(&self) -> bool {
        self.allowed.iter().any(|one| one == "*")
    }

    /// Whether `path` is one of those that not every page may use.
    fn guards(&self, path: &str) -> bool {
        let path = path.strip_prefix(&self.prefix).unwrap_or(path);
        let first = |path: &str| path.trim_start_matches('/').split('/').next().map(str::to_owned);
        let tenant = path.strip_prefix("/t/").and_then(|path| path.split_once('/'));
        let rest = tenant.map_or(path, |(_, rest)| rest);
        matches!(first(rest).as_deref(), Some("api" | "admin" | "memory" | "v2" | "v3"))
    }

    /// What a page of `origin` is told, or `None` if it may not ask.
    fn answer(&self, origin: &str, request: RequestHead<'_>) -> Option<HeaderValue> {
        let RequestHead { host, is_same_origin } = request;
        if self.is_for_all() {
            return Some(HeaderValue::from_static("*"));
        }
        let own = origin.split_once("://").map(|(_, host)| host);
        let is_own = own.is_some() && own == host || is_same_origin;
        let is_allowed = self.allowed.iter().any(|one| one.trim_end_matches('/') == origin);
        (is_own || is_allowed).then(|| HeaderValue::from_str(origin).ok())?
    }
}

/// Lets pages use the API that may, and answers them when they ask whether they may.
///
/// LibreTranslate's API and what only reads is open to pages of any origin, as upstream's is. `/api`,
/// `/admin` and DeepL's API can delete: they are for our own pages, and for those that the settings
/// name.
pub(crate) async fn share(
    origins: web::Data<Origins>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    // As it will be routed: `/%61pi` is `/api`.
    let is_guarded = origins.guards(request.match_info().as_str());
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).map(str::to_owned);
    let is_same_origin = text(SEC_FETCH_SITE) == Some("same-origin");
    let head = RequestHead { host: text(header::HOST), is_same_origin };
    let answer = match (is_guarded, &origin) {
        (false, _) => Some(HeaderValue::from_static("*")),
        (true, Some(origin)) => origins.answer(origin, head),
        (true, None) => origins.is_for_all().then(|| HeaderValue::from_static("*")),
    };
    let method = request.method().clone();
    let mut response = match origin {
        _ if method == Method::OPTIONS => {
            request.into_response(HttpResponse::Ok().finish()).map_into_left_body()
        }
        Some(origin) if answer.is_none() && !SAFE.contains(&method) => {
            let refused = Foreign(origin).error_response();
            request.into_response(refused).map_into_left_body()
        }
        _ => next.call(request).await?.map_into_right_body(),
    };
    match answer {
        Some(answer) => allow(response.headers_mut(), answer, is_guarded),
        None => {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
    Ok(response)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_guarded: bool) {
    const OF_LIBRETRANSLATE: [(HeaderName, &str); 5] = [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, X-Domain"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Authorization"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_MAX_AGE, "1728000"),
    ];
    const OF_GORSE: [(HeaderName, &str); 3] = [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Accept, X-API-Key, X-API-Version",
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (header::VARY, "Origin"),
    ];
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let own: &[(HeaderName, &str)] = if is_guarded { &OF_GORSE } else { &OF_LIBRETRANSLATE };
    for (name, value) in own {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(prefix: &str, allowed: &[&str]) -> Origins {
        let allowed = allowed.iter().map(|one| one.to_string()).collect();
        Origins { prefix: prefix.into(), allowed }
    }

    #[test]
    fn what_can_delete_is_guarded() {
        let origins = origins("/tools", &[]);
        for path in ["/tools/api/items", "/tools/admin/store", "/tools/t/shop/api/user/u", "/api/x"]
        {
            assert!(origins.guards(path), "{path}");
        }
        for path in ["/tools/translate", "/tools/", "/tools/apis", "/tools/t/shop", "/health"] {
            assert!(!origins.guards(path), "{path}");
        }
    }

    #[test]
    fn our_own_pages_and_those_named_may_ask() {
        let none = origins("", &[]);
        let at = |host| RequestHead { host: Some(host), is_same_origin: false };
        assert!(none.answer("http://127.0.0.1:5000", at("127.0.0.1:5000")).is_some());
        assert!(none.answer("http://127.0.0.1:8000", at("127.0.0.1:5000")).is_none());
        assert!(none.answer("null", RequestHead::default()).is_none());
        let behind_a_proxy = RequestHead { host: Some("10.0.0.1:5000"), is_same_origin: true };
        assert!(none.answer("https://translate.example", behind_a_proxy).is_some());
        let one = origins("", &["https://shop.example/"]);
        assert_eq!(
            one.answer("https://shop.example", RequestHead::default())
                .as_ref()
                .map(HeaderValue::as_bytes),
            Some(&b"https://shop.example"[..])
        );
        assert!(one.answer("https://shop.example.evil.example", RequestHead::default()).is_none());
        assert_eq!(
            origins("", &["*"]).answer("null", RequestHead::default()),
            Some(HeaderValue::from_static("*"))
        );
    }
}
