//! A call, with the key in its header.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use dragoman_store::Store;

use super::reply::Refused;
use crate::{
    access::{Access, Caller},
    error::ServiceError,
    input::{Fields, Reader},
    service::TranslationService,
};

/// What stands before the key in the header `Authorization`.
const SCHEME: &str = "DeepL-Auth-Key ";

/// A request whose body has not been read.
pub(super) struct Call {
    pub(super) request: HttpRequest,
    pub(super) service: web::Data<TranslationService>,
    pub(super) store: web::Data<Store>,
    access: web::Data<Access>,
    reader: web::Data<Reader>,
}

impl FromRequest for Call {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            service: data(request),
            store: data(request),
            access: data(request),
            reader: data(request),
        }))
    }
}

impl Call {
    /// Reads the fields of the request. The key is in the header, or in `auth_key`.
    pub(super) async fn fields(&self, payload: web::Payload) -> Result<Fields, ServiceError> {
        let fields = self.reader.fields(&self.request, payload).await?;
        self.with_key(fields)
    }

    /// As [`fields`](Self::fields), with a file among them and up to `limit` bytes.
    pub(super) async fn fields_of(
        &self,
        payload: web::Payload,
        limit: usize,
    ) -> Result<Fields, ServiceError> {
        let fields = self.reader.fields_of(&self.request, payload, limit).await?;
        self.with_key(fields)
    }

    fn with_key(&self, mut fields: Fields) -> Result<Fields, ServiceError> {
        let header = self.request.headers().get(header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        let key = match header.and_then(|value| value.strip_prefix(SCHEME)) {
            Some(key) => Some(key.trim().to_owned()),
            None => fields.text("auth_key")?.map(str::to_owned),
        };
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            fields.set_key(&key);
        }
        Ok(fields)
    }

    /// Lets the caller in, whose request counts as `cost`.
    pub(super) async fn admit(&self, fields: &Fields, cost: usize) -> Result<Caller, ServiceError> {
        self.access.admit(&self.request, fields, cost).await
    }

    /// Reads the fields of a small request, and lets the caller in.
    pub(super) async fn open(
        &self,
        payload: web::Payload,
    ) -> Result<(Fields, Caller), ServiceError> {
        let fields = self.fields(payload).await?;
        let caller = self.admit(&fields, 1).await?;
        Ok((fields, caller))
    }
}

/// What the app carries for its handlers.
fn data<T: 'static>(request: &HttpRequest) -> web::Data<T> {
    request.app_data::<web::Data<T>>().expect("set for the whole app").clone()
}
