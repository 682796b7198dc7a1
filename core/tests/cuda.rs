//! Every rule on a GPU beside the CPU: hidden states, balance losses and the gradient of every weight.
//!
//! Needs `--features cuda`; where there is no GPU it says so and passes.

#![cfg(feature = "cuda")]

mod rules;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use candle::Device;
use dragoman_core::{
    config::TranslationConfig,
    context::{Context, Training},
    kernels::matmul::Precision,
    models::translation::TranslationModel,
    params::ParamStore,
    register::Register,
};

/// What may lie between two ways of adding up, beside the size of the larger number.
const TOLERANCE: f32 = 1e-4;

/// What a step computes, by name.
type Numbers = BTreeMap<String, Vec<f32>>;

/// The first GPU; none, with a reason printed, if there is none.
fn gpu() -> Option<Device> {
    Device::new_cuda(0).map_err(|reason| println!("skipped: no GPU: {reason}")).ok()
}

/// Forward and backward of one batch on `device`.
fn step(
    config: &TranslationConfig,
    (register, weights): (&Register, &ParamStore),
    device: &Device,
) -> Result<Numbers> {
    let params = ParamStore::from_tensors(device, weights.tensors()?);
    let model = TranslationModel::new(config, register, &params)?;
    let training = Training { seed: 3, step: 1, dropout: 0.0, expert_dropout: 0.0 };
    let context = Context::training(Precision::F32, training);
    let output = model.forward(&rules::batch(config.vocab_size), &context)?;
    let mut loss = model.logits(&output.hidden, &context)?.sqr()?.mean_all()?;
    let mut numbers = Numbers::new();
    for layer in &output.routing {
        if let Some(losses) = &layer.losses {
            numbers.insert(format!("losses of {}", layer.layer), losses.flatten_all()?.to_vec1()?);
            loss = (loss + losses.sum_all()?)?;
        }
        let load = layer.load.iter().map(|&visits| visits as f32).collect();
        numbers.insert(format!("load of {}", layer.layer), load);
    }
    numbers.insert("hidden".into(), output.hidden.flatten_all()?.to_vec1()?);
    params.collect(&loss.backward()?)?;
    for param in params.iter() {
        let gradient = param.with_grad(|grad| grad.to_vec());
        numbers.insert(format!("gradient of {}", param.name()), gradient);
    }
    Ok(numbers)
}

fn compare(
    config: &TranslationConfig,
    model: (&Register, &ParamStore),
    gpu: &Device,
) -> Result<()> {
    let on_cpu = step(config, model, &Device::Cpu)?;
    let on_gpu = step(config, model, gpu)?;
    ensure!(on_cpu.keys().eq(on_gpu.keys()), "other numbers on the GPU");
    for (name, ours) in &on_cpu {
        let theirs = &on_gpu[name];
        ensure!(ours.len() == theirs.len(), "{name}: {} values, not {}", theirs.len(), ours.len());
        let scale = ours.iter().fold(0f32, |top, x| top.max(x.abs())).max(1e-3);
        for (a, b) in ours.iter().zip(theirs) {
            ensure!((a - b).abs() <= TOLERANCE * scale, "{name}: {b} on the GPU, not {a}");
        }
    }
    Ok(())
}

#[test]
fn every_rule_computes_the_same_on_a_gpu() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    for config in rules::configs()? {
        let (_, params, register) = rules::model(&config)?;
        compare(&config, (&register, &params), &gpu)
            .with_context(|| format!("{:?}", config.moe))?;
    }
    Ok(())
}

#[test]
fn routes_compute_the_same_on_a_gpu() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut config = rules::config(rules::ANYWHERE[0], 1)?;
    let moe = config.moe.as_mut().context("a model with experts")?;
    (moe.routing, moe.top_k) = (None, 2);
    let pairs = [("en", "de"), ("de", "en")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let register = Register::for_pairs(&pairs, 3, 12, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 1);
    TranslationModel::new(&config, &register, &params)?;
    compare(&config, (&register, &params), &gpu)
}
