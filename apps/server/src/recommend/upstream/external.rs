//! External recommenders: an address that answers with the identifiers of items for a user.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prometheus::IntCounterVec;
use serde_json::Value;

use super::Gate;
use crate::recommend::rank::hash;

/// What the names of external recommenders begin with.
const PREFIX: &str = "external/";

/// What the hash of a name begins with.
const SEED: u64 = 4;

/// Bytes of an answer at most.
const MAX_BYTES: u64 = 1 << 20;

/// Items of an answer that count.
const MAX_ITEMS: usize = 10_000;

/// Items that are asked for at least, because some of them the user may have seen.
const LEAST: usize = 100;

/// An external recommender as requests and groups name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ExternalId(u64);

/// An external recommender of the settings: `NAME=ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) name: String,
    /// With `{user}`, and perhaps `{n}`, where they go.
    address: String,
}

/// The external recommenders of a server.
#[derive(Debug)]
pub(crate) struct Externals {
    all: Vec<(External, Gate)>,
    agent: ureq::Agent,
}

impl ExternalId {
    /// Reads `external/NAME`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix(PREFIX).filter(|name| !name.is_empty())?;
        Some(Self(hash(SEED, name)))
    }
}

impl External {
    /// Reads `name=http://127.0.0.1:9000/items?user={user}&n={n}`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |reason: &str| format!("`external_recommenders`: `{text}` {reason}");
        let (name, address) = text
            .split_once('=')
            .map(|(name, address)| (name.trim(), address.trim()))
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| refuse("must be `name=http://…`"))?;
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(refuse("needs an address that begins with http:// or https://"));
        }
        if !address.contains("{user}") {
            return Err(refuse("needs `{user}` where the identifier of the user goes"));
        }
        Ok(Self { name: name.into(), address: address.into() })
    }

    /// What requests and groups call it.
    pub(crate) fn id(&self) -> ExternalId {
        ExternalId(hash(SEED, &self.name))
    }

    /// The address to ask for `n` items for `user`.
    fn address_of(&self, user: &str, n: usize) -> String {
        let user = utf8_percent_encode(user, NON_ALPHANUMERIC).to_string();
        self.address.replace("{n}", &n.to_string()).replace("{user}", &user)
    }
}

impl Externals {
    /// Those of the settings, which may take `timeout` for an answer.
    pub(crate) fn new(all: &[External], timeout: Duration, counts: &IntCounterVec) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0);
        let gated = |external: &External| {
            let gate = Gate::new(&format!("{PREFIX}{}", external.name), counts.clone());
            (external.clone(), gate)
        };
        Self { all: all.iter().map(gated).collect(), agent: config.build().into() }
    }

    /// The identifiers that the recommender `id` gives for `user`, the best first, `n` of them and more;
    /// none where it gives nothing. Blocks.
    pub(crate) fn ask(&self, id: ExternalId, user: &str, n: usize) -> Option<Vec<String>> {
        let (external, gate) = self.all.iter().find(|(external, _)| external.id() == id)?;
        let address = external.address_of(user, n.max(LEAST));
        gate.call(|| self.fetch(&address))
    }

    fn fetch(&self, address: &str) -> Result<Vec<String>, String> {
        let mut response =
            self.agent.get(address).call().map_err(|error| format!("{address}: {error}"))?;
        let status = response.status();
        if status != 200 {
            return Err(format!("{address} answered {status}"));
        }
        let text = response.body_mut().with_config().limit(MAX_BYTES).read_to_string();
        let text = text.map_err(|error| format!("{address}: {error}"))?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|error| format!("{address} answered no JSON: {error}"))?;
        identifiers(&answer).ok_or_else(|| {
            format!("{address} answered no list of items; `[\"a\", \"b\"]` or `[{{\"Id\": \"a\"}}]` is one")
        })
    }
}

/// The identifiers of a list of texts, numbers or objects with an identifier, also as `items` of an
/// object; none of anything else.
fn identifiers(answer: &Value) -> Option<Vec<String>> {
    let field = |object: &Value, names: &[&str]| {
        let fields = object.as_object()?;
        let is_one = |name: &&String| names.iter().any(|one| name.eq_ignore_ascii_case(one));
        fields.keys().find(is_one).map(|name| fields[name].clone())
    };
    let named = field(answer, &["items", "recommendations"]);
    let list = named.as_ref().unwrap_or(answer).as_array()?;
    let identifier = |one: &Value| match one {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::Object(_) => match field(one, &["id", "itemid", "item_id", "item"])? {
            Value::String(id) => Some(id),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        },
        _ => None,
    };
    list.iter().take(MAX_ITEMS).map(identifier).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_several_shapes_are_lists() {
        let expected = Some(vec!["a".to_owned(), "7".to_owned()]);
        for answer in [
            json!(["a", 7]),
            json!([{ "Id": "a", "Score": 2.0 }, { "Id": "7", "Score": 1.0 }]),
            json!({ "items": [{ "item_id": "a" }, { "ItemId": 7 }] }),
        ] {
            assert_eq!(identifiers(&answer), expected, "{answer}");
        }
        assert_eq!(identifiers(&json!([])), Some(Vec::new()));
        for answer in [json!({ "error": "x" }), json!("a"), json!([null]), json!([{ "x": 1 }])] {
            assert_eq!(identifiers(&answer), None, "{answer}");
        }
    }

    #[test]
    fn a_setting_names_a_recommender_and_its_address() -> Result<(), String> {
        let external = External::parse("shop = http://127.0.0.1:1/of/{user}?n={n}")?;
        assert_eq!(external.address_of("a/b {n}", 5), "http://127.0.0.1:1/of/a%2Fb%20%7Bn%7D?n=5");
        assert_eq!(ExternalId::parse("external/shop"), Some(external.id()));
        assert_eq!([ExternalId::parse("shop"), ExternalId::parse("external/")], [None, None]);
        for (text, named) in
            [("http://x", "name="), ("a=ftp://x/{user}", "http://"), ("a=http://x", "{user}")]
        {
            let error = External::parse(text).expect_err(text);
            assert!(error.contains(named), "{error}");
        }
        Ok(())
    }
}
