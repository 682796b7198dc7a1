//! AdamW (Loshchilov and Hutter 2019, algorithm 2), with moments that can be saved and read back.
//!
//! On the CPU one fused kernel walks over each weight. On another device all weights of a group lie side by side in
//! one flat tensor while they are updated, so that an update is a handful of launches and no copy to the host.

mod flat;
mod host;

use candle::{Device, backprop::GradStore};
use dragoman_core::params::{Param, ParamStore};

use crate::{Result, checkpoint::Tensors, config::OptimizerConfig};

/// The update rule and its memory.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    updates: u64,
    moments: Moments,
}

#[derive(Debug)]
enum Moments {
    Host(host::Moments),
    Device(flat::Moments),
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Euclidean norm of the whole gradient, before clipping.
    pub grad_norm: f64,
    /// Whether the weights changed; they do not when the gradient is not finite.
    pub applied: bool,
}

/// The numbers of one update, the same for every weight.
#[derive(Debug, Clone, Copy)]
struct Factors {
    /// Factor of the gradient, which clips its norm.
    grad_scale: f64,
    rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    /// `1 − β₁ᵗ`.
    correction1: f64,
    /// `1 − β₂ᵗ`.
    correction2: f64,
}

impl AdamW {
    /// A fresh optimiser of the trainable weights among `params`.
    pub fn new(config: OptimizerConfig, params: &ParamStore) -> Result<Self> {
        let moments = match params.device() {
            Device::Cpu => Moments::Host(host::Moments::default()),
            _ => Moments::Device(flat::Moments::new(params)?),
        };
        Ok(Self { config, updates: 0, moments })
    }

    /// Adds the gradients that candle gathered to those that lie in the weights' own buffers.
    pub fn collect(&mut self, params: &ParamStore, grads: &GradStore) -> Result<()> {
        match &mut self.moments {
            Moments::Host(_) => Ok(params.collect(grads)?),
            Moments::Device(moments) => moments.collect(grads),
        }
    }

    /// Updates the weights by the gradients gathered, with learning rate `rate`, and forgets the gradients.
    ///
    /// A weight that no gradient reached counts as having a gradient of zero.
    pub fn step(&mut self, params: &ParamStore, rate: f64) -> Result<Update> {
        let sum = match &mut self.moments {
            Moments::Host(_) => host::sum_of_squares(params),
            Moments::Device(moments) => moments.sum_of_squares()?,
        };
        let grad_norm = sum.sqrt();
        let applied = grad_norm.is_finite();
        if applied {
            self.updates += 1;
            let factors = self.factors(rate, grad_norm);
            match &mut self.moments {
                Moments::Host(moments) => moments.update(params, &factors)?,
                Moments::Device(moments) => moments.update(&factors)?,
            }
        }
        match &mut self.moments {
            Moments::Host(_) => params.zero_grads(),
            Moments::Device(moments) => moments.zero_grads(),
        }
        Ok(Update { grad_norm, applied })
    }

    /// Updates made so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The moments, on the CPU: `first.NAME` and `second.NAME` for each weight called `NAME`.
    pub fn tensors(&self) -> Result<Tensors> {
        match &self.moments {
            Moments::Host(moments) => moments.tensors(),
            Moments::Device(moments) => moments.tensors(),
        }
    }

    /// Goes on from saved moments.
    pub fn restore(&mut self, tensors: &Tensors, updates: u64) -> Result<()> {
        self.updates = updates;
        match &mut self.moments {
            Moments::Host(moments) => moments.restore(tensors),
            Moments::Device(moments) => moments.restore(tensors),
        }
    }

    fn factors(&self, rate: f64, grad_norm: f64) -> Factors {
        let OptimizerConfig { beta1, beta2, epsilon, weight_decay, clip_norm, .. } = self.config;
        let clips = clip_norm > 0.0 && grad_norm > clip_norm;
        let updates = i32::try_from(self.updates).unwrap_or(i32::MAX);
        Factors {
            grad_scale: if clips { clip_norm / grad_norm } else { 1.0 },
            rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            correction1: 1.0 - beta1.powi(updates),
            correction2: 1.0 - beta2.powi(updates),
        }
    }
}

/// Whether weight decay applies: to matrices other than embeddings. Norms, biases and the rows of gates are vectors.
fn decays(param: &Param) -> bool {
    param.shape().rank() >= 2 && !param.name().split('.').any(|part| part.contains("embedding"))
}

/// Name of the first moment of a weight in a checkpoint.
fn first_of(name: &str) -> String {
    format!("first.{name}")
}

/// Name of the second moment of a weight in a checkpoint.
fn second_of(name: &str) -> String {
    format!("second.{name}")
}
