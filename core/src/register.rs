//! The register of experts and routes, `experts.json`: the only commit point of a model.

mod create;
mod paths;
mod groups;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, recommend::rule::Rule};

pub use paths::Step;

/// Name of the route that the users of a recommendation model take.
pub const ALL_USERS: &str = "users";

/// Every expert of a model, and every route that leads to them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// sha256 of `config.json`, hexadecimal; empty in registers of older programs. Who fetches a model
    /// checks it; a folder on disk may have a configuration that was edited by hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config_sha256: String,
    /// sha256 of `shared.safetensors`, hexadecimal.
    #[serde(default)]
    pub shared_sha256: String,
    /// sha256 of `tokenizer.json`, hexadecimal.
    #[serde(default)]
    pub tokenizer_sha256: String,
    /// sha256 of every other file, hexadecimal, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Experts, in the order in which they came.
    #[serde(default)]
    pub experts: Vec<ExpertEntry>,
    /// What callers may ask for.
    pub routes: Vec<Route>,
}

/// One expert: a feed-forward network in each of the layers it covers, with its own gate rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertEntry {
    /// Name, such as `pair.en-de`, `free.2` or `domain.it`.
    pub name: String,
    /// What the expert is for.
    pub kind: ExpertKind,
    /// Layers it covers, such as `encoder.1`.
    pub layers: Vec<String>,
    /// Inner width, `F`.
    pub d_ff: usize,
    /// File under the model directory; empty while the model is only in memory.
    #[serde(default)]
    pub file: String,
    /// sha256 of the file, hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// The expert it was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Names of the routes that may ask for it; only a domain expert has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Rank of a low-rank expert over the network that every token of its layer visits (LoRA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<usize>,
    /// The language that came with the expert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<LanguageTag>,
    /// sha256 of the shared weights that a retrieval expert's states were computed with, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Buckets of the detector in the file, which tells the domain's texts from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<usize>,
    /// Corpora it learned from.
    #[serde(default)]
    pub trained_on: Vec<TrainedOn>,
    /// When it was written, RFC 3339.
    #[serde(default)]
    pub created: String,
    /// Scores by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

/// A language that no tag of the tokenizer was made for: it takes a reserved one, whose embedding
/// lies in the expert's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageTag {
    /// Code of the language.
    pub language: String,
    /// The reserved token that stands for it.
    pub id: u32,
}

/// What an expert is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpertKind {
    /// Shared by all routes, without a meaning given beforehand.
    Free,
    /// One language pair, in one direction.
    Pair,
    /// One subject, added beside the group of a route.
    Domain,
    /// One subject, as states of the decoder over texts and the tokens that followed: it votes at every
    /// token, and has no layers.
    Retrieval,
    /// One group of users.
    Segment,
    /// A second catalogue, with all that a model knows of it.
    Catalogue,
}

impl ExpertKind {
    /// Whether rows ask for such an expert by the name of a domain.
    pub fn is_of_domain(self) -> bool {
        matches!(self, Self::Domain | Self::Retrieval)
    }
}

/// A corpus that an expert learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// What the corpus is called.
    pub name: String,
    /// sha256 of the corpus, hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// Licence of its text.
    #[serde(default)]
    pub licence: String,
}

/// What the caller knows before the first layer runs, and the experts it leads to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name, such as `en-de`.
    pub name: String,
    /// Language of the source; empty in a model that recommends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Language of the target; empty in a model that recommends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Languages each of which it translates into each other, in place of one pair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub between: Vec<String>,
    /// Experts that a token may choose among, by slot.
    #[serde(default)]
    pub group: Vec<String>,
    /// The users that take it in a model that recommends; those who match no rule take the first
    /// route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
}

/// Where a row of a batch goes: its route, and the domain experts that it asks for besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RowRoute {
    /// Index of the route in the register.
    pub route: u32,
    /// Bit `i` asks for the `i`-th domain expert of the register.
    pub domains: u64,
}

impl From<u32> for RowRoute {
    /// A route without domains.
    fn from(route: u32) -> Self {
        Self { route, domains: 0 }
    }
}

impl ExpertEntry {
    /// An expert of a model that is only in memory.
    pub fn new(name: String, kind: ExpertKind, layers: &[String], d_ff: usize) -> Self {
        Self {
            name,
            kind,
            layers: layers.to_vec(),
            d_ff,
            file: String::new(),
            sha256: String::new(),
            parent: None,
            routes: Vec::new(),
            lora: None,
            tag: None,
            base: None,
            detector: None,
            trained_on: Vec::new(),
            created: String::new(),
            metrics: BTreeMap::new(),
        }
    }

    /// The name without its kind: `it` of `domain.it`.
    pub fn short_name(&self) -> &str {
        self.name.split_once('.').map_or(&self.name, |(_, name)| name)
    }
}

impl Register {
    /// Reads and checks the text of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let error = |reason: String| Error::Config { path: path.into(), reason };
        let register: Self = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
        register.check().map_err(error)?;
        Ok(register)
    }

    /// Says what is wrong, if names repeat or lead nowhere.
    pub fn check(&self) -> Result<(), String> {
        for (i, expert) in self.experts.iter().enumerate() {
            if self.experts[..i].iter().any(|other| other.name == expert.name) {
                return Err(format!("expert `{}` is listed twice", expert.name));
            }
            if expert.d_ff == 0 && expert.kind != ExpertKind::Retrieval {
                return Err(format!("expert `{}` has d_ff 0", expert.name));
            }
        }
        if let Some(file) = self.file_names().find(|file| !is_inside(file)) {
            return Err(format!("`{file}` is no plain name of a file in the model's folder"));
        }
        let (domains, most) = (self.domain_experts().count(), u64::BITS);
        if domains > most as usize {
            return Err(format!("{domains} domain experts are more than the {most} that fit"));
        }
        for expert in &self.experts {
            let known = |name: &&String| !self.routes.iter().any(|route| route.name == **name);
            if let Some(name) = expert.routes.iter().find(known) {
                return Err(format!("expert `{}` names an unknown route `{name}`", expert.name));
            }
        }
        for (i, route) in self.routes.iter().enumerate() {
            if self.routes[..i].iter().any(|other| other.name == route.name) {
                return Err(format!("route `{}` is listed twice", route.name));
            }
            if let Some(name) = route.group.iter().find(|name| self.expert(name).is_none()) {
                return Err(format!("route `{}` names an unknown expert `{name}`", route.name));
            }
            if route.rule.is_some() && (i == 0 || !route.source.is_empty()) {
                return Err(format!("route `{}` cannot have a rule: others need it", route.name));
            }
        }
        Ok(())
    }

    /// Every file of an expert or a catalogue, by its place in the model directory.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let of_experts = self.experts.iter().map(|expert| expert.file.as_str());
        let files = of_experts.chain(self.files.keys().map(String::as_str));
        files.filter(|file| !file.is_empty())
    }

    /// The expert called `name`.
    pub fn expert(&self, name: &str) -> Option<&ExpertEntry> {
        self.experts.iter().find(|expert| expert.name == name)
    }

    /// Experts that a domain asks for, trained or of retrieval, in the order in which they came.
    pub fn domain_experts(&self) -> impl Iterator<Item = &ExpertEntry> {
        self.experts.iter().filter(|expert| expert.kind.is_of_domain())
    }

    /// Domain experts that `route` may ask for.
    pub fn domains_of(&self, route: usize) -> impl Iterator<Item = &ExpertEntry> {
        let name = &self.routes[route].name;
        self.domain_experts().filter(move |expert| expert.routes.contains(name))
    }

    /// Where a row goes that takes `route` with these domain experts. A domain expert that does not
    /// cover the route is left out.
    pub fn row_route(&self, route: usize, domains: &[String]) -> RowRoute {
        let name = &self.routes[route].name;
        let mut set = 0;
        for (i, expert) in self.domain_experts().enumerate() {
            if domains.contains(&expert.name) && expert.routes.contains(name) {
                set |= 1 << i;
            }
        }
        RowRoute { route: route as u32, domains: set }
    }

    /// Index of the route between two languages: that of the pair, else one between many languages.
    pub fn route(&self, source: &str, target: &str) -> Option<usize> {
        let is_pair = |route: &Route| route.source == source && route.target == target;
        let joins = |route: &Route| {
            source != target
                && [source, target].iter().all(|l| route.between.iter().any(|b| b == l))
        };
        let pair = self.routes.iter().position(is_pair);
        pair.or_else(|| self.routes.iter().position(joins))
    }

    /// All languages of all routes, sorted.
    pub fn languages(&self) -> Vec<String> {
        let all = |route: &Route| {
            [&[route.source.clone(), route.target.clone()], &route.between[..]].concat()
        };
        let mut languages: Vec<String> = self.routes.iter().flat_map(all).collect();
        languages.retain(|language| !language.is_empty());
        languages.sort();
        languages.dedup();
        languages
    }
}

/// Whether a file lies in the folder of the model, as far as its name says: removing, extracting and
/// downloading go by it.
fn is_inside(file: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    file.split('/').all(is_plain) && !file.contains(['\\', ':', '\0'])
}

#[cfg(test)]
mod tests;
