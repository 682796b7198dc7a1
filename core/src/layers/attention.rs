//! Multi-head attention (Vaswani et al. 2017, section 3.2).

use candle::Tensor;

use crate::{
    Result,
    config::{DistanceKind, TranslationConfig},
    context::Context,
    layers::linear::Linear,
    ops::{self, Attention, Distances, Rotary, distances},
    params::{Builder, Init},
    ragged::Ragged,
};

/// Attention of a sentence to itself.
#[derive(Debug, Clone)]
pub struct SelfAttention {
    /// Queries, keys and values from one product, `(3D, D)`.
    qkv: Linear,
    out: Linear,
    rule: Attention,
    distances: Option<Distances>,
    rotary: Option<Rotary>,
}

/// The rule of attention in a translation model, and the width of all its heads.
fn rule_of(config: &TranslationConfig, causal: bool) -> (Attention, usize) {
    let TranslationConfig { num_heads, .. } = *config;
    let scale = config.architecture.attention_scale;
    (Attention { num_heads, causal, scale }, config.attention_width())
}

impl SelfAttention {
    /// Creates the layer, with its weights named `qkv.*` and `out.*`; if `causal`, no token sees
    /// those after it.
    pub fn new(d_model: usize, num_heads: usize, causal: bool, vb: &Builder<'_>) -> Result<Self> {
        let rule = Attention { num_heads, causal, scale: None };
        Self::with_rule((rule, d_model), d_model, vb)
    }

    fn with_rule(
        (rule, width): (Attention, usize),
        d_model: usize,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let qkv = Linear::stacked(d_model, width, 3, &vb.pp("qkv"))?;
        let out = Linear::new(width, d_model, &vb.pp("out"))?;
        Ok(Self { qkv, out, rule, distances: None, rotary: None })
    }

    /// The layer of the sources of a translation model.
    pub fn of_source(config: &TranslationConfig, vb: &Builder<'_>) -> Result<Self> {
        let layer = Self::with_rule(rule_of(config, false), config.d_model, vb)?;
        layer.knowing(&config.architecture.source_distances, config, vb)
    }

    /// The layer of its targets.
    pub fn of_target(config: &TranslationConfig, vb: &Builder<'_>) -> Result<Self> {
        let layer = Self::with_rule(rule_of(config, true), config.d_model, vb)?;
        layer.knowing(&config.architecture.target_distances, config, vb)
    }

    /// The same, knowing distances as `choice` says; weights are named `relative_keys`,
    /// `relative_values` and `distance_bias`.
    fn knowing(
        self,
        choice: &DistanceKind,
        config: &TranslationConfig,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let num_heads = config.num_heads;
        let head = config.attention_width() / num_heads;
        let distances = match *choice {
            DistanceKind::None => return Ok(self),
            DistanceKind::Rotary { width, base, interleaved } => {
                return Ok(Self { rotary: Some(Rotary { width, base, interleaved }), ..self });
            }
            DistanceKind::Vectors { most } => {
                let init = Init::Normal((head as f32).powf(-0.5));
                let table = |name: &str| vb.get((2 * most + 1, head), name, init);
                let (keys, values) = (table("relative_keys")?, table("relative_values")?);
                Distances::Vectors { keys, values }
            }
            DistanceKind::Buckets { count, most } => {
                let table = vb.get((count, num_heads), "distance_bias", Init::Normal(0.02))?;
                let buckets = distances::buckets(count, most, self.rule.causal);
                Distances::Buckets { buckets, table }
            }
            DistanceKind::Slopes => Distances::Slopes(distances::slopes(num_heads)),
        };
        Ok(Self { distances: Some(distances), ..self })
    }

    /// Maps `xs` `(N, D)` to the same shape.
    pub fn forward(&self, xs: &Tensor, layout: &Ragged, context: &Context) -> Result<Tensor> {
        let qkv = self.project(xs, &layout.positions(), context)?; // (N, 3D)
        let ys = match &self.distances {
            None => ops::attention(&qkv, None, layout, layout, self.rule, context)?,
            Some(distances) => {
                ops::attention_with_distances(&qkv, layout, self.rule, distances, context)?
            }
        }; // (N, D)
        self.out.forward(&ys, context)
    }

    /// Queries, keys and values of `xs` `(N, D)`, whose rows stand at `positions`: `(N, 3D)`.
    pub(crate) fn project(
        &self,
        xs: &Tensor,
        positions: &[u32],
        context: &Context,
    ) -> Result<Tensor> {
        let qkv = self.qkv.forward(xs, context)?;
        match &self.rotary {
            Some(rotary) => rotary.turn(&qkv, positions, self.rule.num_heads),
            None => Ok(qkv),
        }
    }

    /// What depends on the distance between a query and a key.
    pub(crate) fn distances(&self) -> Option<&Distances> {
        self.distances.as_ref()
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
    rule: Attention,
}

impl CrossAttention {
    /// Creates the layer, with its weights named `query.*`, `kv.*` and `out.*`.
    pub fn new(config: &TranslationConfig, vb: &Builder<'_>) -> Result<Self> {
        let ((rule, width), d_model) = (rule_of(config, false), config.d_model);
        let query = Linear::new(d_model, width, &vb.pp("query"))?;
        let kv = Linear::stacked(d_model, width, 2, &vb.pp("kv"))?;
        let out = Linear::new(width, d_model, &vb.pp("out"))?;
        Ok(Self { query, kv, out, rule })
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
        let ys = ops::attention(&query, Some(kv), layout, source, self.rule, context)?; // (N, D)
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
