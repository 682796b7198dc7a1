//! Who calls, for which tenant, and with what: what every handler starts with.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use dragoman_store::{DEFAULT_TENANT, Timestamp};

use super::{params::Params, record::Record, reply::Refused};
use crate::{
    access::Access,
    body::Bodies,
    config::ServerConfig,
    error::ServiceError,
    input::{Plus, decode},
    recommend::{Filter, Place, Recommendations, TenantIndex},
};

/// Rows of one answer at most; pages lead to the others.
pub(super) const MAX_N: usize = 10_000;

/// A caller who was let in.
pub(super) struct RequestContext {
    pub(super) request: HttpRequest,
    pub(super) service: Arc<Recommendations>,
    pub(super) params: Params,
    tenant: String,
    body_limit: usize,
    row_limit: usize,
}

impl FromRequest for RequestContext {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::admit(request))
    }
}

impl RequestContext {
    fn admit(request: &HttpRequest) -> Result<Self, Refused> {
        let service = data::<Recommendations>(request).clone().into_inner();
        let tenant = segment(request, "tenant")?.unwrap_or_else(|| DEFAULT_TENANT.into());
        data::<Access>(request).admit_to_tenant(request, &tenant)?;
        let config = &data::<ServerConfig>(request).recommendation;
        Ok(Self {
            params: Params::parse(request.query_string())?,
            request: request.clone(),
            service,
            tenant,
            body_limit: config.recommend_body_limit,
            row_limit: config.recommend_row_limit,
        })
    }

    /// The tenant that the call is about.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The part of the path that is called `name`.
    pub(super) fn path(&self, name: &str) -> Result<String, Refused> {
        segment(&self.request, name)?.ok_or_else(|| Refused::not_found("404: Page Not Found"))
    }

    /// The part of the path that is called `name`, where the route has one.
    pub(super) fn optional(&self, name: &str) -> Result<Option<String>, Refused> {
        segment(&self.request, name)
    }

    /// What the call and the settings ask of the items of a list.
    pub(super) fn filter(&self) -> Result<Filter, Refused> {
        let filter = self.params.filter(self.optional("category")?)?;
        let oldest = self.service.settings.oldest(Timestamp::now().seconds);
        Ok(Filter { oldest, ..filter })
    }

    /// The offset and the number of rows that are asked for, [`MAX_N`] at most.
    pub(super) fn place(&self) -> Result<Place, Refused> {
        let n = self.params.number("n")?.unwrap_or(self.service.settings.default_n);
        Ok(Place { offset: self.params.number("offset")?.unwrap_or(0), n: n.min(MAX_N) })
    }

    /// Reads the body.
    pub(super) async fn body(&self, payload: web::Payload) -> Result<web::Bytes, Refused> {
        let bodies = data::<Bodies>(&self.request);
        Ok(bodies.read(&self.request, payload, self.body_limit).await?)
    }

    /// Reads the rows of the body; parsing takes no time of the threads that speak HTTP.
    pub(super) async fn rows<T: Send + 'static>(
        &self,
        payload: web::Payload,
        read: fn(Record) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let (body, limit) = (self.body(payload).await?, self.row_limit);
        let parse = move || Record::parse_rows(&body, limit, read);
        self.service.parsers.run(parse).await?
    }

    /// Runs `work` on a thread where it may block.
    pub(super) async fn block<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: FnOnce(&Recommendations, &Arc<TenantIndex>) -> Result<T, Refused> + Send + 'static,
    {
        let (service, tenant) = (Arc::clone(&self.service), self.tenant.clone());
        let work = move || work(&service, &service.index(&tenant)?);
        let done = self.service.pool.run(work).await;
        done.inspect_err(|error| {
            if *error == ServiceError::Busy {
                self.service.metrics.refused.inc();
            }
        })?
    }
}

/// What the app carries for its handlers.
pub(super) fn data<T: 'static>(request: &HttpRequest) -> &web::Data<T> {
    request.app_data::<web::Data<T>>().expect("set for the whole app")
}

/// A part of the path; actix leaves the codes of `/`, `+` and `%` in it.
fn segment(request: &HttpRequest, name: &str) -> Result<Option<String>, Refused> {
    let part = request.match_info().get(name);
    Ok(part.map(|part| decode(part.as_bytes(), Plus::Itself)).transpose()?)
}
