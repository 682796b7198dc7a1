//! What the services need of a translation model: jobs in, translations out.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Result, memory::MemoryStats, quality::Signals};

/// One sentence to translate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TranslationJob {
    /// Code of the language of `text`, such as `en`.
    pub source: String,
    /// Code of the language to translate into.
    pub target: String,
    /// Domain experts to consult, by name; empty for none.
    pub domains: Vec<String>,
    /// The sentence itself.
    pub text: String,
    /// How many hypotheses to return, at least one.
    pub num_hypotheses: usize,
    /// Whether to record which experts each token visited.
    pub trace: bool,
    /// Words that the translation is to use.
    pub wanted: Wanted,
}

/// Words that a translation is to use: models that [can](Translate::can_want) search for one that
/// has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Wanted {
    /// The terms, each in several forms of which one is enough.
    pub terms: Vec<Vec<String>>,
}

/// One way to translate a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The translated sentence.
    pub text: String,
    /// Mean log-probability per token.
    pub score: f32,
    /// What else the model knows about it; none of what no model made.
    pub signals: Option<Signals>,
    /// The chrF++ that it probably has, 0 to 100, of a model that estimates it.
    pub quality: Option<f32>,
}

impl Hypothesis {
    /// A translation of which no more is known.
    pub fn new(text: String, score: f32) -> Self {
        Self { text, score, signals: None, quality: None }
    }
}

/// The answer to a [`TranslationJob`].
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The hypotheses, best first; at least one.
    pub hypotheses: Vec<Hypothesis>,
    /// One leg, or two when translated through a third language; empty unless traced.
    pub legs: Vec<Leg>,
}

/// The way of one sentence through one route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leg {
    /// Name of the route, such as `en-de`.
    pub route: String,
    /// The tokens the encoder read.
    pub source: Vec<TokenTrace>,
    /// The tokens the decoder wrote.
    pub target: Vec<TokenTrace>,
}

/// The experts one token visited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenTrace {
    /// The token as the tokenizer shows it.
    pub text: String,
    /// Its visits, layer by layer.
    pub layers: Vec<LayerTrace>,
}

/// The experts one token visited in one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerTrace {
    /// Path of the layer, such as `encoder.1`.
    pub layer: String,
    /// The experts, heaviest first.
    pub experts: Vec<Visit>,
}

/// One visit of a token to an expert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Visit {
    /// Name of the expert.
    pub name: String,
    /// Its share of the layer's output.
    pub weight: f32,
}

/// What the services need of a model.
pub trait Translate: Send + Sync {
    /// Codes of the languages, sorted.
    fn languages(&self) -> Vec<String>;

    /// Whether `source` can be translated into `target`, directly or through a third language.
    fn can_translate(&self, source: &str, target: &str) -> bool;

    /// Whether `source` is translated into `target` in one step; asked only where it can be.
    fn is_direct(&self, source: &str, target: &str) -> bool {
        self.can_translate(source, target)
    }

    /// Names of the domain experts, sorted.
    fn domains(&self) -> Vec<String>;

    /// Whether the expert of `domain` has a part in translating `source` into `target`.
    fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        let _ = (source, target);
        self.domains().iter().any(|known| known == domain)
    }

    /// The domain that `text` is most likely of, with a probability, among those that cover the way
    /// from `source` to `target` and has a detector; none if there are none.
    fn detect_domain(&self, text: &str, source: &str, target: &str) -> Option<(String, f32)> {
        let _ = (text, source, target);
        None
    }

    /// Rows that each added expert has computed since the model was loaded, by name: one for each
    /// token in each layer. It is computed on request only.
    fn added(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Translates `jobs` as one batch, and answers in their order; blocks and is CPU-bound.
    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>>;

    /// How many [placeholders](crate::tokenizer::placeholder) the model copies from `source` into
    /// `target`, from the first on: it knows a token for each. None for most models.
    fn placeholders(&self, source: &str, target: &str) -> usize {
        let _ = (source, target);
        0
    }

    /// Whether translations from `source` into `target` use what a job [wants](TranslationJob::wanted).
    fn can_want(&self, source: &str, target: &str) -> bool {
        let _ = (source, target);
        false
    }

    /// Whether `source` is translated into `target` by another machine: a call then waits rather than
    /// computes, and should not keep others from computing.
    fn is_remote(&self, source: &str, target: &str) -> bool {
        let _ = (source, target);
        false
    }

    /// What happened in the memory of experts, where there is one.
    fn memory(&self) -> Option<MemoryStats> {
        None
    }

    /// The register of experts, for people to read.
    fn experts(&self) -> serde_json::Value;
}
