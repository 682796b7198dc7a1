//! Fits a gate to sentences whose next tokens are known.

use super::{FEATURES, GROUPS, Gate};
use crate::retrieval::section::Neighbour;

/// Temperatures that are tried.
const TEMPERATURES: [f32; 6] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
/// Steps of Adam over all observations.
const STEPS: usize = 300;
const RATE: f64 = 0.05;
/// How strongly weights are drawn to those of the default gate, in observations.
const PRIOR: f64 = 1.0;

/// A token whose neighbours and whose likelihood under the model are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was found.
    pub neighbours: Vec<Neighbour>,
    /// The likeliest token of the model, with its log-probability.
    pub best: (u32, f32),
    /// The log-probability of the token that most neighbours have.
    pub of_voted: f32,
    /// The token that comes next, with the model's log-probability.
    pub label: (u32, f32),
    /// Whether the entries of the sentence itself were left out.
    pub is_new: bool,
}

/// A gate, and what it does for tokens whose own entries were left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The gate.
    pub gate: Gate,
    /// Mean negative log-probability of their tokens under the model alone, in nats.
    pub before: f64,
    /// The same under the mixture.
    pub after: f64,
}

/// What the weights are fitted to.
struct Case {
    features: [f32; FEATURES],
    /// Probability of the label under the model and under each group.
    model: f64,
    groups: [f64; GROUPS.len()],
}

impl Gate {
    /// Fits a gate to `observations`; the default one where there are none.
    pub fn fit(observations: &[Observation]) -> Fitted {
        let observations: Vec<&Observation> =
            observations.iter().filter(|observation| !observation.neighbours.is_empty()).collect();
        let unit = unit(&observations);
        let mut best: Option<(f64, Gate)> = None;
        for temperature in TEMPERATURES {
            let mut gate = Self { unit, temperature, ..Self::default() };
            let cases: Vec<Case> = observations.iter().map(|o| gate.case(o)).collect();
            gate.descend(&cases);
            let loss = gate.loss(&cases);
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, gate));
            }
        }
        let gate = best.map(|(_, gate)| gate).unwrap_or_default();
        let new: Vec<&&Observation> = observations.iter().filter(|o| o.is_new).collect();
        let count = new.len().max(1) as f64;
        let before = new.iter().map(|o| -f64::from(o.label.1)).sum::<f64>() / count;
        let cases: Vec<Case> = new.iter().map(|o| gate.case(o)).collect();
        let after = gate.loss(&cases) / count;
        Fitted { gate, before, after }
    }

    fn case(&self, observation: &Observation) -> Case {
        let Observation { neighbours, best, of_voted, label, .. } = observation;
        let of_label = |votes: Vec<f32>| -> f64 {
            let own = votes.iter().zip(neighbours).filter(|(_, n)| n.token == label.0);
            own.map(|(vote, _)| f64::from(*vote)).sum()
        };
        Case {
            features: self.features(neighbours, *best, *of_voted),
            model: f64::from(label.1).exp(),
            groups: self.group_votes(neighbours).map(of_label),
        }
    }

    /// The sum of the negative log-probabilities.
    fn loss(&self, cases: &[Case]) -> f64 {
        let of = |case: &Case| {
            let shares = self.shares_of(&case.features);
            -probability(case, shares.model, &shares.groups).ln()
        };
        cases.iter().map(of).sum()
    }

    /// Adam on the loss of all cases, with a pull towards the default weights.
    fn descend(&mut self, cases: &[Case]) {
        let prior = Self::default().weights;
        let mut moments = [[[0.0f64; 2]; FEATURES]; GROUPS.len()];
        for step in 1..=STEPS {
            let mut slopes = [[0.0f64; FEATURES]; GROUPS.len()];
            for case in cases {
                let shares = self.shares_of(&case.features);
                let p = probability(case, shares.model, &shares.groups);
                for (group, slopes) in slopes.iter_mut().enumerate() {
                    // d ln p / d logit = share · (p_group - p) / p
                    let slope = f64::from(shares.groups[group]) * (case.groups[group] - p) / p;
                    for (sum, feature) in slopes.iter_mut().zip(&case.features) {
                        *sum -= slope * f64::from(*feature);
                    }
                }
            }
            let scale = 1.0 / (cases.len() as f64 + PRIOR);
            let rate = RATE * (1.0 - (step - 1) as f64 / STEPS as f64);
            for group in 0..GROUPS.len() {
                for i in 0..FEATURES {
                    let weight = &mut self.weights[group][i];
                    let pull = PRIOR * f64::from(*weight - prior[group][i]);
                    let slope = (slopes[group][i] + pull) * scale;
                    let [first, second] = &mut moments[group][i];
                    *first += 0.1 * (slope - *first);
                    *second += 0.01 * (slope * slope - *second);
                    let unbiased =
                        |moment: f64, decay: f64| moment / (1.0 - decay.powi(step as i32));
                    let (first, second) = (unbiased(*first, 0.9), unbiased(*second, 0.99));
                    *weight -= (rate * first / (second.sqrt() + 1e-8)) as f32;
                }
            }
        }
    }
}

fn probability(case: &Case, model: f32, groups: &[f32; GROUPS.len()]) -> f64 {
    let of_groups = groups.iter().zip(&case.groups).map(|(share, p)| f64::from(*share) * p);
    (f64::from(model) * case.model + of_groups.sum::<f64>()).max(1e-30)
}

/// The median distance of the nearest neighbour, of sentences whose own entries were left out.
fn unit(observations: &[&Observation]) -> f32 {
    let new = observations.iter().filter(|observation| observation.is_new);
    let mut distances: Vec<f32> = new.map(|o| o.neighbours[0].distance).collect();
    distances.sort_by(f32::total_cmp);
    match distances.get(distances.len() / 2) {
        Some(&median) if median > 0.0 => median,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_right_when_near_are_believed_when_near() {
        let observation = |i: u32| {
            let is_near = i.is_multiple_of(2);
            let distance = if is_near { 0.5 } else { 4.0 };
            let token = if is_near { 5 } else { 6 };
            Observation {
                neighbours: vec![Neighbour { distance, token }],
                best: (9, -1.0),
                of_voted: -3.0,
                label: (5, -3.0),
                is_new: true,
            }
        };
        let observations: Vec<Observation> = (0..200).map(observation).collect();
        let Fitted { gate, before, after } = Gate::fit(&observations);
        let share = |i: usize| {
            let Observation { neighbours, best, of_voted, .. } = &observations[i];
            gate.shares(neighbours, *best, *of_voted).model
        };
        assert!(share(0) < 0.1 && share(1) > 0.9, "{} {}", share(0), share(1));
        assert!((before - 3.0).abs() < 1e-6 && after < 2.0, "{before} {after}");
        assert_eq!(Gate::fit(&observations).gate, gate, "the same observations, the same gate");
    }

    #[test]
    fn nothing_to_fit_leaves_the_default() {
        let Fitted { gate, .. } = Gate::fit(&[]);
        assert_eq!(gate.weights, Gate::default().weights);
    }
}
