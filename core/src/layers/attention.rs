//! Multi-head attention (Vaswani et al. 2017, section 3.2).

use candle::Tensor;

use crate::{
    Result,
    context::Context,
    layers::linear::Linear,
    ops::{self, Attention},
    params::Builder,
    ragged::Ragged,
};

/// Attention of a sentence to itself.
#[derive(Debug, Clone)]
pub struct SelfAttention {
    /// Queries, keys and values from one product, `(3D, D)`.
    qkv: Linear,
    out: Linear,
    num_heads: usize,
    causal: bool,
}

impl SelfAttention {
    /// Creates the layer, with its weights named `qkv.*` and `out.*`; if `causal`, no token sees
    /// those after it.
    pub fn new(d_model: usize, num_heads: usize, causal: bool, vb: &Builder<'_>) -> Result<Self> {
        let qkv = Linear::stacked(d_model, d_model, 3, &vb.pp("qkv"))?;
        let out = Linear::new(d_model, d_model, &vb.pp("out"))?;
        Ok(Self { qkv, out, num_heads, causal })
    }

    /// Maps `xs` `(N, D)` to the same shape.
    pub fn forward(&self, xs: &Tensor, layout: &Ragged, context: &Context) -> Result<Tensor> {
        let qkv = self.qkv.forward(xs, context)?; // (N, 3D)
        let attention = Attention { num_heads: self.num_heads, causal: self.causal };
        let ys = ops::attention(&qkv, None, layout, layout, attention, context)?; // (N, D)
        self.out.forward(&ys, context)
    }

    /// Queries, keys and values of `xs` `(N, D)`: `(N, 3D)`.
    pub(crate) fn project(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        self.qkv.forward(xs, context)
    }

    /// The map after the attention, `(N, D)` to `(N, D)`.
    pub(crate) fn finish(&self, ys: &Tensor, context: &Context) -> Result<Tensor> {
        self.out.forward(ys, context)
    }
}

/// Attention of a target sentence to its source.
#[derive(Debug, Clone)]
pub struct CrossAttention {
    query: Linear,
    /// Keys and values from one product, `(2D, D)`.
    kv: Linear,
    out: Linear,
    num_heads: usize,
}

impl CrossAttention {
    /// Creates the layer, with its weights named `query.*`, `kv.*` and `out.*`.
    pub fn new(d_model: usize, num_heads: usize, vb: &Builder<'_>) -> Result<Self> {
        let query = Linear::new(d_model, d_model, &vb.pp("query"))?;
        let kv = Linear::stacked(d_model, d_model, 2, &vb.pp("kv"))?;
        let out = Linear::new(d_model, d_model, &vb.pp("out"))?;
        Ok(Self { query, kv, out, num_heads })
    }

    /// Keys and values of the source `memory` `(S, D)`: `(S, 2D)`, computed once per sentence.
    pub fn memory(&self, memory: &Tensor, context: &Context) -> Result<Tensor> {
        self.kv.forward(memory, context)
    }

    /// Maps `xs` `(N, D)` to the same shape, given [`CrossAttention::memory`] of rows that lie as
    /// `source` says.
    pub fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        kv: &Tensor,
        source: &Ragged,
        context: &Context,
    ) -> Result<Tensor> {
        let query = self.query.forward(xs, context)?; // (N, D)
        let attention = Attention { num_heads: self.num_heads, causal: false };
        let ys = ops::attention(&query, Some(kv), layout, source, attention, context)?; // (N, D)
        self.out.forward(&ys, context)
    }

    /// Queries of `xs` `(N, D)`.
    pub(crate) fn project(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        self.query.forward(xs, context)
    }

    /// The map after the attention, `(N, D)` to `(N, D)`.
    pub(crate) fn finish(&self, ys: &Tensor, context: &Context) -> Result<Tensor> {
        self.out.forward(ys, context)
    }
}
