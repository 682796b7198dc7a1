//! `/documents`: documents as jobs, with their progress.

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_languages as languages;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{Answer, Refused};
use crate::{
    access::Access,
    client::Clients,
    config::ServerConfig,
    documents::{DocumentRequest, DocumentService, DocumentStatus, State},
    error::ServiceError,
    input::{Reader, names},
    memory::MemoryRequest,
    routes::attachment,
    service::TranslationService,
};

/// Takes a document in: the form fields `file`, `source`, `target`, and if wanted `domain`, `columns` and
/// `glossaries`, each with commas between them, `strict`, `memory` and `output_format`. Answers with the job before it is
/// done.
pub(super) async fn create(
    request: HttpRequest,
    documents: web::Data<DocumentService>,
    access: web::Data<Access>,
    reader: web::Data<Reader>,
    service: web::Data<TranslationService>,
    config: web::Data<ServerConfig>,
    payload: web::Payload,
) -> Answer {
    if !documents.is_on() {
        let reason = "documents are not translated on this server";
        return Err(ServiceError::Disabled(reason.into()).into());
    }
    let fields = reader.fields_of(&request, payload, documents.body_limit()).await?;
    let caller = access.admit(&request, &fields, 1).await?;
    let file = fields.upload().ok_or_else(|| ServiceError::missing("file"))?;
    if file.name.is_empty() || file.bytes.is_empty() {
        return Err(ServiceError::invalid("the file is empty").into());
    }
    let glossaries = names(&fields, "glossaries")?;
    let glossaries = service.glossaries(&caller, glossaries, fields.flag("strict")).await?;
    let clients = Clients { trust_forwarded_for: config.http.trust_forwarded_for };
    let id = documents.start(DocumentRequest {
        name: file.name.clone(),
        bytes: file.bytes.clone(),
        source: fields.required("source")?.to_owned(),
        target: fields.required("target")?.to_owned(),
        output: fields.text("output_format")?.map(str::to_owned),
        domains: names(&fields, "domain")?,
        columns: names(&fields, "columns")?,
        glossaries,
        memory: MemoryRequest::read(&fields, &caller.owner)?,
        char_limit: caller.char_limit,
        client: clients.of(&request),
        ..DocumentRequest::default()
    })?;
    let status = documents.status(id, None).ok_or_else(stopping)?;
    Ok(HttpResponse::Accepted().json(described(id, &status)))
}

/// Says how far a job is.
pub(super) async fn status(documents: web::Data<DocumentService>, id: web::Path<String>) -> Answer {
    let Ok(id) = Uuid::try_parse(&id) else { return Ok(unknown()) };
    Ok(match documents.status(id, None) {
        Some(status) => HttpResponse::Ok().json(described(id, &status)),
        None => unknown(),
    })
}

/// Hands out the translated document.
pub(super) async fn result(documents: web::Data<DocumentService>, id: web::Path<String>) -> Answer {
    let Ok(id) = Uuid::try_parse(&id) else { return Ok(unknown()) };
    if let Some(found) = documents.result(id, None) {
        return Ok(attachment(&found.name, found.bytes));
    }
    Ok(match documents.status(id, None).map(|status| status.state) {
        None => unknown(),
        Some(State::Failed(error)) => return Err(Refused::from(error)),
        Some(_) => {
            HttpResponse::Conflict().json(json!({ "error": "the document is not done yet" }))
        }
    })
}

/// Stops a job, and forgets it and its result.
pub(super) async fn remove(documents: web::Data<DocumentService>, id: web::Path<String>) -> Answer {
    let id = Uuid::try_parse(&id).ok();
    Ok(match id.is_some_and(|id| documents.remove(id, None)) {
        true => HttpResponse::NoContent().finish(),
        false => unknown(),
    })
}

fn unknown() -> HttpResponse {
    let reason = "no such document; results are kept for a while only";
    HttpResponse::NotFound().json(json!({ "error": reason }))
}

fn stopping() -> ServiceError {
    ServiceError::Internal("the server is stopping".into())
}

fn described(id: Uuid, status: &DocumentStatus) -> Value {
    let (state, error) = match &status.state {
        State::Queued => ("queued", None),
        State::Translating => ("translating", None),
        State::Done => ("done", None),
        State::Failed(error) => ("failed", Some(error.to_string())),
    };
    let mut described = json!({
        "id": id.to_string(),
        "name": status.name,
        "state": state,
        "sentencesDone": status.done,
        "sentences": status.total,
        "sentencesRemembered": status.remembered,
        "characters": status.chars,
    });
    if let Some(error) = error {
        described["error"] = error.into();
    }
    if let Some(detected) = &status.detected {
        described["detectedLanguage"] = json!({
            "language": languages::public(&detected.language),
            "confidence": detected.confidence,
        });
    }
    described
}
