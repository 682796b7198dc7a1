//! Soft MoE (Puigcerver et al. 2023): experts see mixtures of the tokens of a sentence.
//!
//! With `L = X · Φᵀ`, `(T, E·p)` (section 2.1): the slots are `softmax_T(L)ᵀ · X`, `p` of them for
//! each expert, and a token's result is `softmax_slots(L)` over the experts' answers. Nothing is
//! dropped and everything has a gradient; every token sees every other, so this is for encoders.

use candle::{D, Tensor};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::{Router, check_not_causal};
use crate::{
    Result,
    context::Context,
    kernels::{matmul::Precision, visits::Visits},
    moe::{
        plan::{Mixture, RoutingPlan, Tokens, not_finite},
        router::{GateShape, GateWeights, SlotWeights},
    },
    ops,
    params::{Builder, Init},
};

/// Fields of [`Routing::Soft`](super::Routing::Soft).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftConfig {
    /// Mixtures that each expert sees of a sentence, `p`.
    pub slots_per_expert: usize,
    /// Whether tokens and slots are scaled to length one before they are compared, and the
    /// products by a learned number (section 2.3 of the paper).
    pub normalize: bool,
}

impl Default for SoftConfig {
    fn default() -> Self {
        Self { slots_per_expert: 1, normalize: false }
    }
}

impl Router for SoftConfig {
    fn check(&self, _num_experts: usize, causal: bool) -> Result<(), String> {
        check_not_causal("soft", causal)?;
        match self.slots_per_expert {
            0 => Err("slots_per_expert must be at least 1".into()),
            _ => Ok(()),
        }
    }

    fn slots(&self, num_experts: usize) -> usize {
        num_experts * self.slots_per_expert
    }

    fn weights(&self, shape: &GateShape, vb: &Builder<'_>) -> Result<GateWeights> {
        let (vb, slots) = (vb.pp("slots"), shape.num_experts * self.slots_per_expert);
        let init = Init::Normal((shape.d_model as f32).powf(-0.5));
        let weight = vb.get((slots, shape.d_model), "weight", init)?;
        let scale = match self.normalize {
            true => Some(vb.get(1, "scale", Init::Ones)?),
            false => None,
        };
        let slots = Some(SlotWeights { weight, scale });
        Ok(GateWeights { slots, ..GateWeights::default() })
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
        let slot_weights = weights.slots()?;
        let (layout, num_experts) = (tokens.layout, weights.num_experts);
        let rectangle = layout.to_rectangle(tokens.xs.device())?;
        let logits = logits(slot_weights, tokens, context)?; // (N, P)
        let (xs, logits) = match &rectangle {
            Some((there, _)) => (tokens.xs.index_select(there, 0)?, logits.index_select(there, 0)?),
            None => (tokens.xs.clone(), logits),
        };
        let ((rows, d_model), slots) = (xs.dims2()?, slot_weights.weight.shape().dims()[0]);
        let (batch, time) = (layout.len(), rows / layout.len());
        let xs = xs.reshape((batch, time, d_model))?;
        let logits = logits.reshape((batch, time, slots))?;
        let of_sentences = logits.broadcast_add(&padding(tokens, batch, time)?)?;

        let dispatch = softmax(&of_sentences, 1)?; // over the tokens: (B, T, P)
        let mixed = dispatch.transpose(1, 2)?.contiguous()?.matmul(&xs)?; // (B, P, D)
        let mixed = mixed.reshape((batch * slots, d_model))?;
        let expert = |slot: usize| ((slot % slots) / self.slots_per_expert) as u32;
        let visited: Vec<u32> = (0..batch * slots).map(expert).collect();
        let mixture = Mixture {
            inputs: mixed,
            visits: Visits::new(&visited, batch * slots, 1, num_experts),
            combine: softmax(&logits, D::Minus1)?, // over the slots: (B, T, P)
            back: rectangle.map(|(_, back)| back),
        };
        Ok(RoutingPlan { mixture: Some(mixture), ..RoutingPlan::of_nothing(tokens, num_experts)? })
    }
}

/// How much each row fits each slot, `(N, E·p)`.
fn logits(weights: &SlotWeights, tokens: &Tokens<'_>, context: &Context) -> Result<Tensor> {
    let xs = tokens.xs;
    let logits = match &weights.scale {
        None => ops::linear_in(Precision::F32, xs, &weights.weight, None, context)?,
        Some(scale) => {
            let products = unit(xs)?.matmul(&unit(&weights.weight.tensor()?)?.t()?)?;
            products.broadcast_mul(&scale.tensor()?)?
        }
    };
    let values = logits.flatten_all()?.to_vec1::<f32>()?;
    let slots = weights.weight.shape().dims()[0];
    let is_broken = |row: &usize| values[row * slots..][..slots].iter().any(|v| !v.is_finite());
    match tokens.rows().iter().find(|row| is_broken(row)) {
        Some(row) => Err(not_finite(&format!("the slots' logits of row {row}"))),
        None => Ok(logits),
    }
}

/// Zero for tokens of a sentence, and so little that softmax gives nothing for those between:
/// `(B, T, 1)`.
fn padding(tokens: &Tokens<'_>, batch: usize, time: usize) -> Result<Tensor> {
    let lengths = tokens.layout.lengths().iter();
    let of_sentence =
        |&length: &usize| (0..time).map(move |t| if t < length { 0f32 } else { -1e30 });
    let values: Vec<f32> = lengths.flat_map(of_sentence).collect();
    Ok(Tensor::from_vec(values, (batch, time, 1), tokens.xs.device())?)
}

/// Every row of `xs` scaled to length one.
fn unit(xs: &Tensor) -> Result<Tensor> {
    let lengths = (xs.sqr()?.sum_keepdim(D::Minus1)?.sqrt()? + 1e-6)?;
    Ok(xs.broadcast_div(&lengths)?)
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[(r#"{ "kind": "soft" }"#, "in an encoder only")]);
    }
}
