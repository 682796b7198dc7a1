//! Update rules, with a memory that can be saved and read back.
//!
//! An update rule is a file: a struct that implements [`Optimizer`], a variant of
//! [`Rule`] with its settings, and a line in [`new`].

pub mod adamw;
pub mod muon;

use candle::{Device, Tensor, backprop::GradStore};
use dragoman_core::{
    kernels::adamw::sum_of_squares,
    params::{Param, ParamStore},
};

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

    /// Moves the gradients in the buffers of the weights, which are in the host's memory, to the device
    /// of the update. On the CPU there is nothing to do.
    fn take_buffers(&mut self, params: &ParamStore) -> Result<()>;

    /// Sums of the squares of the gradients gathered, in the order in which they make up the norm of
    /// the whole gradient.
    fn squares(&self, params: &ParamStore) -> Result<Vec<Squares>>;

    /// Updates the weights by the gradients gathered, with learning rate `rate`, and forgets the
    /// gradients; `grad_norm` is the norm of the whole gradient.
    ///
    /// A weight that no gradient reached counts as having a gradient of zero.
    fn update(&mut self, params: &ParamStore, rate: f64, grad_norm: f64) -> Result<Update>;

    /// [`Optimizer::update`] where all weights are here.
    fn step(&mut self, params: &ParamStore, rate: f64) -> Result<Update> {
        let grad_norm = norm(&self.squares(params)?);
        self.update(params, rate, grad_norm)
    }

    /// Updates made so far.
    fn updates(&self) -> u64;

    /// The memory, on the CPU, by names that contain those of the weights.
    fn tensors(&self) -> Result<Tensors>;

    /// Goes on from a saved memory. What is missing, as after a change of the rule, starts anew.
    fn restore(&mut self, tensors: &Tensors, updates: u64) -> Result<()>;
}

/// A part of the square of the gradient's norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Squares {
    /// Parts of a lower group are added before those of a higher one ...
    pub group: u8,
    /// ... and within a group, in the order of the names of the weights.
    pub name: String,
    /// The sum of the squares of the gradient of the weight.
    pub sum: f64,
}

impl Squares {
    /// The part of a weight whose gradient lies in its own buffer.
    fn of_grad(group: u8, param: &Param) -> Self {
        let sum = param.with_grad(|grad| sum_of_squares(grad));
        Self { group, name: param.name().into(), sum }
    }

    /// The part of a tensor, of the weight called `name`.
    fn of_tensor(group: u8, name: &str, grad: &Tensor) -> Result<Self> {
        let sum = f64::from(tensor_squares(&grad.flatten_all()?)?.to_scalar::<f32>()?);
        Ok(Self { group, name: name.into(), sum })
    }
}

/// The norm of the gradient whose `squares` are given in their order.
pub fn norm(squares: &[Squares]) -> f64 {
    squares.iter().map(|squares| squares.sum).sum::<f64>().sqrt()
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
fn tensor_squares(values: &Tensor) -> Result<Tensor> {
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
