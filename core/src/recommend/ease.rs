//! EASE: the linear model of items by items that is hard to beat (Steck, 2019, arXiv 1905.03375).

use candle::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Event,
    scorer::{Scorer, Tensors, number},
    sets::Sets,
    sparse::{SparseRows, by_recency, greatest},
};
use crate::{Error, Result, kernels::inverse::invert_positive_definite};

/// Settings of [`Ease`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EaseConfig {
    /// Regularisation, `λ` of the paper.
    pub lambda: f32,
    /// How much less an item of the history counts than the one after it; 1 is the paper's.
    pub decay: f32,
    /// Weights kept for each item, the greatest by size; 0 keeps all, as the paper does.
    pub keep: usize,
}

/// Item-to-item weights in closed form, `B = I − P·diag(P)⁻¹` with `P = (XᵀX + λ·I)⁻¹`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ease {
    weights: SparseRows,
    decay: f32,
}

impl Default for EaseConfig {
    fn default() -> Self {
        Self { lambda: 200.0, decay: 0.98, keep: 1000 }
    }
}

impl Ease {
    /// Catalogues beyond this are refused: the inverse takes `4·n²` bytes and `2·n³` operations.
    pub const MOST_ITEMS: usize = 20_000;

    /// Solves for the weights of `histories` over a catalogue of `num_items`.
    pub fn fit<H: AsRef<[Event]>>(
        histories: &[H],
        num_items: usize,
        config: &EaseConfig,
    ) -> Result<Self> {
        if num_items > Self::MOST_ITEMS {
            return Err(Error::Invalid(format!(
                "EASE is for up to {} items, not {num_items}; use neighbours",
                Self::MOST_ITEMS
            )));
        }
        if num_items == 0 {
            return Ok(Self { weights: SparseRows::new([]), decay: config.decay });
        }
        let mut p = gram(histories, num_items, config.lambda); // (n, n)
        invert_positive_definite(&mut p, num_items)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let diagonal: Vec<f32> = (0..num_items).map(|item| p[item * num_items + item]).collect();
        let keep = if config.keep == 0 { num_items } else { config.keep };
        let rows: Vec<_> = p
            .par_chunks_exact(num_items)
            .enumerate()
            .map(|(item, row)| {
                let columns = row.iter().zip(&diagonal).enumerate();
                let weight = columns
                    .filter(|&(other, (&value, _))| other != item && value != 0.0)
                    .map(|(other, (&value, &own))| (other as u32, -value / own));
                greatest(weight.collect(), keep, true)
            })
            .collect();
        Ok(Self { weights: SparseRows::new(rows), decay: config.decay })
    }

    /// The same with another weight of older events.
    #[must_use]
    pub fn with_decay(self, decay: f32) -> Self {
        Self { decay, ..self }
    }

    /// `B`: row `i` says what having met item `i` adds to the score of the others.
    pub fn weights(&self) -> &SparseRows {
        &self.weights
    }

    /// What the weight of an item falls by for each later one.
    pub fn decay(&self) -> f32 {
        self.decay
    }

    /// The tensors `ease.*`.
    pub fn to_tensors(&self) -> Result<Tensors> {
        let mut tensors = self.weights.to_tensors("ease")?;
        tensors.insert("ease.decay".into(), Tensor::new(&[self.decay], &Device::Cpu)?);
        Ok(tensors)
    }

    /// What [`Self::to_tensors`] wrote.
    pub fn from_tensors(tensors: &Tensors) -> Result<Self> {
        let decay = number(tensors, "ease.decay")?;
        Ok(Self { weights: SparseRows::from_tensors(tensors, "ease")?, decay })
    }
}

/// `XᵀX + λ·I`, where a row of `X` has ones at what a user met.
fn gram<H: AsRef<[Event]>>(histories: &[H], num_items: usize, lambda: f32) -> Vec<f32> {
    let sets = Sets::new(histories, num_items, usize::MAX);
    let mut gram = vec![0.0; num_items * num_items];
    gram.par_chunks_exact_mut(num_items).enumerate().for_each(|(item, row)| {
        sets.together(item, row);
        row[item] += lambda;
    });
    gram
}

impl Scorer for Ease {
    fn num_items(&self) -> usize {
        self.weights.num_items()
    }

    fn score(&self, history: &[Event], _now: i64, out: &mut [f32]) {
        assert_eq!(out.len(), self.num_items(), "a score for each item");
        out.fill(0.0);
        for (item, weight) in by_recency(history, self.decay) {
            self.weights.add(item, weight, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(items: &[u32]) -> Vec<Event> {
        items.iter().map(|&item| Event { item, kind: 0, value: 1.0, time: 0 }).collect()
    }

    #[test]
    fn two_items_have_the_weights_of_ridge_regression() -> Result<()> {
        // X = [[1, 1], [1, 1], [1, 0]]: regressing either column on the other alone.
        let histories = [history(&[0, 1]), history(&[1, 0, 1]), history(&[0])];
        let config = EaseConfig { lambda: 1.0, keep: 0, ..Default::default() };
        let ease = Ease::fit(&histories, 2, &config)?;
        assert!((ease.weights().get(0, 1) - 2.0 / (3.0 + 1.0)).abs() < 1e-6, "{ease:?}");
        assert!((ease.weights().get(1, 0) - 2.0 / (2.0 + 1.0)).abs() < 1e-6, "{ease:?}");
        assert_eq!(ease.weights().get(0, 0), 0.0);
        let mut scores = [0.0; 2];
        ease.score(&history(&[0, 7]), 0, &mut scores);
        assert!((scores[1] - 0.5 * config.decay).abs() < 1e-6, "{scores:?}");
        Ok(())
    }

    #[test]
    fn what_is_not_kept_is_the_smallest_and_tensors_bring_the_rest_back() -> Result<()> {
        let histories = [history(&[0, 1]), history(&[0, 1]), history(&[0, 2]), history(&[3])];
        let config = EaseConfig { lambda: 1.0, keep: 1, ..Default::default() };
        let ease = Ease::fit(&histories, 4, &config)?;
        assert_eq!(ease.weights().row(0).0, [1]);
        assert_eq!(Ease::from_tensors(&ease.to_tensors()?)?, ease);
        Ok(())
    }

    #[test]
    fn a_catalogue_too_large_or_without_regularisation_is_refused() {
        let none: [Vec<Event>; 0] = [];
        let large = Ease::fit(&none, Ease::MOST_ITEMS + 1, &EaseConfig::default());
        assert!(large.is_err_and(|error| error.to_string().contains("use neighbours")));
        let config = EaseConfig { lambda: 0.0, ..Default::default() };
        assert!(Ease::fit(&none, 3, &config).is_err());
        assert!(Ease::fit(&none, 0, &config).is_ok());
    }
}
