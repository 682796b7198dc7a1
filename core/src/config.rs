//! The typed description of a model, `config.json`.

mod architecture;
mod recommendation;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use architecture::{
    Architecture, DistanceKind, Positions, SearchDefaults, Stopping, TargetMixing,
};
pub use recommendation::{RecommendationConfig, SegmentGate};

pub use crate::kernels::activation::Activation;
use crate::{Error, Result, moe::Routing};

/// Layers of an encoder, of a decoder or of a model that recommends, at most.
const MAX_LAYERS: usize = 1024;

/// Any width within a model at most.
const MAX_WIDTH: usize = 1 << 18;

/// Tokens of a vocabulary, or items of a catalogue, at most.
const MAX_VOCABULARY: usize = 1 << 26;

/// Tokens of a sentence, or events of a history, at most.
const MAX_POSITIONS: usize = 1 << 20;

/// Refuses a size that no memory holds: a config can come from anywhere.
fn at_most(name: &str, size: usize, most: usize) -> Result<(), String> {
    match size > most {
        true => Err(format!("{name} {size} must be at most {most}")),
        false => Ok(()),
    }
}

/// What kind of model a directory holds, and its shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelConfig {
    /// Translates sentences.
    Translation(TranslationConfig),
    /// Recommends items.
    Recommendation(RecommendationConfig),
}

/// Shape of an encoder-decoder transformer with experts.
///
/// Holds no count of experts: the register, `experts.json`, lists them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TranslationConfig {
    /// Tokens in the vocabulary, `V`; equals the tokenizer's.
    pub vocab_size: usize,
    /// Width of the model, `D`.
    pub d_model: usize,
    /// Attention heads, `H`; divides `d_model`.
    pub num_heads: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder; few make decoding fast (Kasai et al. 2021).
    pub decoder_layers: usize,
    /// Inner width of the feed-forward networks in layers without experts, `F`.
    pub d_ff: usize,
    /// Non-linearity of all feed-forward networks.
    pub activation: Activation,
    /// Whether layer norms stand before each block (and once more at the end) or after it.
    pub norm: NormPlacement,
    /// Longest sentence in tokens, tags included.
    pub max_positions: usize,
    /// Whether logits have a bias of their own (Marian's `final_logits_bias`).
    pub output_bias: bool,
    /// The layers of experts; absent in a dense model.
    pub moe: Option<MoeConfig>,
    /// How it departs from the models that this suite trains.
    #[serde(skip_serializing_if = "Architecture::is_own")]
    pub architecture: Architecture,
}

/// Which layers hold experts, and how tokens choose among the experts of their route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoeConfig {
    /// Encoder layer `i` holds experts if `(i + 1) % encoder_freq == 0`; 0 means none do.
    pub encoder_freq: usize,
    /// The same for the decoder.
    pub decoder_freq: usize,
    /// Experts of its group that each token visits, `K`; smaller than every group.
    pub top_k: usize,
    /// Inner width of the shared expert that sees every token; 0 means there is none.
    pub shared_d_ff: usize,
    /// A published rule by which tokens find their experts, instead of the group of their route;
    /// then all directions share all experts, and `top_k` is the rule's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}

/// Where the layer norms of a residual block stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormPlacement {
    /// `x + f(norm(x))`, and a last norm after all layers.
    Pre,
    /// `norm(x + f(x))`, as in Vaswani et al. 2017 and Marian.
    Post,
}

impl Default for TranslationConfig {
    fn default() -> Self {
        Self {
            vocab_size: 8000,
            d_model: 256,
            num_heads: 4,
            encoder_layers: 6,
            decoder_layers: 2,
            d_ff: 1024,
            activation: Activation::Relu,
            norm: NormPlacement::Pre,
            max_positions: 512,
            output_bias: false,
            moe: Some(MoeConfig::default()),
            architecture: Architecture::default(),
        }
    }
}

impl Default for MoeConfig {
    fn default() -> Self {
        Self { encoder_freq: 2, decoder_freq: 2, top_k: 2, shared_d_ff: 512, routing: None }
    }
}

impl ModelConfig {
    /// Reads and checks the text of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let error = |reason: String| Error::Config { path: path.into(), reason };
        let config: Self = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
        match &config {
            Self::Translation(translation) => translation.check().map_err(error)?,
            Self::Recommendation(recommendation) => recommendation.check().map_err(error)?,
        }
        Ok(config)
    }
}

impl TranslationConfig {
    /// Says what is wrong, if the fields contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { d_model, num_heads, vocab_size, max_positions, .. } = *self;
        for (name, size, most) in [
            ("vocab_size", vocab_size, MAX_VOCABULARY),
            ("d_model", d_model, MAX_WIDTH),
            ("num_heads", num_heads, MAX_WIDTH),
            ("d_ff", self.d_ff, MAX_WIDTH),
            ("max_positions", max_positions, MAX_POSITIONS),
            ("encoder_layers", self.encoder_layers, MAX_LAYERS),
            ("decoder_layers", self.decoder_layers, MAX_LAYERS),
            ("moe.shared_d_ff", self.moe.as_ref().map_or(0, |moe| moe.shared_d_ff), MAX_WIDTH),
        ] {
            at_most(name, size, most)?;
        }
        let divides = num_heads > 0 && d_model % num_heads == 0;
        if num_heads == 0 || d_model == 0 || (!divides && self.architecture.head_width.is_none()) {
            return Err(format!("num_heads {num_heads} must divide d_model {d_model}"));
        }
        if d_model % 2 != 0 {
            return Err(format!("d_model {d_model} must be even, for the sinusoids"));
        }
        if self.encoder_layers == 0 || self.decoder_layers == 0 || self.d_ff == 0 {
            return Err("encoder_layers, decoder_layers and d_ff must be at least 1".into());
        }
        if vocab_size < 8 || max_positions < 8 {
            return Err("vocab_size and max_positions must be at least 8".into());
        }
        if self.architecture.norm_epsilon.is_nan() || self.architecture.norm_epsilon < 0.0 {
            return Err("architecture.norm_epsilon must not be negative".into());
        }
        at_most("architecture.head_width", self.attention_width() / num_heads, MAX_WIDTH)?;
        self.architecture.check(self.attention_width() / num_heads)?;
        match &self.moe {
            Some(moe) if moe.top_k == 0 => Err("moe.top_k must be at least 1".into()),
            _ => Ok(()),
        }
    }

    /// Width of all heads of an attention, side by side.
    pub fn attention_width(&self) -> usize {
        self.architecture.head_width.map_or(self.d_model, |width| width * self.num_heads)
    }

    /// Names of the layers that hold experts, such as `encoder.1`, in the order of the flow.
    pub fn moe_layers(&self) -> Vec<String> {
        let Some(moe) = &self.moe else { return Vec::new() };
        let layers = |side: &str, count: usize, freq: usize| {
            let holds = move |i: &usize| freq > 0 && (i + 1).is_multiple_of(freq);
            (0..count).filter(holds).map(|i| format!("{side}.{i}")).collect::<Vec<_>>()
        };
        let mut names = layers("encoder", self.encoder_layers, moe.encoder_freq);
        names.extend(layers("decoder", self.decoder_layers, moe.decoder_freq));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contradiction_is_named_with_its_file() {
        let text = r#"{ "kind": "translation", "d_model": 256, "num_heads": 3 }"#;
        let error = ModelConfig::parse(text, Path::new("m/config.json")).expect_err("3 heads");
        assert_eq!(error.to_string(), "m/config.json: num_heads 3 must divide d_model 256");
    }

    #[test]
    fn a_size_that_no_memory_holds_is_refused() {
        let of_translation = ["encoder_layers", "d_model", "d_ff", "vocab_size", "max_positions"];
        let of_recommendation = ["num_layers", "d_model", "d_ff", "num_items", "max_history"];
        for (kind, fields) in
            [("translation", of_translation), ("recommendation", of_recommendation)]
        {
            for field in fields {
                let text = format!(r#"{{ "kind": "{kind}", "{field}": 2147483648 }}"#);
                let error =
                    ModelConfig::parse(&text, Path::new("c")).expect_err("2^31").to_string();
                assert!(error.contains(field), "{error}");
            }
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{ "kind": "translation", "num_experts": 8 }"#;
        let error = ModelConfig::parse(text, Path::new("c")).expect_err("no such field");
        assert!(error.to_string().contains("num_experts"), "{error}");
    }

    #[test]
    fn every_second_layer_holds_experts() {
        let layers = TranslationConfig::default().moe_layers();
        assert_eq!(layers, ["encoder.1", "encoder.3", "encoder.5", "decoder.1"]);
    }
}
