//! How a model departs from those that this suite trains.

use serde::{Deserialize, Serialize};

/// Choices of other suites, which imported models need. The default is the architecture of the
/// configurations of this suite; a run may choose another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Architecture {
    /// What is added to the embeddings for their places.
    pub positions: Positions,
    /// What embeddings are multiplied by; absent for `√D`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_scale: Option<f32>,
    /// Tokens of the source, where sources have embeddings of their own (`source_embedding.weight`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_vocab_size: Option<usize>,
    /// Whether the output layer has a weight of its own (`output.weight`) instead of the embedding.
    pub separate_output: bool,
    /// Whether a layer norm follows the embeddings with their positions.
    pub embedding_norm: bool,
    /// Whether feed-forward networks and experts have a gate, `down(act(gate(x)) ∘ up(x))` (Shazeer
    /// 2020): SwiGLU with the activation `silu`, GEGLU with `gelu`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gated: bool,
    /// What layer norms add to the variance.
    pub norm_epsilon: f32,
    /// What the tokens of a target pass on to those after them.
    pub target: TargetMixing,
    /// How the suite that a model comes from searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchDefaults>,
}

/// What is added to the embedding of the token at place `p`, `i` counting the first half of a row;
/// all sines stand before all cosines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Positions {
    /// Angles `p / 10000^(2i/D)` (Vaswani et al. 2017).
    #[default]
    Sinusoid,
    /// Angles `(p + first) · 10000^(−i / (D/2 − 1))`, as in Marian and fairseq.
    Fairseq {
        /// Place of the first token.
        first: usize,
    },
    /// Rows of the weight `embedding.positions`, `(P, D)`.
    Table,
}

/// What the tokens of a target pass on to those after them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetMixing {
    /// Attention to all tokens before.
    #[default]
    Attention,
    /// A simpler simple recurrent unit (Kim et al. 2019).
    Ssru,
}

/// How hypotheses are scored and when a beam ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchDefaults {
    /// Exponent of the length that scores are divided by.
    pub length_penalty: f32,
    /// When the beam of a sentence ends.
    pub stopping: Stopping,
}

/// When the beam of a sentence ends, which has as many finished hypotheses as it keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopping {
    /// Once no live hypothesis scores better than the best finished one.
    #[default]
    Best,
    /// Once no live hypothesis scores better than the worst finished one that is kept, as in
    /// Hugging Face's `generate`.
    Worst,
    /// At once, as in CTranslate2.
    Full,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            positions: Positions::default(),
            embedding_scale: None,
            source_vocab_size: None,
            separate_output: false,
            embedding_norm: false,
            gated: false,
            norm_epsilon: 1e-5,
            target: TargetMixing::default(),
            search: None,
        }
    }
}

impl Default for SearchDefaults {
    fn default() -> Self {
        Self { length_penalty: 1.0, stopping: Stopping::default() }
    }
}

impl Architecture {
    /// Whether it is the one that this suite trains.
    pub(super) fn is_own(&self) -> bool {
        *self == Self::default()
    }
}
