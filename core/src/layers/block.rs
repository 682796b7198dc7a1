//! Layers of the encoder and the decoder: attention and feed-forward blocks with residuals.

use candle::Tensor;

use crate::{
    Result,
    cache::{LayerCache, StepRows},
    config::{NormPlacement, TargetMixing, TranslationConfig},
    context::Context,
    layers::{
        attention::{CrossAttention, SelfAttention},
        norm::LayerNorm,
        rows::{Rows, Source},
        ssru::Ssru,
    },
    moe::{LayerRouting, MoeLayer, Place, Tokens},
    ops,
    params::Builder,
    ragged::Ragged,
    register::Register,
};

/// What a block does to the stream: `x + f(norm(x))` or `norm(x + f(x))`.
#[derive(Debug, Clone)]
pub(crate) struct Residual {
    norm: LayerNorm,
    placement: NormPlacement,
}

impl Residual {
    pub(crate) fn new(d_model: usize, placement: NormPlacement, vb: &Builder<'_>) -> Result<Self> {
        Ok(Self { norm: LayerNorm::new(d_model, vb)?, placement })
    }

    /// The block called `name` in a translation model.
    fn of(config: &TranslationConfig, name: &str, vb: &Builder<'_>) -> Result<Self> {
        let norm = LayerNorm::of(&config.architecture, config.d_model, &vb.pp(name))?;
        Ok(Self { norm, placement: config.norm })
    }

    pub(crate) fn around(
        &self,
        xs: &Tensor,
        context: &Context,
        block: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        match self.placement {
            NormPlacement::Pre => {
                let ys = block(&self.norm.forward(xs, context)?)?;
                ops::add_dropped(xs, &ys, context)
            }
            NormPlacement::Post => {
                let ys = block(xs)?;
                self.norm.forward(&ops::add_dropped(xs, &ys, context)?, context)
            }
        }
    }
}

/// The feed-forward block of a layer: dense, or of experts.
#[derive(Debug, Clone)]
struct FeedForwardBlock {
    residual: Residual,
    layer: MoeLayer,
}

impl FeedForwardBlock {
    /// The block of the layer called `name`, of experts if the configuration says so.
    fn new(
        name: &str,
        config: &TranslationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let TranslationConfig { d_model, activation, .. } = *config;
        let gated = config.architecture.gated;
        let place = Place { name, d_model, activation, gated, register, root };
        let holds_experts = config.moe_layers().iter().any(|layer| layer == name);
        let layer = match config.moe.as_ref().filter(|_| holds_experts) {
            None => MoeLayer::dense(place, config.d_ff)?,
            Some(moe) => match &moe.routing {
                Some(rule) => MoeLayer::of_rule(place, rule, moe.shared_d_ff)?,
                None => MoeLayer::of_routes(place, moe.top_k, moe.shared_d_ff)?,
            },
        };
        let residual = Residual::of(config, "feed_forward_norm", &root.pp(name))?;
        Ok(Self { residual, layer })
    }

    fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        rows: Rows<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let mut routing = None;
        let ys = self.residual.around(xs, context, |xs| {
            let ids = (!rows.ids.is_empty()).then_some(rows.ids);
            let tokens = Tokens { ids, routes: Some(rows.routes), ..Tokens::new(xs, layout) };
            let (ys, visited) = self.layer.forward(&tokens, context)?;
            routing = visited;
            Ok(ys)
        })?;
        Ok((ys, routing))
    }
}

/// A layer of the encoder.
#[derive(Debug, Clone)]
pub struct EncoderLayer {
    attention: SelfAttention,
    attention_residual: Residual,
    feed_forward: FeedForwardBlock,
}

impl EncoderLayer {
    /// Creates the layer called `name`, such as `encoder.1`.
    pub fn new(
        name: &str,
        config: &TranslationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let vb = root.pp(name);
        Ok(Self {
            attention: SelfAttention::of_source(config, &vb.pp("attention"))?,
            attention_residual: Residual::of(config, "attention_norm", &vb)?,
            feed_forward: FeedForwardBlock::new(name, config, register, root)?,
        })
    }

    /// Maps `xs` `(N, D)` to the same shape; `rows` says where each row goes.
    pub fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        rows: Rows<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.forward(xs, layout, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        self.feed_forward.forward(&xs, layout, rows, context)
    }

    /// Its layer of experts, or its dense network.
    pub(crate) fn experts(&self) -> &MoeLayer {
        &self.feed_forward.layer
    }
}

/// How the tokens of a target learn of those before them.
#[derive(Debug, Clone)]
enum TargetBlock {
    Attention(SelfAttention),
    Ssru(Ssru),
}

impl TargetBlock {
    fn new(config: &TranslationConfig, vb: &Builder<'_>) -> Result<Self> {
        match config.architecture.target {
            TargetMixing::Attention => SelfAttention::of_target(config, vb).map(Self::Attention),
            TargetMixing::Ssru => Ssru::new(config.d_model, vb).map(Self::Ssru),
        }
    }

    /// Maps whole targets `xs` `(N, D)` to the same shape.
    fn forward(&self, xs: &Tensor, layout: &Ragged, context: &Context) -> Result<Tensor> {
        match self {
            Self::Attention(attention) => attention.forward(xs, layout, context),
            Self::Ssru(ssru) => ssru.forward(xs, layout, context),
        }
    }

    /// Maps the next row of every target, `xs` `(R, D)`, to the same shape.
    fn step(&self, xs: &Tensor, cache: &mut LayerCache, context: &Context) -> Result<Tensor> {
        match self {
            Self::Attention(attention) => {
                let positions = vec![cache.length() as u32; xs.dim(0)?];
                let qkv = attention.project(xs, &positions, context)?; // (R, 3D)
                let ys = cache.attend_to_target(&qkv, attention.distances())?; // (R, D)
                attention.finish(&ys, context)
            }
            Self::Ssru(ssru) => cache.recur(&ssru.project(xs, context)?, Ssru::advance),
        }
    }
}

/// A layer of the decoder.
#[derive(Debug, Clone)]
pub struct DecoderLayer {
    attention: TargetBlock,
    attention_residual: Residual,
    cross: CrossAttention,
    cross_residual: Residual,
    feed_forward: FeedForwardBlock,
}

impl DecoderLayer {
    /// Creates the layer called `name`, such as `decoder.1`.
    pub fn new(
        name: &str,
        config: &TranslationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let vb = root.pp(name);
        Ok(Self {
            attention: TargetBlock::new(config, &vb.pp("attention"))?,
            attention_residual: Residual::of(config, "attention_norm", &vb)?,
            cross: CrossAttention::new(config, &vb.pp("cross"))?,
            cross_residual: Residual::of(config, "cross_norm", &vb)?,
            feed_forward: FeedForwardBlock::new(name, config, register, root)?,
        })
    }

    /// Its layer of experts, or its dense network.
    pub(crate) fn experts(&self) -> &MoeLayer {
        &self.feed_forward.layer
    }

    /// Keys and values of the encoder's output `memory` `(S, D)`: `(S, 2D)`.
    pub fn memory(&self, memory: &Tensor, context: &Context) -> Result<Tensor> {
        self.cross.memory(memory, context)
    }

    /// Maps whole targets `xs` `(N, D)` to the same shape, given their source.
    pub fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        source: Source<'_>,
        rows: Rows<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.forward(xs, layout, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        let kv = self.cross.memory(source.states, context)?; // (S, 2D)
        let attend = |xs: &Tensor| self.cross.forward(xs, layout, &kv, source.layout, context);
        let xs = self.cross_residual.around(&xs, context, attend)?;
        self.feed_forward.forward(&xs, layout, rows, context)
    }

    /// Maps the next row of every target, `xs` `(R, D)`, to the same shape, and adds its keys and
    /// values to `cache`.
    pub(crate) fn step(
        &self,
        xs: &Tensor,
        cache: &mut LayerCache,
        step: &StepRows<'_>,
        rows: Rows<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.step(xs, cache, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        let xs = self.cross_residual.around(&xs, context, |xs| {
            let query = self.cross.project(xs, context)?; // (R, D)
            self.cross.finish(&cache.attend_to_source(&query, step)?, context)
        })?;
        let layout = Ragged::contiguous(&vec![1; rows.routes.len()]);
        self.feed_forward.forward(&xs, &layout, rows, context)
    }
}
