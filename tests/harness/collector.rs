//! A collector of OpenTelemetry traces on the loopback.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;

use crate::http::{HttpServer, Reply, Request};

/// How long spans may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// A collector that keeps what it is sent.
#[derive(Debug)]
pub struct Collector {
    /// Its address, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    calls: usize,
    services: Vec<String>,
    spans: Vec<Span>,
    faults: Vec<String>,
}

impl Collector {
    /// Starts a collector.
    pub fn start() -> Result<Self> {
        Self::answering(Reply::new(200, Vec::new()))
    }

    /// Starts a collector that answers every call in the same way.
    pub fn answering(reply: Reply) -> Result<Self> {
        let received: Arc<Mutex<Received>> = Arc::default();
        let of_server = Arc::clone(&received);
        let server = HttpServer::start(move |request| {
            of_server.lock().unwrap_or_else(PoisonError::into_inner).take(&request);
            reply.clone()
        })?;
        Ok(Self { url: server.url, received })
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// The names of the services that sent something.
    pub fn services(&self) -> Vec<String> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).services.clone()
    }

    /// All spans so far.
    ///
    /// # Errors
    /// Fails when a call was not one of OTLP.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        match received.faults.first() {
            Some(fault) => bail!("a call that is not OTLP: {fault}"),
            None => Ok(received.spans.clone()),
        }
    }

    /// All spans, as soon as there are `count` called `name`.
    ///
    /// # Errors
    /// Fails when they do not come.
    pub async fn spans_with(&self, name: &str, count: usize) -> Result<Vec<Span>> {
        let started = Instant::now();
        loop {
            let spans = self.spans()?;
            if spans.iter().filter(|span| span.name == name).count() >= count {
                return Ok(spans);
            }
            if started.elapsed() > PATIENCE {
                let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
                bail!("no {count} spans `{name}` among {names:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Received {
    fn take(&mut self, request: &Request) {
        self.calls += 1;
        if let Err(error) = self.decode(request) {
            self.faults.push(format!("{error:#}"));
        }
    }

    fn decode(&mut self, request: &Request) -> Result<()> {
        let kind = request.headers.get("content-type").map(String::as_str);
        anyhow::ensure!(request.path == "/v1/traces", "`{}`", request.path);
        anyhow::ensure!(kind == Some("application/x-protobuf"), "{kind:?}");
        let sent = ExportTraceServiceRequest::decode(&*request.body).context("protobuf")?;
        for resource in sent.resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes);
            let name = attributes.as_deref().and_then(|all| text(all, "service.name"));
            self.services.extend(name.map(str::to_owned));
            self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(())
    }
}

/// The text of an attribute.
pub fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match value(attributes, name)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The number of an attribute.
pub fn number(attributes: &[KeyValue], name: &str) -> Option<i64> {
    match value(attributes, name)? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()
}
