//! Folders of Hugging Face: Marian (OPUS-MT), M2M100, SMaLL-100, NLLB and NLLB-MoE.

use std::path::Path;

use dragoman_core::{
    config::{
        Architecture, MoeConfig, NormPlacement, Positions, SearchDefaults, Stopping,
        TranslationConfig,
    },
    moe::{
        Capacity, Routing,
        routers::{GshardConfig, SecondExpert},
    },
    register::{ExpertEntry, ExpertKind},
};
use serde::Deserialize;

use super::{activation, m2m100, marian};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, pickle::PickleFiles, safetensors::SafetensorsFiles},
    files,
    plan::{ImportPlan, Part, Planned, Request},
};

/// Model types that are known, as `config.json` names them.
pub(crate) const KNOWN: [&str; 3] = ["marian", "m2m_100", "nllb-moe"];

/// The fields of `config.json` that matter.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    model_type: String,
    pub(crate) d_model: usize,
    encoder_layers: usize,
    pub(crate) decoder_layers: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    #[serde(default = "relu")]
    activation_function: String,
    #[serde(default = "positions")]
    max_position_embeddings: usize,
    #[serde(default)]
    scale_embedding: bool,
    pub(crate) vocab_size: usize,
    pub(crate) decoder_vocab_size: Option<usize>,
    #[serde(default = "yes")]
    share_encoder_decoder_embeddings: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    pub(crate) pad_token_id: u32,
    pub(crate) eos_token_id: u32,
    pub(crate) decoder_start_token_id: u32,
    #[serde(default)]
    normalize_before: bool,
    #[serde(default)]
    normalize_embedding: bool,
    num_experts: Option<usize>,
    encoder_sparse_step: Option<usize>,
    decoder_sparse_step: Option<usize>,
    #[serde(default)]
    moe_token_dropout: f32,
    #[serde(default)]
    normalize_router_prob_before_dropping: bool,
    #[serde(default)]
    batch_prioritized_routing: bool,
    #[serde(default)]
    moe_eval_capacity_token_fraction: f32,
    #[serde(default)]
    router_bias: bool,
    #[serde(flatten)]
    generation: Generation,
}

/// How the model is to be searched: fields of `generation_config.json`, or of `config.json` before
/// there was one.
#[derive(Debug, Clone, Default, Deserialize)]
struct Generation {
    length_penalty: Option<f32>,
    early_stopping: Option<serde_json::Value>,
}

impl Generation {
    fn defaults(&self, of_folder: &Self) -> SearchDefaults {
        let early = of_folder.early_stopping.as_ref().or(self.early_stopping.as_ref());
        let is_early = early.and_then(serde_json::Value::as_bool).unwrap_or(false);
        let penalty = of_folder.length_penalty.or(self.length_penalty);
        SearchDefaults {
            length_penalty: penalty.unwrap_or(1.0),
            stopping: if is_early { Stopping::Full } else { Stopping::Worst },
        }
    }
}

fn relu() -> String {
    "relu".into()
}

fn positions() -> usize {
    1024
}

fn yes() -> bool {
    true
}

impl Config {
    pub(crate) fn is_moe(&self) -> bool {
        self.model_type == "nllb-moe"
    }

    fn is_marian(&self) -> bool {
        self.model_type == "marian"
    }

    /// Whether layer `i` of a side holds experts.
    fn is_sparse(&self, side: &str, i: usize) -> bool {
        let step = match side {
            "encoder" => self.encoder_sparse_step,
            _ => self.decoder_sparse_step,
        };
        self.is_moe() && step.is_some_and(|step| step > 0 && (i + 1).is_multiple_of(step))
    }
}

/// Plans the model in `folder`.
pub(crate) fn plan(folder: &Path, request: &Request) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let path = folder.join("config.json");
    let raw: serde_json::Value = files::json(&path)?;
    let kind = raw["model_type"].as_str().unwrap_or_default();
    if !KNOWN.contains(&kind) {
        let known = KNOWN.join(", ");
        let reason = format!("the architecture `{kind}` is not known; {known} are");
        return Err(Error::file(&path, reason));
    }
    let config: Config = serde_json::from_value(raw)
        .map_err(|error| Error::file(&path, format!("is not a whole configuration: {error}")))?;
    let checkpoint = open(folder)?;
    let generation = folder.join("generation_config.json");
    let generation: Generation = match generation.is_file() {
        true => files::json(&generation)?,
        false => Generation::default(),
    };
    let search = config.generation.defaults(&generation);
    let tensors = Tensors { config: &config, checkpoint: &*checkpoint, search };
    let ours = tensors.config()?;
    let (vocabulary, mut register) = match config.is_marian() {
        true => marian::vocabulary(folder, &config, request)?,
        false => m2m100::vocabulary(folder, &config)?,
    };
    let shared = tensors.shared();
    let mut experts = Vec::new();
    for (entry, planned) in tensors.experts() {
        register.experts.push(entry);
        experts.push(planned);
    }
    Ok((ImportPlan { config: ours, register, vocabulary, shared, experts }, checkpoint))
}

/// The weights in a folder: safetensors before pickles, one file before shards.
fn open(folder: &Path) -> Result<Box<dyn Checkpoint>> {
    let [whole, index, pickle, pickles] = [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ]
    .map(|name| folder.join(name));
    if whole.is_file() {
        return Ok(Box::new(SafetensorsFiles::open(&whole)?));
    }
    if index.is_file() {
        return Ok(Box::new(SafetensorsFiles::open_index(&index)?));
    }
    if pickle.is_file() {
        return Ok(Box::new(PickleFiles::open(&pickle)?));
    }
    if pickles.is_file() {
        return Ok(Box::new(PickleFiles::open_index(&pickles)?));
    }
    let reason =
        "holds no weights: neither `model.safetensors` nor `pytorch_model.bin`, nor an index";
    Err(Error::file(folder, reason))
}

/// Names and shapes of the tensors.
struct Tensors<'a> {
    config: &'a Config,
    checkpoint: &'a dyn Checkpoint,
    search: SearchDefaults,
}

/// A name of ours, and those of theirs that are stacked for it; each has a weight and a bias.
type Stack = (String, Vec<String>);

impl Tensors<'_> {
    fn config(&self) -> Result<TranslationConfig> {
        let config = self.config;
        if config.encoder_attention_heads != config.decoder_attention_heads
            || config.encoder_ffn_dim != config.decoder_ffn_dim
        {
            let reason =
                "encoder and decoder differ in heads or inner width, which is not known yet";
            return Err(Error::Unsupported(reason.into()));
        }
        let pre_norm = !config.is_marian() || config.normalize_before;
        let positions = match config.is_marian() {
            true => Positions::Sinusoid,
            false => Positions::Fairseq { first: 2 },
        };
        let source_vocab_size =
            (!config.share_encoder_decoder_embeddings).then_some(config.vocab_size);
        let architecture = Architecture {
            positions,
            embedding_scale: (!config.scale_embedding).then_some(1.0),
            source_vocab_size,
            separate_output: !config.tie_word_embeddings,
            embedding_norm: config.normalize_embedding,
            search: Some(self.search),
            ..Architecture::default()
        };
        Ok(TranslationConfig {
            vocab_size: config.decoder_vocab_size.unwrap_or(config.vocab_size),
            d_model: config.d_model,
            num_heads: config.encoder_attention_heads,
            encoder_layers: config.encoder_layers,
            decoder_layers: config.decoder_layers,
            d_ff: config.encoder_ffn_dim,
            activation: activation(&config.activation_function)?,
            norm: if pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
            max_positions: config.max_position_embeddings,
            output_bias: self.has("final_logits_bias"),
            moe: config.is_moe().then(|| self.moe()).transpose()?,
            architecture,
        })
    }

    fn moe(&self) -> Result<MoeConfig> {
        let config = self.config;
        if config.router_bias || config.moe_eval_capacity_token_fraction != 1.0 {
            let reason =
                "its router has a bias or drops tokens at inference, which is not known yet";
            return Err(Error::Unsupported(reason.into()));
        }
        let rule = GshardConfig {
            second_expert: SecondExpert::All,
            normalize_before_dropping: config.normalize_router_prob_before_dropping,
            batch_prioritized: config.batch_prioritized_routing,
            eval_capacity: Capacity::Fraction(1.0),
            expert_output_masking: config.moe_token_dropout,
            ..GshardConfig::default()
        };
        Ok(MoeConfig {
            encoder_freq: config.encoder_sparse_step.unwrap_or(0),
            decoder_freq: config.decoder_sparse_step.unwrap_or(0),
            top_k: 2,
            shared_d_ff: 0,
            routing: Some(Routing::Gshard(rule)),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.checkpoint.info(name).is_some()
    }

    /// What all routes share.
    fn shared(&self) -> Vec<Planned> {
        let config = self.config;
        let mut planned = Vec::new();
        let embedding = match config.share_encoder_decoder_embeddings {
            true => ["model.shared.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"],
            false => ["model.decoder.embed_tokens.weight", "lm_head.weight", "model.shared.weight"],
        };
        let name = embedding.into_iter().find(|name| self.has(name)).unwrap_or(embedding[0]);
        planned.push(Planned::new("embedding.weight", name));
        if !config.share_encoder_decoder_embeddings {
            let name = "model.encoder.embed_tokens.weight";
            planned.push(Planned::new("source_embedding.weight", name));
        }
        if !config.tie_word_embeddings {
            planned.push(Planned::new("output.weight", "lm_head.weight"));
        }
        if self.has("final_logits_bias") {
            planned.push(Planned::new("output_bias", "final_logits_bias"));
        }
        let mut stacks: Vec<Stack> = Vec::new();
        for (side, ours) in [("encoder", "source_"), ("decoder", "")] {
            let count =
                if side == "encoder" { config.encoder_layers } else { config.decoder_layers };
            for i in 0..count {
                stacks.extend(self.layer(side, i));
                if config.is_sparse(side, i) {
                    let router = format!("model.{side}.layers.{i}.ffn.router.classifier.weight");
                    planned.push(Planned::new(format!("{side}.{i}.router.gate.weight"), router));
                }
            }
            if self.has(&format!("model.{side}.layer_norm.weight")) {
                stacks.push((format!("{side}_norm"), vec![format!("model.{side}.layer_norm")]));
            }
            if config.normalize_embedding {
                let theirs = format!("model.{side}.layernorm_embedding");
                stacks.push((format!("{ours}embedding_norm"), vec![theirs]));
            }
        }
        planned.extend(stacks.iter().flat_map(planned_stack));
        planned
    }

    fn layer(&self, side: &str, i: usize) -> Vec<Stack> {
        let (p, ours) = (format!("model.{side}.layers.{i}."), format!("{side}.{i}."));
        let moe = self.config.is_moe();
        let of = |name: &str, theirs: &[&str]| -> Stack {
            let theirs = theirs.iter().map(|name| format!("{p}{name}")).collect();
            (format!("{ours}{name}"), theirs)
        };
        let mut stacks = vec![
            of("attention.qkv", &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
            of("attention.out", &["self_attn.out_proj"]),
            of("attention_norm", &["self_attn_layer_norm"]),
            of("feed_forward_norm", &[if moe { "ff_layer_norm" } else { "final_layer_norm" }]),
        ];
        if !self.config.is_sparse(side, i) {
            let ff = if moe { ["ffn.fc1", "ffn.fc2"] } else { ["fc1", "fc2"] };
            stacks.push(of("feed_forward.up", &ff[..1]));
            stacks.push(of("feed_forward.down", &ff[1..]));
        }
        if side == "decoder" {
            let cross = if moe { "cross_attention" } else { "encoder_attn" };
            let names = ["q_proj", "k_proj", "v_proj", "out_proj"].map(|n| format!("{cross}.{n}"));
            let [q, k, v, out] = names.each_ref().map(String::as_str);
            stacks.push(of("cross.query", &[q]));
            stacks.push(of("cross.kv", &[k, v]));
            stacks.push(of("cross.out", &[out]));
            stacks.push(of("cross_norm", &[&format!("{cross}_layer_norm")]));
        }
        stacks
    }

    /// The experts, one for each place of each sparse layer.
    fn experts(&self) -> Vec<(ExpertEntry, Vec<Planned>)> {
        let mut experts = Vec::new();
        let sides = [
            ("encoder", self.config.encoder_layers, self.config.encoder_ffn_dim),
            ("decoder", self.config.decoder_layers, self.config.decoder_ffn_dim),
        ];
        for (side, layers, d_ff) in sides {
            for i in (0..layers).filter(|&i| self.config.is_sparse(side, i)) {
                let layer = format!("{side}.{i}");
                for e in 0..self.config.num_experts.unwrap_or(0) {
                    let name = format!("free.{side}-{i}-{e}");
                    let entry = ExpertEntry::new(
                        name,
                        ExpertKind::Free,
                        std::slice::from_ref(&layer),
                        d_ff,
                    );
                    let theirs = format!("model.{side}.layers.{i}.ffn.experts.expert_{e}");
                    let stacks = [("up", "fc1"), ("down", "fc2")].map(|(ours, fc)| {
                        (format!("{layer}.{ours}"), vec![format!("{theirs}.{fc}")])
                    });
                    experts.push((entry, stacks.iter().flat_map(planned_stack).collect()));
                }
            }
        }
        experts
    }
}

fn planned_stack((ours, theirs): &Stack) -> [Planned; 2] {
    ["weight", "bias"].map(|kind| Planned {
        name: format!("{ours}.{kind}"),
        parts: theirs.iter().map(|name| Part::Tensor(format!("{name}.{kind}"))).collect(),
    })
}
