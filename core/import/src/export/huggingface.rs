//! A folder of Hugging Face Transformers: `config.json`, `model.safetensors` and the tokenizer.
//!
//! | class | norms | positions |
//! |---|---|---|
//! | Marian | after each block | `p / 10000^(2i/D)` |
//! | Pegasus | before each block | `p / 10000^(2i/D)` |
//! | M2M100 | before each block | `(p + 2) · 10000^(−i / (D/2 − 1))` |

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use candle::{DType, Device, Tensor};
use dragoman_core::{
    config::{Activation, Architecture, NormPlacement, Positions, TranslationConfig},
    vocabulary::{Frame, Side, TOKENIZER_FILE},
};
use serde_json::{Map, Value, json};

use super::{Dense, readme, write_json};
use crate::{Error, Result};

/// A class of Transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Marian,
    Pegasus,
    M2m100,
}

impl Class {
    /// The class that computes what a model of this shape computes.
    fn of(config: &TranslationConfig) -> Result<Self> {
        let own = &config.architecture;
        let plain = Architecture {
            positions: own.positions,
            embedding_scale: own.embedding_scale,
            source_vocab_size: own.source_vocab_size,
            search: own.search,
            ..Architecture::default()
        };
        let scale = own.embedding_scale.unwrap_or_else(|| root(config));
        let has_scale = scale == 1.0 || scale == root(config);
        let class = match (config.norm, own.positions) {
            (NormPlacement::Post, Positions::Sinusoid) => Some(Self::Marian),
            (NormPlacement::Pre, Positions::Sinusoid) => Some(Self::Pegasus),
            (NormPlacement::Pre, Positions::Fairseq { first: 2 }) => Some(Self::M2m100),
            _ => None,
        };
        let fits = *own == plain && has_scale && own.source_vocab_size.is_none();
        class.filter(|_| fits).ok_or_else(|| {
            let reason = "no class of Transformers computes what this model computes: Marian, Pegasus and \
                          M2M100 have layer norms with an epsilon of 1e-5, sinusoids for positions, one \
                          embedding for all, and no gates; `--format ctranslate2` can say more";
            Error::Unsupported(reason.into())
        })
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Marian => ("marian", "MarianMTModel"),
            Self::Pegasus => ("pegasus", "PegasusForConditionalGeneration"),
            Self::M2m100 => ("m2m_100", "M2M100ForConditionalGeneration"),
        }
    }
}

fn root(config: &TranslationConfig) -> f32 {
    (config.d_model as f32).sqrt()
}

pub(super) fn write(model: &Dense, folder: &Path) -> Result<()> {
    let class = Class::of(&model.config)?;
    let frames = model.frames()?;
    let tensors = tensors(model, class)?;
    let path = folder.join("model.safetensors");
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(&tensors, Some(metadata), &path)
        .map_err(|error| Error::file(&path, error.to_string()))?;
    let config = config(model, class, &frames[0]);
    write_json(&folder.join("generation_config.json"), &generation(model, &config))?;
    write_json(&folder.join("config.json"), &config)?;
    write_tokenizer(model, class, folder)?;
    readme::huggingface(model, class.names().1, &frames, folder)
}

fn config(model: &Dense, class: Class, frame: &Frame) -> Value {
    let TranslationConfig { vocab_size, d_model, num_heads, encoder_layers, .. } = model.config;
    let TranslationConfig { decoder_layers, d_ff, max_positions, .. } = model.config;
    let activation = match model.config.activation {
        Activation::Relu => "relu",
        Activation::Gelu => "gelu",
        Activation::Silu => "silu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::GeluSigmoid => "quick_gelu",
    };
    let end = model.vocabulary.outputs().end;
    let scale = model.config.architecture.embedding_scale;
    let (model_type, architecture) = class.names();
    json!({
        "model_type": model_type,
        "architectures": [architecture],
        "is_encoder_decoder": true,
        "vocab_size": vocab_size,
        "decoder_vocab_size": vocab_size,
        "share_encoder_decoder_embeddings": true,
        "tie_word_embeddings": true,
        "d_model": d_model,
        "encoder_layers": encoder_layers,
        "decoder_layers": decoder_layers,
        "num_hidden_layers": encoder_layers,
        "encoder_attention_heads": num_heads,
        "decoder_attention_heads": num_heads,
        "encoder_ffn_dim": d_ff,
        "decoder_ffn_dim": d_ff,
        "activation_function": activation,
        "max_position_embeddings": max_positions,
        "scale_embedding": scale.is_none_or(|scale| scale != 1.0),
        "static_position_embeddings": true,
        "normalize_before": class != Class::Marian,
        "add_final_layer_norm": class != Class::Marian,
        "normalize_embedding": false,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "bos_token_id": end,
        "eos_token_id": end,
        "forced_eos_token_id": null,
        "pad_token_id": pad(model),
        "decoder_start_token_id": frame.start[0],
        "torch_dtype": "float32",
    })
}

fn generation(model: &Dense, config: &Value) -> Value {
    let never: Vec<[u32; 1]> = model.never().map(|id| [id]).collect();
    json!({
        "bad_words_ids": (!never.is_empty()).then_some(never),
        "bos_token_id": config["bos_token_id"],
        "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"],
        "decoder_start_token_id": config["decoder_start_token_id"],
        "max_length": config["max_position_embeddings"],
        "num_beams": 4,
    })
}

/// A token that fills a batch, which attention leaves out: `<pad>` where there is one.
fn pad(model: &Dense) -> u32 {
    let end = model.vocabulary.outputs().end;
    let tokens = model.tokens(Side::Source);
    tokens.iter().position(|token| token == "<pad>").map_or(end, |id| id as u32)
}

/// The weights under the names of Transformers.
fn tensors(model: &Dense, class: Class) -> Result<HashMap<String, Tensor>> {
    let mut all = HashMap::new();
    all.insert("model.shared.weight".to_string(), model.tensor("embedding.weight")?.clone());
    let has_bias = model.has("output_bias");
    match class {
        Class::M2m100 if has_bias => {
            let reason = "M2M100 of Transformers has no bias of outputs, and the model has one";
            return Err(Error::Unsupported(reason.into()));
        }
        Class::M2m100 => {}
        Class::Marian | Class::Pegasus => {
            let shape = (1, model.config.vocab_size);
            let bias = match has_bias {
                true => model.tensor("output_bias")?.reshape(shape)?,
                false => Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
            };
            all.insert("final_logits_bias".into(), bias);
        }
    }
    let positions = model.positions()?;
    let TranslationConfig { encoder_layers, decoder_layers, .. } = model.config;
    for (side, layers) in [("encoder", encoder_layers), ("decoder", decoder_layers)] {
        if let (Some(table), true) = (&positions, class != Class::M2m100) {
            all.insert(format!("model.{side}.embed_positions.weight"), table.clone());
        }
        if class != Class::Marian {
            pair(model, &mut all, &format!("model.{side}.layer_norm"), &format!("{side}_norm"))?;
        }
        for i in 0..layers {
            let (own, theirs) = (format!("{side}.{i}"), format!("model.{side}.layers.{i}"));
            stacked(
                model,
                &mut all,
                (&theirs, "self_attn"),
                (&own, "attention.qkv"),
                &["q", "k", "v"],
            )?;
            let mut parts = vec![
                ("self_attn.out_proj", "attention.out"),
                ("self_attn_layer_norm", "attention_norm"),
                ("fc1", "feed_forward.up"),
                ("fc2", "feed_forward.down"),
                ("final_layer_norm", "feed_forward_norm"),
            ];
            if side == "decoder" {
                stacked(model, &mut all, (&theirs, "encoder_attn"), (&own, "cross.query"), &["q"])?;
                stacked(
                    model,
                    &mut all,
                    (&theirs, "encoder_attn"),
                    (&own, "cross.kv"),
                    &["k", "v"],
                )?;
                parts.push(("encoder_attn.out_proj", "cross.out"));
                parts.push(("encoder_attn_layer_norm", "cross_norm"));
            }
            for (name, part) in parts {
                pair(model, &mut all, &format!("{theirs}.{name}"), &format!("{own}.{part}"))?;
            }
        }
    }
    Ok(all)
}

/// A weight and a bias.
fn pair(model: &Dense, all: &mut HashMap<String, Tensor>, theirs: &str, own: &str) -> Result<()> {
    for part in ["weight", "bias"] {
        all.insert(format!("{theirs}.{part}"), model.tensor(&format!("{own}.{part}"))?.clone());
    }
    Ok(())
}

/// Maps that stand below each other in one of ours.
fn stacked(
    model: &Dense,
    all: &mut HashMap<String, Tensor>,
    (layer, attention): (&str, &str),
    (own_layer, own): (&str, &str),
    names: &[&str],
) -> Result<()> {
    for part in ["weight", "bias"] {
        let value = model.tensor(&format!("{own_layer}.{own}.{part}"))?;
        for (name, value) in names.iter().zip(value.chunk(names.len(), 0)?) {
            all.insert(format!("{layer}.{attention}.{name}_proj.{part}"), value.contiguous()?);
        }
    }
    Ok(())
}

/// The files of the tokenizer, under the names that Transformers looks for.
fn write_tokenizer(model: &Dense, class: Class, folder: &Path) -> Result<()> {
    model.write_tokenizer(folder)?;
    let token = |id| model.vocabulary.token(Side::Target, id).unwrap_or_default();
    let end = token(model.vocabulary.outputs().end);
    let mut config = json!({
        "eos_token": end,
        "unk_token": token(model.unknown()),
        "pad_token": token(pad(model)),
        "model_max_length": model.config.max_positions,
    });
    if folder.join(TOKENIZER_FILE).exists() {
        config["tokenizer_class"] = "PreTrainedTokenizerFast".into();
        return write_json(&folder.join("tokenizer_config.json"), &config);
    }
    let pieces = model.pieces.as_ref();
    let languages: BTreeSet<u32> =
        pieces.into_iter().flat_map(|pieces| pieces.languages.values().copied()).collect();
    // Tokens from the first language on are no pieces: Transformers adds them to the list itself.
    let first_added = languages.first().copied().filter(|_| class == Class::M2m100);
    let tokens = model.tokens(Side::Source);
    let is_added = |id: u32| first_added.is_some_and(|first| id >= first);
    let named = || (0..).zip(&tokens).filter(|(_, token)| !token.is_empty());
    let ids: Map<String, Value> = (named().filter(|(id, _)| !is_added(*id)))
        .map(|(id, token)| (token.clone(), Value::from(id)))
        .collect();
    let added = |(id, token): (u32, &String)| {
        (id.to_string(), json!({ "content": token, "special": true }))
    };
    let added: Map<String, Value> = named().filter(|(id, _)| is_added(*id)).map(added).collect();
    config["tokenizer_class"] = match class {
        Class::Marian => "MarianTokenizer".into(),
        Class::Pegasus => Value::Null,
        Class::M2m100 if added.values().any(|token| token["content"] == "eng_Latn") => {
            "NllbTokenizer".into()
        }
        Class::M2m100 => "M2M100Tokenizer".into(),
    };
    if config["tokenizer_class"] != "NllbTokenizer" {
        // Rows without a token, which serve as zeros to begin with, have no entry.
        let mut ids = ids;
        if class == Class::Marian {
            let without = (0..).zip(&tokens).filter(|(_, token)| token.is_empty());
            ids.extend(without.map(|(id, _)| (format!("<unused{id}>"), Value::from(id))));
        }
        write_json(&folder.join("vocab.json"), &ids)?;
    }
    if !added.is_empty() {
        config["added_tokens_decoder"] = added.into();
    }
    if class == Class::Marian {
        let pair = model.pairs()[0];
        (config["source_lang"], config["target_lang"]) = (pair.0.into(), pair.1.into());
        if !folder.join("target.spm").exists() && folder.join("source.spm").exists() {
            fs_err::copy(folder.join("source.spm"), folder.join("target.spm"))?;
        }
    }
    write_json(&folder.join("tokenizer_config.json"), &config)
}
