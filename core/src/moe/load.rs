//! Visits counted over one batch or many: who is idle, and what to do about it without a loss.

use candle::Tensor;

use super::{layer::MoeLayer, plan::RoutingPlan, router::Gating};
use crate::{
    Error, Result,
    kernels::{random, visits::Visits},
    params::Param,
};

/// How often each expert was chosen and visited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// Visits of each expert, `(E,)`.
    pub visits: Vec<u64>,
    /// Visits that a capacity dropped.
    pub dropped: u64,
    /// Rows of sentences.
    pub tokens: u64,
    /// Choices that the balance losses count, by cell (the route, in `route`) and expert.
    pub(super) choices: Vec<Vec<u64>>,
}

/// Which experts start again, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revival {
    /// Experts with less than this share of an even load start again; 0 takes those without visits.
    pub threshold: f64,
    /// Deviation of the noise on a copied weight, as a multiple of the weight's root mean square.
    pub noise: f32,
    /// Seed of the noise.
    pub seed: u64,
}

/// An expert that was given new weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revived {
    /// The expert that was idle.
    pub expert: usize,
    /// The one it was copied from.
    pub parent: usize,
    /// Names of its weights.
    pub weights: Vec<String>,
}

impl Load {
    /// Counts the visits of `plan`.
    pub fn of(plan: &RoutingPlan) -> Self {
        let mut load = Self::default();
        load.add(plan);
        load
    }

    /// Adds the visits of `plan`, for example of the next part of a global batch.
    pub fn add(&mut self, plan: &RoutingPlan) {
        self.visits.resize(plan.num_experts.max(self.visits.len()), 0);
        self.visits.iter_mut().zip(plan.load()).for_each(|(sum, visits)| *sum += visits as u64);
        self.dropped += plan.dropped() as u64;
        let cells = &plan.cells;
        if self.choices.len() < cells.members.len() {
            self.choices.resize(cells.members.len(), Vec::new());
        }
        for counts in &mut self.choices {
            counts.resize(plan.num_experts.max(counts.len()), 0);
        }
        for (chosen, &cell) in plan.chosen.chunks(plan.slots).zip(&cells.of_row) {
            if cell == Visits::NONE {
                continue;
            }
            self.tokens += 1;
            for &expert in chosen[..plan.counted_slots].iter().filter(|&&e| e != Visits::NONE) {
                self.choices[cell as usize][expert as usize] += 1;
            }
        }
    }

    /// So many visits of each expert, and nothing else.
    pub fn of_visits(visits: Vec<u64>) -> Self {
        Self { visits, ..Self::default() }
    }

    /// All visits.
    pub fn total(&self) -> u64 {
        self.visits.iter().sum()
    }

    /// Experts with less than `threshold` times their even share of the visits; with 0, those that
    /// no token visits.
    pub fn dead(&self, threshold: f64) -> Vec<usize> {
        let even = self.total() as f64 / self.visits.len().max(1) as f64;
        let is_dead = |visits: u64| visits == 0 || (visits as f64) < threshold * even;
        (0..self.visits.len()).filter(|&expert| is_dead(self.visits[expert])).collect()
    }

    /// The expert that is visited most; the lowest of equal ones.
    pub fn busiest(&self) -> Option<usize> {
        let most = *self.visits.iter().max()?;
        self.visits.iter().position(|&visits| visits == most)
    }
}

impl Gating {
    /// Moves the biases of DeepSeek-V3 (2024, section 2.1.2) after a step: down by `speed` for
    /// experts that were chosen more often than the mean, up for those chosen less often.
    ///
    /// # Errors
    /// Fails when the preset has no such biases, or `load` is of another number of experts.
    pub fn update_correction(&self, load: &Load, speed: f64) -> Result<()> {
        let Some(correction) = self.correction() else {
            let reason = "only `deepseek_v3` corrects its choice by biases";
            return Err(Error::Invalid(reason.into()));
        };
        let mut values = correction.tensor()?.to_vec1::<f32>()?;
        if load.visits.len() != values.len() {
            let reason = format!("{} loads for {} biases", load.visits.len(), values.len());
            return Err(Error::Invalid(reason));
        }
        let mean = load.total() as f64 / values.len() as f64;
        for (value, &visits) in values.iter_mut().zip(&load.visits) {
            let violation = mean - visits as f64;
            if violation != 0.0 {
                *value += (speed * violation.signum()) as f32;
            }
        }
        let count = values.len();
        correction.set(&Tensor::from_vec(values, count, correction.tensor()?.device())?)
    }
}

impl MoeLayer {
    /// Gives experts that are [`Load::dead`] the weights and the gate row of the busiest, each with
    /// normal noise, so that they grow apart.
    ///
    /// An optimiser should forget what it knows of the weights that changed, and of the gate.
    ///
    /// # Errors
    /// Fails when `load` is of another number of experts, and where the rule has no gate of its own:
    /// experts of `soft` and `hash` are not idle for lack of a good gate row, and those of a route are
    /// in its group because a user put them there.
    pub fn revive(&self, load: &Load, revival: &Revival) -> Result<Vec<Revived>> {
        let Revival { threshold, noise, seed } = *revival;
        let Some(gate) = self.router().and_then(Gating::gate) else {
            let reason = "the routing has no gate that could leave experts idle";
            return Err(Error::Invalid(reason.into()));
        };
        let experts: Vec<_> = self.experts().collect();
        if load.visits.len() != experts.len() {
            let reason = format!("{} loads for {} experts", load.visits.len(), experts.len());
            return Err(Error::Invalid(reason));
        }
        let Some(parent) = load.busiest().filter(|&expert| load.visits[expert] > 0) else {
            return Ok(Vec::new());
        };
        let dead: Vec<usize> = load.dead(threshold).into_iter().filter(|&e| e != parent).collect();
        let mut rows = gate.tensor()?.to_vec2::<f32>()?;
        for &expert in &dead {
            // A stream for each weight of each expert.
            let mut stream = (expert as u64) << 8;
            for (child, parent) in experts[expert].all().zip(experts[parent].all()) {
                let values = parent.tensor()?.flatten_all()?.to_vec1::<f32>()?;
                set(child, noisy(values, noise, Stream { seed, stream }))?;
                stream += 1;
            }
            rows[expert] = noisy(rows[parent].clone(), noise, Stream { seed, stream });
        }
        set(gate, rows.concat())?;
        let names = |e: usize| experts[e].all().map(|weight| weight.name().into()).collect();
        Ok(dead.into_iter().map(|e| Revived { expert: e, parent, weights: names(e) }).collect())
    }
}

/// Where random numbers come from.
#[derive(Debug, Clone, Copy)]
struct Stream {
    seed: u64,
    stream: u64,
}

fn set(param: &Param, values: Vec<f32>) -> Result<()> {
    param.set(&Tensor::from_vec(values, param.shape(), param.tensor()?.device())?)
}

/// `values` with normal noise of `noise` times their root mean square.
fn noisy(mut values: Vec<f32>, noise: f32, random: Stream) -> Vec<f32> {
    let square = values.iter().map(|value| value * value).sum::<f32>();
    let size = (square / values.len().max(1) as f32).sqrt();
    let mut normal = vec![0.0; values.len()];
    random::normal_fill(random.seed, random.stream, &mut normal, noise * size);
    values.iter_mut().zip(normal).for_each(|(value, n)| *value += n);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(visits: &[u64]) -> Load {
        Load { visits: visits.to_vec(), ..Load::default() }
    }

    #[test]
    fn idle_experts_are_named() {
        let load = load(&[10, 0, 1, 29]);
        assert_eq!(load.dead(0.0), [1]);
        assert_eq!(load.dead(0.2), [1, 2]);
        assert_eq!(load.busiest(), Some(3));
    }
}
