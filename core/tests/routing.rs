//! Every routing preset beside a naive reference in float64, written straight from its formula: outputs, and the gradients of
//! inputs and all weights beside finite differences; and what must hold for any input.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use candle::{DType, Device, Tensor, Var};
use dragoman_core::{
    config::Activation,
    context::{Context, Training},
    kernels::{matmul::Precision, visits::Visits},
    moe::{
        BlockConfig, Load, MoeBlock, Routing, Scope, Tokens,
        config::{Assignment, Masked},
    },
    params::ParamStore,
    ragged::Ragged,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const D: usize = 5;
const F: usize = 4;
const E: usize = 6;
/// Two routes that share expert 0.
const GROUPS: [&[usize]; 2] = [&[4, 0, 2], &[5, 1, 0, 3]];

/// A block in float64.
#[derive(Debug, Clone)]
struct Naive {
    config: BlockConfig,
    weights: BTreeMap<String, Vec<f64>>,
    /// Rows of each sentence.
    sentences: Vec<Vec<usize>>,
    ids: Vec<u32>,
    routes: Vec<u32>,
}

/// The experts of a row, with their weights.
type Visit = (usize, f64);

fn softmax(xs: &[f64]) -> Vec<f64> {
    let max = xs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = xs.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|x| x / sum).collect()
}

/// Indices by falling score.
fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// `(rows, inner)` times the transposed weight `(outs, inner)`, plus the bias.
fn linear(x: &[f64], weight: &[f64], bias: Option<&Vec<f64>>) -> Vec<f64> {
    let row = |(i, row): (usize, &[f64])| {
        let product: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
        product + bias.map_or(0.0, |bias| bias[i])
    };
    weight.chunks(x.len()).enumerate().map(row).collect()
}

fn normalized(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

impl Naive {
    fn expert(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let get = |part: &str| self.weights.get(&format!("{name}.{part}"));
        let act = |x: &f64| match self.config.activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            _ => x.max(0.0),
        };
        let up = linear(x, get("up.weight").expect("every expert has it"), get("up.bias"));
        let hidden: Vec<f64> = match get("gate.weight") {
            Some(gate) => linear(x, gate, None).iter().zip(&up).map(|(g, u)| act(g) * u).collect(),
            None => up.iter().map(act).collect(),
        };
        linear(&hidden, get("down.weight").expect("every expert has it"), get("down.bias"))
    }

    fn logits(&self, gate: &str, x: &[f64]) -> Vec<f64> {
        let weight = &self.weights[&format!("router.{gate}.weight")];
        linear(x, weight, self.weights.get(&format!("router.{gate}.bias")))
    }

    /// `(N, D)`; zero between sentences.
    fn forward(&self, xs: &[f64]) -> Vec<f64> {
        let mut ys = vec![0.0; xs.len()];
        let mut add = |row: usize, weight: f64, out: &[f64]| {
            ys[row * D..][..D].iter_mut().zip(out).for_each(|(y, o)| *y += weight * o);
        };
        if let Routing::Soft(config) = &self.config.routing {
            for rows in &self.sentences {
                for (row, out) in self.soft(config.slots_per_expert, config.normalize, rows, xs) {
                    add(row, 1.0, &out);
                }
            }
        } else {
            for (row, visits) in self.visits(xs) {
                for (expert, weight) in visits {
                    add(
                        row,
                        weight,
                        &self.expert(&format!("experts.{expert}"), &xs[row * D..][..D]),
                    );
                }
            }
        }
        if self.config.shared_d_ff > 0 {
            for row in self.sentences.concat() {
                add(row, 1.0, &self.expert("shared", &xs[row * D..][..D]));
            }
        }
        ys
    }

    /// Soft MoE, one sentence: dispatch over tokens, experts on slots, combine over slots.
    fn soft(
        &self,
        per_expert: usize,
        normalize: bool,
        rows: &[usize],
        xs: &[f64],
    ) -> Vec<(usize, Vec<f64>)> {
        let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt() + 1e-6;
        let phi = &self.weights["router.slots.weight"];
        let logit = |x: &[f64], phi: &[f64]| {
            let product: f64 = x.iter().zip(phi).map(|(x, p)| x * p).sum();
            match normalize {
                true => product / length(x) / length(phi) * self.weights["router.slots.scale"][0],
                false => product,
            }
        };
        let x = |row: usize| &xs[row * D..][..D];
        let logits: Vec<Vec<f64>> =
            rows.iter().map(|&row| phi.chunks(D).map(|phi| logit(x(row), phi)).collect()).collect();
        let answers: Vec<Vec<f64>> = (0..E * per_expert)
            .map(|slot| {
                let column: Vec<f64> = logits.iter().map(|logits| logits[slot]).collect();
                let mut mixed = vec![0.0; D];
                for (&row, share) in rows.iter().zip(softmax(&column)) {
                    mixed.iter_mut().zip(x(row)).for_each(|(m, x)| *m += share * x);
                }
                self.expert(&format!("experts.{}", slot / per_expert), &mixed)
            })
            .collect();
        let combine = |(&row, logits): (&usize, &Vec<f64>)| {
            let mut y = vec![0.0; D];
            for (share, answer) in softmax(logits).iter().zip(&answers) {
                y.iter_mut().zip(answer).for_each(|(y, a)| *y += share * a);
            }
            (row, y)
        };
        rows.iter().zip(&logits).map(combine).collect()
    }

    /// The visits of every row of a sentence.
    fn visits(&self, xs: &[f64]) -> Vec<(usize, Vec<Visit>)> {
        let rows = self.sentences.concat();
        let x = |row: usize| &xs[row * D..][..D];
        let each =
            |of: &dyn Fn(usize) -> Vec<Visit>| rows.iter().map(|&row| (row, of(row))).collect();
        match &self.config.routing {
            Routing::Switch(config) => {
                let mut all: Vec<(usize, Vec<Visit>)> = each(&|row| {
                    let probs = softmax(&self.logits("gate", x(row)));
                    let best = ranking(&probs)[0];
                    vec![(best, probs[best])]
                });
                for rows in self.scopes(config.capacity_scope) {
                    let capacity = config.eval_capacity.of(rows.len(), E);
                    let mut taken = [0; E];
                    for (_, visits) in all.iter_mut().filter(|(row, _)| rows.contains(row)) {
                        let expert = visits[0].0;
                        taken[expert] += 1;
                        if taken[expert] > capacity {
                            visits.clear();
                        }
                    }
                }
                all
            }
            Routing::Gshard(config) => self.gshard(config, &rows, xs),
            Routing::Mixtral(config) => each(&|row| {
                let logits = self.logits("gate", x(row));
                let chosen = &ranking(&logits)[..config.top_k];
                let weights = softmax(&chosen.iter().map(|&e| logits[e]).collect::<Vec<_>>());
                chosen.iter().copied().zip(weights).collect()
            }),
            Routing::DeepseekV2(config) => each(&|row| {
                let probs = softmax(&self.logits("gate", x(row)));
                let size = E / config.n_group;
                let best: Vec<f64> =
                    probs.chunks(size).map(|of| of.iter().copied().fold(0.0, f64::max)).collect();
                let groups = &ranking(&best)[..config.topk_group];
                let inside = |e: usize| if groups.contains(&(e / size)) { probs[e] } else { 0.0 };
                let scores: Vec<f64> = (0..E).map(inside).collect();
                let chosen = &ranking(&scores)[..config.top_k];
                let weights: Vec<f64> = chosen.iter().map(|&e| probs[e]).collect();
                let weights = match config.norm_topk_prob {
                    true => normalized(&weights),
                    false => weights.iter().map(|w| w * config.routed_scaling_factor).collect(),
                };
                chosen.iter().copied().zip(weights).collect()
            }),
            Routing::DeepseekV3(config) => each(&|row| {
                let logits = self.logits("gate", x(row));
                let scores: Vec<f64> = logits.iter().map(|l| 1.0 / (1.0 + (-l).exp())).collect();
                let bias = &self.weights["router.correction_bias"];
                let corrected: Vec<f64> = scores.iter().zip(bias).map(|(s, b)| s + b).collect();
                let size = E / config.n_group;
                let two_best = |of: &[f64]| ranking(of)[..2].iter().map(|&i| of[i]).sum::<f64>();
                let of_groups: Vec<f64> = corrected.chunks(size).map(two_best).collect();
                let groups = &ranking(&of_groups)[..config.topk_group];
                let masked = match config.masked {
                    Masked::Zero => 0.0,
                    Masked::Never => f64::NEG_INFINITY,
                };
                let inside =
                    |e: usize| if groups.contains(&(e / size)) { corrected[e] } else { masked };
                let choice: Vec<f64> = (0..E).map(inside).collect();
                let chosen = &ranking(&choice)[..config.top_k];
                let weights: Vec<f64> = chosen.iter().map(|&e| scores[e]).collect();
                let weights = if config.norm_topk_prob { normalized(&weights) } else { weights };
                let scaled = weights.iter().map(|w| w * config.routed_scaling_factor);
                chosen.iter().copied().zip(scaled).collect()
            }),
            Routing::ExpertChoice(config) => {
                let mut all: Vec<(usize, Vec<Visit>)> = each(&|_| Vec::new());
                for rows in self.scopes(config.scope) {
                    let probs: Vec<Vec<f64>> =
                        rows.iter().map(|&row| softmax(&self.logits("gate", x(row)))).collect();
                    let taken =
                        (config.capacity_factor * rows.len() as f64 / E as f64).ceil() as usize;
                    for expert in 0..E {
                        let column: Vec<f64> = probs.iter().map(|probs| probs[expert]).collect();
                        for &i in ranking(&column).iter().take(taken) {
                            let at = all.iter_mut().find(|(row, _)| *row == rows[i]);
                            at.expect("every row is there").1.push((expert, probs[i][expert]));
                        }
                    }
                }
                all
            }
            Routing::Hash(config) => each(&|row| match &config.assignment {
                Assignment::Modulo => vec![(self.ids[row] as usize % E, 1.0)],
                Assignment::Table(table) => vec![(table[self.ids[row] as usize] as usize, 1.0)],
                Assignment::Random(_) => unreachable!("not among the cases"),
            }),
            Routing::Hierarchical(config) => each(&|row| {
                let (of_groups, logits) =
                    (self.logits("group_gate", x(row)), self.logits("gate", x(row)));
                let size = E / config.num_groups;
                let share = |logits: &[f64], chosen: &[usize]| match chosen.len() {
                    1 => vec![softmax(logits)[chosen[0]]],
                    _ => softmax(&chosen.iter().map(|&i| logits[i]).collect::<Vec<_>>()),
                };
                let groups = &ranking(&of_groups)[..config.top_groups];
                let mut visits = Vec::new();
                for (&group, outer) in groups.iter().zip(share(&of_groups, groups)) {
                    let members = &logits[group * size..][..size];
                    let chosen = &ranking(members)[..config.top_k];
                    let inner = chosen.iter().zip(share(members, chosen));
                    visits.extend(inner.map(|(&i, inner)| (group * size + i, outer * inner)));
                }
                visits
            }),
            Routing::Adaptive(config) => each(&|row| {
                let probs = softmax(&self.logits("gate", x(row)));
                let mut visits: Vec<Visit> = Vec::new();
                for expert in ranking(&probs) {
                    let sum: f64 = visits.iter().map(|visit| visit.1).sum();
                    if sum >= config.threshold || visits.len() == config.top_k {
                        break;
                    }
                    visits.push((expert, probs[expert]));
                }
                let sum: f64 = visits.iter().map(|visit| visit.1).sum();
                let factor = if config.normalize { 1.0 / sum } else { 1.0 };
                visits.into_iter().map(|(expert, p)| (expert, p * factor)).collect()
            }),
            Routing::Route(config) => each(&|row| {
                let group = GROUPS[self.routes[row] as usize];
                let logits = self.logits("gate", x(row));
                let members: Vec<f64> = group.iter().map(|&e| logits[e]).collect();
                let chosen = &ranking(&members)[..config.top_k];
                let weights = match config.top_k {
                    1 => vec![softmax(&members)[chosen[0]]],
                    _ => softmax(&chosen.iter().map(|&i| members[i]).collect::<Vec<_>>()),
                };
                chosen.iter().map(|&i| group[i]).zip(weights).collect()
            }),
            Routing::Soft(_) => unreachable!("soft visits no expert in particular"),
        }
    }

    /// GShard as its Algorithm 1, with a count for each expert.
    fn gshard(
        &self,
        config: &dragoman_core::moe::config::GshardConfig,
        rows: &[usize],
        xs: &[f64],
    ) -> Vec<(usize, Vec<Visit>)> {
        let probs: BTreeMap<usize, Vec<f64>> = rows
            .iter()
            .map(|&row| (row, softmax(&self.logits("gate", &xs[row * D..][..D]))))
            .collect();
        let mut gates: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
        for (&row, probs) in &probs {
            let order = ranking(probs);
            let both = [probs[order[0]], probs[order[1]]];
            let sum = both[0] + both[1];
            let divided = both.map(|g| g / sum);
            gates.insert(row, if config.normalize_before_dropping { divided } else { both });
        }
        for scope in self.scopes(config.capacity_scope) {
            let mut order = scope.clone();
            if config.batch_prioritized {
                let best = |row: &usize| probs[row].iter().copied().fold(0.0, f64::max);
                order.sort_by(|a, b| best(b).total_cmp(&best(a)));
            }
            let capacity = config.eval_capacity.of(scope.len(), E);
            let mut taken = [0; E];
            for slot in 0..2 {
                for row in &order {
                    let expert = ranking(&probs[row])[slot];
                    taken[expert] += 1;
                    if taken[expert] > capacity {
                        gates.get_mut(row).expect("every row is there")[slot] = 0.0;
                    }
                }
            }
        }
        let keep = 1.0 - f64::from(config.expert_output_masking);
        let visits = |&row: &usize| {
            let mut both = gates[&row];
            let sum = both[0] + both[1];
            if !config.normalize_before_dropping && sum > 0.0 {
                both = both.map(|g| g / sum);
            }
            let visits = ranking(&probs[&row]).into_iter().zip(both).filter(|visit| visit.1 > 0.0);
            (row, visits.map(|(expert, g)| (expert, g * keep)).collect())
        };
        rows.iter().map(visits).collect()
    }

    fn scopes(&self, scope: Scope) -> Vec<Vec<usize>> {
        match scope {
            Scope::Batch => vec![self.sentences.concat()],
            Scope::Sentence => self.sentences.clone(),
        }
    }
}

/// A block with random weights of about unit size, its naive twin, and random tokens.
struct Case {
    block: MoeBlock,
    params: ParamStore,
    naive: Naive,
    layout: Ragged,
    xs: Vec<f32>,
}

fn block_config(routing: &str) -> Result<BlockConfig> {
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
    fn new(config: &BlockConfig, layout: Ragged, seed: u64) -> Result<Self> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut random = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-size..size)).collect()
        };
        let params = ParamStore::new(&Device::Cpu, seed);
        let block = MoeBlock::new(config, &params.root())?;
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
            routes: layout.spread(&(0..layout.len() as u32).map(|i| i % 2).collect::<Vec<_>>()),
        };
        Ok(Self { block, params, naive, xs: random(rows * D, 1.5), layout })
    }

    fn tokens<'a>(&'a self, xs: &'a Tensor) -> Tokens<'a> {
        let (ids, routes) = (Some(&self.naive.ids[..]), Some(&self.naive.routes[..]));
        Tokens { ids, routes, ..Tokens::new(xs, &self.layout) }
    }

    fn xs(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.xs, (self.layout.rows(), D), &Device::Cpu)?)
    }

    /// A number for each output, zero between sentences.
    fn cotangent(&self) -> Vec<f64> {
        let mut values = vec![0.0; self.xs.len()];
        for row in self.naive.sentences.concat() {
            for d in 0..D {
                values[row * D + d] = f64::from(((row * 31 + d * 17) % 13) as i32 - 6) / 6.0;
            }
        }
        values
    }
}

fn ensure_close(what: &str, ours: &[f32], theirs: &[f64]) -> Result<()> {
    ensure!(ours.len() == theirs.len(), "{what}: {} values, not {}", ours.len(), theirs.len());
    for (i, (&a, &b)) in ours.iter().zip(theirs).enumerate() {
        let allowed = 1e-5 * b.abs().max(1.0);
        ensure!((f64::from(a) - b).abs() <= allowed, "{what}: value {i} is {a}, not {b}");
    }
    Ok(())
}

/// Inference by the kernels, or by candle's own operations.
fn inference(composite: bool) -> Context {
    let mut context = Context::inference(Precision::F32);
    context.composite = composite;
    context
}

/// Output and all gradients of our block beside the reference's.
fn check(config: &BlockConfig, layout: Ragged, seed: u64) -> Result<()> {
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
        let (ys, _) = case.block.forward(&case.tokens(&xs), &context)?;
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
fn check_preset(routing: &str) -> Result<()> {
    let plain = block_config(routing)?;
    let gated = BlockConfig { gated: true, bias: false, router_bias: true, ..plain.clone() };
    let shared = BlockConfig { shared_d_ff: 3, ..plain };
    check(&gated, Ragged::contiguous(&[5, 1, 4]), 1).with_context(|| routing.to_string())?;
    check(&shared, Ragged::padded(&[3, 5]), 2).with_context(|| format!("{routing}, padded"))
}

#[test]
fn switch_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "switch", "eval_capacity": { "tokens": 2 } }"#)?;
    check_preset(
        r#"{ "kind": "switch", "eval_capacity": { "factor": 1 }, "capacity_scope": "sentence" }"#,
    )
}

#[test]
fn gshard_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "gshard", "eval_capacity": "dropless" }"#)?;
    check_preset(r#"{ "kind": "gshard", "eval_capacity": { "fraction": 0.25 } }"#)?;
    check_preset(
        r#"{ "kind": "gshard", "eval_capacity": { "tokens": 2 }, "batch_prioritized": true,
            "normalize_before_dropping": true, "expert_output_masking": 0.2 }"#,
    )
}

#[test]
fn mixtral_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "mixtral", "top_k": 3 }"#)
}

#[test]
fn deepseek_v2_is_its_formula() -> Result<()> {
    check_preset(
        r#"{ "kind": "deepseek_v2", "top_k": 3, "n_group": 3, "topk_group": 2,
            "routed_scaling_factor": 1.5 }"#,
    )?;
    check_preset(
        r#"{ "kind": "deepseek_v2", "top_k": 2, "n_group": 1, "topk_group": 1, "norm_topk_prob": true }"#,
    )
}

#[test]
fn deepseek_v3_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "deepseek_v3", "top_k": 3, "n_group": 3, "topk_group": 2 }"#)?;
    check_preset(
        r#"{ "kind": "deepseek_v3", "top_k": 2, "n_group": 2, "topk_group": 1,
            "norm_topk_prob": false, "masked": "never" }"#,
    )
}

#[test]
fn expert_choice_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "expert_choice" }"#)?;
    check_preset(r#"{ "kind": "expert_choice", "capacity_factor": 1.2, "scope": "batch" }"#)
}

#[test]
fn hash_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "hash" }"#)?;
    check_preset(r#"{ "kind": "hash", "assignment": { "table": [5, 5, 0, 1, 2, 3, 4, 4, 0, 1] } }"#)
}

#[test]
fn soft_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "soft" }"#)?;
    check_preset(r#"{ "kind": "soft", "slots_per_expert": 2, "normalize": true }"#)
}

#[test]
fn hierarchical_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 2, "top_k": 2 }"#)?;
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 3, "top_groups": 2, "top_k": 1 }"#)?;
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 1, "top_k": 2 }"#)
}

#[test]
fn adaptive_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "adaptive", "threshold": 0.6, "top_k": 4 }"#)?;
    check_preset(r#"{ "kind": "adaptive", "threshold": 0.9, "top_k": 3, "normalize": true }"#)
}

#[test]
fn route_is_its_formula() -> Result<()> {
    for top_k in [1, 2] {
        check_preset(&format!(
            r#"{{ "kind": "route", "groups": [[4, 0, 2], [5, 1, 0, 3]], "top_k": {top_k} }}"#
        ))?;
    }
    Ok(())
}

/// Every preset, with room to train.
const PRESETS: [&str; 11] = [
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

fn training(seed: u64, expert_dropout: f32) -> Context {
    let training = Training { seed, step: 3, dropout: 0.0, expert_dropout };
    Context::training(Precision::F32, training)
}

/// Output and gradients of one step of training.
fn step(case: &Case, context: &Context) -> Result<Vec<Vec<f32>>> {
    let xs = case.xs()?;
    case.params.zero_grads();
    let (ys, _) = case.block.forward(&case.tokens(&xs), context)?;
    let grads = ys.sqr()?.sum_all()?.backward()?;
    case.params.collect(&grads)?;
    let mut all = vec![ys.flatten_all()?.to_vec1::<f32>()?];
    all.extend(case.params.iter().map(|param| param.with_grad(|grad| grad.to_vec())));
    Ok(all)
}

/// A case in which every expert is visited in training.
fn busy_case(preset: &str) -> Result<Case> {
    for seed in 0..50 {
        let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[40, 60, 28]), seed)?;
        let xs = case.xs()?;
        let (_, plan) = case.block.forward(&case.tokens(&xs), &training(1, 0.0))?;
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
        Ok(case.block.router().plan(&case.tokens(&xs), context)?.experts)
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
    let (xs, router) = (case.xs()?, case.block.router());
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
    let (xs, router) = (case.xs()?, case.block.router());
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
    ensure!(last.max_violation() < 0.5 * first.max_violation(), "{first:?} {last:?}");
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
        Ok(Load::of(&case.block.router().plan(&case.tokens(&xs), &context)?))
    };
    let before = load()?;
    ensure!(before.dead(0.0).contains(&3), "{before:?}");
    let busiest = before.busiest().context("someone is")?;
    let kept = case.params.get(&format!("experts.{busiest}.up.weight")).context("it is there")?;
    let kept_before = kept.with_value(<[f32]>::to_vec)?;
    let revived = case.block.revive(&before, (0.0, 0.01), 1)?;
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
            let result = case.block.forward(&case.tokens(&xs), &context);
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
        let result = case.block.forward(&case.tokens(&xs), &Context::inference(Precision::F32));
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
            let (ys, plan) =
                case.block.forward(&case.tokens(&xs), &Context::inference(Precision::F32))?;
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
        let message = message(case.block.forward(&Tokens::new(&xs, &layout), &context));
        ensure!(message.contains(expected), "{message}");
    }
    let case = Case::new(&block_config(PRESETS[10])?, layout.clone(), 13)?;
    for (routes, expected) in [(&[0, 2][..], "route 2 of 2"), (&[0], "1 routes for 2 rows")] {
        let tokens = Tokens { routes: Some(routes), ..Tokens::new(&xs, &layout) };
        let message = message(case.block.forward(&tokens, &context));
        ensure!(message.contains(expected), "{message}");
    }
    let wide = Tensor::zeros((2, D + 1), DType::F32, &Device::Cpu)?;
    let message = message(case.block.forward(&Tokens::new(&wide, &layout), &context));
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
    let message = message(MoeBlock::new(&config, &params.root()));
    ensure!(message == "weight `experts.4.up.weight`: has shape [5, 5], not [4, 5]", "{message}");
    let causal = BlockConfig { causal: true, ..block_config(PRESETS[5])? };
    let params = ParamStore::new(&Device::Cpu, 0);
    let message = self::message(MoeBlock::new(&causal, &params.root()));
    ensure!(message.contains("encoder only"), "{message}");
    Ok(())
}

#[test]
fn one_expert_may_take_all_tokens() -> Result<()> {
    for preset in PRESETS {
        let case = Case::new(&block_config(preset)?, Ragged::contiguous(&[9, 3]), 15)?;
        // Equal tokens: whatever is chosen, all choose the same.
        let xs = Tensor::ones((12, D), DType::F32, &Device::Cpu)?;
        let (ys, _) = case.block.forward(&case.tokens(&xs), &Context::inference(Precision::F32))?;
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
        let (ys, plan) = case.block.forward(&case.tokens(&xs), &context).expect(&routing);
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
