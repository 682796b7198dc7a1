//! Translation models whose experts are found by published rules: every weight learns, a saved
//! model answers as before, and rules that look ahead are refused in a decoder.

mod rules;

use std::collections::BTreeMap;

use anyhow::Result;
use dragoman_core::{
    context::{Context, Training},
    directory::{Files, TranslationParts, WeightFormat, save_translation},
    kernels::matmul::Precision,
    kernels::packed::Packing,
    translate::{Translate, TranslationJob},
    translator::{Translator, TranslatorOptions},
};
use rules::{ENCODER_ONLY, batch, config, configs, model, tokenizer};

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

fn loads(routing: &[dragoman_core::moe::LayerRouting]) -> BTreeMap<String, BTreeMap<String, f64>> {
    let visits = |layer: &dragoman_core::moe::LayerRouting| {
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
        let parts =
            TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
        save_translation(folder.path(), parts, &params, WeightFormat::F32)?;
        let options =
            TranslatorOptions { packing: Some(Packing::F32), ..TranslatorOptions::default() };
        let fresh = Translator::new(model, register, std::sync::Arc::new(tokenizer), options)?;
        let opened = Translator::open(&Files::Folder(folder.path().into()), options)?;
        let job = TranslationJob {
            source: "en".into(),
            target: "de".into(),
            domains: Vec::new(),
            text: "a few words".into(),
            num_hypotheses: 1,
            trace: true,
            wanted: Default::default(),
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
