//! The API of LibreTranslate, as its clients rely on it.

mod call;
mod detect;
mod detected;
mod files;
mod frontend;
mod languages;
mod reply;
mod stream;
mod suggest;
mod translate;

use actix_web::web;

use super::{get, post, resource};

/// Registers the endpoints.
pub(super) fn configure(services: &mut web::ServiceConfig) {
    services
        .service(post("/translate", translate::translate))
        .service(
            resource("/translate/stream")
                .route(web::get().to(stream::stream))
                .route(web::post().to(stream::stream)),
        )
        .service(post("/translate_file", files::translate_file))
        .service(get("/download_file/{name}", files::download_file))
        .service(post("/detect", detect::detect))
        .service(post("/suggest", suggest::suggest))
        .service(get("/languages", languages::languages))
        .service(get("/frontend/settings", frontend::settings));
}
