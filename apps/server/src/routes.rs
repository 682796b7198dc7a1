//! What is served where.

mod admin;
mod detect;
mod experts;
mod frontend;
mod gorse;
mod health;
mod languages;
mod metrics;
mod pages;
mod spec;
mod suggest;
mod translate;

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError, Route, guard, web,
};

use crate::{ServerConfig, error::ApiError};

/// Registers all endpoints, under the prefix of `config`.
pub(crate) fn configure(services: &mut web::ServiceConfig, config: &ServerConfig) {
    let prefix = config.prefix();
    let mut scope = web::scope(&prefix)
        .service(post("/translate", translate::translate))
        .service(post("/translate_file", translate::translate_file))
        .service(post("/detect", detect::detect))
        .service(post("/suggest", suggest::suggest))
        .service(get("/languages", languages::languages))
        .service(get("/frontend/settings", frontend::settings))
        .service(get("/health", health::health))
        .service(get("/spec", spec::spec))
        .service(get("/experts", experts::experts));
    if config.metrics {
        scope = scope.service(get("/metrics", metrics::metrics));
    }
    if config.admin_key.is_some() {
        let store = resource("/admin/store").route(web::get().to(admin::export));
        let tenants = resource("/admin/tenants").route(web::get().to(admin::tenants::list));
        let tenant = resource("/admin/tenants/{name}");
        scope = scope
            .service(store.route(web::post().to(admin::import)))
            .service(tenants.route(web::post().to(admin::tenants::create)))
            .service(tenant.route(web::delete().to(admin::tenants::remove)))
            .service(post("/admin/keys", admin::keys::create))
            .service(resource("/admin/keys/{key}").route(web::delete().to(admin::keys::remove)));
    }
    if config.recommend {
        scope = scope.service(gorse::wrapped("/t/{tenant}/api")).service(gorse::wrapped("/api"));
    }
    if config.web_ui {
        scope = scope
            .service(get("/", pages::index))
            .service(get("/docs", pages::docs))
            .service(get("/recommend", pages::recommend))
            .service(get("/static/{path:.*}", pages::file));
        if !prefix.is_empty() {
            scope = scope.service(get("", pages::with_slash));
        }
    }
    services.service(scope.default_service(web::to(not_found)));
    services.default_service(web::to(not_found));
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

/// An endpoint to get from, or to ask for its head.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let get = Route::new().guard(guard::Any(guard::Get()).or(guard::Head()));
    resource(path).route(get.to(handler))
}

fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(method_not_allowed))
}

async fn not_found() -> HttpResponse {
    ApiError::NotFound.error_response()
}

async fn method_not_allowed() -> HttpResponse {
    ApiError::MethodNotAllowed.error_response()
}
