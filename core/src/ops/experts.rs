//! The feed-forward networks of experts, each on the rows that visit it.

use std::{
    collections::BTreeMap,
    sync::{MutexGuard, OnceLock},
};

use candle::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};

use super::{
    linear::matmul_t,
    select::{NONE, select},
    slices,
};
use crate::{
    Result,
    config::Activation,
    context::Context,
    kernels::{
        ffn::{
            ExpertGrads, ExpertWeights, FfnInput, Gradients, GroupedFfn, PackedExpert, PackedFfn,
            Saved,
        },
        matmul::Precision,
    },
    params::{Param, Values},
};

pub use crate::kernels::visits::Visits;

/// The weights of one expert, `down(act(up(x)))`.
#[derive(Debug, Clone)]
pub struct ExpertParams {
    /// `(F, D)`.
    pub up: Param,
    /// `(F,)`.
    pub up_bias: Param,
    /// `(D, F)`.
    pub down: Param,
    /// `(D,)`.
    pub down_bias: Param,
}

impl ExpertParams {
    fn all(&self) -> [&Param; 4] {
        [&self.up, &self.up_bias, &self.down, &self.down_bias]
    }

    fn is_trainable(&self) -> bool {
        self.all().iter().any(|param| param.is_trainable())
    }
}

/// Maps `xs` `(N, D)` to `Σₛ weights[n, s] · E_{visits(n, s)}(xs[n])`, `(N, D)`; without
/// `weights`, `(N, S)`, each visit counts one.
pub fn experts(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    context: &Context,
) -> Result<Tensor> {
    if !context.uses_kernels(xs.device()) {
        return composite(xs, weights, visits, experts, activation, context.precision);
    }
    let op = Experts {
        visits: visits.clone(),
        experts: experts.to_vec(),
        activation,
        precision: context.precision,
        packed: !context.is_training(),
        saved: OnceLock::new(),
    };
    let xs = xs.contiguous()?;
    match weights {
        Some(weights) => Ok(xs.apply_op2(&weights.contiguous()?, op)?),
        None => Ok(xs.apply_op1(op)?),
    }
}

/// The composite form: experts that every token visits one by one, all others side by side.
fn composite(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    precision: Precision,
) -> Result<Tensor> {
    let mut parts = Vec::new();
    let mut others: BTreeMap<usize, Vec<usize>> = BTreeMap::new(); // by inner width
    for (e, expert) in experts.iter().enumerate() {
        if let Some(slot) = slot_of_all(visits, e) {
            let [up, up_bias, down, down_bias] = expert.all().map(Param::tensor);
            let inner = matmul_t(xs, &up, precision)?.broadcast_add(&up_bias)?; // (N, F)
            let inner = activate(&inner, activation)?;
            let out = matmul_t(&inner, &down, precision)?.broadcast_add(&down_bias)?; // (N, D)
            parts.push(match weights {
                Some(weights) => out.broadcast_mul(&weights.narrow(1, slot, 1)?)?,
                None => out,
            });
        } else if !visits.of_expert(e).is_empty() {
            others.entry(expert.up.shape().dims()[0]).or_default().push(e);
        }
    }
    for members in others.values() {
        let params: Vec<_> = members.iter().map(|&e| &experts[e]).collect();
        parts.push(side_by_side(xs, weights, visits, (members, &params), (activation, precision))?);
    }
    let mut parts = parts.into_iter();
    let first = parts.next().map_or_else(|| xs.zeros_like(), Ok)?;
    Ok(parts.try_fold(first, |sum, part| sum + part)?)
}

/// The slot in which every token visits the expert, if there is one.
fn slot_of_all(visits: &Visits, expert: usize) -> Option<usize> {
    let positions = &visits.positions()[visits.of_expert(expert)];
    let slot = *positions.first()? as usize;
    let slots = visits.num_slots();
    let in_slot = |(token, &position): (usize, &u32)| position as usize == token * slots + slot;
    let all = positions.len() == visits.num_tokens() && positions.iter().enumerate().all(in_slot);
    all.then_some(slot)
}

/// Experts of one inner width in batched products: each gets the room of the busiest, `C` rows.
///
/// What is filled up costs less than a product, and a dozen other launches, for each expert.
fn side_by_side(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    (members, params): (&[usize], &[&ExpertParams]),
    (activation, precision): (Activation, Precision),
) -> Result<Tensor> {
    let (tokens, slots, d_model) = (visits.num_tokens(), visits.num_slots(), xs.dim(1)?);
    let capacity = members.iter().map(|&e| visits.of_expert(e).len()).max().unwrap_or(0);
    let mut rows = vec![NONE; members.len() * capacity]; // token of each place
    let mut places = vec![NONE; tokens * slots]; // place of each visit
    for (i, &expert) in members.iter().enumerate() {
        for (place, visit) in (i * capacity..).zip(visits.of_expert(expert)) {
            rows[place] = visits.tokens()[visit];
            places[visits.positions()[visit] as usize] = place as u32;
        }
    }
    let stacked = |of: fn(&ExpertParams) -> &Param| {
        let tensors: Vec<Tensor> = params.iter().map(|params| of(params).tensor()).collect();
        Tensor::stack(&tensors, 0)
    };
    let (up, down) = (stacked(|params| &params.up)?, stacked(|params| &params.down)?);
    let up_bias = stacked(|params| &params.up_bias)?.unsqueeze(1)?; // (E, 1, F)
    let down_bias = stacked(|params| &params.down_bias)?.unsqueeze(1)?; // (E, 1, D)

    let inputs = select(xs, rows)?.reshape((members.len(), capacity, d_model))?; // (E, C, D)
    let inner = matmul_t(&inputs, &up, precision)?.broadcast_add(&up_bias)?; // (E, C, F)
    let inner = activate(&inner, activation)?;
    let out = matmul_t(&inner, &down, precision)?.broadcast_add(&down_bias)?; // (E, C, D)
    let out = select(&out.reshape(((), d_model))?, places)?; // (N·S, D)
    let out = out.reshape((tokens, slots, d_model))?;
    let out = match weights {
        Some(weights) => out.broadcast_mul(&weights.unsqueeze(2)?)?,
        None => out,
    };
    Ok(out.sum(1)?)
}

fn activate(xs: &Tensor, activation: Activation) -> candle::Result<Tensor> {
    match activation {
        Activation::Relu => xs.relu(),
        Activation::Gelu => xs.gelu_erf(),
        Activation::Silu => xs.silu(),
    }
}

/// The kernel form: one grouped operation.
struct Experts {
    visits: Visits,
    experts: Vec<ExpertParams>,
    activation: Activation,
    precision: Precision,
    /// Whether the weights stay as they are, so that it pays to pack them once.
    packed: bool,
    /// What the backward pass needs of the forward pass.
    saved: OnceLock<Saved>,
}

impl Experts {
    /// Runs `f` on the kernel, while nobody changes the weights.
    fn with_kernel<R>(&self, f: impl FnOnce(&GroupedFfn<'_>) -> R) -> candle::Result<R> {
        let values: Result<Vec<[Values<'_>; 4]>> = self.experts.iter().map(values_of).collect();
        let values = values.map_err(candle::Error::wrap)?;
        let experts: Vec<ExpertWeights<'_>> = values
            .iter()
            .map(|[up, up_bias, down, down_bias]| ExpertWeights {
                up: up.as_slice(),
                up_bias: Some(up_bias.as_slice()),
                gate: None,
                down: down.as_slice(),
                down_bias: Some(down_bias.as_slice()),
            })
            .collect();
        let d_model = self.experts.first().map_or(1, |expert| expert.up.shape().dims()[1]);
        let (precision, activation) = (self.precision, self.activation);
        Ok(f(&GroupedFfn { precision, activation, d_model, experts: &experts }))
    }

    fn ones(&self) -> Vec<f32> {
        vec![1.0; self.visits.num_tokens() * self.visits.num_slots()]
    }

    fn forward(&self, xs: &[f32], weights: &[f32]) -> candle::Result<Vec<f32>> {
        let mut ys = vec![0.0; xs.len()];
        let input = FfnInput { xs, visits: &self.visits, weights };
        if self.packed {
            self.infer(&input, &mut ys).map_err(candle::Error::wrap)?;
            return Ok(ys);
        }
        let saved = self.with_kernel(|kernel| kernel.forward(&input, &mut ys))?;
        self.saved.get_or_init(|| saved);
        Ok(ys)
    }

    /// The forward pass over weights packed once; experts that nobody visits are not packed.
    fn infer(&self, input: &FfnInput<'_>, ys: &mut [f32]) -> Result<()> {
        let mut held = Vec::with_capacity(self.experts.len());
        for (e, expert) in self.experts.iter().enumerate() {
            held.push(match self.visits.of_expert(e).is_empty() {
                true => None,
                false => {
                    let up = expert.up.packed(self.precision)?;
                    let down = expert.down.packed(self.precision)?;
                    Some((up, expert.up_bias.values()?, down, expert.down_bias.values()?))
                }
            });
        }
        let mut experts = Vec::with_capacity(held.len());
        for held in &held {
            experts.push(held.as_ref().map(|(up, up_bias, down, down_bias)| PackedExpert {
                up,
                up_bias: Some(up_bias.as_slice()),
                gate: None,
                down,
                down_bias: Some(down_bias.as_slice()),
            }));
        }
        let d_model = self.experts.first().map_or(1, |expert| expert.up.shape().dims()[1]);
        PackedFfn { activation: self.activation, d_model, experts: &experts }.forward(input, ys);
        Ok(())
    }

    /// Gradients of `xs` and `weights`.
    fn backward(
        &self,
        xs: &[f32],
        weights: &[f32],
        dys: &[f32],
    ) -> candle::Result<(Vec<f32>, Vec<f32>)> {
        let Some(saved) = self.saved.get() else {
            candle::bail!("experts: backward before forward");
        };
        let (mut dxs, mut dweights) = (vec![0.0; xs.len()], vec![0.0; weights.len()]);
        let mut held: Vec<Option<[MutexGuard<'_, Vec<f32>>; 4]>> =
            self.experts.iter().map(grads_of).collect();
        let mut grads: Vec<Option<ExpertGrads<'_>>> = held
            .iter_mut()
            .map(|held| {
                let [up, up_bias, down, down_bias] = held.as_mut()?;
                let (up_bias, down_bias) = (Some(&mut up_bias[..]), Some(&mut down_bias[..]));
                Some(ExpertGrads { up, up_bias, gate: None, down, down_bias })
            })
            .collect();
        let input = FfnInput { xs, visits: &self.visits, weights };
        self.with_kernel(|kernel| {
            let gradients = Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
            kernel.backward(&input, saved, dys, gradients);
        })?;
        Ok((dxs, dweights))
    }
}

fn values_of(expert: &ExpertParams) -> Result<[Values<'_>; 4]> {
    let [up, up_bias, down, down_bias] = expert.all();
    Ok([up.values()?, up_bias.values()?, down.values()?, down_bias.values()?])
}

/// Where the gradients of an expert gather; none if it is frozen, and nothing is spent on it.
fn grads_of(expert: &ExpertParams) -> Option<[MutexGuard<'_, Vec<f32>>; 4]> {
    expert.is_trainable().then(|| expert.all().map(Param::grad))
}

impl CustomOp1 for Experts {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let ys = self.forward(slices::values(xs, layout)?, &self.ones())?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let (dxs, _) = slices::with_values(xs, |xs| {
            slices::with_values(dys, |dys| self.backward(xs, &self.ones(), dys))
        })???;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

impl CustomOp2 for Experts {
    fn name(&self) -> &'static str {
        "experts"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let weights = slices::values(weights, weights_layout)?;
        let ys = self.forward(slices::values(xs, layout)?, weights)?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        dys: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dxs, dweights) = slices::with_values(xs, |xs| {
            slices::with_values(weights, |weights| {
                slices::with_values(dys, |dys| self.backward(xs, weights, dys))
            })
        })????;
        let dweights = slices::tensor(dweights, weights.shape())?;
        Ok((Some(slices::tensor(dxs, xs.shape())?), Some(dweights)))
    }
}
