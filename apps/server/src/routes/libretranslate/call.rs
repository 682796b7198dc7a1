//! A call, and what answers it.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use super::reply::Refused;
use crate::{
    access::{Access, Caller},
    error::ServiceError,
    input::{Fields, Reader},
    service::TranslationService,
};

/// A request whose body has not been read.
pub(super) struct Call {
    pub(super) request: HttpRequest,
    pub(super) service: web::Data<TranslationService>,
    pub(super) access: web::Data<Access>,
    reader: web::Data<Reader>,
}

impl FromRequest for Call {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            service: data(request),
            access: data(request),
            reader: data(request),
        }))
    }
}

impl Call {
    /// Reads the fields of the request.
    pub(super) async fn fields(&self, payload: web::Payload) -> Result<Fields, ServiceError> {
        self.reader.fields(&self.request, payload).await
    }

    /// Reads the fields of the request, with a file among them.
    pub(super) async fn fields_of(
        &self,
        payload: web::Payload,
        limit: usize,
    ) -> Result<Fields, ServiceError> {
        self.reader.fields_of(&self.request, payload, limit).await
    }

    /// Lets the caller in, whose request counts as `cost`.
    pub(super) async fn admit(&self, fields: &Fields, cost: usize) -> Result<Caller, ServiceError> {
        self.access.admit(&self.request, fields, cost).await
    }
}

/// What the app carries for its handlers.
fn data<T: 'static>(request: &HttpRequest) -> web::Data<T> {
    request.app_data::<web::Data<T>>().expect("set for the whole app").clone()
}
