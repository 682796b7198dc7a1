//! `model.bin` of CTranslate2, version 6, with its configuration and its lists of tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufWriter, Write},
    path::Path,
};

use candle::Tensor;
use dragoman_core::{
    config::{Activation, Architecture, DistanceKind, NormPlacement},
    vocabulary::{Frame, Side},
};
use fs_err::File;
use serde_json::json;

use super::{Dense, readme, write_json};
use crate::{Error, Result};

const VERSION: u32 = 6;
const SPECIFICATION: &str = "TransformerSpec";
const REVISION: u32 = 7;

/// A value of the file.
enum Value {
    Tensor(Tensor),
    Floats(Vec<f32>),
    Float(f32),
    /// A number of one byte: flags and choices.
    Byte(i8),
    Short(i16),
    Int(i32),
}

pub(super) fn write(model: &Dense, folder: &Path) -> Result<()> {
    let frames = model.frames()?;
    write_file(&folder.join("model.bin"), &variables(model)?, &aliases(model))?;
    write_json(&folder.join("config.json"), &config(model, &frames))?;
    let (source, target) = (model.tokens(Side::Source), model.tokens(Side::Target));
    if source == target {
        write_json(&folder.join("shared_vocabulary.json"), &target)?;
    } else {
        write_json(&folder.join("source_vocabulary.json"), &source)?;
        write_json(&folder.join("target_vocabulary.json"), &target)?;
    }
    model.write_tokenizer(folder)?;
    readme::ctranslate2(model, &frames, folder)
}

fn config(model: &Dense, frames: &[Frame]) -> serde_json::Value {
    let end = model.vocabulary.outputs().end;
    let token = |side, id| model.vocabulary.token(side, id).unwrap_or_default();
    let starts: BTreeSet<u32> = frames.iter().map(|frame| frame.start[0]).collect();
    let start = starts.first().filter(|_| starts.len() == 1);
    let ends_source = |frame: &Frame| frame.after.last() == Some(&end);
    json!({
        "add_source_bos": false,
        "add_source_eos": frames.iter().all(ends_source),
        "bos_token": token(Side::Target, end),
        "decoder_start_token": start.map(|&id| token(Side::Target, id)),
        "eos_token": token(Side::Target, end),
        "layer_norm_epsilon": model.config.architecture.norm_epsilon,
        "multi_query_attention": false,
        "unk_token": token(Side::Source, model.unknown()),
    })
}

fn variables(model: &Dense) -> Result<BTreeMap<String, Value>> {
    let config = &model.config;
    let Architecture { positions: _, embedding_scale, separate_output, embedding_norm, .. } =
        config.architecture;
    let activation = match config.activation {
        Activation::Relu => 0,
        Activation::GeluTanh => 1,
        Activation::Silu => 2,
        Activation::Gelu => 3,
        Activation::GeluSigmoid => 4,
    };
    let pre_norm = config.norm == NormPlacement::Pre;
    let scale = embedding_scale.unwrap_or((config.d_model as f32).sqrt());
    let mut all = BTreeMap::new();
    for side in ["encoder", "decoder"] {
        let mut put = |name: &str, value| all.insert(format!("{side}/{name}"), value);
        put("num_heads", Value::Short(config.num_heads as i16));
        put("pre_norm", Value::Byte(i8::from(pre_norm)));
        put("activation", Value::Byte(activation));
        put("scale_embeddings", Value::Float(scale));
        if let Some(table) = model.positions()? {
            put("position_encodings/encodings", Value::Tensor(table));
        }
    }
    all.insert("encoder/embeddings_merge".into(), Value::Byte(0));
    all.insert("encoder/multi_query_attention".into(), Value::Byte(0));
    all.insert("decoder/start_from_zero_embedding".into(), Value::Byte(0));
    all.insert("decoder/alignment_layer".into(), Value::Short(-1));
    all.insert("decoder/alignment_heads".into(), Value::Short(1));
    let mut put = |name: &str, own: &str| -> Result<()> {
        all.insert(name.into(), Value::Tensor(model.tensor(own)?.clone()));
        Ok(())
    };
    put("decoder/embeddings/weight", "embedding.weight")?;
    if has_source_embedding(model) {
        put("encoder/embeddings_0/weight", "source_embedding.weight")?;
    }
    if separate_output {
        put("decoder/projection/weight", "output.weight")?;
    }
    if let Some(bias) = model.bias()? {
        all.insert("decoder/projection/bias".into(), Value::Floats(bias));
    }
    for (side, layers, own) in
        [("encoder", config.encoder_layers, "source_"), ("decoder", config.decoder_layers, "")]
    {
        if embedding_norm {
            norm(
                model,
                &mut all,
                &format!("{side}/layernorm_embedding"),
                &format!("{own}embedding_norm"),
            )?;
        }
        if pre_norm {
            norm(model, &mut all, &format!("{side}/layer_norm"), &format!("{side}_norm"))?;
        }
        for i in 0..layers {
            layer(model, &mut all, side, i)?;
        }
    }
    Ok(all)
}

fn has_source_embedding(model: &Dense) -> bool {
    model.config.architecture.source_vocab_size.is_some()
}

/// Names that stand for others: embeddings that are shared.
fn aliases(model: &Dense) -> Vec<(&'static str, &'static str)> {
    let mut aliases = Vec::new();
    if !model.config.architecture.separate_output {
        aliases.push(("decoder/projection/weight", "decoder/embeddings/weight"));
    }
    if !has_source_embedding(model) {
        aliases.push(("encoder/embeddings_0/weight", "decoder/embeddings/weight"));
    }
    aliases
}

fn layer(model: &Dense, all: &mut BTreeMap<String, Value>, side: &str, i: usize) -> Result<()> {
    let (own, theirs) = (format!("{side}.{i}"), format!("{side}/layer_{i}"));
    let architecture = &model.config.architecture;
    let mut linears = vec![
        ("self_attention/linear_0", "attention.qkv"),
        ("self_attention/linear_1", "attention.out"),
        ("ffn/linear_0", "feed_forward.up"),
        ("ffn/linear_1", "feed_forward.down"),
    ];
    if architecture.gated {
        linears[2] = ("ffn/linear_0_noact", "feed_forward.up"); // the gate has the activation
        let gate = model.tensor(&format!("{own}.feed_forward.up_gate.weight"))?.clone();
        all.insert(format!("{theirs}/ffn/linear_0/weight"), Value::Tensor(gate));
    }
    let mut norms = vec![("self_attention", "attention_norm"), ("ffn", "feed_forward_norm")];
    let mut attentions = vec!["self_attention"];
    if side == "decoder" {
        linears.extend([
            ("attention/linear_0", "cross.query"),
            ("attention/linear_1", "cross.kv"),
            ("attention/linear_2", "cross.out"),
        ]);
        norms.push(("attention", "cross_norm"));
        attentions.push("attention");
    }
    for (name, linear) in linears {
        for part in ["weight", "bias"] {
            let value = model.tensor(&format!("{own}.{linear}.{part}"))?.clone();
            all.insert(format!("{theirs}/{name}/{part}"), Value::Tensor(value));
        }
    }
    for (name, own_norm) in norms {
        norm(model, all, &format!("{theirs}/{name}/layer_norm"), &format!("{own}.{own_norm}"))?;
    }
    for attention in attentions {
        let mut put = |name: &str, value| all.insert(format!("{theirs}/{attention}/{name}"), value);
        if let Some(scale) = architecture.attention_scale {
            put("queries_scale", Value::Float(scale));
        }
        if let Some(width) = architecture.head_width {
            put("head_dim", Value::Int(width as i32));
        }
    }
    distances(model, all, side, i)
}

/// What the attention of a layer to its own side knows of distances.
fn distances(model: &Dense, all: &mut BTreeMap<String, Value>, side: &str, i: usize) -> Result<()> {
    let architecture = &model.config.architecture;
    let kind = match side {
        "encoder" => architecture.source_distances,
        _ => architecture.target_distances,
    };
    let attention = format!("{side}/layer_{i}/self_attention");
    let mut put = |name: &str, value| all.insert(format!("{attention}/{name}"), value);
    let own = |name: &str| model.tensor(&format!("{side}.{i}.attention.{name}")).cloned();
    match kind {
        DistanceKind::None => {}
        DistanceKind::Vectors { .. } => {
            put("relative_position_keys", Value::Tensor(own("relative_keys")?));
            put("relative_position_values", Value::Tensor(own("relative_values")?));
        }
        DistanceKind::Buckets { most, .. } => {
            put("relative_attention_bias", Value::Tensor(own("distance_bias")?));
            put("relative_attention_max_distance", Value::Int(most as i32));
        }
        DistanceKind::Rotary { width, base, interleaved } => {
            put("rotary_dim", Value::Int(width as i32));
            put("rotary_base", Value::Float(base));
            put("rotary_interleave", Value::Byte(i8::from(interleaved)));
        }
        DistanceKind::Slopes => {
            all.insert(format!("{side}/alibi"), Value::Byte(1));
            all.insert(format!("{side}/alibi_use_positive_positions"), Value::Byte(0));
        }
    }
    Ok(())
}

/// A norm; one by the root mean square has no bias.
fn norm(model: &Dense, all: &mut BTreeMap<String, Value>, theirs: &str, own: &str) -> Result<()> {
    all.insert(
        format!("{theirs}/gamma"),
        Value::Tensor(model.tensor(&format!("{own}.weight"))?.clone()),
    );
    if !model.config.architecture.rms_norm {
        all.insert(
            format!("{theirs}/beta"),
            Value::Tensor(model.tensor(&format!("{own}.bias"))?.clone()),
        );
    }
    Ok(())
}

fn write_file(
    path: &Path,
    variables: &BTreeMap<String, Value>,
    aliases: &[(&str, &str)],
) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&VERSION.to_le_bytes())?;
    text(&mut file, SPECIFICATION)?;
    file.write_all(&REVISION.to_le_bytes())?;
    file.write_all(&(variables.len() as u32).to_le_bytes())?;
    for (name, value) in variables {
        text(&mut file, name)?;
        let (kind, shape, bytes) = encoded(value)?;
        file.write_all(&[shape.len() as u8])?;
        for size in shape {
            file.write_all(&(size as u32).to_le_bytes())?;
        }
        file.write_all(&[kind])?;
        let length = u32::try_from(bytes.len()).map_err(|_| {
            Error::Unsupported(format!("`{name}` is larger than the 4 GiB that the format allows"))
        })?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&bytes)?;
    }
    file.write_all(&(aliases.len() as u32).to_le_bytes())?;
    for (alias, name) in aliases {
        text(&mut file, alias)?;
        text(&mut file, name)?;
    }
    Ok(file.flush()?)
}

/// The number of a value's type, its shape and its bytes.
fn encoded(value: &Value) -> Result<(u8, Vec<usize>, Vec<u8>)> {
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(match value {
        Value::Tensor(tensor) => {
            (0, tensor.dims().to_vec(), floats(&tensor.flatten_all()?.to_vec1::<f32>()?))
        }
        Value::Floats(values) => (0, vec![values.len()], floats(values)),
        Value::Float(value) => (0, Vec::new(), value.to_le_bytes().into()),
        Value::Byte(value) => (1, Vec::new(), value.to_le_bytes().into()),
        Value::Short(value) => (2, Vec::new(), value.to_le_bytes().into()),
        Value::Int(value) => (3, Vec::new(), value.to_le_bytes().into()),
    })
}

/// A text with its length, and a zero at its end.
fn text(file: &mut impl Write, text: &str) -> Result<()> {
    file.write_all(&(text.len() as u16 + 1).to_le_bytes())?;
    file.write_all(text.as_bytes())?;
    Ok(file.write_all(&[0])?)
}
