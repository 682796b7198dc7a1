//! Update rules, with a memory that can be saved and read back.
//!
//! An update rule is a file: a struct that implements [`Optimizer`], a variant of
//! [`Rule`] with its settings, and a line in [`new`].

pub mod adamw;
pub mod muon;

use candle::{Device, Tensor, backprop::GradStore};
use dragoman_core::params::{Param, ParamStore};

pub use adamw::AdamW;
pub use muon::Muon;

use crate::{
    Result,
    checkpoint::Tensors,
    config::{OptimizerConfig, Rule},
};

/// Changes weights by their gradients.
///
/// The weights of all calls are those that the optimiser was made for.
pub trait Optimizer: std::fmt::Debug {
    /// Adds the gradients that candle gathered to those that lie in the weights' own buffers.
    fn collect(&mut self, params: &ParamStore, grads: &GradStore) -> Result<()>;

    /// Updates the weights by the gradients gathered, with learning rate `rate`, and forgets the
    /// gradients.
    ///
    /// A weight that no gradient reached counts as having a gradient of zero.
    fn step(&mut self, params: &ParamStore, rate: f64) -> Result<Update>;

    /// Updates made so far.
    fn updates(&self) -> u64;

    /// The memory, on the CPU, by names that contain those of the weights.
    fn tensors(&self) -> Result<Tensors>;

    /// Goes on from a saved memory. What is missing, as after a change of the rule, starts anew.
    fn restore(&mut self, tensors: &Tensors, updates: u64) -> Result<()>;
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Euclidean norm of the whole gradient, before clipping.
    pub grad_norm: f64,
    /// Whether the weights changed; they do not when the gradient is not finite.
    pub applied: bool,
}

/// A fresh optimiser of the trainable weights among `params`, as `config` says.
pub fn new(config: OptimizerConfig, params: &ParamStore) -> Result<Box<dyn Optimizer>> {
    Ok(match config.rule {
        Rule::AdamW => Box::new(AdamW::new(config, params)?),
        Rule::Muon(muon) => Box::new(Muon::new(config, muon, params)?),
    })
}

/// Factor that scales a gradient of length `norm` down to the longest one allowed.
fn clip_factor(config: &OptimizerConfig, norm: f64) -> f64 {
    let clips = config.clip_norm > 0.0 && norm > config.clip_norm;
    if clips { config.clip_norm / norm } else { 1.0 }
}

/// Whether weight decay applies: to matrices other than embeddings. Norms, biases and the rows of
/// gates are vectors.
fn is_matrix(param: &Param) -> bool {
    param.shape().rank() >= 2 && !param.name().split('.').any(|part| part.contains("embedding"))
}

/// Sums in two stages: candle's CUDA kernel would sum all values to one by a single block.
fn sum_of_squares(values: &Tensor) -> Result<Tensor> {
    const WIDTH: usize = 1024;
    let count = values.elem_count();
    let (rows, rest) = (count / WIDTH, count % WIDTH);
    let mut sums = Vec::new();
    if rows > 0 {
        let whole = values.narrow(0, 0, rows * WIDTH)?.reshape((rows, WIDTH))?;
        sums.push(whole.sqr()?.sum(1)?.sum_all()?);
    }
    if rest > 0 {
        sums.push(values.narrow(0, rows * WIDTH, rest)?.sqr()?.sum_all()?);
    }
    Ok(Tensor::stack(&sums, 0)?.sum_all()?)
}

/// A copy of `tensor` on the CPU.
fn on_cpu(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.to_device(&Device::Cpu)?)
}
