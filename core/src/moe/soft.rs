//! Soft MoE (Puigcerver et al. 2023): experts see mixtures of the tokens of a sentence.
//!
//! With `L = X · Φᵀ`, `(T, E·p)` (section 2.1): the slots are `softmax_T(L)ᵀ · X`, `p` of them for
//! each expert, and a token's result is `softmax_slots(L)` over the experts' answers. Nothing is
//! dropped and everything has a gradient; every token sees every other, so this is for encoders.

use candle::{D, Tensor};
use candle_nn::ops::softmax;

use super::{
    config::SoftConfig,
    plan::{Tokens, not_finite},
};
use crate::{
    Result,
    context::Context,
    kernels::visits::Visits,
    ops,
    params::{Builder, Init, Param},
};

/// The weights of the mixtures.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    /// `Φ`, one row for each slot, `(E·p, D)`.
    weight: Param,
    /// Factor of normalised products, `(1,)`.
    scale: Option<Param>,
    slots_per_expert: usize,
}

impl Slots {
    /// Whether training may change the weights.
    pub(super) fn learns(&self) -> bool {
        self.weight.is_trainable() || self.scale.as_ref().is_some_and(Param::is_trainable)
    }

    /// Creates the weights, named `slots.weight` and `slots.scale`.
    pub(super) fn new(
        config: &SoftConfig,
        (d_model, num_experts): (usize, usize),
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let (vb, slots) = (vb.pp("slots"), num_experts * config.slots_per_expert);
        let init = Init::Normal((d_model as f32).powf(-0.5));
        let weight = vb.get((slots, d_model), "weight", init)?;
        let scale = match config.normalize {
            true => Some(vb.get(1, "scale", Init::Ones)?),
            false => None,
        };
        Ok(Self { weight, scale, slots_per_expert: config.slots_per_expert })
    }

    /// Maps tokens to `(N, D)` through `experts`, which are given slots `(M, D)` and who visits
    /// whom; `num_experts` is `E`.
    pub(super) fn forward(
        &self,
        tokens: &Tokens<'_>,
        num_experts: usize,
        context: &Context,
        experts: impl FnOnce(&Tensor, &Visits) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let layout = tokens.layout;
        let rectangle = layout.to_rectangle(tokens.xs.device())?;
        let logits = self.logits(tokens, context)?; // (N, P)
        let (xs, logits) = match &rectangle {
            Some((there, _)) => (tokens.xs.index_select(there, 0)?, logits.index_select(there, 0)?),
            None => (tokens.xs.clone(), logits),
        };
        let ((rows, d_model), slots) = (xs.dims2()?, self.weight.shape().dims()[0]);
        let (batch, time) = (layout.len(), rows / layout.len());
        let xs = xs.reshape((batch, time, d_model))?;
        let logits = logits.reshape((batch, time, slots))?;
        let of_sentences = logits.broadcast_add(&self.padding(tokens, (batch, time))?)?;

        let dispatch = softmax(&of_sentences, 1)?; // over the tokens: (B, T, P)
        let mixed = dispatch.transpose(1, 2)?.contiguous()?.matmul(&xs)?; // (B, P, D)
        let mixed = mixed.reshape((batch * slots, d_model))?;
        let expert = |slot: usize| ((slot % slots) / self.slots_per_expert) as u32;
        let visited: Vec<u32> = (0..batch * slots).map(expert).collect();
        let visits = Visits::new(&visited, batch * slots, 1, num_experts);
        let answers = experts(&mixed, &visits)?.reshape((batch, slots, d_model))?;

        let combine = softmax(&logits, D::Minus1)?; // over the slots: (B, T, P)
        let ys = combine.matmul(&answers)?.reshape((batch * time, d_model))?;
        match &rectangle {
            Some((_, back)) => Ok(ys.index_select(back, 0)?),
            None => Ok(ys),
        }
    }

    /// How much each row fits each slot, `(N, E·p)`.
    fn logits(&self, tokens: &Tokens<'_>, context: &Context) -> Result<Tensor> {
        let xs = tokens.xs;
        let logits = match &self.scale {
            None => {
                let precision = crate::kernels::matmul::Precision::F32;
                ops::linear_in(precision, xs, &self.weight, None, context)?
            }
            Some(scale) => {
                let products = unit(xs)?.matmul(&unit(&self.weight.tensor()?)?.t()?)?;
                products.broadcast_mul(&scale.tensor()?)?
            }
        };
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        let slots = self.weight.shape().dims()[0];
        let is_broken = |row: &usize| values[row * slots..][..slots].iter().any(|v| !v.is_finite());
        match tokens.rows().iter().find(|row| is_broken(row)) {
            Some(row) => Err(not_finite(&format!("the slots' logits of row {row}"))),
            None => Ok(logits),
        }
    }

    /// Zero for tokens of a sentence, and so little that softmax gives nothing for those between:
    /// `(B, T, 1)`.
    fn padding(&self, tokens: &Tokens<'_>, (batch, time): (usize, usize)) -> Result<Tensor> {
        let lengths = tokens.layout.lengths().iter();
        let of_sentence =
            |&length: &usize| (0..time).map(move |t| if t < length { 0f32 } else { -1e30 });
        let values: Vec<f32> = lengths.flat_map(of_sentence).collect();
        Ok(Tensor::from_vec(values, (batch, time, 1), tokens.xs.device())?)
    }
}

/// Every row of `xs` scaled to length one.
fn unit(xs: &Tensor) -> Result<Tensor> {
    let lengths = (xs.sqr()?.sum_keepdim(D::Minus1)?.sqrt()? + 1e-6)?;
    Ok(xs.broadcast_div(&lengths)?)
}
