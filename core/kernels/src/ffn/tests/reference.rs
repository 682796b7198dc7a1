//! The grouped network by the formula, in double precision.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::*;
/// A layer that owns what the kernels borrow.
pub(super) struct Layer {
    pub(super) d_model: usize,
    pub(super) activation: Activation,
    pub(super) experts: Vec<Owned>,
}

#[derive(Clone, Default)]
pub(super) struct Owned {
    pub(super) up: Vec<f32>,
    pub(super) up_bias: Option<Vec<f32>>,
    pub(super) gate: Option<Vec<f32>>,
    pub(super) down: Vec<f32>,
    pub(super) down_bias: Option<Vec<f32>>,
}

pub(super) struct Batch {
    pub(super) xs: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) dys: Vec<f32>,
    pub(super) visits: Visits,
}

pub(super) fn numbers(rng: &mut ChaCha8Rng, len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-scale..scale)).collect()
}

impl Layer {
    pub(super) fn new(
        rng: &mut ChaCha8Rng,
        d_model: usize,
        widths: &[usize],
        activation: Activation,
        gated: bool,
        biased: bool,
    ) -> Self {
        let scale = 1.7 / (d_model as f32).sqrt();
        let experts = widths.iter().map(|&d_ff| Owned {
            up: numbers(rng, d_ff * d_model, scale),
            up_bias: biased.then(|| numbers(rng, d_ff, 0.5)),
            gate: gated.then(|| numbers(rng, d_ff * d_model, scale)),
            down: numbers(rng, d_ff * d_model, 1.7 / (d_ff as f32).sqrt()),
            down_bias: biased.then(|| numbers(rng, d_model, 0.5)),
        });
        Self { d_model, activation, experts: experts.collect() }
    }

    pub(super) fn with<T>(
        &self,
        precision: Precision,
        run: impl FnOnce(&GroupedFfn<'_>) -> T,
    ) -> T {
        let experts: Vec<_> = self.experts.iter().map(Owned::weights).collect();
        let (d_model, activation) = (self.d_model, self.activation);
        run(&GroupedFfn { precision, activation, d_model, experts: &experts })
    }

    /// The results of both passes, with gradients for the experts that `trained` names.
    pub(super) fn run(
        &self,
        precision: Precision,
        batch: &Batch,
        trained: impl Fn(usize) -> bool,
    ) -> Results {
        self.with(precision, |ffn| {
            let mut results = Results {
                ys: vec![f32::NAN; batch.xs.len()],
                dxs: vec![f32::NAN; batch.xs.len()],
                dweights: vec![f32::NAN; batch.weights.len()],
                experts: self.experts.iter().map(Owned::zeros).collect(),
            };
            let saved = ffn.forward(&batch.input(), &mut results.ys);
            let grads = results.experts.iter_mut().enumerate();
            let mut grads: Vec<_> =
                grads.map(|(i, grads)| trained(i).then(|| grads.grads())).collect();
            let gradients = Gradients {
                xs: &mut results.dxs,
                weights: &mut results.dweights,
                experts: &mut grads,
            };
            ffn.backward(&batch.input(), &saved, &batch.dys, gradients);
            drop(grads);
            results
        })
    }

    /// The same from the formula, one token at a time in double precision.
    pub(super) fn naive(&self, batch: &Batch, num_slots: usize, slots: &[u32]) -> Naive {
        let d = self.d_model;
        let wide = |xs: &[f32]| -> Vec<f64> { xs.iter().map(|&x| f64::from(x)).collect() };
        let act = |x: f64| f64::from(self.activation.value(x as f32));
        let slope = |x: f64| f64::from(self.activation.slope(x as f32));
        let mut naive = Naive {
            ys: vec![0.0; batch.xs.len()],
            dxs: vec![0.0; batch.xs.len()],
            dweights: vec![0.0; batch.weights.len()],
            experts: self.experts.iter().map(|e| e.zeros().map(wide)).collect(),
        };
        for (position, &expert) in slots.iter().enumerate() {
            if expert == Visits::NONE {
                continue;
            }
            let token = position / num_slots;
            let (e, grads) = (&self.experts[expert as usize], &mut naive.experts[expert as usize]);
            let x = wide(&batch.xs[token * d..][..d]);
            let dy = wide(&batch.dys[token * d..][..d]);
            let weight = f64::from(batch.weights[position]);
            let d_ff = e.up.len() / d;
            let mut out: Vec<f64> = (0..d).map(|i| at(&e.down_bias, i)).collect();
            for f in 0..d_ff {
                let project =
                    |w: &[f32]| -> f64 { (0..d).map(|i| f64::from(w[f * d + i]) * x[i]).sum() };
                let up = project(&e.up) + at(&e.up_bias, f);
                let gate = e.gate.as_ref().map(|gate| project(gate));
                let hidden = gate.map_or_else(|| act(up), |gate| act(gate) * up);
                let dhidden: f64 =
                    (0..d).map(|i| weight * dy[i] * f64::from(e.down[i * d_ff + f])).sum();
                let dup = dhidden * gate.map_or_else(|| slope(up), act);
                let dgate = gate.map(|gate| dhidden * up * slope(gate));
                for i in 0..d {
                    out[i] += f64::from(e.down[i * d_ff + f]) * hidden;
                    naive.dxs[token * d + i] += dup * f64::from(e.up[f * d + i]);
                    grads.up[f * d + i] += dup * x[i];
                    grads.down[i * d_ff + f] += weight * dy[i] * hidden;
                    if let (Some(dgate), Some(gate), Some(grad)) = (dgate, &e.gate, &mut grads.gate)
                    {
                        naive.dxs[token * d + i] += dgate * f64::from(gate[f * d + i]);
                        grad[f * d + i] += dgate * x[i];
                    }
                }
                if let Some(grad) = &mut grads.up_bias {
                    grad[f] += dup;
                }
            }
            for i in 0..d {
                naive.ys[token * d + i] += weight * out[i];
                naive.dweights[position] += dy[i] * out[i];
                if let Some(grad) = &mut grads.down_bias {
                    grad[i] += weight * dy[i];
                }
            }
        }
        naive
    }
}

pub(super) fn at(bias: &Option<Vec<f32>>, i: usize) -> f64 {
    bias.as_ref().map_or(0.0, |bias| f64::from(bias[i]))
}

pub(super) struct Results {
    pub(super) ys: Vec<f32>,
    pub(super) dxs: Vec<f32>,
    pub(super) dweights: Vec<f32>,
    pub(super) experts: Vec<Owned>,
}

pub(super) struct Naive {
    pub(super) ys: Vec<f64>,
    pub(super) dxs: Vec<f64>,
    pub(super) dweights: Vec<f64>,
    pub(super) experts: Vec<OwnedOf<Vec<f64>>>,
}

pub(super) struct OwnedOf<T> {
    pub(super) up: T,
    pub(super) up_bias: Option<T>,
    pub(super) gate: Option<T>,
    pub(super) down: T,
    pub(super) down_bias: Option<T>,
}

impl Owned {
    pub(super) fn weights(&self) -> ExpertWeights<'_> {
        ExpertWeights {
            up: &self.up,
            up_bias: self.up_bias.as_deref(),
            gate: self.gate.as_deref(),
            down: &self.down,
            down_bias: self.down_bias.as_deref(),
        }
    }

    pub(super) fn grads(&mut self) -> ExpertGrads<'_> {
        ExpertGrads {
            overwrite: false,
            up: &mut self.up,
            up_bias: self.up_bias.as_deref_mut(),
            gate: self.gate.as_deref_mut(),
            down: &mut self.down,
            down_bias: self.down_bias.as_deref_mut(),
        }
    }

    pub(super) fn zeros(&self) -> Self {
        let zeros = |xs: &Vec<f32>| vec![0.0; xs.len()];
        Self {
            up: zeros(&self.up),
            up_bias: self.up_bias.as_ref().map(zeros),
            gate: self.gate.as_ref().map(zeros),
            down: zeros(&self.down),
            down_bias: self.down_bias.as_ref().map(zeros),
        }
    }

    pub(super) fn map<T>(self, f: impl Fn(&[f32]) -> T) -> OwnedOf<T> {
        OwnedOf {
            up: f(&self.up),
            up_bias: self.up_bias.as_deref().map(&f),
            gate: self.gate.as_deref().map(&f),
            down: f(&self.down),
            down_bias: self.down_bias.as_deref().map(&f),
        }
    }

    pub(super) fn all(&self) -> Vec<f32> {
        let parts = [
            Some(&self.up),
            self.up_bias.as_ref(),
            self.gate.as_ref(),
            Some(&self.down),
            self.down_bias.as_ref(),
        ];
        parts.into_iter().flatten().flatten().copied().collect()
    }
}

impl OwnedOf<Vec<f64>> {
    pub(super) fn all(&self) -> Vec<f64> {
        let parts = [
            Some(&self.up),
            self.up_bias.as_ref(),
            self.gate.as_ref(),
            Some(&self.down),
            self.down_bias.as_ref(),
        ];
        parts.into_iter().flatten().flatten().copied().collect()
    }
}

impl Batch {
    pub(super) fn new(
        rng: &mut ChaCha8Rng,
        d_model: usize,
        num_slots: usize,
        num_experts: usize,
        slots: &[u32],
    ) -> Self {
        let num_tokens = slots.len() / num_slots;
        Self {
            xs: numbers(rng, num_tokens * d_model, 1.0),
            weights: (0..slots.len()).map(|_| rng.random_range(0.1..1.0)).collect(),
            dys: numbers(rng, num_tokens * d_model, 1.0),
            visits: Visits::new(slots, num_tokens, num_slots, num_experts),
        }
    }

    pub(super) fn input(&self) -> FfnInput<'_> {
        FfnInput { xs: &self.xs, visits: &self.visits, weights: &self.weights }
    }

    /// The first tokens alone.
    pub(super) fn first(&self, tokens: usize, slots: &[u32], num_experts: usize) -> Self {
        let (d_model, num_slots) =
            (self.xs.len() / self.visits.num_tokens(), self.visits.num_slots());
        Self {
            xs: self.xs[..tokens * d_model].to_vec(),
            weights: self.weights[..tokens * num_slots].to_vec(),
            dys: self.dys[..tokens * d_model].to_vec(),
            visits: Visits::new(&slots[..tokens * num_slots], tokens, num_slots, num_experts),
        }
    }
}

/// Experts at random, with an empty slot now and then.
pub(super) fn random_slots(rng: &mut ChaCha8Rng, count: usize, num_experts: u32) -> Vec<u32> {
    let slot = |rng: &mut ChaCha8Rng| {
        if rng.random_bool(0.1) { Visits::NONE } else { rng.random_range(0..num_experts) }
    };
    (0..count).map(|_| slot(rng)).collect()
}

pub(super) fn assert_close(name: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= tolerance * scale, "{name}[{i}] is {got}, should be {want}");
    }
}
