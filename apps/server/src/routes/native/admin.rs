//! `/admin`: what the store holds, suggestions, tenants and keys, while the server holds the store's lock.

pub(super) mod keys;
pub(super) mod suggestions;
pub(super) mod tenants;

use std::{
    future::{Ready, ready},
    io::BufReader,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use dragoman_store::{DEFAULT_TENANT, Store};
use serde::{Deserialize, de::DeserializeOwned};

use super::reply::{Answer, Refused};
use crate::{
    access::Access, body::Bodies, error::ServiceError, recommend::Recommendations,
    stream::Transfers, telemetry::block,
};

/// Bytes of a body that is not a snapshot.
const BODY_LIMIT: usize = 64 << 10;

/// What administration works with.
#[derive(Clone)]
pub(crate) struct Administration {
    pub(crate) store: Store,
    /// The token that every request carries.
    pub(crate) key: String,
    /// None if it is switched off.
    pub(crate) recommend: Option<Arc<Recommendations>>,
    pub(crate) transfers: Transfers,
    pub(crate) bodies: Arc<Bodies>,
}

/// A request by the keeper of the admin key, whose body has not been read.
pub(super) struct Admin {
    request: HttpRequest,
    tools: web::Data<Administration>,
}

impl FromRequest for Admin {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let access = request.app_data::<web::Data<Access>>().expect("set for the whole app");
        let tools = request.app_data::<web::Data<Administration>>();
        let tools = tools.expect("set where there is an admin key").clone();
        let admitted = access.admit_bearer(request, &tools.key);
        ready(admitted.map(|()| Self { request: request.clone(), tools }).map_err(Refused::from))
    }
}

impl Admin {
    /// Reads a body of JSON.
    async fn json<T: DeserializeOwned>(&self, payload: web::Payload) -> Result<T, ServiceError> {
        let body = self.tools.bodies.read(&self.request, payload, BODY_LIMIT).await?;
        serde_json::from_slice(&body).map_err(|error| ServiceError::Malformed(error.to_string()))
    }
}

/// Which part of the store.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    /// One tenant alone; into it, where rows name none.
    tenant: Option<String>,
}

/// Writes the store out as JSON Lines, or one tenant of it.
pub(super) async fn export(admin: Admin, which: web::Query<Which>) -> Answer {
    let store = admin.tools.store.clone();
    let tenant = which.into_inner().tenant;
    if let Some(name) = &tenant {
        must_exist(&store, name)?;
    }
    let transfers = &admin.tools.transfers;
    let body = transfers.write(transfers.place(&admin.request)?, move |writer| match tenant {
        None => store.export(writer).map(drop),
        Some(name) => store.export_one(&name, writer).map(drop),
    })?;
    Ok(HttpResponse::Ok().content_type("application/jsonl; charset=utf-8").body(body))
}

/// Reads rows in, and says how many of each kind; lines that are no rows are left out and named.
pub(super) async fn import(
    admin: Admin,
    which: web::Query<Which>,
    payload: web::Payload,
) -> Answer {
    let store = admin.tools.store.clone();
    let tenant = which.into_inner().tenant.unwrap_or_else(|| DEFAULT_TENANT.into());
    must_exist(&store, &tenant)?;
    let read = move |reader| store.import_into(&tenant, BufReader::new(reader));
    let transfers = &admin.tools.transfers;
    let counts =
        transfers.read(transfers.place(&admin.request)?, transfers.paced(payload), read).await?;
    if let Some(recommend) = admin.tools.recommend.clone() {
        // What is in memory does not know of the new rows.
        block(move || recommend.reload()).await??;
    }
    Ok(HttpResponse::Ok().json(counts?))
}

fn must_exist(store: &Store, tenant: &str) -> Result<(), ServiceError> {
    store.tenant(tenant).map(drop).map_err(ServiceError::invalid)
}
