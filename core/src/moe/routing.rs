//! Where the tokens of a batch went in one layer.

use candle::Tensor;

use super::{balance, choices::Choices, plan::RoutingPlan};
use crate::{Result, context::Context};

/// Where the tokens of a batch went in one layer of experts.
#[derive(Debug, Clone, Default)]
pub struct LayerRouting {
    /// Name of the layer, such as `encoder.1`.
    pub layer: String,
    /// Balance loss and router z-loss, `(2,)`; only in training.
    pub losses: Option<Tensor>,
    /// Experts that the routes of the batch may use, in the order of their names.
    pub experts: Vec<String>,
    /// Visits of each of them.
    pub load: Vec<usize>,
    /// Visits that a capacity dropped; none in layers without capacities.
    pub dropped: usize,
    /// For every row its experts (indices into `experts`) with their weights; only in a trace.
    pub visits: Vec<Vec<(usize, f32)>>,
    /// Logits of each row's group by slot, `(N, G)`; only where a gate weighs segments.
    pub gate: Option<Tensor>,
    /// What was chosen, where the balance loss is left to the caller: it is zero in `losses`.
    pub choices: Option<Choices>,
}

impl LayerRouting {
    /// What `plan` says of the experts called `names` in the layer called `layer`.
    pub(super) fn of(
        plan: &RoutingPlan,
        layer: &str,
        names: Vec<String>,
        context: &Context,
    ) -> Result<Self> {
        let has_losses = context.is_training() && plan.has_gate();
        let later = has_losses && context.balance_later && plan.groups.is_none();
        let losses = match has_losses {
            true if later => {
                let z = balance::z_loss(plan)?;
                Some(Tensor::stack(&[z.zeros_like()?, z], 0)?)
            }
            true => Some(balance::layer_losses(plan, context)?),
            false => None,
        };
        Ok(Self {
            layer: layer.into(),
            losses,
            experts: names,
            load: plan.load(),
            dropped: plan.dropped(),
            visits: if context.trace { plan.trace()? } else { Vec::new() },
            gate: plan.slot_logits.clone(),
            choices: later.then(|| Choices::new(plan)),
        })
    }

    /// Adds the visits of experts that were added in the same layer.
    pub(super) fn extend(&mut self, other: Self) {
        let first = self.experts.len();
        self.experts.extend(other.experts);
        self.load.extend(other.load);
        for (visits, others) in self.visits.iter_mut().zip(other.visits) {
            visits.extend(others.into_iter().map(|(e, weight)| (first + e, weight)));
        }
    }

    /// Share of each expert in all visits.
    pub fn shares(&self) -> Vec<(String, f32)> {
        let total = self.load.iter().sum::<usize>().max(1) as f32;
        let share = |(name, load): (&String, &usize)| (name.clone(), *load as f32 / total);
        self.experts.iter().zip(&self.load).map(share).collect()
    }
}
