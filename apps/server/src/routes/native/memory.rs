//! `/memory`: what was translated before, by the keeper of a key or of the server.

use actix_web::{HttpRequest, HttpResponse, web};
use dragoman_languages::resolve;
use dragoman_store::{MemoryOf, Store};
use serde_json::{Value, json};

use super::reply::Answer;
use crate::{
    ServerConfig,
    access::Access,
    error::ServiceError,
    input::{Fields, Reader, percent},
    service::TranslationService,
    telemetry::block,
};

/// Units of a request at most.
const MAX_UNITS: usize = 10_000;

/// Matches of a search at most.
const MAX_MATCHES: usize = 20;

/// What the handlers work with.
#[derive(Clone)]
struct Tools {
    request: HttpRequest,
    config: web::Data<ServerConfig>,
    access: web::Data<Access>,
    reader: web::Data<Reader>,
    service: web::Data<TranslationService>,
    store: web::Data<Store>,
}

/// A request whose body has not been read.
pub(super) struct Call(Tools);

impl actix_web::FromRequest for Call {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        fn data<T: 'static>(request: &HttpRequest) -> web::Data<T> {
            request.app_data::<web::Data<T>>().expect("set for the whole app").clone()
        }
        std::future::ready(Ok(Self(Tools {
            request: request.clone(),
            config: data(request),
            access: data(request),
            reader: data(request),
            service: data(request),
            store: data(request),
        })))
    }
}

impl Call {
    /// Reads the fields, and says whose memory they are about. What all share is the keeper's of the
    /// server to change.
    async fn open(
        &self,
        payload: web::Payload,
        changes: bool,
    ) -> Result<(Fields, String), ServiceError> {
        let Tools { request, config, access, reader, .. } = &self.0;
        let fields = reader.fields(request, payload).await?;
        if let Some(key) = config.keys.admin_key.as_deref()
            && request.headers().contains_key("Authorization")
        {
            access.admit_bearer(request, key)?;
            return Ok((fields, String::new()));
        }
        let caller = access.admit(request, &fields, 1).await?;
        if caller.owner.is_empty() && changes {
            return Err(ServiceError::Forbidden(
                "the memory that all share is changed with the admin key alone; with an API key \
                 you have one of your own"
                    .into(),
            ));
        }
        Ok((fields, caller.owner))
    }

    /// The pair of languages that the fields name.
    fn pair(&self, fields: &Fields) -> Result<(String, String), ServiceError> {
        let service = &self.0.service;
        let known = service.languages(&service.model());
        let language = |name: &str| {
            let code = fields.required(name)?;
            let unknown = || ServiceError::UnsupportedLanguage(code.into());
            resolve(&known, code).map(str::to_owned).ok_or_else(unknown)
        };
        Ok((language("source")?, language("target")?))
    }
}

/// Says what is like a text, or how much is remembered.
pub(super) async fn search(call: Call, payload: web::Payload) -> Answer {
    let (fields, owner) = call.open(payload, false).await?;
    let store = call.0.store.clone();
    let Some(text) = fields.text("q")?.map(str::to_owned) else {
        let counts = block(move || store.memory_counts(&owner)).await??;
        let count =
            |(source, target, units)| json!({ "source": source, "target": target, "units": units });
        let counts: Vec<Value> = counts.into_iter().map(count).collect();
        return Ok(HttpResponse::Ok().json(counts));
    };
    let (source, target) = call.pair(&fields)?;
    let threshold = percent(&fields, "threshold")?.unwrap_or(50);
    let recall = move || {
        let of = MemoryOf { owner: &owner, source: &source, target: &target };
        store.recall(of, &text, threshold, MAX_MATCHES)
    };
    Ok(HttpResponse::Ok().json(json!({ "matches": block(recall).await?? })))
}

/// Remembers units: `q` with its translation `s`, or many in `units`.
pub(super) async fn add(call: Call, payload: web::Payload) -> Answer {
    let (fields, owner) = call.open(payload, true).await?;
    let (source, target) = call.pair(&fields)?;
    let units = units(&fields)?;
    let store = call.0.store.clone();
    let remember = move || {
        let of = MemoryOf { owner: &owner, source: &source, target: &target };
        store.remember(of, &units)
    };
    Ok(HttpResponse::Ok().json(json!({ "remembered": block(remember).await?? })))
}

/// Forgets one text, or all of a pair.
pub(super) async fn remove(call: Call, payload: web::Payload) -> Answer {
    let (fields, owner) = call.open(payload, true).await?;
    let (source, target) = call.pair(&fields)?;
    let text = fields.text("q")?.map(str::to_owned);
    let store = call.0.store.clone();
    let forget = move || {
        let of = MemoryOf { owner: &owner, source: &source, target: &target };
        match text {
            Some(text) => store.forget_unit(of, &text).map(usize::from),
            None => store.forget_all(of),
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "forgotten": block(forget).await?? })))
}

fn units(fields: &Fields) -> Result<Vec<(String, String)>, ServiceError> {
    let Some(list) = fields.raw("units") else {
        return Ok(vec![(fields.required("q")?.to_owned(), fields.required("s")?.to_owned())]);
    };
    let wrong = || ServiceError::invalid("units must be an array of {\"q\": …, \"s\": …}");
    let list = list.as_array().ok_or_else(wrong)?;
    if list.len() > MAX_UNITS {
        return Err(ServiceError::invalid(format_args!(
            "a request has {MAX_UNITS} units at most; send less at a time"
        )));
    }
    let part = |unit: &Value, name: &str| unit.get(name).and_then(Value::as_str).map(str::to_owned);
    let unit = |unit: &Value| part(unit, "q").zip(part(unit, "s")).ok_or_else(wrong);
    list.iter().map(unit).collect()
}
