//! What holds in training: gradients, seeds, policies, balance.

use anyhow::{Context as _, Result, ensure};
use candle::{Device, Tensor};
use dragoman_core::{
    context::{Context, Training},
    kernels::{matmul::Precision, visits::Visits},
    moe::{Load, Revival},
    ragged::Ragged,
};

use crate::{
    E,
    case::{Case, block_config},
};

/// Every preset, with room to train.
pub(crate) const PRESETS: [&str; 11] = [
    r#"{ "kind": "switch" }"#,
    r#"{ "kind": "gshard", "second_expert": "sampling", "expert_output_masking": 0.1 }"#,
    r#"{ "kind": "mixtral", "jitter": 0.1 }"#,
    r#"{ "kind": "deepseek_v2", "top_k": 3, "n_group": 3, "topk_group": 2 }"#,
    r#"{ "kind": "deepseek_v3", "top_k": 3, "n_group": 3, "topk_group": 2 }"#,
    r#"{ "kind": "expert_choice" }"#,
    r#"{ "kind": "hash" }"#,
    r#"{ "kind": "soft" }"#,
    r#"{ "kind": "hierarchical", "num_groups": 2 }"#,
    r#"{ "kind": "adaptive" }"#,
    r#"{ "kind": "route", "groups": [[4, 0, 2], [5, 1, 0, 3]], "top_k": 2 }"#,
];

pub(crate) fn training(seed: u64, expert_dropout: f32) -> Context {
    let training = Training { seed, step: 3, dropout: 0.0, expert_dropout };
    Context::training(Precision::F32, training)
}

/// Output and gradients of one step of training.
pub(crate) fn step(case: &Case, context: &Context) -> Result<Vec<Vec<f32>>> {
    let xs = case.xs()?;
    case.params.zero_grads();
    let (ys, _) = case.block.forward_planned(&case.tokens(&xs), context)?;
    let grads = ys.sqr()?.sum_all()?.backward()?;
    case.params.collect(&grads)?;
    let mut all = vec![ys.flatten_all()?.to_vec1::<f32>()?];
    all.extend(case.params.iter().map(|param| param.with_grad(|grad| grad.to_vec())));
    Ok(all)
}

/// A case in which every expert is visited in training.
pub(crate) fn busy_case(preset: &str) -> Result<Case> {
    for seed in 0..50 {
        let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[40, 60, 28]), seed)?;
        let xs = case.xs()?;
        let (_, plan) = case.block.forward_planned(&case.tokens(&xs), &training(1, 0.0))?;
        if plan.is_none_or(|plan| Load::of(&plan).dead(0.2).is_empty()) {
            return Ok(case);
        }
    }
    anyhow::bail!("{preset}: no seed lets all experts work")
}

#[test]
fn every_weight_of_every_preset_learns() -> Result<()> {
    for preset in PRESETS {
        let case = busy_case(preset)?;
        for composite in [false, true] {
            let mut context = training(1, 0.0);
            context.composite = composite;
            step(&case, &context)?;
            for param in case.params.iter() {
                let size = param.with_grad(|g| g.iter().map(|g| g.abs()).fold(0.0, f32::max));
                // The corrections of DeepSeek-V3 follow the load, not a gradient.
                let learns = !param.name().ends_with("correction_bias");
                ensure!((size > 1e-6) == learns, "{preset}: {} has {size:e}", param.name());
            }
        }
    }
    Ok(())
}

#[test]
fn a_seed_decides_every_bit_at_any_number_of_threads() -> Result<()> {
    for preset in PRESETS {
        let run = |threads: usize, seed: u64| -> Result<Vec<Vec<f32>>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            pool.install(|| {
                let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[20, 30, 14]), 5)?;
                step(&case, &training(seed, 0.2))
            })
        };
        let one = run(1, 1)?;
        ensure!(one == run(2, 1)? && one == run(4, 1)?, "{preset}: threads changed a bit");
        if !preset.contains("soft") {
            ensure!(one != run(1, 2)?, "{preset}: another seed drops other experts");
        }
    }
    Ok(())
}

#[test]
fn second_experts_are_kept_by_their_policy() -> Result<()> {
    let rows = 400;
    let plan = |policy: &str, context: &Context| -> Result<Vec<u32>> {
        let routing = format!(
            r#"{{ "kind": "gshard", "second_expert": "{policy}", "capacity": "dropless",
                "eval_capacity": "dropless" }}"#
        );
        let case = Case::new(&block_config(&routing)?, Ragged::contiguous(&[rows]), 6)?;
        let xs = case.xs()?;
        Ok(case.block.router().context("it has one")?.plan(&case.tokens(&xs), context)?.experts)
    };
    let all = plan("all", &training(1, 0.0))?;
    for policy in ["random", "sampling"] {
        ensure!(plan(policy, &Context::inference(Precision::F32))? == all, "{policy} at inference");
        let trained = plan(policy, &training(1, 0.0))?;
        ensure!(trained == plan(policy, &training(1, 0.0))?, "{policy} follows the seed");
        let same_first = trained.chunks(2).zip(all.chunks(2)).all(|(a, b)| a[0] == b[0]);
        ensure!(same_first, "{policy} leaves first choices alone");
        let changed = trained.chunks(2).zip(all.chunks(2)).filter(|(a, b)| a[1] != b[1]).count();
        ensure!((rows / 20..rows).contains(&changed), "{policy}: {changed} of {rows} changed");
        let gone = trained.iter().filter(|&&expert| expert == Visits::NONE).count();
        ensure!((gone > 0) == (policy == "random"), "{policy}: {gone} are gone");
    }
    Ok(())
}

#[test]
fn dropped_answers_weigh_nothing_and_kept_ones_what_they_should() -> Result<()> {
    let routing = r#"{ "kind": "gshard", "capacity": "dropless", "expert_output_masking": 0.25 }"#;
    let case = Case::new(&block_config(routing)?, Ragged::contiguous(&[300]), 7)?;
    let (xs, router) = (case.xs()?, case.block.router().context("it has one")?);
    let weights = |context: &Context| -> Result<Vec<f32>> {
        let plan = router.plan(&case.tokens(&xs), context)?;
        Ok(plan.weights.flatten_all()?.to_vec1::<f32>()?)
    };
    // Masking is not scaled in training; expert dropout is.
    let masked = weights(&training(1, 0.0))?;
    let both = weights(&training(1, 0.5))?;
    let zeros = |weights: &[f32]| weights.iter().filter(|&&w| w == 0.0).count() as f64 / 600.0;
    ensure!((zeros(&masked) - 0.25).abs() < 0.06, "{}", zeros(&masked));
    ensure!((zeros(&both) - 0.625).abs() < 0.06, "{}", zeros(&both));
    for (masked, both) in masked.iter().zip(&both).filter(|(_, both)| **both != 0.0) {
        ensure!((both - 2.0 * masked).abs() < 1e-6, "{both} is not twice {masked}");
    }
    let sums: Vec<f32> = masked.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    ensure!(sums.iter().any(|sum| (sum - 1.0).abs() < 1e-6), "some rows keep both answers");
    Ok(())
}

#[test]
fn corrections_move_against_the_load() -> Result<()> {
    let routing = r#"{ "kind": "deepseek_v3", "top_k": 2, "n_group": 1, "topk_group": 1 }"#;
    let case = Case::new(&block_config(routing)?, Ragged::contiguous(&[64]), 8)?;
    let (xs, router) = (case.xs()?, case.block.router().context("it has one")?);
    let load = || -> Result<Load> {
        Ok(Load::of(&router.plan(&case.tokens(&xs), &Context::inference(Precision::F32))?))
    };
    let correction = router.correction().context("it has one")?;
    let (before, first) = (correction.with_value(<[f32]>::to_vec)?, load()?);
    router.update_correction(&first, 0.001)?;
    let after = correction.with_value(<[f32]>::to_vec)?;
    let mean = first.total() as f64 / E as f64;
    for ((before, after), &visits) in before.iter().zip(&after).zip(&first.visits) {
        let moved = 0.001 * (mean - visits as f64).signum() * f64::from(visits as f64 != mean);
        ensure!((f64::from(after - before) - moved).abs() < 1e-6, "{before} {after} {visits}");
    }
    for _ in 0..300 {
        router.update_correction(&load()?, 0.005)?;
    }
    let last = load()?;
    // The highest load over the mean, minus one (`MaxVio`, Wang et al. 2024).
    let violation = |load: &Load| {
        let most = load.visits.iter().max().map_or(0.0, |&most| most as f64);
        most * E as f64 / load.total() as f64 - 1.0
    };
    ensure!(violation(&last) < 0.5 * violation(&first), "{first:?} {last:?}");
    Ok(())
}

#[test]
fn a_dead_expert_is_found_and_revived_from_the_busiest() -> Result<()> {
    let case = Case::new(&block_config(r#"{ "kind": "mixtral" }"#)?, Ragged::contiguous(&[64]), 9)?;
    let gate = case.params.get("router.gate.weight").context("it has one")?;
    // All inputs lie on the positive side, where expert 3 is as unlikely as can be.
    let xs = case.xs()?.abs()?;
    let mut rows = gate.tensor()?.to_vec2::<f32>()?;
    rows[3].fill(-20.0);
    gate.set(&Tensor::from_vec(rows.concat(), gate.shape(), &Device::Cpu)?)?;
    let load = || -> Result<Load> {
        let context = Context::inference(Precision::F32);
        Ok(Load::of(&case.block.router().context("it has one")?.plan(&case.tokens(&xs), &context)?))
    };
    let before = load()?;
    ensure!(before.dead(0.0).contains(&3), "{before:?}");
    let busiest = before.busiest().context("someone is")?;
    let kept = case.params.get(&format!("experts.{busiest}.up.weight")).context("it is there")?;
    let kept_before = kept.with_value(<[f32]>::to_vec)?;
    let revived = case.block.revive(&before, &Revival { threshold: 0.0, noise: 0.01, seed: 1 })?;
    let named = revived.iter().map(|revived| revived.expert).collect::<Vec<_>>();
    ensure!(named == before.dead(0.0), "{named:?}");
    ensure!(load()?.visits[3] > 0, "it is visited again");
    let parent = kept.with_value(<[f32]>::to_vec)?;
    ensure!(parent == kept_before, "the parent stays as it was");
    let child = case.params.get("experts.3.up.weight").context("it is there")?;
    let child = child.with_value(<[f32]>::to_vec)?;
    ensure!(child != parent, "noise lets them grow apart");
    let far = child.iter().zip(&parent).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    ensure!(far < 0.1, "and yet they are near: {far}");
    Ok(())
}
