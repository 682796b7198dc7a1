//! `/v2/document`: documents are sent, looked at, and taken once.

use actix_web::web;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    call::Call,
    formality,
    reply::{Answer, Refused, ok, traced},
    translate::{check_what_no_model_can, glossaries, languages_of},
};
use crate::{
    client::Clients,
    config::ServerConfig,
    documents::{DocumentRequest, DocumentService, State},
    error::ServiceError,
    input::Fields,
    memory::MemoryRequest,
    routes::attachment,
};

/// How far a document is.
#[derive(Debug, Serialize)]
struct Status {
    document_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed_characters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// The same, for clients that look here.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Takes a document in, and answers with the name of its job and the key to it.
pub(super) async fn upload(
    call: Call,
    documents: web::Data<DocumentService>,
    config: web::Data<ServerConfig>,
    payload: web::Payload,
) -> Answer {
    if !documents.is_on() {
        let reason = "documents are not translated on this server";
        return Err(ServiceError::Disabled(reason.into()).into());
    }
    let fields = call.fields_of(payload, documents.body_limit()).await?;
    let caller = call.admit(&fields, 1).await?;
    let file = fields.upload().ok_or_else(|| ServiceError::missing("file"))?;
    if file.bytes.is_empty() {
        return Err(ServiceError::invalid("Invalid file data: the file is empty.").into());
    }
    check_what_no_model_can(&fields)?;
    let model = call.service.model();
    let known = call.service.languages(&model);
    let (source, target) = languages_of(&fields, &known)?;
    let domains = formality::domains(&fields, (source, target), &known, &*model.model)?;
    let source = source.unwrap_or("auto");
    let name = match fields.text("filename")? {
        Some(name) => name.to_owned(),
        None => file.name.clone(),
    };
    let clients = Clients { trust_forwarded_for: config.http.trust_forwarded_for };
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let id = documents.start(DocumentRequest {
        name,
        bytes: file.bytes.clone(),
        output: fields.text("output_format")?.map(str::to_owned),
        source: source.to_owned(),
        target: target.to_owned(),
        domains,
        glossaries: glossaries(&call, &caller, &fields, (source, target)).await?,
        memory: Some(MemoryRequest::exact(&caller.owner)),
        billed_to: Some(caller.owner.clone()),
        secret: Some(key.clone()),
        char_limit: caller.char_limit,
        client: clients.of(&call.request),
        ..DocumentRequest::default()
    })?;
    ok(json!({ "document_id": id.simple().to_string(), "document_key": key }))
}

/// Says how far a document is.
pub(super) async fn status(
    call: Call,
    documents: web::Data<DocumentService>,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let (fields, _) = call.open(payload).await?;
    let (id, key) = named(&id, &fields)?;
    let found = documents.status(id, Some(key)).ok_or_else(not_found)?;
    let (status, error) = match found.state {
        State::Queued => ("queued", None),
        State::Translating => ("translating", None),
        State::Done => ("done", None),
        State::Failed(error) => ("error", Some(error.to_string())),
    };
    let left = found.left.filter(|_| status == "translating");
    ok(Status {
        document_id: id.simple().to_string(),
        status,
        seconds_remaining: left.map(|left| left.as_secs() + 1),
        billed_characters: (status == "done").then_some(found.chars),
        message: error.clone(),
        error_message: error,
    })
}

/// Hands out a translated document, and forgets it.
pub(super) async fn result(
    call: Call,
    documents: web::Data<DocumentService>,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let (fields, _) = call.open(payload).await?;
    let (id, key) = named(&id, &fields)?;
    let state = documents.status(id, Some(key)).ok_or_else(not_found)?.state;
    match (state, documents.result(id, Some(key))) {
        (State::Failed(error), _) => Err(error.into()),
        (_, None) => Err(Refused::NotReady("Document is not ready for download".into())),
        (_, Some(found)) => {
            documents.remove(id, Some(key));
            Ok(traced(attachment(&found.name, found.bytes)))
        }
    }
}

/// The job that a call names, and its key.
fn named<'a>(id: &str, fields: &'a Fields) -> Result<(Uuid, &'a str), Refused> {
    let key = fields.required("document_key")?;
    let is_plain = id.len() == 32; // as it was given out, not as other APIs write it
    let id = Uuid::try_parse(id).ok().filter(|_| is_plain).ok_or_else(not_found)?;
    Ok((id, key))
}

fn not_found() -> Refused {
    Refused::NotFound("Document not found, or downloaded before".into())
}
