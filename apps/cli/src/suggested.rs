//! What users suggested, in the folder of a store or on a running server.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use dragoman_store::{Status, Store, Suggestion};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// Suggestions asked for at once.
const PAGE: usize = 1000;

/// Where suggestions are kept.
pub(crate) enum Suggestions {
    /// A folder that no server has open.
    Folder(Store),
    /// A server, by its address and its admin key.
    Server { agent: ureq::Agent, url: String, key: String },
}

/// A suggestion as the admin API writes it.
#[derive(Debug, Deserialize)]
struct Row {
    id: u64,
    #[serde(flatten)]
    suggestion: Suggestion,
}

impl Suggestions {
    /// Opens `place`: the folder of a store, or the address of a running server.
    pub(crate) fn open(place: &str, admin_key: Option<&str>) -> anyhow::Result<Self> {
        if !place.starts_with("http://") && !place.starts_with("https://") {
            let folder = Path::new(place);
            let is_there = folder.is_dir() || Store::is_address(folder);
            ensure!(is_there, "there is no store in `{place}`");
            let place = Store::shown(folder).display().to_string();
            let store = Store::open(folder).with_context(|| {
                format!(
                    "opening the store `{place}`; while a server has it open, give the server's \
                     address instead"
                )
            })?;
            return Ok(Self::Folder(store));
        }
        let Some(key) = admin_key else {
            bail!("a server's store wants its admin key: `--admin-key KEY` or DRAGOMAN_ADMIN_KEY");
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let url = format!("{}/admin/suggestions", place.trim_end_matches('/'));
        Ok(Self::Server { agent, url, key: key.to_owned() })
    }

    /// All suggestions, oldest first, or those with one status.
    pub(crate) fn list(&self, status: Option<Status>) -> anyhow::Result<Vec<Suggestion>> {
        let mut all = match self {
            Self::Folder(store) => store.suggestions().collect::<Result<Vec<_>, _>>()?,
            Self::Server { .. } => self.pages()?,
        };
        all.retain(|suggestion| status.is_none_or(|status| status == suggestion.status));
        Ok(all)
    }

    /// Decides about the suggestion `id`, and returns it.
    pub(crate) fn judge(&self, id: u64, status: Status) -> anyhow::Result<Suggestion> {
        match self {
            Self::Folder(store) => store
                .judge_suggestion(id, status)?
                .with_context(|| format!("there is no suggestion {id}")),
            Self::Server { agent, url, key } => {
                let reply = agent
                    .put(&format!("{url}/{id}"))
                    .header("Authorization", format!("Bearer {key}"))
                    .send(json!({ "status": status }).to_string());
                let row: Row = serde_json::from_value(answer(url, reply)?)?;
                Ok(Suggestion { at: row.id, ..row.suggestion })
            }
        }
    }

    /// Forgets the suggestion `id`; returns whether there was one.
    pub(crate) fn remove(&self, id: u64) -> anyhow::Result<bool> {
        match self {
            Self::Folder(store) => Ok(store.remove_suggestion(id)?),
            Self::Server { agent, url, key } => {
                let reply = agent
                    .delete(&format!("{url}/{id}"))
                    .header("Authorization", format!("Bearer {key}"))
                    .call();
                Ok(answer(url, reply)?["removed"] == true)
            }
        }
    }

    /// All suggestions of a server, oldest first.
    fn pages(&self) -> anyhow::Result<Vec<Suggestion>> {
        let Self::Server { agent, url, key } = self else { return Ok(Vec::new()) };
        let mut all: Vec<Suggestion> = Vec::new();
        loop {
            let mut request = agent.get(url).query("limit", PAGE.to_string());
            if let Some(last) = all.last() {
                request = request.query("before", last.at.to_string());
            }
            let reply = request.header("Authorization", format!("Bearer {key}")).call();
            let mut reply = answer(url, reply)?;
            let rows: Vec<Row> = serde_json::from_value(reply["suggestions"].take())
                .with_context(|| format!("reading the answer of {url}"))?;
            let is_last = rows.len() < PAGE;
            all.extend(rows.into_iter().map(|row| Suggestion { at: row.id, ..row.suggestion }));
            if is_last {
                all.reverse();
                return Ok(all);
            }
        }
    }
}

/// Reads an answer of JSON, or says what the server says against it.
fn answer(
    url: &str,
    reply: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<Value> {
    let mut reply = reply.with_context(|| format!("asking {url}"))?;
    let status = reply.status();
    let body = reply.body_mut().with_config().limit(MAX_ANSWER).read_to_string()?;
    let value: Value = serde_json::from_str(&body).unwrap_or_default();
    match (status.as_u16(), value["error"].as_str()) {
        (200, _) => Ok(value),
        (401, _) => bail!("{url} refuses the admin key: is it the one that the server was given?"),
        (_, Some(error)) => bail!("{url} answers: {error}"),
        (404, None) => bail!("{url} is not there: a server without an admin key has no admin API"),
        _ => bail!("{url} answers {status}"),
    }
}
