//! The REST API of Gorse: `/api` for the default tenant, `/t/NAME/api` for the others.
//!
//! Paths end with a slash or without, as clients build them. Names of version 0.4 that old clients
//! still call stand beside those of 0.5.

mod admin;
mod bulk;
mod cursor;
mod dashboard;
mod dump;
mod duration;
mod feedback;
mod health;
mod items;
mod lists;
mod params;
mod recommend;
mod record;
mod reply;
mod timeseries;
mod users;
mod context;

use std::time::Instant;

use actix_web::{
    Error as ActixError, HttpResponse, Scope,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    middleware::{Next, from_fn},
    web,
};

use crate::metrics::Metrics;

/// All routes under `prefix`.
pub(super) fn scope(prefix: &str) -> Scope {
    let routes = |services: &mut web::ServiceConfig| {
        system(services);
        rows(services);
        feedback_routes(services);
        lists_routes(services);
    };
    web::scope(prefix).configure(routes).default_service(web::to(not_found))
}

/// What wraps each scope: an identifier for every reply, and the time it took.
pub(super) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    let started = Instant::now();
    let metrics = request.app_data::<web::Data<Metrics>>().expect("set for the whole app").clone();
    let mut response = next.call(request).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let id = HeaderValue::from_str(&id).expect("hex digits and dashes");
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(pattern) = response.request().match_pattern() {
        let pattern = pattern.trim_end_matches('/').replace("{user}", "{user-id}");
        let pattern = pattern.replace("{item}", "{item-id}").replace("{kind}", "{feedback-type}");
        let api = format!("{} {pattern}", Metrics::method(response.request().method()));
        metrics.recommend.answered(&api, started.elapsed().as_secs_f64());
    }
    Ok(response)
}

/// Wraps `scope` with [`identify`].
pub(super) fn wrapped(prefix: &str) -> impl actix_web::dev::HttpServiceFactory + 'static {
    scope(prefix).wrap(from_fn(identify))
}

fn system(services: &mut web::ServiceConfig) {
    services
        .service(at("/health/live").route(web::get().to(health::live)))
        .service(at("/health/ready").route(web::get().to(health::ready)))
        .service(at("/dashboard/stats").route(web::get().to(dashboard::stats)))
        .service(at("/dashboard/feedback-types").route(web::get().to(dashboard::feedback_types)))
        .service(at("/dashboard/categories").route(web::get().to(dashboard::categories)))
        .service(
            at("/dashboard/config")
                .route(web::get().to(dashboard::config))
                .route(web::post().to(admin::change_config))
                .route(web::delete().to(admin::change_config)),
        )
        .service(at("/dashboard/config/schema").route(web::get().to(admin::schema)))
        .service(at("/dashboard/userinfo").route(web::get().to(admin::user_info)))
        .service(at("/dashboard/cluster").route(web::get().to(admin::cluster)))
        .service(at("/dashboard/tasks").route(web::get().to(admin::tasks)))
        .service(at("/dashboard/external").route(web::get().to(admin::external)))
        .service(
            at("/dashboard/ranker/prompt")
                .route(web::get().to(admin::prompt))
                .route(web::post().to(admin::prompt)),
        )
        .service(at("/dashboard/timeseries/{name}").route(web::get().to(timeseries::timeseries)))
        .service(at("/dashboard/recommenders").route(web::get().to(timeseries::recommenders)))
        .service(at("/dashboard/users").route(web::get().to(dashboard::users)))
        .service(at("/dashboard/user/{user}").route(web::get().to(dashboard::user)))
        .service(at("/dashboard/user/{user}/feedback").route(web::get().to(dashboard::feedback)))
        .service(
            at("/dashboard/user/{user}/feedback/{kind}").route(web::get().to(dashboard::feedback)),
        )
        .service(at("/dashboard/latest").route(web::get().to(dashboard::latest)))
        .service(
            at("/dashboard/non-personalized/{name}").route(web::get().to(dashboard::everybody)),
        )
        .service(at("/dashboard/recommend/{user}").route(web::get().to(dashboard::recommend)))
        .service(
            at("/dashboard/recommend/{user}/{recommender}")
                .route(web::get().to(dashboard::recommend)),
        )
        .service(
            at("/dashboard/recommend/{user}/{recommender}/{name}")
                .route(web::get().to(dashboard::recommend)),
        )
        .service(
            at("/dashboard/item-to-item/{name}/{item}").route(web::get().to(dashboard::near_item)),
        )
        .service(
            at("/dashboard/user-to-user/{name}/{user}").route(web::get().to(dashboard::near_user)),
        )
        .service(at("/dump").route(web::get().to(dump::dump)))
        .service(at("/restore").route(web::post().to(dump::restore)))
        .service(at("/purge").route(web::post().to(dump::purge)))
        .service(
            at("/bulk/{rows}")
                .route(web::get().to(bulk::export))
                .route(web::post().to(bulk::import)),
        );
}

fn rows(services: &mut web::ServiceConfig) {
    services
        .service(at("/user").route(web::post().to(users::post)))
        .service(
            at("/users").route(web::get().to(users::list)).route(web::post().to(users::post_all)),
        )
        .service(
            at("/user/{user}")
                .route(web::get().to(users::get))
                .route(web::patch().to(users::patch))
                .route(web::delete().to(users::delete)),
        )
        .service(at("/item").route(web::post().to(items::post)))
        .service(
            at("/items").route(web::get().to(items::list)).route(web::post().to(items::post_all)),
        )
        .service(
            at("/item/{item}")
                .route(web::get().to(items::get))
                .route(web::patch().to(items::patch))
                .route(web::delete().to(items::delete)),
        )
        .service(
            at("/item/{item}/category/{category}")
                .route(web::put().to(items::put_category))
                .route(web::delete().to(items::delete_category)),
        );
}

fn feedback_routes(services: &mut web::ServiceConfig) {
    services
        .service(
            at("/feedback")
                .route(web::get().to(feedback::list))
                .route(web::post().to(feedback::post))
                .route(web::put().to(feedback::put)),
        )
        .service(at("/feedback/{kind}").route(web::get().to(feedback::list)))
        .service(
            at("/feedback/{user}/{item}")
                .route(web::get().to(feedback::of_pair))
                .route(web::delete().to(feedback::delete)),
        )
        .service(
            at("/feedback/{kind}/{user}/{item}")
                .route(web::get().to(feedback::get))
                .route(web::delete().to(feedback::delete)),
        )
        .service(at("/user/{user}/feedback").route(web::get().to(feedback::of_user)))
        .service(at("/user/{user}/feedback/{kind}").route(web::get().to(feedback::of_user)))
        .service(at("/item/{item}/feedback").route(web::get().to(feedback::of_item)))
        .service(at("/item/{item}/feedback/{kind}").route(web::get().to(feedback::of_item)));
}

fn lists_routes(services: &mut web::ServiceConfig) {
    let get =
        |services: &mut web::ServiceConfig, paths: [&str; 2], handler: fn() -> actix_web::Route| {
            for path in paths {
                services.service(at(path).route(handler()));
            }
        };
    services.service(at("/recommend").route(web::post().to(recommend::many)));
    let recommend = || web::get().to(recommend::recommend);
    get(services, ["/recommend/{user}", "/recommend/{user}/{category}"], recommend);
    let old = ["/intermediate/recommend/{user}", "/intermediate/recommend/{user}/{category}"];
    get(services, old, recommend);
    let session = || web::post().to(recommend::session);
    get(services, ["/session/recommend", "/session/recommend/{category}"], session);
    let personal =
        ["/collaborative-filtering/{user}", "/collaborative-filtering/{user}/{category}"];
    get(services, personal, || web::get().to(recommend::scored));
    get(services, ["/latest", "/latest/{category}"], || web::get().to(lists::latest));
    get(services, ["/popular", "/popular/{category}"], || web::get().to(lists::popular));
    let near_item = ["/item/{item}/neighbors", "/item/{item}/neighbors/{category}"];
    get(services, near_item, || web::get().to(lists::near_item));
    services
        .service(at("/non-personalized/{name}").route(web::get().to(lists::everybody)))
        .service(at("/item-to-item/{name}/{item}").route(web::get().to(lists::near_item)))
        .service(at("/user-to-user/{name}/{user}").route(web::get().to(lists::near_user)))
        .service(at("/user/{user}/neighbors").route(web::get().to(lists::near_user)))
        .service(at("/measurements/{name}").route(web::get().to(dashboard::measurements)));
}

/// A resource at `path`, with a slash behind it or without.
fn at(path: &str) -> actix_web::Resource {
    web::resource([path.to_owned(), format!("{path}/")])
        .default_service(web::to(method_not_allowed))
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404: Page Not Found")
}

async fn method_not_allowed(method: Method) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .content_type("text/plain; charset=utf-8")
        .body(format!("405: Method Not Allowed: {method}"))
}
