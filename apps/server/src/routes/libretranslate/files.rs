//! `POST /translate_file` and `GET /download_file/NAME`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use super::{call::Call, reply::Answer};
use crate::{
    client::Clients,
    config::ServerConfig,
    documents::{DocumentRequest, DocumentService, State},
    error::ServiceError,
    input::names,
    memory::MemoryRequest,
    routes::attachment,
};

/// Stops the job of a client that did not wait for it.
struct Waiting<'a> {
    documents: &'a DocumentService,
    id: Uuid,
    is_done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.documents.remove(self.id, None);
        }
    }
}

/// Translates a document, and answers where the translation is.
pub(super) async fn translate_file(
    call: Call,
    documents: web::Data<DocumentService>,
    config: web::Data<ServerConfig>,
    payload: web::Payload,
) -> Answer {
    if !documents.is_on() {
        let reason = "Files translation are disabled on this server.";
        return Err(ServiceError::Disabled(reason.into()).into());
    }
    let fields = call.fields_of(payload, documents.body_limit()).await?;
    let caller = call.admit(&fields, 1).await?;
    let file = fields.upload().ok_or_else(|| ServiceError::missing("file"))?;
    let source = fields.required("source")?.to_owned();
    let target = fields.required("target")?.to_owned();
    if file.name.is_empty() || file.bytes.is_empty() {
        return Err(ServiceError::invalid("empty file").into());
    }
    if let Err(error) = dragoman_documents::Kind::of(&file.name) {
        return Err(
            ServiceError::invalid(format_args!("file format not supported: {error}")).into()
        );
    }
    let glossaries = names(&fields, "glossaries")?;
    let glossaries = call.service.glossaries(&caller, glossaries, fields.flag("strict")).await?;
    let clients = Clients { trust_forwarded_for: config.http.trust_forwarded_for };
    let id = documents.start(DocumentRequest {
        name: file.name.clone(),
        bytes: file.bytes.clone(),
        result_name: Some(result_name(&file.name, &target)),
        source,
        target,
        domains: super::translate::domains(&fields, &call.request)?,
        glossaries,
        memory: MemoryRequest::read(&fields, &caller.owner)?,
        char_limit: caller.char_limit,
        client: clients.of(&call.request),
        ..DocumentRequest::default()
    })?;
    drop(fields);
    let mut waiting = Waiting { documents: &documents, id, is_done: false };
    let status = documents.wait(id).await;
    match status.map(|status| status.state) {
        Some(State::Failed(error)) => return Err(error.into()),
        Some(State::Done) => waiting.is_done = true,
        _ => return Err(ServiceError::Internal("the server is stopping".into()).into()),
    }
    let name = documents.result_name(id).unwrap_or_default();
    let connection = call.request.connection_info().clone();
    let (scheme, host, prefix) = (connection.scheme(), connection.host(), config.prefix());
    let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let name = name.to_string().replace("%2E", ".").replace("%5F", "_").replace("%2D", "-");
    let url = format!("{scheme}://{host}{prefix}/download_file/{id}.{name}");
    Ok(HttpResponse::Ok().json(json!({ "translatedFileUrl": url })))
}

/// The name of a translation as upstream makes it: `report_de.docx`.
fn result_name(name: &str, target: &str) -> String {
    match name.rsplit_once('.') {
        // The text of a PDF is written as Word.
        Some((stem, ending)) if ending.eq_ignore_ascii_case("pdf") => {
            format!("{stem}_{target}.docx")
        }
        Some((stem, ending)) => format!("{stem}_{target}.{ending}"),
        None => format!("{name}_{target}"),
    }
}

/// Hands out a translated document.
pub(super) async fn download_file(
    request: HttpRequest,
    documents: web::Data<DocumentService>,
) -> Answer {
    let invalid = || ServiceError::Disabled("Invalid filename".into());
    let refused = || HttpResponse::BadRequest().json(json!({ "error": invalid().to_string() }));
    let path = request.match_info().query("name");
    let Some((id, name)) = path.split_once('.') else { return Ok(refused()) };
    let Ok(id) = Uuid::try_parse(id) else { return Ok(refused()) };
    let is_named = documents.result_name(id).is_some_and(|own| own == name);
    match is_named.then(|| documents.result(id, None)).flatten() {
        Some(found) => Ok(attachment(&found.name, found.bytes)),
        None => Ok(HttpResponse::NotFound().json(json!({ "error": "Not Found" }))),
    }
}
