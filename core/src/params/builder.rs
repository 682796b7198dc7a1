//! Names and initial values of the weights that layers create.

use candle::{Device, Shape};

use super::{param::Param, store::ParamStore};
use crate::Result;

/// How a weight starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Normal with this standard deviation.
    Normal(f32),
}

impl Init {
    /// Glorot & Bengio 2010 (eq. 16), with a normal distribution.
    pub fn xavier(fan_in: usize, fan_out: usize) -> Self {
        Self::Normal((2.0 / (fan_in + fan_out) as f32).sqrt())
    }
}

/// Makes the weights of a layer under a common prefix, like candle's `VarBuilder`.
#[derive(Debug, Clone)]
pub struct Builder<'a> {
    store: &'a ParamStore,
    prefix: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(store: &'a ParamStore) -> Self {
        Self { store, prefix: String::new() }
    }

    /// The builder of the part called `name`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { store: self.store, prefix: self.path(&name.to_string()) }
    }

    /// The weight called `name` here.
    pub fn get(&self, shape: impl Into<Shape>, name: &str, init: Init) -> Result<Param> {
        self.store.param(&self.path(name), shape.into(), init)
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        self.store.device()
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }
}
