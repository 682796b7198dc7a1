//! Two levels of gates (Shazeer et al. 2017, appendix B): groups first, then experts in them.
//!
//! `y = Σᵢ Gᵢ(x) · Σⱼ Gᵢⱼ(x) · Eᵢⱼ(x)` (eq. 12), over the chosen groups `i` and their chosen
//! experts `j`. A gate over one choice only is its probability, as in Switch, since a share that is
//! always one would teach it nothing; over more it is the softmax over the chosen logits.

use candle::{D, Tensor};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::{Router, check_at_most, check_top_k, group_size};
use crate::{
    Result,
    context::Context,
    moe::{
        plan::{RoutingPlan, Tokens, masked, pick},
        router::{GateShape, GateWeights},
    },
    ops::rank::best,
    params::Builder,
};

/// Fields of [`Routing::Hierarchical`](super::Routing::Hierarchical).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HierarchicalConfig {
    /// Groups of equally many neighbouring experts.
    pub num_groups: usize,
    /// Groups that each token visits.
    pub top_groups: usize,
    /// Experts that it visits in each of them.
    pub top_k: usize,
}

impl Default for HierarchicalConfig {
    fn default() -> Self {
        Self { num_groups: 4, top_groups: 2, top_k: 2 }
    }
}

impl Router for HierarchicalConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        let size = group_size(num_experts, self.num_groups, "num_groups")?;
        check_at_most("top_groups", self.top_groups, self.num_groups, "num_groups")?;
        check_top_k(self.top_k, size, "the experts of a group,")
    }

    fn slots(&self, _num_experts: usize) -> usize {
        self.top_groups * self.top_k
    }

    fn weights(&self, shape: &GateShape, vb: &Builder<'_>) -> Result<GateWeights> {
        let gate = GateWeights::of_gate(shape, vb)?;
        let groups = (self.num_groups, shape.d_model);
        let groups = vb.pp("group_gate").get(groups, "weight", shape.init())?;
        Ok(GateWeights { groups: Some(groups), ..gate })
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let gated = weights.gated(tokens, 0.0, context)?;
        let groups = weights.gated_groups(tokens, context)?;
        let HierarchicalConfig { num_groups, top_groups, top_k } = *self;
        let size = gated.num_experts / num_groups;
        let slots = top_groups * top_k;
        let chosen_groups = groups.choose(top_groups, |row| {
            best(0..num_groups as u32, top_groups, |g| groups.row(row)[g as usize])
        });
        let chosen = gated.choose(slots, |row| {
            let in_group = |&group: &u32| {
                let members = group * size as u32..(group + 1) * size as u32;
                best(members, top_k, |e| gated.row(row)[e as usize])
            };
            chosen_groups[row * top_groups..][..top_groups].iter().flat_map(in_group).collect()
        });

        let rows = gated.logits.dim(0)?;
        let group_probs = groups.probs()?; // (N, G)
        let within = gated.logits.reshape((rows, num_groups, size))?;
        let within = softmax(&within, D::Minus1)?; // (N, G, E/G)
        let probs = within.broadcast_mul(&group_probs.unsqueeze(2)?)?;
        let probs = probs.reshape((rows, gated.num_experts))?;

        let group_weights = match top_groups {
            1 => pick(&group_probs, &chosen_groups, 1)?,
            _ => softmax(&pick(&groups.logits, &chosen_groups, top_groups)?, D::Minus1)?,
        }; // (N, top_groups)
        let weights = match top_k {
            1 => pick(&within.reshape((rows, gated.num_experts))?, &chosen, slots)?,
            _ => in_groups(&pick(&gated.logits, &chosen, slots)?, top_groups, top_k)?,
        };
        let weights = weights.reshape((rows, top_groups, top_k))?;
        let weights =
            weights.broadcast_mul(&group_weights.unsqueeze(2)?)?.reshape((rows, slots))?;
        let weights = masked(&weights, &chosen)?;
        Ok(gated.plan(probs, chosen, slots, weights))
    }
}

/// Softmax over the chosen logits of each group, `(N, top_groups·top_k)`.
fn in_groups(logits: &Tensor, top_groups: usize, top_k: usize) -> Result<Tensor> {
    let rows = logits.dim(0)?;
    let weights = softmax(&logits.reshape((rows, top_groups, top_k))?, D::Minus1)?;
    Ok(weights.reshape((rows, top_groups * top_k))?)
}
