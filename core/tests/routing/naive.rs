//! The rules in float64, one row at a time, written straight from their formulas.

use std::collections::BTreeMap;

use dragoman_core::{
    config::Activation,
    moe::{
        BlockConfig, Routing, Scope,
        routers::{Assignment, Masked},
    },
    register::RowRoute,
};

use crate::{D, E};

/// Two routes that share expert 0.
pub(crate) const GROUPS: [&[usize]; 2] = [&[4, 0, 2], &[5, 1, 0, 3]];

/// A block in float64.
#[derive(Debug, Clone)]
pub(crate) struct Naive {
    pub(crate) config: BlockConfig,
    pub(crate) weights: BTreeMap<String, Vec<f64>>,
    /// Rows of each sentence.
    pub(crate) sentences: Vec<Vec<usize>>,
    pub(crate) ids: Vec<u32>,
    pub(crate) routes: Vec<RowRoute>,
}

/// The experts of a row, with their weights.
pub(crate) type Visit = (usize, f64);

pub(crate) fn softmax(xs: &[f64]) -> Vec<f64> {
    let max = xs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = xs.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|x| x / sum).collect()
}

/// Indices by falling score.
pub(crate) fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// `(rows, inner)` times the transposed weight `(outs, inner)`, plus the bias.
pub(crate) fn linear(x: &[f64], weight: &[f64], bias: Option<&Vec<f64>>) -> Vec<f64> {
    let row = |(i, row): (usize, &[f64])| {
        let product: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
        product + bias.map_or(0.0, |bias| bias[i])
    };
    weight.chunks(x.len()).enumerate().map(row).collect()
}

pub(crate) fn normalized(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

impl Naive {
    pub(crate) fn expert(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let get = |part: &str| self.weights.get(&format!("{name}.{part}"));
        let act = |x: &f64| match self.config.activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            _ => x.max(0.0),
        };
        let up = linear(x, get("up.weight").expect("every expert has it"), get("up.bias"));
        let hidden: Vec<f64> = match get("up_gate.weight") {
            Some(gate) => linear(x, gate, None).iter().zip(&up).map(|(g, u)| act(g) * u).collect(),
            None => up.iter().map(act).collect(),
        };
        linear(&hidden, get("down.weight").expect("every expert has it"), get("down.bias"))
    }

    pub(crate) fn logits(&self, gate: &str, x: &[f64]) -> Vec<f64> {
        let weight = &self.weights[&format!("router.{gate}.weight")];
        linear(x, weight, self.weights.get(&format!("router.{gate}.bias")))
    }

    /// `(N, D)`; zero between sentences.
    pub(crate) fn forward(&self, xs: &[f64]) -> Vec<f64> {
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
    pub(crate) fn soft(
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
    pub(crate) fn visits(&self, xs: &[f64]) -> Vec<(usize, Vec<Visit>)> {
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
                let group = GROUPS[self.routes[row].route as usize];
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
    pub(crate) fn gshard(
        &self,
        config: &dragoman_core::moe::routers::GshardConfig,
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

    pub(crate) fn scopes(&self, scope: Scope) -> Vec<Vec<usize>> {
        match scope {
            Scope::Batch => vec![self.sentences.concat()],
            Scope::Sentence => self.sentences.clone(),
        }
    }
}
