//! Translation models whose experts are found by published rules: every weight learns, a saved
//! model answers as before, and rules that look ahead are refused in a decoder.

use std::collections::BTreeMap;

use anyhow::Result;
use candle::{DType, Device};
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::{Context, Training},
    directory::{Files, save_translation},
    kernels::matmul::Precision,
    models::translation::{Batch, Example, TranslationModel},
    moe::Routing,
    params::ParamStore,
    register::Register,
    tokenizer::Tokenizer,
    translate::{Job, Translate},
    translator::{Translator, TranslatorOptions},
};

const EXPERTS: usize = 4;
const ANYWHERE: [&str; 8] = [
    r#"{ "kind": "switch" }"#,
    r#"{ "kind": "gshard", "second_expert": "all", "eval_capacity": { "fraction": 0.25 } }"#,
    r#"{ "kind": "mixtral" }"#,
    r#"{ "kind": "deepseek_v2", "top_k": 2, "n_group": 2, "topk_group": 1 }"#,
    r#"{ "kind": "deepseek_v3", "top_k": 2, "n_group": 2, "topk_group": 1 }"#,
    r#"{ "kind": "hash" }"#,
    r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 2, "top_k": 1 }"#,
    r#"{ "kind": "adaptive" }"#,
];
const ENCODER_ONLY: [&str; 2] = [r#"{ "kind": "expert_choice" }"#, r#"{ "kind": "soft" }"#];

fn pairs() -> [(String, String); 2] {
    [("en", "de"), ("de", "en")].map(|(source, target)| (source.into(), target.into()))
}

fn tokenizer() -> Result<Tokenizer> {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    Ok(Tokenizer::from_pieces(&["en", "de"], &letters, Vec::new())?)
}

fn config(routing: &str, decoder_freq: usize) -> Result<TranslationConfig> {
    let routing: Routing = serde_json::from_str(routing)?;
    let moe = MoeConfig {
        encoder_freq: 1,
        decoder_freq,
        shared_d_ff: 8,
        routing: Some(routing),
        ..MoeConfig::default()
    };
    Ok(TranslationConfig {
        vocab_size: tokenizer()?.vocab_size(),
        d_model: 16,
        num_heads: 2,
        encoder_layers: 1,
        decoder_layers: 1,
        d_ff: 24,
        max_positions: 40,
        moe: Some(moe),
        ..TranslationConfig::default()
    })
}

fn model(config: &TranslationConfig) -> Result<(TranslationModel, ParamStore, Register)> {
    let register = Register::for_all(&pairs(), EXPERTS, 12, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 1);
    let model = TranslationModel::new(config, &register, &params)?;
    Ok((model, params, register))
}

/// Every rule with the models it may stand in.
fn configs() -> Result<Vec<TranslationConfig>> {
    let anywhere = ANYWHERE.iter().map(|routing| config(routing, 1));
    anywhere.chain(ENCODER_ONLY.iter().map(|routing| config(routing, 0))).collect()
}

/// Pairs whose tokens differ, so that every expert has visitors.
fn batch(vocab_size: usize) -> Batch {
    let token = |i: usize| (330 + i * 7 % (vocab_size - 330)) as u32;
    let example = |i: usize| {
        let words: Vec<u32> = (0..12).map(|t| token(i * 31 + t)).collect();
        let route = (i % 2) as u32;
        Example { route, source: words.clone(), target: words.clone(), labels: words }
    };
    Batch::new(&(0..16).map(example).collect::<Vec<_>>(), None)
}

#[test]
fn every_weight_of_every_rule_learns_in_a_model() -> Result<()> {
    for config in configs()? {
        let (model, params, _) = model(&config)?;
        let batch = batch(config.vocab_size);
        let start = params.tensors()?;
        for step in 1..=3 {
            params.zero_grads();
            let training = Training { seed: 3, step, dropout: 0.0, expert_dropout: 0.0 };
            let context = Context::training(Precision::F32, training);
            let output = model.forward(&batch, &context)?;
            let mut loss = model.logits(&output.hidden, &context)?.sqr()?.mean_all()?;
            for losses in output.routing.iter().filter_map(|layer| layer.losses.as_ref()) {
                loss = (loss + losses.sum_all()?)?;
            }
            params.collect(&loss.backward()?)?;
            for param in params.iter().filter(|param| param.is_trainable()) {
                param.update(|value, grad| {
                    value.iter_mut().zip(grad).for_each(|(v, g)| *v -= 0.05 * g);
                })?;
            }
            model.update_corrections(&loads(&output.routing), 0.01)?;
        }
        let rule = config.moe.as_ref().and_then(|moe| moe.routing.clone());
        for param in params.iter() {
            let name = param.name();
            let after = param.with_value(<[f32]>::to_vec)?;
            let before = start[name].flatten_all()?.to_vec1::<f32>()?;
            assert!(after.iter().all(|v| v.is_finite()), "{rule:?}: `{name}`");
            assert_ne!(after, before, "{rule:?}: `{name}` did not move");
        }
    }
    Ok(())
}

fn loads(
    routing: &[dragoman_core::layers::moe::LayerRouting],
) -> BTreeMap<String, BTreeMap<String, f64>> {
    let visits = |layer: &dragoman_core::layers::moe::LayerRouting| {
        let visits = layer.load.iter().map(|&visits| visits as f64);
        (layer.layer.clone(), layer.experts.iter().cloned().zip(visits).collect())
    };
    routing.iter().map(visits).collect()
}

#[test]
fn a_saved_model_translates_as_before() -> Result<()> {
    for config in configs()? {
        let folder = tempfile::tempdir()?;
        let (model, params, register) = model(&config)?;
        let tokenizer = tokenizer()?;
        save_translation(folder.path(), &config, &register, &params, (&tokenizer, DType::F32))?;
        let options =
            TranslatorOptions { precision: Precision::F32, ..TranslatorOptions::default() };
        let fresh = Translator::new(model, register, tokenizer, options)?;
        let opened = Translator::open(&Files::Folder(folder.path().into()), options)?;
        let job = Job {
            source: "en".into(),
            target: "de".into(),
            domains: Vec::new(),
            text: "a few words".into(),
            num_hypotheses: 1,
            trace: true,
        };
        let jobs = [job];
        assert_eq!(opened.translate(&jobs)?, fresh.translate(&jobs)?, "{:?}", config.moe);
    }
    Ok(())
}

#[test]
fn what_looks_ahead_is_refused_in_a_decoder() -> Result<()> {
    for routing in ENCODER_ONLY {
        let error = model(&config(routing, 1)?).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains("layer `decoder.0`") && error.contains("encoder only"), "{error}");
    }
    Ok(())
}
