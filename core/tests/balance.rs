//! The balance losses beside their formulas in float64, with gradients of the gate beside finite differences.

use anyhow::{Context as _, Result, ensure};
use candle::{Device, Tensor, Var};
use dragoman_core::{
    context::{Context, Training},
    kernels::matmul::Precision,
    moe::{BalanceConfig, GateShape, Gating, Load, Routing, Tokens, balance},
    params::{Param, ParamStore},
    ragged::Ragged,
    register::RowRoute,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const D: usize = 5;
const E: usize = 6;
const NOISE: f64 = 0.4;
const GROUPS: [&[usize]; 2] = [&[4, 0, 2], &[5, 1, 0, 3]];
const ALL: [&[usize]; 1] = [&[0, 1, 2, 3, 4, 5]];

/// A router with tokens in three sentences, the second of which takes the second route.
struct Case {
    router: Gating,
    gate: Param,
    params: ParamStore,
    layout: Ragged,
    xs: Var,
    routes: Vec<RowRoute>,
    top_k: usize,
    /// Choices that the auxiliary loss counts.
    counted: usize,
    groups: &'static [&'static [usize]],
    has_routes: bool,
}

/// The gate of `E` experts of tokens of width `d_model`.
fn shape(d_model: usize) -> GateShape {
    GateShape { d_model, num_experts: E, bias: false }
}

impl Case {
    fn new(routing: &str, (top_k, counted): (usize, usize), layout: Ragged) -> Result<Self> {
        let routing: Routing = serde_json::from_str(routing)?;
        let has_routes = matches!(routing, Routing::Route(_));
        let params = ParamStore::new(&Device::Cpu, 1);
        let router = Gating::new(&routing, &shape(D), &params.root())?;
        let gate = params.get("gate.weight").context("it has a gate")?;
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let mut random = |shape: (usize, usize)| -> Result<Tensor> {
            let values = (0..shape.0 * shape.1).map(|_| rng.random_range(-1.0..1.0f32)).collect();
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
        };
        gate.set(&random((E, D))?)?;
        let xs = Var::from_tensor(&random((layout.rows(), D))?)?;
        let of_sentences: Vec<RowRoute> =
            (0..layout.len() as u32).map(|i| RowRoute::from(i % 2)).collect();
        let routes = layout.spread(&of_sentences);
        let groups: &[&[usize]] = if has_routes { &GROUPS } else { &ALL };
        Ok(Self { router, gate, params, layout, xs, routes, top_k, counted, groups, has_routes })
    }

    fn tokens(&self) -> Tokens<'_> {
        let routes = self.has_routes.then_some(&self.routes[..]);
        Tokens { routes, ..Tokens::new(&self.xs, &self.layout) }
    }

    /// Rows of each sentence.
    fn sentences(&self) -> Vec<Vec<usize>> {
        let each = self.layout.offsets().iter().zip(self.layout.lengths());
        each.map(|(&start, &length)| (start..start + length).collect()).collect()
    }

    /// Rows and experts that are balanced together.
    fn cells(&self) -> Vec<(Vec<usize>, &'static [usize])> {
        let rows = self.sentences().concat();
        let of = |cell: usize| -> Vec<usize> {
            let belongs =
                |row: &usize| !self.has_routes || self.routes[*row].route as usize == cell;
            rows.iter().copied().filter(belongs).collect()
        };
        self.groups.iter().enumerate().map(|(cell, group)| (of(cell), *group)).collect()
    }

    fn logits(&self, gate: &[f64]) -> Result<Vec<Vec<f64>>> {
        let logit =
            |x: &[f32], row: &[f64]| x.iter().zip(row).map(|(&x, w)| f64::from(x) * w).sum();
        let xs = self.xs.to_vec2::<f32>()?;
        Ok(xs.iter().map(|x| gate.chunks(D).map(|row| logit(x, row)).collect()).collect())
    }
}

fn softmax(xs: &[f64]) -> Vec<f64> {
    let exps: Vec<f64> = xs.iter().map(|x| x.exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|x| x / sum).collect()
}

/// Members of the group by falling logit.
fn ranking(logits: &[f64], group: &[usize]) -> Vec<usize> {
    let mut order = group.to_vec();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order
}

fn in_group(logits: &[f64], group: &[usize]) -> Vec<f64> {
    group.iter().map(|&e| logits[e]).collect()
}

fn cv_squared(xs: &[f64]) -> f64 {
    let mean = xs.iter().sum::<f64>() / xs.len() as f64;
    let variance = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / xs.len() as f64;
    variance / (mean * mean)
}

/// The normal distribution function, by the trapezoidal rule.
fn normal_cdf(x: f64) -> f64 {
    let steps = 4000;
    let (start, width) = (-8.0, (x + 8.0) / f64::from(steps));
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let inner: f64 = (1..steps).map(|i| density(start + width * f64::from(i))).sum();
    width * (inner + 0.5 * (density(start) + density(x)))
}

/// Each loss straight from its formula, averaged over the rows of the cells.
fn naive(case: &Case, gate: &[f64], loss: &str) -> Result<f64> {
    let logits = case.logits(gate)?;
    let cells = case.cells();
    let rows_in_all: usize = cells.iter().map(|(rows, _)| rows.len()).sum();
    let mut total = 0.0;
    for (rows, group) in &cells {
        let share = rows.len() as f64 / rows_in_all as f64;
        let mean = |of: &dyn Fn(usize) -> f64| {
            rows.iter().map(|&row| of(row)).sum::<f64>() / rows.len() as f64
        };
        let chosen = |row: usize, count: usize| ranking(&logits[row], group)[..count].to_vec();
        total += share
            * match loss {
                "auxiliary" => balance_of(&logits, rows, group, |row| chosen(row, case.counted)),
                "z" => mean(&|row| {
                    let sum: f64 = in_group(&logits[row], group).iter().map(|l| l.exp()).sum();
                    sum.ln().powi(2)
                }),
                "entropy" => mean(&|row| {
                    -softmax(&in_group(&logits[row], group)).iter().map(|p| p * p.ln()).sum::<f64>()
                }),
                "importance" => {
                    let mut sums = [0.0; E];
                    for &row in rows {
                        let chosen = chosen(row, case.top_k);
                        let weights = softmax(&in_group(&logits[row], &chosen));
                        chosen.iter().zip(weights).for_each(|(&e, w)| sums[e] += w);
                    }
                    cv_squared(&group.iter().map(|&e| sums[e]).collect::<Vec<_>>())
                }
                "load" => {
                    let chance = |row: usize, expert: usize| {
                        let others: Vec<usize> =
                            group.iter().copied().filter(|&e| e != expert).collect();
                        let beaten = ranking(&logits[row], &others)[case.top_k - 1];
                        normal_cdf((logits[row][expert] - logits[row][beaten]) / NOISE)
                    };
                    let of = |&e: &usize| rows.iter().map(|&row| chance(row, e)).sum();
                    cv_squared(&group.iter().map(of).collect::<Vec<f64>>())
                }
                other => anyhow::bail!("no loss `{other}`"),
            };
    }
    Ok(total)
}

/// `G · Σₑ fₑ·pₑ` over `rows`.
fn balance_of(
    logits: &[Vec<f64>],
    rows: &[usize],
    group: &[usize],
    chosen: impl Fn(usize) -> Vec<usize>,
) -> f64 {
    let choices: Vec<usize> = rows.iter().flat_map(|&row| chosen(row)).collect();
    let of_expert = |(i, &expert): (usize, &usize)| {
        let share = choices.iter().filter(|&&e| e == expert).count() as f64 / choices.len() as f64;
        let probs = rows.iter().map(|&row| softmax(&in_group(&logits[row], group))[i]);
        share * probs.sum::<f64>() / rows.len() as f64
    };
    group.len() as f64 * group.iter().enumerate().map(of_expert).sum::<f64>()
}

fn naive_sequence(case: &Case, gate: &[f64]) -> Result<f64> {
    let logits = case.logits(gate)?;
    let sentences = case.sentences();
    let chosen = |row: usize| ranking(&logits[row], ALL[0])[..case.top_k].to_vec();
    let of = |rows: &Vec<usize>| balance_of(&logits, rows, ALL[0], chosen);
    Ok(sentences.iter().map(of).sum::<f64>() / sentences.len() as f64)
}

fn check(case: &Case, config: BalanceConfig, naive: impl Fn(&[f64]) -> Result<f64>) -> Result<()> {
    let wide: Vec<f64> = case.gate.with_value(|w| w.iter().map(|&w| w.into()).collect())?;
    let expected = naive(&wide)?;
    for composite in [false, true] {
        let context = inference(composite);
        let plan = case.router.plan(&case.tokens(), &context)?;
        let loss = config.loss(&plan, &case.layout, None)?.context("there is a gate")?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        ensure!((value - expected).abs() < 1e-5 * expected.abs().max(1.0), "{value} {expected}");
        case.params.zero_grads();
        case.params.collect(&loss.backward()?)?;
        for (i, grad) in case.gate.with_grad(|grad| grad.to_vec()).into_iter().enumerate() {
            let moved = |by: f64| {
                let mut gate = wide.clone();
                gate[i] += by;
                naive(&gate)
            };
            let slope = (moved(1e-5)? - moved(-1e-5)?) / 2e-5;
            ensure!(
                (f64::from(grad) - slope).abs() < 1e-5 * slope.abs().max(1.0),
                "{grad} {slope}"
            );
        }
    }
    Ok(())
}

/// Inference by the kernels, or by candle's own operations.
fn inference(composite: bool) -> Context {
    let mut context = Context::inference(Precision::F32);
    context.composite = composite;
    context
}

const NONE: BalanceConfig = BalanceConfig {
    auxiliary: 0.0,
    importance: 0.0,
    load: 0.0,
    load_noise: NOISE,
    z: 0.0,
    entropy: 0.0,
    sequence: 0.0,
};

fn cases() -> Result<Vec<Case>> {
    let layouts = || [Ragged::contiguous(&[7, 9, 5]), Ragged::padded(&[4, 8, 6])];
    let mut cases = Vec::new();
    for layout in layouts() {
        let mixtral = r#"{ "kind": "mixtral" }"#;
        cases.push(Case::new(mixtral, (2, 2), layout.clone())?);
        let route = r#"{ "kind": "route", "groups": [[4, 0, 2], [5, 1, 0, 3]], "top_k": 2 }"#;
        cases.push(Case::new(route, (2, 2), layout.clone())?);
        // Dropless top-2 weighs as Mixtral does, and counts first choices.
        let gshard = r#"{ "kind": "gshard", "eval_capacity": "dropless" }"#;
        cases.push(Case::new(gshard, (2, 1), layout)?);
    }
    Ok(cases)
}

#[test]
fn every_loss_is_its_formula() -> Result<()> {
    for case in cases()? {
        let losses = [
            ("auxiliary", BalanceConfig { auxiliary: 1.0, ..NONE }),
            ("importance", BalanceConfig { importance: 1.0, ..NONE }),
            ("load", BalanceConfig { load: 1.0, ..NONE }),
            ("z", BalanceConfig { z: 1.0, ..NONE }),
            ("entropy", BalanceConfig { entropy: 1.0, ..NONE }),
        ];
        for (loss, config) in losses {
            let what = || format!("{loss} of {:?}", case.router.rule());
            check(&case, config, |gate| naive(&case, gate, loss)).with_context(what)?;
        }
        if !case.has_routes {
            let config = BalanceConfig { sequence: 1.0, ..NONE };
            check(&case, config, |gate| naive_sequence(&case, gate)).context("sequence")?;
        }
    }
    Ok(())
}

#[test]
fn coefficients_weigh_the_losses() -> Result<()> {
    let case = Case::new(r#"{ "kind": "mixtral" }"#, (2, 2), Ragged::contiguous(&[9]))?;
    let plan = case.router.plan(&case.tokens(), &Context::inference(Precision::F32))?;
    let of = |config: BalanceConfig| -> Result<f32> {
        Ok(config.loss(&plan, &case.layout, None)?.context("a gate")?.to_scalar()?)
    };
    let both = of(BalanceConfig { auxiliary: 0.5, z: 2.0, ..NONE })?;
    let (auxiliary, z) =
        (of(BalanceConfig { auxiliary: 1.0, ..NONE })?, of(BalanceConfig { z: 1.0, ..NONE })?);
    ensure!((both - 0.5 * auxiliary - 2.0 * z).abs() < 1e-5, "{both} {auxiliary} {z}");
    Ok(())
}

#[test]
fn parts_of_a_global_batch_add_up_to_it() -> Result<()> {
    for routing in [
        r#"{ "kind": "mixtral" }"#,
        r#"{ "kind": "route", "groups": [[4, 0, 2], [5, 1, 0, 3]], "top_k": 2 }"#,
    ] {
        let whole = Case::new(routing, (2, 2), Ragged::contiguous(&[8, 8, 8, 8]))?;
        let context = Context::training(
            Precision::F32,
            Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 },
        );
        let plan = whole.router.plan(&whole.tokens(), &context)?;
        let expected = balance::auxiliary_loss(&plan, None)?.to_scalar::<f32>()?;
        let mut load = Load::default();
        let mut plans = Vec::new();
        for part in 0..2 {
            let xs = whole.xs.narrow(0, part * 16, 16)?;
            let layout = Ragged::contiguous(&[8, 8]);
            let routes = whole.has_routes.then_some(&whole.routes[part * 16..][..16]);
            let tokens = Tokens { routes, ..Tokens::new(&xs, &layout) };
            let plan = whole.router.plan(&tokens, &context)?;
            load.add(&plan);
            plans.push(plan);
        }
        ensure!(load == Load::of(&plan), "{load:?}");
        let mut sum = 0.0;
        for plan in &plans {
            sum += balance::auxiliary_loss(plan, Some(&load))?.to_scalar::<f32>()?;
        }
        ensure!((sum / 2.0 - expected).abs() < 1e-5, "{} {expected}", sum / 2.0);
    }
    Ok(())
}

#[test]
fn an_even_choice_costs_one() -> Result<()> {
    // Token i prefers expert i by a little.
    let params = ParamStore::new(&Device::Cpu, 1);
    let routing: Routing = serde_json::from_str(r#"{ "kind": "switch" }"#)?;
    let router = Gating::new(&routing, &shape(E), &params.root())?;
    let gate = params.get("gate.weight").context("it has a gate")?;
    gate.set(&Tensor::eye(E, candle::DType::F32, &Device::Cpu)?)?;
    let xs = (Tensor::eye(E, candle::DType::F32, &Device::Cpu)? * 0.01)?;
    let layout = Ragged::contiguous(&[E]);
    let tokens = Tokens::new(&xs, &layout);
    let plan = router.plan(&tokens, &Context::inference(Precision::F32))?;
    let loss = balance::auxiliary_loss(&plan, None)?.to_scalar::<f32>()?;
    ensure!((loss - 1.0).abs() < 1e-5, "{loss}");
    let visits = Load::of(&plan).visits;
    ensure!(visits.iter().all(|count| *count == visits[0]), "all are visited alike: {visits:?}");
    Ok(())
}

#[test]
fn what_cannot_be_balanced_says_so() -> Result<()> {
    let params = ParamStore::new(&Device::Cpu, 1);
    let routing: Routing = serde_json::from_str(r#"{ "kind": "hash" }"#)?;
    let router = Gating::new(&routing, &shape(D), &params.root())?;
    let layout = Ragged::contiguous(&[3]);
    let xs = Tensor::ones((3, D), candle::DType::F32, &Device::Cpu)?;
    let tokens = Tokens { ids: Some(&[1, 2, 3]), ..Tokens::new(&xs, &layout) };
    let plan = router.plan(&tokens, &Context::inference(Precision::F32))?;
    ensure!(BalanceConfig::default().loss(&plan, &layout, None)?.is_none(), "no gate, no loss");
    let error = balance::z_loss(&plan).err().context("no gate")?.to_string();
    ensure!(error.contains("there is no gate"), "{error}");
    let case = Case::new(r#"{ "kind": "mixtral" }"#, (2, 2), Ragged::contiguous(&[3]))?;
    let plan = case.router.plan(&case.tokens(), &Context::inference(Precision::F32))?;
    let mut load = Load::default();
    load.visits = vec![1; 3];
    ensure!(balance::auxiliary_loss(&plan, Some(&load)).is_err(), "another layer's load");
    ensure!(balance::load_loss(&plan, 0.0).is_err(), "no noise");
    Ok(())
}
