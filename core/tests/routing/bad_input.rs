//! What is refused and how, and what must hold for any input.

use anyhow::{Result, ensure};
use candle::{DType, Device, Tensor};
use dragoman_core::{
    context::Context,
    kernels::matmul::Precision,
    moe::{BlockConfig, Load, MoeLayer, Tokens},
    params::ParamStore,
    ragged::Ragged,
    register::RowRoute,
};
use proptest::prelude::*;

use crate::{
    D, E, F,
    case::{Case, block_config},
    learning::PRESETS,
};

fn message<T>(result: dragoman_core::Result<T>) -> String {
    result.err().map_or("no error".into(), |error| error.to_string())
}

#[test]
fn broken_numbers_are_refused_by_row() -> Result<()> {
    for preset in PRESETS {
        for (broken, value) in [(true, f32::NAN), (true, f32::INFINITY), (false, f32::NAN)] {
            let mut case = Case::new(&block_config(preset)?, Ragged::padded(&[2, 4]), 10)?;
            // Row 2 lies between the sentences; row 5 in the second one.
            let row = if broken { 5 } else { 2 };
            case.xs[row * D + 1] = value;
            let xs = case.xs()?;
            let context = Context::inference(Precision::F32);
            let result = case.block.forward_planned(&case.tokens(&xs), &context);
            if broken {
                let message = message(result);
                ensure!(message.contains("finite numbers"), "{preset}: {message}");
                let by_row = preset.contains("route") || message.contains("row 5");
                ensure!(by_row, "{preset}: {message}");
            }
        }
        let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[4]), 11)?;
        let Some(gate) = case.params.iter().find(|param| param.name().starts_with("router."))
        else {
            continue; // hash
        };
        let infinite = Tensor::full(f32::INFINITY, gate.shape(), &Device::Cpu)?;
        gate.set(&infinite)?;
        let xs = case.xs()?;
        let result =
            case.block.forward_planned(&case.tokens(&xs), &Context::inference(Precision::F32));
        ensure!(message(result).contains("finite numbers"), "{preset}, gate");
    }
    Ok(())
}

#[test]
fn an_empty_batch_is_an_empty_answer() -> Result<()> {
    for preset in PRESETS {
        for lengths in [&[][..], &[0, 0]] {
            let case = Case::new(&block_config(preset)?, Ragged::contiguous(lengths), 12)?;
            let xs = case.xs()?;
            let (ys, plan) = case
                .block
                .forward_planned(&case.tokens(&xs), &Context::inference(Precision::F32))?;
            ensure!(ys.dims() == [0, D], "{preset}");
            ensure!(plan.is_none_or(|plan| plan.load() == [0; E]), "{preset}");
        }
    }
    Ok(())
}

#[test]
fn what_a_rule_needs_is_asked_for() -> Result<()> {
    let layout = Ragged::contiguous(&[2]);
    let xs = Tensor::zeros((2, D), DType::F32, &Device::Cpu)?;
    let context = Context::inference(Precision::F32);
    let cases = [(6, "token ids"), (10, "the route of every row")];
    for (preset, expected) in cases {
        let case = Case::new(&block_config(PRESETS[preset])?, layout.clone(), 13)?;
        let message = message(case.block.forward_planned(&Tokens::new(&xs, &layout), &context));
        ensure!(message.contains(expected), "{message}");
    }
    let case = Case::new(&block_config(PRESETS[10])?, layout.clone(), 13)?;
    for (routes, expected) in [(&[0, 2][..], "route 2 of 2"), (&[0], "1 routes for 2 rows")] {
        let routes: Vec<_> = routes.iter().copied().map(RowRoute::from).collect();
        let tokens = Tokens { routes: Some(&routes), ..Tokens::new(&xs, &layout) };
        let message = message(case.block.forward_planned(&tokens, &context));
        ensure!(message.contains(expected), "{message}");
    }
    let wide = Tensor::zeros((2, D + 1), DType::F32, &Device::Cpu)?;
    let message = message(case.block.forward_planned(&Tokens::new(&wide, &layout), &context));
    ensure!(message == "expected tokens of shape [2, 5], not [2, 6]", "{message}");
    Ok(())
}

#[test]
fn an_expert_of_another_shape_is_named() -> Result<()> {
    let config = block_config(PRESETS[2])?;
    let case = Case::new(&config, Ragged::contiguous(&[2]), 14)?;
    let mut tensors = case.params.tensors()?;
    tensors
        .insert("experts.4.up.weight".into(), Tensor::zeros((F + 1, D), DType::F32, &Device::Cpu)?);
    let params = ParamStore::from_tensors(&Device::Cpu, tensors);
    let message = message(MoeLayer::new(&config, &params.root()));
    ensure!(message == "weight `experts.4.up.weight`: has shape [5, 5], not [4, 5]", "{message}");
    let causal = BlockConfig { causal: true, ..block_config(PRESETS[5])? };
    let params = ParamStore::new(&Device::Cpu, 0);
    let message = self::message(MoeLayer::new(&causal, &params.root()));
    ensure!(message.contains("encoder only"), "{message}");
    Ok(())
}

#[test]
fn one_expert_may_take_all_tokens() -> Result<()> {
    for preset in PRESETS {
        let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[9, 3]), 15)?;
        // Equal tokens: whatever is chosen, all choose the same.
        let xs = Tensor::ones((12, D), DType::F32, &Device::Cpu)?;
        let (ys, _) =
            case.block.forward_planned(&case.tokens(&xs), &Context::inference(Precision::F32))?;
        let values = ys.flatten_all()?.to_vec1::<f32>()?;
        ensure!(values.iter().all(|value| value.is_finite()), "{preset}");
    }
    Ok(())
}

/// Any preset with any small numbers in its fields.
fn any_routing() -> impl Strategy<Value = String> {
    let number = 0usize..5;
    (0usize..11, number.clone(), number.clone(), number, prop::bool::ANY).prop_map(
        |(kind, a, b, c, flag)| match kind {
            0 => format!(r#"{{ "kind": "switch", "eval_capacity": {{ "tokens": {a} }} }}"#),
            1 => format!(
                r#"{{ "kind": "gshard", "eval_capacity": {{ "tokens": {a} }},
                    "batch_prioritized": {flag}, "normalize_before_dropping": {} }}"#,
                b > 2
            ),
            2 => format!(r#"{{ "kind": "mixtral", "top_k": {a} }}"#),
            3 => format!(
                r#"{{ "kind": "deepseek_v2", "top_k": {a}, "n_group": {b}, "topk_group": {c},
                    "norm_topk_prob": {flag} }}"#
            ),
            4 => format!(
                r#"{{ "kind": "deepseek_v3", "top_k": {a}, "n_group": {b}, "topk_group": {c},
                    "norm_topk_prob": {flag} }}"#
            ),
            5 => format!(r#"{{ "kind": "expert_choice", "capacity_factor": {a} }}"#),
            6 => format!(r#"{{ "kind": "hash", "assignment": {{ "random": {a} }} }}"#),
            7 => format!(r#"{{ "kind": "soft", "slots_per_expert": {a}, "normalize": {flag} }}"#),
            8 => format!(
                r#"{{ "kind": "hierarchical", "num_groups": {a}, "top_groups": {b}, "top_k": {c} }}"#
            ),
            9 => format!(
                r#"{{ "kind": "adaptive", "threshold": 0.{a}, "top_k": {b}, "normalize": {flag} }}"#
            ),
            _ => format!(r#"{{ "kind": "route", "groups": [[0, 1, {a}], [0, {b}]], "top_k": {c} }}"#),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A configuration is refused with a reason, or it works: no expert is visited twice by a
    /// token, nobody takes more than fits, and weights are shares.
    #[test]
    fn any_configuration_is_refused_or_works(
        routing in any_routing(),
        num_experts in 0usize..6,
        lengths in prop::collection::vec(0usize..6, 0..4),
        seed in 0u64..1000,
    ) {
        let config = block_config(&routing).expect("the fields are known");
        let config = BlockConfig { num_experts, ..config };
        let layout = Ragged::padded(&lengths);
        let case = match Case::new(&config, layout, seed) {
            Ok(case) => case,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let xs = case.xs().expect("a tensor of its shape");
        let context = Context::inference(Precision::F32);
        let (ys, plan) = case.block.forward_planned(&case.tokens(&xs), &context).expect(&routing);
        prop_assert_eq!(ys.dims(), xs.dims());
        let values = ys.flatten_all().expect("flat").to_vec1::<f32>().expect("float32");
        prop_assert!(values.iter().all(|value| value.is_finite()));
        let Some(plan) = plan else { return Ok(()) };
        let inside = case.naive.sentences.concat();
        for (row, visits) in plan.trace().expect("on the cpu").iter().enumerate() {
            prop_assert!(inside.contains(&row) || visits.is_empty());
            let mut experts: Vec<usize> = visits.iter().map(|visit| visit.0).collect();
            experts.sort_unstable();
            experts.dedup();
            prop_assert_eq!(experts.len(), visits.len(), "an expert twice");
            let sum: f32 = visits.iter().map(|visit| visit.1).sum();
            let is_share = !routing.contains("deepseek") && !routing.contains("expert_choice");
            prop_assert!(!is_share || sum <= 1.0 + 1e-5, "{}", sum);
        }
        let load = Load::of(&plan);
        prop_assert_eq!(load.visits.len(), num_experts);
        prop_assert_eq!(load.tokens as usize, inside.len());
    }
}
