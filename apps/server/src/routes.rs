//! What is served where: a folder for each API.

mod deepl;
mod gorse;
mod libretranslate;
mod native;

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, Route,
    http::header::{ContentDisposition, DispositionParam, DispositionType},
    web,
};

use crate::ServerConfig;

pub(crate) use native::Administration;

/// Registers all endpoints, under the prefix of `config`.
pub(crate) fn configure(services: &mut web::ServiceConfig, config: &ServerConfig) {
    let mut scope = web::scope(&config.prefix()).configure(libretranslate::configure);
    scope = scope.configure(deepl::configure);
    if config.recommendation.recommend {
        scope = scope.service(gorse::wrapped("/t/{tenant}/api")).service(gorse::wrapped("/api"));
    }
    scope = scope.configure(|services| native::configure(services, config));
    services.service(scope.default_service(web::to(native::not_found)));
    services.default_service(web::to(native::not_found));
}

/// An endpoint to post to.
fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path).route(web::post().to(handler))
}

/// An endpoint to get from.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path).route(get_route(handler))
}

fn get_route<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::get().to(handler)
}

/// A resource at `path`, with a slash behind it or without.
fn resource(path: &str) -> Resource {
    web::resource([path.to_owned(), format!("{path}/")])
        .default_service(web::to(native::method_not_allowed))
}

/// A file to be saved under `name`.
fn attachment(name: &str, bytes: bytes::Bytes) -> HttpResponse {
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name.to_owned())],
    };
    HttpResponse::Ok()
        .insert_header(disposition)
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .content_type("application/octet-stream")
        .body(bytes)
}
