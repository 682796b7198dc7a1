//! How the scores of the transformer and the cheap scorers are mixed for a user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    behaviour::Behaviour,
    segments::{Segment, SegmentRules},
};

/// Weights of the scorers by what is known of a user: the file `blend.json`.
///
/// With the inputs `x` (a one, the weights of the segment experts, the statistics of behaviour),
/// scorer `k` weighs `softmax_k(w_k · x)`, and the score of an item is the weighted sum of the
/// standardised scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// Names of the scorers, the transformer first.
    pub scorers: Vec<String>,
    /// A row for each scorer.
    pub weights: Vec<Vec<f32>>,
    /// The segments by rule.
    pub rules: SegmentRules,
    /// Segments in which something simpler was better on the validation window: the weights that
    /// stand for the mixture there.
    pub fallback: BTreeMap<Segment, Vec<f32>>,
    /// The same for users without any event, who would be of the segment of new users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Vec<f32>>,
}

impl Default for Blend {
    /// The transformer alone.
    fn default() -> Self {
        Self {
            scorers: vec![TRANSFORMER.into()],
            weights: vec![Vec::new()],
            rules: SegmentRules::default(),
            fallback: BTreeMap::new(),
            cold: None,
        }
    }
}

/// Name of the scorer that is the model itself.
pub const TRANSFORMER: &str = "transformer";
/// Name of the scorer that is the popularity of the moment.
pub const POPULARITY: &str = "popularity";

impl Blend {
    /// What the mixture receives about a user, given the weights of the segment experts.
    pub fn inputs(gates: &[f32], behaviour: &Behaviour) -> Vec<f32> {
        let mut inputs = vec![1.0];
        inputs.extend(gates);
        inputs.extend(behaviour.features());
        inputs
    }

    /// Weights of the scorers for a user, which sum to one.
    pub fn shares(&self, gates: &[f32], behaviour: &Behaviour) -> Vec<f32> {
        let cold = self.cold.as_ref().filter(|_| behaviour.events == 0);
        if let Some(shares) = cold.or_else(|| self.fallback.get(&self.rules.segment(behaviour))) {
            return shares.clone();
        }
        let inputs = Self::inputs(gates, behaviour);
        let logit = |row: &Vec<f32>| row.iter().zip(&inputs).map(|(w, x)| w * x).sum::<f32>();
        softmax(self.weights.iter().map(logit).collect())
    }

    /// Says what is wrong, if scorers, weights and fallbacks do not fit together.
    pub fn check(&self) -> Result<(), String> {
        let count = self.scorers.len();
        if self.scorers.first().is_none_or(|name| name != TRANSFORMER) {
            return Err(format!("the first scorer must be `{TRANSFORMER}`"));
        }
        let fits = |row: &Vec<f32>| row.len() == count && row.iter().all(|share| *share >= 0.0);
        let mut fallbacks = self.fallback.values().chain(&self.cold);
        if self.weights.len() != count || !fallbacks.all(fits) {
            return Err(format!("there must be weights for each of {count} scorers"));
        }
        if self.weights.iter().flatten().any(|weight| !weight.is_finite()) {
            return Err("a weight is not a number".into());
        }
        Ok(())
    }
}

/// Exponentials that sum to one.
pub(crate) fn softmax(mut values: Vec<f32>) -> Vec<f32> {
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|value| *value = (*value - max).exp());
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    values
}

/// Shifts and scales `scores` to mean 0 and deviation 1, and returns the deviation; scores that are
/// all alike become zeros.
pub fn standardise(scores: &mut [f32]) -> f32 {
    let count = scores.len().max(1) as f64;
    let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / count;
    let square = |&score: &f32| (f64::from(score) - mean).powi(2);
    let deviation = (scores.iter().map(square).sum::<f64>() / count).sqrt();
    if deviation.is_nan() || deviation < 1e-9 {
        scores.fill(0.0);
        return 0.0;
    }
    for score in scores {
        *score = ((f64::from(*score) - mean) / deviation) as f32;
    }
    deviation as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blend() -> Blend {
        let names = [TRANSFORMER, POPULARITY].map(String::from).to_vec();
        Blend {
            scorers: names,
            weights: vec![vec![0.0, 2.0, 0.0], vec![0.0, 0.0, 2.0]],
            ..Blend::default()
        }
    }

    #[test]
    fn the_gate_decides_between_the_scorers() {
        let mut blend = blend();
        assert_eq!(blend.check(), Ok(()));
        let nobody = Behaviour::default();
        let first = blend.shares(&[1.0, 0.0], &nobody);
        let second = blend.shares(&[0.0, 1.0], &nobody);
        assert!(first[0] > 0.8 && second[1] > 0.8, "{first:?} {second:?}");
        blend.fallback.insert(Segment::New, vec![0.0, 1.0]);
        assert_eq!(blend.shares(&[1.0, 0.0], &nobody), [0.0, 1.0]);
        blend.cold = Some(vec![0.5, 0.5]);
        assert_eq!(blend.shares(&[1.0, 0.0], &nobody), [0.5, 0.5]);
        let known = Behaviour { events: 1, ..Behaviour::default() };
        assert_eq!(blend.shares(&[1.0, 0.0], &known), [0.0, 1.0], "new, and not without events");
        blend.fallback.insert(Segment::New, vec![1.0]);
        assert!(blend.check().is_err());
    }

    #[test]
    fn standardised_scores_have_mean_0_and_deviation_1() {
        let mut scores = [1.0, 3.0, 1.0, 3.0];
        assert_eq!(standardise(&mut scores), 1.0);
        assert_eq!(scores, [-1.0, 1.0, -1.0, 1.0]);
        let mut flat = [7.0; 3];
        assert_eq!((standardise(&mut flat), flat), (0.0, [0.0; 3]));
    }
}
