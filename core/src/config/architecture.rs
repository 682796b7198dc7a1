//! How a model departs from those that this suite trains.

use serde::{Deserialize, Serialize};

/// The largest distance that attention may tell from others.
const MAX_DISTANCE: usize = 1 << 16;

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
    /// Whether norms divide by the root mean square and have no bias (Zhang and Sennrich 2019).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rms_norm: bool,
    /// What the attention of sources to themselves knows of distances. A side that knows them adds
    /// nothing to its embeddings.
    #[serde(skip_serializing_if = "DistanceKind::is_none")]
    pub source_distances: DistanceKind,
    /// The same for targets.
    #[serde(skip_serializing_if = "DistanceKind::is_none")]
    pub target_distances: DistanceKind,
    /// Factor of the scores of attention; absent for `1 / √(width of a head)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_scale: Option<f32>,
    /// Width of a head; absent for `D / H`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_width: Option<usize>,
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

/// What attention knows of the distance `j − i` from a query at place `i` to a key at place `j`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DistanceKind {
    /// Nothing: positions are added to the embeddings.
    #[default]
    None,
    /// Vectors of each layer that are added to keys and values (Shaw et al. 2018).
    Vectors {
        /// The largest distance; farther ones count as this.
        most: usize,
    },
    /// A bias for each head and bucket of distances in each layer (Raffel et al. 2020, T5).
    Buckets {
        /// Buckets; of sources half of them are for keys ahead.
        count: usize,
        /// From this distance on all fall into the last bucket.
        most: usize,
    },
    /// A slope for each head (ALiBi, Press et al. 2022).
    Slopes,
    /// Queries and keys are turned (Su et al. 2021).
    Rotary {
        /// Columns of each head that are turned, from the first.
        width: usize,
        /// The pair of columns `i` turns by `p · base^(−2i / width)`.
        base: f32,
        /// Whether neighbouring columns are a pair, instead of one of each half.
        interleaved: bool,
    },
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
            rms_norm: false,
            source_distances: DistanceKind::None,
            target_distances: DistanceKind::None,
            attention_scale: None,
            head_width: None,
            target: TargetMixing::default(),
            search: None,
        }
    }
}

impl DistanceKind {
    fn is_none(&self) -> bool {
        *self == Self::None
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

    /// Says what is wrong, if the fields contradict each other or heads of width `head`.
    pub(super) fn check(&self, head: usize) -> Result<(), String> {
        if head == 0 {
            return Err("architecture.head_width must be at least 1".into());
        }
        for distances in [&self.source_distances, &self.target_distances] {
            match *distances {
                DistanceKind::Vectors { most } if most == 0 || most > MAX_DISTANCE => {
                    return Err(format!("relative positions up to {most} are not known"));
                }
                DistanceKind::Buckets { count, most }
                    if count < 4 || most <= count / 2 || most > MAX_DISTANCE =>
                {
                    return Err(format!("{count} buckets of distances up to {most} are not known"));
                }
                DistanceKind::Rotary { width, base, .. }
                    if width == 0
                        || width % 2 != 0
                        || width > head
                        || base.is_nan()
                        || base <= 0.0 =>
                {
                    let reason = format!("rotary positions of {width} columns, base {base}");
                    return Err(format!("{reason}, do not fit heads of {head}"));
                }
                _ => {}
            }
        }
        if self.target == TargetMixing::Ssru && self.target_distances != DistanceKind::None {
            return Err("a target without attention knows no distances".into());
        }
        Ok(())
    }
}
