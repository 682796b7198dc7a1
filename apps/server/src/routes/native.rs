//! Our own endpoints: pages, health, metrics, experts, the specification, and administration.

mod admin;
mod documents;
mod experts;
mod health;
mod memory;
mod metrics;
mod pages;
mod reply;
mod spec;

use actix_web::{FromRequest, Handler, Resource, Responder, web};

use super::{get, get_route, post, resource};
use crate::ServerConfig;

pub(crate) use admin::Administration;
pub(super) use reply::{method_not_allowed, not_found};

/// Registers the endpoints that `config` asks for.
pub(super) fn configure(services: &mut web::ServiceConfig, config: &ServerConfig) {
    services
        .service(get("/health", health::health))
        .service(get("/health/live", health::live))
        .service(get("/spec", spec::spec))
        .service(get("/experts", experts::experts))
        .service(post("/documents", documents::create))
        .service(get("/documents/{id}/result", documents::result))
        .service(
            resource("/documents/{id}")
                .route(get_route(documents::status))
                .route(web::delete().to(documents::remove)),
        );
    let memory = resource("/memory").route(get_route(memory::search));
    services
        .service(memory.route(web::post().to(memory::add)).route(web::delete().to(memory::remove)));
    if config.monitoring.metrics {
        services.service(get("/metrics", metrics::metrics));
    }
    if config.keys.admin_key.is_some() {
        configure_admin(services);
    }
    if config.pages.web_ui {
        services
            .service(page("/", pages::index))
            .service(page("/docs", pages::docs))
            .service(page("/docs/", pages::without_slash))
            .service(page("/suggestions", pages::suggestions))
            .service(page("/suggestions/", pages::without_slash))
            .service(page("/insights", pages::insights))
            .service(page("/insights/", pages::without_slash))
            .service(page("/recommend", pages::recommend))
            .service(page("/recommend/", pages::without_slash))
            .service(get("/static/{path:.*}", pages::file));
        if !config.prefix().is_empty() {
            services.service(page("", pages::with_slash));
        }
    }
}

/// A page, which answers to its own path alone.
fn page<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let not_allowed = web::to(method_not_allowed);
    web::resource(path).route(get_route(handler)).default_service(not_allowed)
}

fn configure_admin(services: &mut web::ServiceConfig) {
    let store = resource("/admin/store").route(get_route(admin::export));
    let tenants = resource("/admin/tenants").route(get_route(admin::tenants::list));
    let tenant = resource("/admin/tenants/{name}");
    let suggestions = resource("/admin/suggestions").route(get_route(admin::suggestions::list));
    let suggestion = resource("/admin/suggestions/{id}");
    services
        .app_data(web::QueryConfig::default().error_handler(|error, _| reply::unclear(&error)))
        .service(suggestions)
        .service(
            suggestion
                .route(web::put().to(admin::suggestions::judge))
                .route(web::delete().to(admin::suggestions::remove)),
        )
        .service(store.route(web::post().to(admin::import)))
        .service(tenants.route(web::post().to(admin::tenants::create)))
        .service(tenant.route(web::delete().to(admin::tenants::remove)))
        .service(post("/admin/keys", admin::keys::create))
        .service(resource("/admin/keys/{key}").route(web::delete().to(admin::keys::remove)));
}
