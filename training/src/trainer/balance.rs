//! The balance loss over all micro-batches of a step.

use candle::Tensor;
use dragoman_core::moe::Choices;

use super::{Trainer, exchange};
use crate::{
    Result,
    task::{Figures, Task},
};

/// A micro-batch after its forward pass, before its balance loss is known.
pub(super) struct Unbalanced {
    /// The other losses.
    pub(super) total: Tensor,
    /// What it chose in each layer.
    pub(super) choices: Vec<Choices>,
    /// Its share of the labels of the step.
    pub(super) share: f64,
}

impl<T: Task> Trainer<'_, T> {
    /// Counts what all micro-batches of the step chose, gives each of those here its balance loss, whose
    /// figures are in `figures`, and learns from it.
    pub(super) fn learn_balanced(
        &mut self,
        unbalanced: Vec<Unbalanced>,
        figures: &mut [Figures],
    ) -> Result<()> {
        let Some(first) = unbalanced.first() else { return Ok(()) };
        let mut own: Vec<Vec<u64>> = vec![Vec::new(); first.choices.len()];
        for choices in unbalanced.iter().map(|micro_batch| &micro_batch.choices) {
            own.iter_mut().zip(choices).for_each(|(sum, choices)| add(sum, &choices.counts()));
        }
        let mut counts: Vec<Vec<u64>> = vec![Vec::new(); own.len()];
        for of_rank in exchange::said_by_all::<_, Vec<Vec<u64>>>(&self.ranks, &own)? {
            counts.iter_mut().zip(&of_rank).for_each(|(sum, counts)| add(sum, counts));
        }
        let factor = self.run.config.loss.balance;
        for (micro_batch, figures) in unbalanced.into_iter().zip(figures) {
            let Unbalanced { mut total, choices, share } = micro_batch;
            for (choices, counts) in choices.iter().zip(&counts) {
                let loss = choices.loss(counts)?;
                let figure = f64::from(loss.to_scalar::<f32>()?) * figures.labels;
                figures.balance += figure;
                figures.total += factor * figure;
                total = (total + (loss * (factor * share))?)?;
            }
            self.learn(&total)?;
        }
        Ok(())
    }
}

fn add(sum: &mut Vec<u64>, counts: &[u64]) {
    sum.resize(counts.len().max(sum.len()), 0);
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}
