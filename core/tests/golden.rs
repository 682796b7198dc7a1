//! Published blocks of experts, computed by our layers with their weights: output, router choices, input gradient and the
//! gradient of every weight, by the kernels and by candle's own operations.
//!
//! The blocks are `NAME.safetensors` with `NAME.json` in the folder `DRAGOMAN_GOLDEN_DIR` (default `../shared/golden` beside
//! the checkout), as its README and `make_golden.py` there describe; any seed will do.

mod published;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use candle::{DType, Device, Tensor, Var};
use dragoman_core::{
    config::Activation,
    context::Context,
    kernels::{matmul::Precision, visits::Visits},
    moe::{
        BlockConfig, Capacity, MoeLayer, Routing, RoutingPlan, Scope, Tokens,
        routers::{DeepseekV3Config, GshardConfig, MixtralConfig, SwitchConfig},
    },
    params::ParamStore,
    ragged::Ragged,
};
use serde::Deserialize;

use published::Published;

/// The blocks that tests below name.
const BLOCKS: [&str; 7] = [
    "mixtral_block",
    "deepseek_v3_block",
    "switch_block",
    "switch_block_capacity_2",
    "nllb_moe_block",
    "nllb_moe_block_capacity",
    "nllb_moe_block_prioritized",
];

/// What `NAME.json` says.
#[derive(Debug, Clone, Deserialize)]
struct Golden {
    kind: String,
    d_model: usize,
    d_ff: usize,
    num_experts: usize,
    top_k: usize,
    activation: Activation,
    gated: bool,
    #[serde(default)]
    n_group: usize,
    #[serde(default)]
    topk_group: usize,
    #[serde(default)]
    n_shared_experts: usize,
    #[serde(default)]
    routed_scaling_factor: f64,
    #[serde(default)]
    expert_capacity: usize,
    #[serde(default)]
    moe_token_dropout: f32,
    /// 1 in transformers' `NllbMoeConfig`.
    #[serde(default = "one")]
    moe_eval_capacity_token_fraction: f64,
    #[serde(default)]
    batch_prioritized_routing: bool,
    #[serde(default)]
    normalize_router_prob_before_dropping: bool,
}

fn one() -> f64 {
    1.0
}

impl Golden {
    fn config(&self) -> Result<(Published, BlockConfig)> {
        let (published, routing) = match self.kind.as_str() {
            "mixtral" => {
                let config = MixtralConfig { top_k: self.top_k, ..MixtralConfig::default() };
                (Published::Mixtral, Routing::Mixtral(config))
            }
            "deepseek_v3" => {
                let config = DeepseekV3Config {
                    top_k: self.top_k,
                    n_group: self.n_group,
                    topk_group: self.topk_group,
                    routed_scaling_factor: self.routed_scaling_factor,
                    ..DeepseekV3Config::default()
                };
                (Published::Deepseek, Routing::DeepseekV3(config))
            }
            "switch" => {
                let capacity = Capacity::Tokens(self.expert_capacity);
                let config = SwitchConfig {
                    capacity,
                    eval_capacity: capacity,
                    capacity_scope: Scope::Sentence,
                    jitter: 0.0,
                };
                (Published::Switch, Routing::Switch(config))
            }
            "nllb_moe" => (Published::NllbMoe, Routing::Gshard(self.gshard())),
            other => anyhow::bail!("unknown kind `{other}`"),
        };
        let config = BlockConfig {
            d_model: self.d_model,
            d_ff: self.d_ff,
            num_experts: self.num_experts,
            shared_d_ff: self.n_shared_experts * self.d_ff,
            activation: self.activation,
            gated: self.gated,
            bias: published == Published::NllbMoe,
            router_bias: false,
            causal: false,
            routing,
        };
        Ok((published, config))
    }

    fn gshard(&self) -> GshardConfig {
        let capacity = Capacity::Tokens(self.expert_capacity);
        let fraction = self.moe_eval_capacity_token_fraction;
        GshardConfig {
            normalize_before_dropping: self.normalize_router_prob_before_dropping,
            batch_prioritized: self.batch_prioritized_routing,
            capacity,
            eval_capacity: match fraction > 0.0 {
                true => Capacity::Fraction(fraction),
                false => capacity,
            },
            expert_output_masking: self.moe_token_dropout,
            ..GshardConfig::default()
        }
    }
}

/// The folder of the blocks; none, with a reason printed, if there is none by default.
fn folder() -> Result<Option<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if let Some(named) = std::env::var_os("DRAGOMAN_GOLDEN_DIR") {
        let folder = root.join(named); // as it is, if absolute
        ensure!(folder.is_dir(), "DRAGOMAN_GOLDEN_DIR: there is no folder {}", folder.display());
        return Ok(Some(folder));
    }
    let shared = std::env::var_os("DRAGOMAN_SHARED_DIR").unwrap_or_else(|| "../shared".into());
    let folder = root.join(shared).join("golden");
    if !folder.is_dir() {
        println!("skipped: there is no folder {}; set DRAGOMAN_GOLDEN_DIR", folder.display());
        return Ok(None);
    }
    Ok(Some(folder))
}

/// The largest deviation seen so far, in units of what is allowed.
#[derive(Debug, Default)]
struct Deviation(f32);

impl Deviation {
    fn check(&mut self, what: &str, ours: &[f32], theirs: &Tensor) -> Result<()> {
        let theirs = theirs.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        ensure!(ours.len() == theirs.len(), "{what}: {} values, not {}", ours.len(), theirs.len());
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            let units = (a - b).abs() / (1e-5 * b.abs().max(1.0));
            ensure!(units <= 1.0, "{what}: value {i} is {a}, not {b}");
            self.0 = self.0.max(units);
        }
        Ok(())
    }
}

fn check(name: &str) -> Result<()> {
    let Some(folder) = folder()? else { return Ok(()) };
    let text = fs_err::read_to_string(folder.join(format!("{name}.json")))?;
    let golden: Golden = serde_json::from_str(&text).context("the block's description")?;
    let tensors =
        candle::safetensors::load(folder.join(format!("{name}.safetensors")), &Device::Cpu)?;
    for composite in [false, true] {
        let form = if composite { "composite" } else { "kernel" };
        let worst =
            check_form(&golden, &tensors, composite).with_context(|| format!("{name}, {form}"))?;
        println!("{name}, {form}: largest deviation {:.2} of what is allowed", worst.0);
    }
    Ok(())
}

fn check_form(
    golden: &Golden,
    tensors: &HashMap<String, Tensor>,
    composite: bool,
) -> Result<Deviation> {
    let (published, config) = golden.config()?;
    let weights = tensors.iter().filter_map(|(name, tensor)| {
        Some((name.strip_prefix("weight.")?.to_string(), tensor.clone()))
    });
    let (block, params) = published.load(&config, weights, &Device::Cpu)?;

    let (batch, time, d_model) = tensors["input"].dims3()?;
    let xs = Var::from_tensor(&tensors["input"].reshape((batch * time, d_model))?)?;
    let layout = Ragged::contiguous(&vec![time; batch]);
    let context = inference(composite);
    let (ys, plan) = block.forward_planned(&Tokens::new(&xs, &layout), &context)?;
    let plan = plan.context("published blocks are sparse")?;

    let mut worst = Deviation::default();
    worst.check("output", &values(&ys)?, &tensors["output"])?;
    check_choices(golden, &plan, tensors, &mut worst)?;

    let cotangent = tensors["output_grad"].reshape((batch * time, d_model))?;
    let grads = (ys * cotangent)?.sum_all()?.backward()?;
    params.collect(&grads)?;
    let dxs = grads.get(xs.as_tensor()).context("a gradient of the input")?;
    worst.check("input_grad", &values(dxs)?, &tensors["input_grad"])?;
    check_weight_gradients((published, &block), &params, tensors, &mut worst)?;
    Ok(worst)
}

/// Inference by the kernels, or by candle's own operations.
fn inference(composite: bool) -> Context {
    let mut context = Context::inference(Precision::F32);
    context.composite = composite;
    context
}

fn values(xs: &Tensor) -> Result<Vec<f32>> {
    Ok(xs.flatten_all()?.to_vec1::<f32>()?)
}

/// Every published gradient, and none where nothing was published.
fn check_weight_gradients(
    (published, block): (Published, &MoeLayer),
    params: &ParamStore,
    tensors: &HashMap<String, Tensor>,
    worst: &mut Deviation,
) -> Result<()> {
    let mut expected = BTreeMap::new();
    for (name, gradient) in tensors {
        if let Some(theirs) = name.strip_prefix("grad.") {
            let ours =
                published.our_name(theirs).with_context(|| format!("our name of {theirs}"))?;
            expected.insert(ours, gradient);
        }
    }
    ensure!(expected.len() > block.experts().count(), "most experts have a gradient");
    for param in params.iter() {
        let ours = param.with_grad(|grad| grad.to_vec());
        match expected.remove(param.name()) {
            Some(theirs) => worst.check(&format!("gradient of {}", param.name()), &ours, theirs)?,
            None => ensure!(ours.iter().all(|&g| g == 0.0), "{} has a gradient", param.name()),
        }
    }
    ensure!(expected.is_empty(), "no such weights here: {expected:?}");
    Ok(())
}

/// What the published router decided, in the form in which it says so.
fn check_choices(
    golden: &Golden,
    plan: &RoutingPlan,
    tensors: &HashMap<String, Tensor>,
    worst: &mut Deviation,
) -> Result<()> {
    if let Some(logits) = tensors.get("router_logits") {
        worst.check("router logits", &values(plan.logits().context("a gate")?)?, logits)?;
    }
    let index = |name: &str| -> Result<Vec<u32>> {
        Ok(tensors[name].flatten_all()?.to_dtype(DType::U32)?.to_vec1::<u32>()?)
    };
    // Whoever was dropped has index 0 there.
    let first_choices = || -> Vec<u32> {
        let firsts = plan.experts.iter().step_by(plan.slots);
        firsts.map(|&expert| if expert == Visits::NONE { 0 } else { expert }).collect()
    };
    match golden.kind.as_str() {
        "mixtral" => {
            ensure!(plan.experts == index("router_indices")?, "other experts");
            worst.check("weights", &values(&plan.weights)?, &tensors["router_weights"])?;
        }
        "deepseek_v3" => {
            // The published choice comes sorted by expert.
            let mut trace = plan.trace()?;
            trace.iter_mut().for_each(|visits| visits.sort_by_key(|visit| visit.0));
            let visits = trace.concat();
            let experts: Vec<u32> = visits.iter().map(|visit| visit.0 as u32).collect();
            ensure!(experts == index("router_indices")?, "other experts");
            let weights: Vec<f32> = visits.iter().map(|visit| visit.1).collect();
            worst.check("weights", &weights, &tensors["router_weights"])?;
        }
        "switch" => ensure!(first_choices() == index("expert_index")?, "other experts"),
        "nllb_moe" => {
            ensure!(first_choices() == index("top_1")?, "other first experts");
            // Published before the answers of experts are scaled down for output masking.
            let mut table = vec![0.0; plan.experts.len() / plan.slots * plan.num_experts];
            for (visits, row) in plan.trace()?.into_iter().zip(table.chunks_mut(plan.num_experts)) {
                for (expert, weight) in visits {
                    row[expert] = weight / (1.0 - golden.moe_token_dropout);
                }
            }
            let probs = &tensors["router_probs"];
            worst.check("weights", &table, probs)?;
            let visited = |weights: &[f32]| weights.iter().map(|&w| w != 0.0).collect::<Vec<_>>();
            ensure!(visited(&table) == visited(&values(probs)?), "other experts");
        }
        other => anyhow::bail!("unknown kind `{other}`"),
    }
    Ok(())
}

#[test]
fn golden_mixtral_block() -> Result<()> {
    check(BLOCKS[0])
}

#[test]
fn golden_deepseek_v3_block() -> Result<()> {
    check(BLOCKS[1])
}

#[test]
fn golden_switch_block() -> Result<()> {
    check(BLOCKS[2])
}

#[test]
fn golden_switch_block_capacity_2() -> Result<()> {
    check(BLOCKS[3])
}

#[test]
fn golden_nllb_moe_block() -> Result<()> {
    check(BLOCKS[4])
}

#[test]
fn golden_nllb_moe_block_capacity() -> Result<()> {
    check(BLOCKS[5])
}

#[test]
fn golden_nllb_moe_block_prioritized() -> Result<()> {
    check(BLOCKS[6])
}

#[test]
fn golden_blocks_that_no_test_names() -> Result<()> {
    let Some(folder) = folder()? else { return Ok(()) };
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|e| e == "safetensors") && !BLOCKS.contains(&stem) {
            check(stem)?;
        }
    }
    Ok(())
}
