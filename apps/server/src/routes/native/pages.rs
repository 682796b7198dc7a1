//! The pages and their files, carried inside the binary.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, EntityTag},
    },
    web,
};
use rust_embed::RustEmbed;

use super::reply;

/// The folder `web/` of the workspace.
#[derive(RustEmbed)]
#[folder = "../../web"]
#[exclude = "*.py"]
#[allow_missing = true]
struct Files;

/// What pages may load: our own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `GET /`
pub(super) async fn index(request: HttpRequest) -> HttpResponse {
    serve(&request, "index.html")
}

/// `GET /docs`
pub(super) async fn docs(request: HttpRequest) -> HttpResponse {
    serve(&request, "docs.html")
}

/// `GET /recommend`
pub(super) async fn recommend(request: HttpRequest) -> HttpResponse {
    serve(&request, "recommend.html")
}

/// `GET /suggestions`: the keeper's page.
pub(super) async fn suggestions(request: HttpRequest) -> HttpResponse {
    serve(&request, "suggestions.html")
}

/// `GET /insights`: figures by day, for whoever runs the server.
pub(super) async fn insights(request: HttpRequest) -> HttpResponse {
    serve(&request, "insights.html")
}

/// `GET /experts`, for browsers.
pub(super) async fn experts(request: HttpRequest) -> HttpResponse {
    serve(&request, "experts.html")
}

/// `GET /static/…`
pub(super) async fn file(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    serve(&request, &format!("static/{path}"))
}

/// The prefix without its slash: the page's relative links need the slash.
pub(super) async fn with_slash(request: HttpRequest) -> HttpResponse {
    let path = format!("{}/", request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, path)).finish()
}

/// A page with a slash behind its name: its relative links lead there without the slash.
pub(super) async fn without_slash(request: HttpRequest) -> HttpResponse {
    let name = request.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let path = format!("../{name}");
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, path)).finish()
}

fn serve(request: &HttpRequest, path: &str) -> HttpResponse {
    let Some(file) = Files::get(path) else {
        return reply::failure(request, StatusCode::NOT_FOUND);
    };
    let hash = file.metadata.sha256_hash();
    let tag = EntityTag::new_strong(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect());
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|known| known.contains(tag.tag())) {
        return HttpResponse::NotModified().insert_header(header::ETag(tag)).finish();
    }
    HttpResponse::Ok()
        .content_type(content_type(path))
        .insert_header(header::ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(file.data)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
