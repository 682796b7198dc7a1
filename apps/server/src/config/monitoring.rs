//! What an operator can read: metrics, and traces under the variables that OpenTelemetry names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::check_address;

/// Where a collector takes traces, below the address that `OTEL_EXPORTER_OTLP_ENDPOINT` names.
const TRACES: &str = "/v1/traces";

/// What an operator can read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringConfig {
    /// Whether to serve `/metrics`.
    pub metrics: bool,
    /// Bearer token that `/metrics` asks for.
    pub metrics_auth_token: Option<String>,
    /// Address of an OpenTelemetry collector that traces are sent to, such as
    /// `http://127.0.0.1:4318/v1/traces`; without one there are no traces.
    pub traces_endpoint: Option<String>,
    /// What the server is called in traces.
    pub traces_service: String,
    /// Which requests are traced.
    pub traces_sampler: TracesSampler,
    /// Share of the requests that a sampler by ratio traces, 0 to 1.
    pub traces_sampler_arg: f64,
}

/// Which requests are traced, by the names of `OTEL_TRACES_SAMPLER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TracesSampler {
    /// All.
    #[serde(rename = "always_on")]
    AlwaysOn,
    /// None.
    #[serde(rename = "always_off")]
    AlwaysOff,
    /// A share.
    TraceIdRatio,
    /// As the caller's `traceparent` says, and all where there is none.
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// As the caller's `traceparent` says, and none where there is none.
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// As the caller's `traceparent` says, and a share of those without one.
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl MonitoringConfig {
    /// Applies the variables of OpenTelemetry in `variables`; a warning for each whose value has no meaning
    /// here, because other programs read them too.
    pub(super) fn apply_otel(&mut self, variables: &[(String, String)]) -> Vec<String> {
        let mut warnings = Vec::new();
        let endpoint = value(variables, "OTEL_EXPORTER_OTLP_ENDPOINT");
        let endpoint = endpoint.map(|base| format!("{}{TRACES}", base.trim_end_matches('/')));
        let of_traces = value(variables, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(str::to_owned);
        if let Some(endpoint) = of_traces.or(endpoint) {
            self.traces_endpoint = Some(endpoint);
        }
        if let Some(name) = value(variables, "OTEL_SERVICE_NAME") {
            name.clone_into(&mut self.traces_service);
        }
        if let Some(name) = value(variables, "OTEL_TRACES_SAMPLER") {
            match serde_json::from_value(Value::from(name)) {
                Ok(sampler) => self.traces_sampler = sampler,
                Err(error) => warnings.push(format!("`OTEL_TRACES_SAMPLER`: {error}")),
            }
        }
        if let Some(share) = value(variables, "OTEL_TRACES_SAMPLER_ARG") {
            match share.parse().ok().filter(is_share) {
                Some(share) => self.traces_sampler_arg = share,
                None => warnings.push(format!(
                    "`OTEL_TRACES_SAMPLER_ARG` must be a number from 0 to 1, not `{share}`"
                )),
            }
        }
        let of_traces = value(variables, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        let protocol = of_traces.or(value(variables, "OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(protocol) = protocol.filter(|protocol| *protocol != "http/protobuf") {
            warnings.push(format!(
                "traces are sent as `http/protobuf`, and not as `{protocol}`; name the collector's port for it, mostly 4318"
            ));
        }
        warnings
    }

    /// Leaves traces off where a variable of OpenTelemetry says so, whatever else names a collector.
    pub(super) fn disable_otel(&mut self, variables: &[(String, String)]) {
        let is_disabled = value(variables, "OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_none = value(variables, "OTEL_TRACES_EXPORTER").is_some_and(|name| name == "none");
        if is_disabled || is_none {
            self.traces_endpoint = None;
        }
    }

    /// Says which field makes no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.traces_endpoint {
            let example = format!("http://127.0.0.1:4318{TRACES}");
            check_address("traces_endpoint", endpoint, &example)?;
        }
        if !is_share(&self.traces_sampler_arg) {
            let share = self.traces_sampler_arg;
            return Err(format!("`traces_sampler_arg` must be from 0 to 1, not {share}"));
        }
        Ok(())
    }
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            metrics: true,
            metrics_auth_token: None,
            traces_endpoint: None,
            traces_service: "dragoman".into(),
            traces_sampler: TracesSampler::ParentBasedAlwaysOn,
            traces_sampler_arg: 1.0,
        }
    }
}

/// The value of a variable; an empty one counts as absent.
fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = variables.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

fn is_share(share: &f64) -> bool {
    (0.0..=1.0).contains(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerConfig;

    fn with(variables: &[(&str, &str)]) -> crate::Result<(ServerConfig, Vec<String>)> {
        let mut config = ServerConfig::default();
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let warnings = config.apply_env(variables.iter().map(owned), [])?;
        Ok((config, warnings))
    }

    #[test]
    fn the_variables_of_opentelemetry_name_the_collector() -> anyhow::Result<()> {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        let (config, warnings) = with(&[
            base,
            ("OTEL_SERVICE_NAME", "interpreter"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ])?;
        let monitoring = config.monitoring;
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(monitoring.traces_endpoint.as_deref(), Some("http://collector:4318/v1/traces"));
        assert_eq!(monitoring.traces_service, "interpreter");
        assert_eq!(monitoring.traces_sampler, TracesSampler::ParentBasedTraceIdRatio);
        assert_eq!(monitoring.traces_sampler_arg, 0.25);

        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/here");
        let endpoint = |config: ServerConfig| config.monitoring.traces_endpoint;
        assert_eq!(endpoint(with(&[base, of_traces])?.0).as_deref(), Some("http://other/here"));
        let ours = ("DRAGOMAN_TRACES_ENDPOINT", "http://ours/v1/traces");
        assert_eq!(
            endpoint(with(&[ours, base, of_traces])?.0).as_deref(),
            Some("http://ours/v1/traces")
        );
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(endpoint(with(&[off, ours, base])?.0), None, "{off:?}");
        }
        Ok(())
    }

    #[test]
    fn a_value_of_opentelemetry_that_has_no_meaning_here_is_a_warning() -> anyhow::Result<()> {
        for (name, value) in [
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ] {
            let (config, warnings) = with(&[(name, value)])?;
            assert_eq!(config, ServerConfig::default());
            let named = warnings.iter().any(|warning| warning.contains(value));
            assert!(named, "{name}: {warnings:?}");
        }
        Ok(())
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for text in ["traces_endpoint = 'collector:4318'", "traces_sampler_arg = 1.5"] {
            let error = ServerConfig::parse(text).expect_err(text);
            assert!(error.contains(text.split(' ').next().unwrap_or_default()), "{error}");
        }
        let text = "traces_sampler = 'traceidratio'\ntraces_endpoint = 'https://c/v1/traces'";
        assert!(ServerConfig::parse(text).is_ok());
    }
}
