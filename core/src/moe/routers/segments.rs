//! All experts of a group of segments, softly weighed.
//!
//! With the group `G` of the route, the token's state `x` and statistics of the user's behaviour
//! `b`: `y = Σ_{e ∈ G} softmax_G(g_e · [x, b]) · E_e(x)` (the gates of MMoE, Ma et al. 2018, over the
//! shared and the specific experts of PLE, Tang et al. 2020; statistics instead of a user's id as in
//! POSO, Dai et al. 2021).

use candle::{D, DType, Tensor};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::Router;
use crate::{
    Error, Result,
    context::Context,
    moe::{
        plan::{RoutingPlan, Tokens},
        router::GateWeights,
    },
};

/// How the experts of the segments are weighed for a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentGate {
    /// By a softmax over what the gate makes of the token and the user's behaviour.
    #[default]
    Learned,
    /// All the same: the gate is off.
    Uniform,
    /// By a gate that keeps its random start.
    Random,
    /// By the learned gate, whose weights go to the wrong experts: that of each to the next one. No
    /// model is trained so; an evaluation shows by it whether it matters which expert answers.
    Swapped,
}

/// The rule of the segments of a model that recommends.
#[derive(Debug, Clone)]
pub(in crate::moe) struct SegmentRouter {
    /// Experts of every route, by slot; all routes have as many.
    pub(in crate::moe) groups: Vec<Vec<u32>>,
    pub(in crate::moe) gate: SegmentGate,
}

impl SegmentGate {
    /// Deviation of the random start of a gate of `width` inputs.
    pub(in crate::moe) fn spread(self, width: usize) -> f32 {
        match self {
            // Small, so that all experts start as equals (ST-MoE, 2022).
            Self::Learned | Self::Uniform | Self::Swapped => 0.1 / (width as f32).sqrt(),
            // Large enough to decide.
            Self::Random => 2.0 / (width as f32).sqrt(),
        }
    }
}

impl Router for SegmentRouter {
    fn check(&self, _num_experts: usize, _causal: bool) -> Result<(), String> {
        match self.groups.windows(2).any(|pair| pair[0].len() != pair[1].len()) {
            true => Err("the routes have groups of different sizes".into()),
            false => Ok(()),
        }
    }

    fn slots(&self, _num_experts: usize) -> usize {
        self.groups.first().map_or(0, Vec::len)
    }

    fn has_expert_dropout(&self) -> bool {
        false
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let routes = tokens.routes.ok_or_else(|| Error::Invalid("segments need routes".into()))?;
        let slots = self.groups[0].len();
        let mut chosen: Vec<u32> = Vec::with_capacity(routes.len() * slots);
        routes.iter().for_each(|row| chosen.extend(&self.groups[row.route as usize]));
        let slot_logits = match self.gate {
            SegmentGate::Uniform => None,
            _ => {
                let inputs = match tokens.features {
                    None => tokens.xs.clone(),
                    Some(features) => Tensor::cat(&[tokens.xs, features], D::Minus1)?, // (N, D + S)
                };
                let all: Vec<usize> = (0..weights.num_experts).collect();
                let logits = weights.logits(&inputs, &all, context)?; // (N, E)
                let slots = Tensor::from_slice(&chosen, (routes.len(), slots), tokens.xs.device())?;
                let logits = logits.gather(&slots, D::Minus1)?; // (N, G)
                Some(match self.gate {
                    SegmentGate::Swapped => rolled(&logits)?,
                    _ => logits,
                })
            }
        };
        let shares = match &slot_logits {
            Some(logits) => softmax(logits, D::Minus1)?,
            None => {
                let ones = Tensor::ones((routes.len(), slots), DType::F32, tokens.xs.device())?;
                (ones / slots as f64)?
            }
        };
        Ok(RoutingPlan {
            slots,
            experts: chosen.clone(),
            chosen,
            weights: shares,
            counted_slots: slots,
            slot_logits,
            ..RoutingPlan::of_nothing(tokens, weights.num_experts)?
        })
    }
}

/// Moves the columns of `(N, G)` one place on, the last to the front.
fn rolled(logits: &Tensor) -> Result<Tensor> {
    let last = logits.dim(1)? - 1;
    let parts = [logits.narrow(1, last, 1)?, logits.narrow(1, 0, last)?];
    Ok(Tensor::cat(&parts, 1)?)
}
