//! The API of DeepL, as its official clients rely on it.

mod call;
mod documents;
mod entries;
mod formality;
mod glossaries;
mod glossary;
mod languages;
mod reply;
mod tags;
mod translate;
mod usage;

use actix_web::{Resource, web};

/// Registers the endpoints. Clients send some calls as GET with a form in the body, or as POST.
pub(super) fn configure(services: &mut web::ServiceConfig) {
    let translate = resource("/v2/translate")
        .route(web::post().to(translate::translate))
        .route(web::get().to(translate::translate));
    let languages = resource("/v2/languages")
        .route(web::get().to(languages::languages))
        .route(web::post().to(languages::languages));
    let usage = resource("/v2/usage")
        .route(web::get().to(usage::usage))
        .route(web::post().to(usage::usage));
    services.service(translate).service(languages).service(usage);
    let documents = resource("/v2/document").route(web::post().to(documents::upload));
    let document = resource("/v2/document/{id}").route(web::post().to(documents::status));
    let result = resource("/v2/document/{id}/result").route(web::post().to(documents::result));
    services.service(documents).service(document).service(result);
    configure_glossaries(services);
    for version in ["/v2", "/v3"] {
        let rest = web::scope(version).default_service(web::to(reply::not_found));
        services.service(rest);
    }
}

/// A resource at `path` whose errors are those of this API.
fn resource(path: &str) -> Resource {
    super::resource(path).default_service(web::to(reply::method_not_allowed))
}

fn configure_glossaries(services: &mut web::ServiceConfig) {
    let pairs = resource("/v2/glossary-language-pairs").route(web::get().to(glossaries::pairs));
    let all = resource("/v2/glossaries")
        .route(web::get().to(glossaries::list))
        .route(web::post().to(glossaries::create));
    let one = resource("/v2/glossaries/{id}")
        .route(web::get().to(glossaries::show))
        .route(web::delete().to(glossaries::remove));
    let entries = resource("/v2/glossaries/{id}/entries").route(web::get().to(glossaries::entries));
    services.service(pairs).service(all).service(one).service(entries);

    let all = resource("/v3/glossaries")
        .route(web::get().to(glossaries::list_multilingual))
        .route(web::post().to(glossaries::create_multilingual));
    let one = resource("/v3/glossaries/{id}")
        .route(web::get().to(glossaries::show_multilingual))
        .route(web::patch().to(glossaries::change))
        .route(web::delete().to(glossaries::remove));
    let entries = resource("/v3/glossaries/{id}/entries")
        .route(web::get().to(glossaries::entries_multilingual));
    let dictionaries = resource("/v3/glossaries/{id}/dictionaries")
        .route(web::put().to(glossaries::replace))
        .route(web::delete().to(glossaries::remove_dictionary));
    services.service(all).service(one).service(entries).service(dictionaries);
}
