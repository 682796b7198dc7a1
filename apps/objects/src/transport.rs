//! Requests of the stores, made by `ureq`.

use std::time::Duration;

use async_trait::async_trait;
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
};
use ureq::{Agent, http};

/// How long a connection may take, and a request with its answer: a part of a file.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));

/// Makes clients for stores.
#[derive(Debug)]
pub(crate) struct Transport;

#[derive(Debug)]
struct Client {
    agent: Agent,
    /// Whether requests may go over plain HTTP.
    is_plain_allowed: bool,
}

impl HttpConnector for Transport {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let agent = Agent::config_builder()
            .timeout_connect(Some(TIMEOUTS.0))
            .timeout_global(Some(TIMEOUTS.1))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(HttpClient::new(Client { agent, is_plain_allowed: allowed.as_deref() == Some("true") }))
    }
}

#[async_trait]
impl HttpService for Client {
    /// Blocks: each call of this crate has a thread and a runtime of its own.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.uri().scheme_str() == Some("http") && !self.is_plain_allowed {
            let reason = "over plain HTTP, which `AWS_ALLOW_HTTP=true` allows for S3 and \
                          `AZURE_ALLOW_HTTP=true` for Azure";
            let refused = std::io::Error::other(reason);
            return Err(HttpError::new(HttpErrorKind::Unknown, refused));
        }
        let (parts, body) = request.into_parts();
        let body = body.as_bytes().map(|body| body.to_vec()).unwrap_or_default();
        let answer = match body.is_empty() {
            true => self.agent.run(http::Request::from_parts(parts, ())),
            false => self.agent.run(http::Request::from_parts(parts, body)),
        };
        let (parts, mut body) = answer.map_err(failed)?.into_parts();
        let body = body.with_config().limit(u64::MAX).read_to_vec().map_err(failed)?;
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

/// The error, sorted by whether asking again may help.
fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            HttpErrorKind::Connect
        }
        ureq::Error::Io(_) | ureq::Error::Protocol(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
