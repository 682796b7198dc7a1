//! How good a translation probably is: chrF++ of a sentence, estimated from what the model thought of
//! it.
//!
//! The estimate is a logistic function of a few signals: the mean and the lowest log-probability of the
//! tokens, the length beside that of the source, and the share of words that are copied. Its weights
//! are fitted for each direction to sentences with references; a model keeps them in
//! `quality.HASH.json`. A model without that file estimates nothing.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

/// Numbers that an estimate rests on.
const FEATURES: usize = 7;
/// Steps of the fit, over all cases.
const STEPS: usize = 2000;
/// Step length; features have variance one.
const RATE: f64 = 0.5;
/// Keeps weights small that the cases say little about.
const DECAY: f64 = 1e-3;
/// Log-probabilities below this one count as equal to it.
const FLOOR: f32 = -15.0;

/// What is known about a translation without a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signals {
    /// Mean log-probability of its tokens.
    pub mean: f32,
    /// The lowest log-probability of a token.
    pub lowest: f32,
    /// Tokens of the source, without what stands around it.
    pub source_tokens: usize,
    /// Tokens of the translation, the end included.
    pub target_tokens: usize,
    /// Share of its words that are words of the source.
    pub copied: f32,
}

/// The estimates of a model, by direction, such as `en-de`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What was fitted for each direction.
    pub directions: BTreeMap<String, Estimate>,
}

/// The estimate of one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Of a constant, the mean, the lowest, the logarithm of the ratio of lengths, its square, the copied
    /// share, and the logarithm of the target's length.
    weights: [f64; FEATURES],
    /// Sentences it was fitted to.
    pub sentences: usize,
}

impl Signals {
    /// The share of the words of `translation` that are words of `source`, at least three letters
    /// long; 0 without such words.
    pub fn copied(source: &str, translation: &str) -> f32 {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphanumeric());
            words.filter(|word| word.chars().count() >= 3).map(str::to_owned).collect()
        };
        let (known, found): (HashSet<String>, Vec<String>) =
            (words(source).into_iter().collect(), words(translation));
        let copied = found.iter().filter(|word| known.contains(*word)).count();
        copied as f32 / found.len().max(1) as f32
    }

    fn features(&self) -> [f64; FEATURES] {
        let (source, target) = (self.source_tokens as f64 + 1.0, self.target_tokens as f64 + 1.0);
        let ratio = (target / source).ln();
        [
            1.0,
            f64::from(self.mean.max(FLOOR)),
            f64::from(self.lowest.max(FLOOR)),
            ratio,
            ratio * ratio,
            f64::from(self.copied),
            target.ln(),
        ]
    }
}

impl Calibration {
    /// The chrF++ that a translation from `source` into `target` probably has, 0 to 100; none for a
    /// direction without an estimate.
    pub fn estimate(&self, source: &str, target: &str, signals: &Signals) -> Option<f32> {
        Some(self.directions.get(&format!("{source}-{target}"))?.of(signals))
    }
}

impl Estimate {
    /// Fits an estimate to translations and the chrF++ of each, 0 to 100: logistic regression on
    /// shares.
    pub fn fit(cases: &[(Signals, f64)]) -> Self {
        let features: Vec<[f64; FEATURES]> = cases.iter().map(|(s, _)| s.features()).collect();
        let count = cases.len().max(1) as f64;
        let mean = |i: usize| features.iter().map(|f| f[i]).sum::<f64>() / count;
        let means: [f64; FEATURES] = std::array::from_fn(mean);
        let deviation = |i: usize| {
            let squares = features.iter().map(|f| (f[i] - means[i]).powi(2)).sum::<f64>();
            (squares / count).sqrt().max(1e-6)
        };
        let deviations: [f64; FEATURES] = std::array::from_fn(deviation);
        let standard = |f: &[f64; FEATURES]| -> [f64; FEATURES] {
            std::array::from_fn(|i| if i == 0 { 1.0 } else { (f[i] - means[i]) / deviations[i] })
        };
        let standard: Vec<[f64; FEATURES]> = features.iter().map(standard).collect();
        let mut weights = [0.0; FEATURES];
        for _ in 0..STEPS {
            let mut slopes = [0.0; FEATURES];
            for (features, (_, score)) in standard.iter().zip(cases) {
                let error = logistic(&weights, features) - score / 100.0;
                for (slope, feature) in slopes.iter_mut().zip(features) {
                    *slope += error * feature / count;
                }
            }
            for (i, slope) in slopes.into_iter().enumerate() {
                let decay = if i == 0 { 0.0 } else { DECAY * weights[i] };
                weights[i] -= RATE * (slope + decay);
            }
        }
        // Back to the features as they are.
        for i in 1..FEATURES {
            weights[i] /= deviations[i];
            weights[0] -= weights[i] * means[i];
        }
        Self { weights, sentences: cases.len() }
    }

    /// The chrF++ that a translation with these signals probably has, 0 to 100.
    pub fn of(&self, signals: &Signals) -> f32 {
        (100.0 * logistic(&self.weights, &signals.features())) as f32
    }
}

fn logistic(weights: &[f64; FEATURES], features: &[f64; FEATURES]) -> f64 {
    let logit: f64 = weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum();
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(mean: f32, copied: f32) -> Signals {
        Signals { mean, lowest: 3.0 * mean, source_tokens: 9, target_tokens: 10, copied }
    }

    #[test]
    fn a_fit_finds_what_the_score_depends_on() {
        let case = |i: usize| {
            let (mean, copied) = (-(i as f32 % 13.0) / 6.0, (i % 7) as f32 / 7.0);
            let score = 100.0 * f64::from(1.0 / (1.0 + (-1.5 - mean + 2.0 * copied).exp()));
            (signals(mean, copied), score)
        };
        let cases: Vec<(Signals, f64)> = (0..300).map(case).collect();
        let estimate = Estimate::fit(&cases);
        for (signals, score) in &cases {
            assert!((f64::from(estimate.of(signals)) - score).abs() < 3.0, "{signals:?} {score}");
        }
        assert_eq!(Estimate::fit(&cases), estimate, "the same cases, the same numbers");
    }

    #[test]
    fn words_that_stay_are_counted() {
        assert_eq!(Signals::copied("Open the Terminal now", "Öffne das Terminal jetzt"), 0.25);
        assert_eq!(Signals::copied("a b", "a b"), 0.0);
    }

    #[test]
    fn a_direction_without_an_estimate_has_none() {
        let estimate = Estimate::fit(&[(signals(-0.5, 0.0), 60.0)]);
        let calibration = Calibration { directions: [("en-de".to_string(), estimate)].into() };
        assert!(calibration.estimate("en", "de", &signals(-0.5, 0.0)).is_some());
        assert_eq!(calibration.estimate("de", "en", &signals(-0.5, 0.0)), None);
        let text = serde_json::to_string(&calibration).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Calibration>(&text).expect("as written"), calibration);
    }
}
