//! How far a score can be trusted: bootstrap resampling (Koehn, 2004), seeded.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Counts, Metric};
use crate::{Error, Result};

/// Settings of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Corpora drawn.
    pub resamples: usize,
    /// Seed of the draws; a resample is the same whatever the number of threads.
    pub seed: u64,
}

/// Where 95 % of the resampled scores lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean of the resampled scores.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One system beside another on the same sentences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Score of the baseline.
    pub baseline: f64,
    /// Score of the system.
    pub system: f64,
    /// `system - baseline`, with the interval of that difference.
    pub difference: Interval,
    /// Two-sided p-value: how often chance alone makes a difference this large.
    pub p_value: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 12_345 }
    }
}

impl Bootstrap {
    /// Estimates the 95 % interval of a score from the counts of its sentences.
    pub fn interval<M: Metric>(&self, metric: &M, counts: &[Counts]) -> Result<Interval> {
        self.check(counts)?;
        let scores = self.resample(counts.len(), |drawn| metric.score(&total(counts, drawn)));
        Ok(interval(scores))
    }

    /// Compares two systems by their counts on the same sentences (paired bootstrap).
    ///
    /// For the p-value the resampled differences are centred on zero, as if there were none, and
    /// the share at least as large as the real one is counted, with one added to both sides.
    pub fn compare<M: Metric>(
        &self,
        metric: &M,
        baseline: &[Counts],
        system: &[Counts],
    ) -> Result<Comparison> {
        self.check(baseline)?;
        if baseline.len() != system.len() {
            let (hypotheses, references) = (system.len(), baseline.len());
            return Err(Error::UnequalLengths { hypotheses, references });
        }
        let score = |counts: &[Counts]| metric.score(&counts.iter().sum());
        let (baseline_score, system_score) = (score(baseline), score(system));
        let differences = self.resample(baseline.len(), |drawn| {
            metric.score(&total(system, drawn)) - metric.score(&total(baseline, drawn))
        });
        let p_value = p_value(&differences, system_score - baseline_score);
        let difference = interval(differences);
        Ok(Comparison { baseline: baseline_score, system: system_score, difference, p_value })
    }

    /// The 95 % interval of the mean of `values`, whose mean is that of the values themselves.
    pub fn mean(&self, values: &[f64]) -> Result<Interval> {
        self.check(values)?;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let resampled = self.resample(values.len(), |drawn| {
            drawn.iter().map(|&place| values[place]).sum::<f64>() / drawn.len() as f64
        });
        Ok(Interval { mean, ..interval(resampled) })
    }

    /// The 95 % interval of how much the mean of `system` lies above that of `baseline`, paired:
    /// both have a value for each of the same things.
    pub fn difference(&self, baseline: &[f64], system: &[f64]) -> Result<Interval> {
        if baseline.len() != system.len() {
            let (hypotheses, references) = (system.len(), baseline.len());
            return Err(Error::UnequalLengths { hypotheses, references });
        }
        let differences: Vec<f64> = system.iter().zip(baseline).map(|(a, b)| a - b).collect();
        self.mean(&differences)
    }

    fn check<T>(&self, values: &[T]) -> Result<()> {
        match (values.len(), self.resamples) {
            (0, _) => Err(Error::NothingToScore("the corpus".into())),
            (_, 0) => Err(Error::NothingToScore("a bootstrap without resamples".into())),
            _ => Ok(()),
        }
    }

    /// Evaluates `score` on every drawn list of sentence indices; draw `i` has stream `i`.
    fn resample(&self, sentences: usize, score: impl Fn(&[usize]) -> f64 + Sync) -> Vec<f64> {
        let draw = |stream: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(stream as u64);
            let drawn: Vec<_> = (0..sentences).map(|_| rng.random_range(0..sentences)).collect();
            score(&drawn)
        };
        (0..self.resamples).into_par_iter().map(draw).collect()
    }
}

fn total(counts: &[Counts], drawn: &[usize]) -> Counts {
    drawn.iter().map(|&sentence| &counts[sentence]).sum()
}

fn interval(mut scores: Vec<f64>) -> Interval {
    scores.sort_by(f64::total_cmp);
    let tail = scores.len() / 40; // 2.5 %
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    Interval { mean, low: scores[tail], high: scores[scores.len() - 1 - tail] }
}

fn p_value(differences: &[f64], real: f64) -> f64 {
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let by_chance = differences.iter().filter(|&d| (d - mean).abs() >= real.abs()).count();
    (by_chance + 1) as f64 / (differences.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Chrf;

    /// Counts of forty sentences, of which the first `good` are translated well.
    fn counts(good: usize) -> Vec<Counts> {
        let hypothesis = |i| if i < good { "the cat sat on the mat" } else { "a dog was here" };
        (0..40).map(|i| Chrf::plain().count(hypothesis(i), "the cat sat on the mat")).collect()
    }

    #[test]
    fn an_interval_holds_the_score_and_repeats_itself() -> Result<()> {
        let (bootstrap, counts) = (Bootstrap::default(), counts(20));
        let score = Chrf::plain().score(&counts.iter().sum());
        let interval = bootstrap.interval(&Chrf::plain(), &counts)?;
        assert!(interval.low < score && score < interval.high, "{interval:?} beside {score}");
        assert_eq!(bootstrap.interval(&Chrf::plain(), &counts)?, interval);
        let other = Bootstrap { seed: 1, ..bootstrap }.interval(&Chrf::plain(), &counts)?;
        assert_ne!(other, interval);
        Ok(())
    }

    #[test]
    fn a_large_difference_is_significant_and_a_small_one_is_not() -> Result<()> {
        let compare = |a, b| Bootstrap::default().compare(&Chrf::plain(), &counts(a), &counts(b));
        let (large, small) = (compare(10, 35)?, compare(20, 21)?);
        assert!(large.p_value < 0.01 && large.difference.low > 0.0, "{large:?}");
        assert!(small.p_value > 0.05, "{small:?}");
        assert_eq!(compare(35, 10)?.p_value, large.p_value);
        Ok(())
    }

    #[test]
    fn a_system_beside_itself_differs_by_nothing() -> Result<()> {
        let same = Bootstrap::default().compare(&Chrf::plain(), &counts(20), &counts(20))?;
        assert_eq!((same.difference.low, same.difference.high, same.p_value), (0.0, 0.0, 1.0));
        Ok(())
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_its_standard_error() -> Result<()> {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i % 2)).collect();
        let interval = Bootstrap::default().mean(&values)?;
        assert_eq!(interval.mean, 0.5);
        let half = 1.96 * 0.5 / 1000f64.sqrt();
        assert!((interval.low - (0.5 - half)).abs() < 0.005, "{interval:?}");
        assert!((interval.high - (0.5 + half)).abs() < 0.005, "{interval:?}");
        let better: Vec<f64> = values.iter().map(|x| x + 0.25).collect();
        let gain = Bootstrap::default().difference(&values, &better)?;
        assert_eq!((gain.low, gain.mean, gain.high), (0.25, 0.25, 0.25)); // the noise is shared
        Ok(())
    }

    #[test]
    fn nothing_cannot_be_resampled() {
        assert!(Bootstrap::default().interval(&Chrf::plain(), &[]).is_err());
        let none = Bootstrap { resamples: 0, seed: 0 };
        assert!(none.interval(&Chrf::plain(), &counts(1)).is_err());
    }
}
