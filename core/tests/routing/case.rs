//! A block beside its naive twin: outputs, and gradients beside finite differences.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use candle::{Device, Tensor, Var};
use dragoman_core::{
    config::Activation,
    context::Context,
    kernels::matmul::Precision,
    moe::{BlockConfig, MoeLayer, Routing, Tokens},
    params::ParamStore,
    ragged::Ragged,
    register::RowRoute,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{D, E, F, naive::Naive};

/// A block with random weights of about unit size, its naive twin, and random tokens.
pub(crate) struct Case {
    pub(crate) block: MoeLayer,
    pub(crate) params: ParamStore,
    pub(crate) naive: Naive,
    pub(crate) layout: Ragged,
    pub(crate) xs: Vec<f32>,
}

pub(crate) fn block_config(routing: &str) -> Result<BlockConfig> {
    Ok(BlockConfig {
        d_model: D,
        d_ff: F,
        num_experts: E,
        activation: Activation::Silu,
        routing: serde_json::from_str(routing).with_context(|| routing.to_string())?,
        ..BlockConfig::default()
    })
}

impl Case {
    pub(crate) fn new(config: &BlockConfig, layout: Ragged, seed: u64) -> Result<Self> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut random = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        let params = ParamStore::new(&Device::Cpu, seed);
        let block = MoeLayer::new(config, &params.root())?;
        let mut weights = BTreeMap::new();
        for param in params.iter() {
            // Corrections stay below what could make a score negative.
            let size = if param.name().ends_with("correction_bias") { 0.1 } else { 0.8 };
            let values = random(param.elem_count(), size);
            weights.insert(param.name().to_string(), values.iter().map(|&v| v.into()).collect());
            param.set(&Tensor::from_vec(values, param.shape(), &Device::Cpu)?)?;
        }
        let rows = layout.rows();
        let sentences = layout.offsets().iter().zip(layout.lengths());
        let naive = Naive {
            config: config.clone(),
            weights,
            sentences: sentences
                .map(|(&start, &length)| (start..start + length).collect())
                .collect(),
            ids: (0..rows as u32).map(|i| (i * 7) % 10).collect(),
            routes: layout.spread(
                &(0..layout.len() as u32).map(|i| RowRoute::from(i % 2)).collect::<Vec<_>>(),
            ),
        };
        Ok(Self { block, params, naive, xs: random(rows * D, 1.5), layout })
    }

    pub(crate) fn tokens<'a>(&'a self, xs: &'a Tensor) -> Tokens<'a> {
        let (ids, routes) = (Some(&self.naive.ids[..]), Some(&self.naive.routes[..]));
        Tokens { ids, routes, ..Tokens::new(xs, &self.layout) }
    }

    pub(crate) fn xs(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.xs, (self.layout.rows(), D), &Device::Cpu)?)
    }

    /// A number for each output, zero between sentences.
    pub(crate) fn cotangent(&self) -> Vec<f64> {
        let mut values = vec![0.0; self.xs.len()];
        for row in self.naive.sentences.concat() {
            for d in 0..D {
                values[row * D + d] = f64::from(((row * 31 + d * 17) % 13) as i32 - 6) / 6.0;
            }
        }
        values
    }
}

pub(crate) fn ensure_close(what: &str, ours: &[f32], theirs: &[f64]) -> Result<()> {
    ensure!(ours.len() == theirs.len(), "{what}: {} values, not {}", ours.len(), theirs.len());
    for (i, (&a, &b)) in ours.iter().zip(theirs).enumerate() {
        let allowed = 1e-5 * b.abs().max(1.0);
        ensure!((f64::from(a) - b).abs() <= allowed, "{what}: value {i} is {a}, not {b}");
    }
    Ok(())
}

/// Inference by the kernels, or by candle's own operations.
pub(crate) fn inference(composite: bool) -> Context {
    let mut context = Context::inference(Precision::F32);
    context.composite = composite;
    context
}

/// Output and all gradients of our block beside the reference's.
pub(crate) fn check(config: &BlockConfig, layout: Ragged, seed: u64) -> Result<()> {
    let case = Case::new(config, layout, seed)?;
    let wide: Vec<f64> = case.xs.iter().map(|&x| x.into()).collect();
    let (expected, cotangent) = (case.naive.forward(&wide), case.cotangent());
    let loss = |naive: &Naive, xs: &[f64]| -> f64 {
        naive.forward(xs).iter().zip(&cotangent).map(|(y, g)| y * g).sum()
    };
    const STEP: f64 = 1e-5;
    let slope = |up: f64, down: f64| (up - down) / (2.0 * STEP);
    let dxs: Vec<f64> = (0..wide.len())
        .map(|i| {
            let moved = |by: f64| {
                let mut xs = wide.clone();
                xs[i] += by;
                loss(&case.naive, &xs)
            };
            slope(moved(STEP), moved(-STEP))
        })
        .collect();
    let mut gradients = BTreeMap::new();
    for (name, values) in &case.naive.weights {
        let slopes = (0..values.len()).map(|i| {
            let moved = |by: f64| {
                let mut naive = case.naive.clone();
                naive.weights.get_mut(name).expect("it is one of them")[i] += by;
                loss(&naive, &wide)
            };
            slope(moved(STEP), moved(-STEP))
        });
        gradients.insert(name.clone(), slopes.collect::<Vec<_>>());
    }

    for composite in [false, true] {
        let context = inference(composite);
        let xs = Var::from_tensor(&case.xs()?)?;
        let (ys, _) = case.block.forward_planned(&case.tokens(&xs), &context)?;
        let form = if composite { "composite" } else { "kernel" };
        let mut values = ys.flatten_all()?.to_vec1::<f32>()?;
        let inside = case.naive.sentences.concat();
        let between = (0..case.layout.rows()).filter(|row| !inside.contains(row));
        if matches!(config.routing, Routing::Soft(_)) {
            between.for_each(|row| values[row * D..][..D].fill(0.0)); // anything, for all we care
        }
        ensure_close(&format!("{form} output"), &values, &expected)?;

        case.params.zero_grads();
        let cotangent: Vec<f32> = cotangent.iter().map(|&g| g as f32).collect();
        let cotangent = Tensor::from_vec(cotangent, ys.shape(), &Device::Cpu)?;
        let grads = (ys * cotangent)?.sum_all()?.backward()?;
        case.params.collect(&grads)?;
        let ours = grads.get(xs.as_tensor()).context("a gradient of the input")?;
        let ours = ours.flatten_all()?.to_vec1::<f32>()?;
        ensure_close(&format!("{form} input gradient"), &ours, &dxs)?;
        for param in case.params.iter().filter(|param| param.is_trainable()) {
            let ours = param.with_grad(|grad| grad.to_vec());
            let what = format!("{form} gradient of {}", param.name());
            ensure_close(&what, &ours, &gradients[param.name()])?;
        }
    }
    Ok(())
}

/// Checks a preset on sentences one after another, with gated experts, and on sentences with
/// padding between them, beside a shared expert.
pub(crate) fn check_preset(routing: &str) -> Result<()> {
    let plain = block_config(routing)?;
    let gated = BlockConfig { gated: true, bias: false, router_bias: true, ..plain.clone() };
    let shared = BlockConfig { shared_d_ff: 3, ..plain };
    check(&gated, Ragged::contiguous(&[5, 1, 4]), 1).with_context(|| routing.to_string())?;
    check(&shared, Ragged::padded(&[3, 5]), 2).with_context(|| format!("{routing}, padded"))
}
