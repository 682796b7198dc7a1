//! How much the neighbours of a state count beside the model.
//!
//! The nearest 1, 4 and 16 neighbours vote with weights `exp(-distance / temperature)`. A softmax over
//! a linear function of a few features (distances, agreement, confidence of the model) shares the
//! probability between the model and the three (adaptive kNN-MT, Zheng et al. 2021, eq. 4, with a
//! linear layer where they have a network). It is fitted in a second on sentences of the corpus whose own
//! entries are left out.

mod fit;

use super::section::Neighbour;

pub use fit::{Fitted, Observation};

/// How many neighbours vote together.
pub(super) const GROUPS: [usize; 3] = [1, 4, 16];
/// Numbers that a decision rests on.
const FEATURES: usize = 9;
/// Log-probabilities below this one count as equal to it.
const FLOOR: f32 = -10.0;

/// Shares the probability of a token between the model and its neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// A squared distance that is usual between a state and its nearest neighbour.
    unit: f32,
    /// Of the votes, in units.
    temperature: f32,
    /// For each group, a weight for each feature.
    weights: [[f32; FEATURES]; GROUPS.len()],
}

/// How much each part counts; all together are one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// The model.
    pub model: f32,
    /// Each group of neighbours.
    pub groups: [f32; GROUPS.len()],
}

impl Default for Gate {
    /// A gate that believes neighbours that are very near, and others hardly: where there is little to
    /// fit one on.
    fn default() -> Self {
        let mut weights = [[0.0; FEATURES]; GROUPS.len()];
        for (weights, (bias, nearness)) in
            weights.iter_mut().zip([(-3.0, -2.0), (-3.0, -0.5), (-3.0, 0.0)])
        {
            weights[0] = bias;
            weights[1] = nearness;
        }
        Self { unit: 1.0, temperature: 0.5, weights }
    }
}

/// The token that the neighbours agree on most: that of the most of them, and of the nearest if there
/// are several.
pub fn voted(neighbours: &[Neighbour]) -> u32 {
    let count = |token: u32| neighbours.iter().filter(|other| other.token == token).count();
    let best = neighbours.iter().rev().max_by_key(|neighbour| count(neighbour.token));
    best.map_or(0, |neighbour| neighbour.token)
}

fn distinct(neighbours: &[Neighbour], count: usize) -> usize {
    let first = &neighbours[..neighbours.len().min(count)];
    let is_new = |i: &usize| first[..*i].iter().all(|other| other.token != first[*i].token);
    (0..first.len()).filter(is_new).count()
}

impl Gate {
    /// Numbers that a gate is stored as.
    pub const NUMBERS: usize = 2 + FEATURES * GROUPS.len();

    /// The numbers of the gate.
    pub fn numbers(&self) -> Vec<f32> {
        [self.unit, self.temperature]
            .into_iter()
            .chain(self.weights.iter().flatten().copied())
            .collect()
    }

    /// The gate of [`Gate::numbers`].
    pub fn from_numbers(numbers: &[f32]) -> Self {
        let mut gate = Self::default();
        let mut numbers = numbers.iter().copied();
        let mut next = |value: &mut f32| *value = numbers.next().unwrap_or(*value);
        next(&mut gate.unit);
        next(&mut gate.temperature);
        gate.weights.iter_mut().flatten().for_each(next);
        gate
    }

    /// What a decision rests on; `best` is the likeliest token of the model with its log-probability,
    /// and `of_voted` that of the token that most neighbours have.
    fn features(
        &self,
        neighbours: &[Neighbour],
        best: (u32, f32),
        of_voted: f32,
    ) -> [f32; FEATURES] {
        let nearness = |neighbour: Option<&Neighbour>| {
            let distance = neighbour.map_or(0.0, |neighbour| neighbour.distance);
            (distance / self.unit + 0.01).ln()
        };
        let top = voted(neighbours);
        let agree = neighbours.iter().filter(|neighbour| neighbour.token == top).count();
        [
            1.0,
            nearness(neighbours.first()),
            nearness(neighbours.last()),
            (distinct(neighbours, 4) as f32).ln(),
            (distinct(neighbours, 16) as f32).ln(),
            agree as f32 / neighbours.len().max(1) as f32,
            best.1.max(FLOOR),
            of_voted.max(FLOOR),
            f32::from(u8::from(top == best.0)),
        ]
    }

    /// How much the model and the groups of `neighbours` count.
    pub fn shares(&self, neighbours: &[Neighbour], best: (u32, f32), of_voted: f32) -> Shares {
        self.shares_of(&self.features(neighbours, best, of_voted))
    }

    fn shares_of(&self, features: &[f32; FEATURES]) -> Shares {
        let logit = |weights: &[f32; FEATURES]| -> f32 {
            weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum()
        };
        let logits = self.weights.each_ref().map(logit);
        let largest = logits.iter().fold(0.0f32, |largest, logit| largest.max(*logit));
        let groups = logits.map(|logit| (logit - largest).exp());
        let model = (-largest).exp();
        let sum = model + groups.iter().sum::<f32>();
        Shares { model: model / sum, groups: groups.map(|group| group / sum) }
    }

    /// What each group gives to each of the `neighbours`.
    fn group_votes(&self, neighbours: &[Neighbour]) -> [Vec<f32>; GROUPS.len()] {
        let nearest = neighbours.first().map_or(0.0, |neighbour| neighbour.distance);
        let weight = |neighbour: &Neighbour| {
            (-(neighbour.distance - nearest) / (self.temperature * self.unit)).exp()
        };
        GROUPS.map(|count| {
            let mut votes: Vec<f32> = neighbours.iter().take(count).map(weight).collect();
            let sum: f32 = votes.iter().sum();
            votes.iter_mut().for_each(|vote| *vote /= sum);
            votes
        })
    }

    /// The probability that `neighbours` add to their tokens, by neighbour.
    pub fn votes(&self, neighbours: &[Neighbour], shares: &Shares) -> Vec<(u32, f32)> {
        let votes = self.group_votes(neighbours);
        let vote = |(i, neighbour): (usize, &Neighbour)| {
            let of_group = votes.iter().zip(shares.groups);
            let sum = of_group.map(|(votes, share)| share * votes.get(i).copied().unwrap_or(0.0));
            (neighbour.token, sum.sum())
        };
        neighbours.iter().enumerate().map(vote).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(of: &[(f32, u32)]) -> Vec<Neighbour> {
        of.iter().map(|&(distance, token)| Neighbour { distance, token }).collect()
    }

    #[test]
    fn shares_and_votes_are_one_together() {
        let gate = Gate::default();
        let found = neighbours(&[(0.1, 7), (0.4, 9), (0.4, 7), (1.0, 8), (2.0, 7)]);
        let shares = gate.shares(&found, (9, -0.5), -1.0);
        let votes: f32 = gate.votes(&found, &shares).iter().map(|(_, vote)| vote).sum();
        assert!((shares.model + votes - 1.0).abs() < 1e-5, "{shares:?} {votes}");
        assert_eq!(voted(&found), 7);
        assert_eq!(distinct(&found, 4), 3);
    }

    #[test]
    fn the_same_state_is_believed_and_a_far_one_is_not() {
        let gate = Gate::default();
        let of = |distance| gate.shares(&neighbours(&[(distance, 7)]), (9, -0.1), -9.0).model;
        assert!(of(0.0) < 0.01 && of(5.0) > 0.8, "{} {}", of(0.0), of(5.0));
    }

    #[test]
    fn numbers_make_the_same_gate_again() {
        let gate = Gate { unit: 3.0, temperature: 0.25, ..Gate::default() };
        assert_eq!(Gate::from_numbers(&gate.numbers()), gate);
        assert_eq!(gate.numbers().len(), Gate::NUMBERS);
    }
}
