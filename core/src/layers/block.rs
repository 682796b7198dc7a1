//! Layers of the encoder and the decoder: attention and feed-forward blocks with residuals.

use candle::{Tensor, Var};

use crate::{
    Result,
    cache::{LayerCache, StepRows},
    config::{NormPlacement, TargetMixing, TranslationConfig},
    context::Context,
    layers::{
        added::{AddedExperts, Host},
        attention::{CrossAttention, SelfAttention},
        feed_forward::FeedForward,
        moe::{LayerRouting, MoeLayer},
        norm::LayerNorm,
        preset::PresetLayer,
        ssru::Ssru,
        ways::Ways,
    },
    ops,
    params::{Builder, Param},
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
        let residual = Self::new(config.d_model, config.norm, &vb.pp(name))?;
        let norm = residual.norm.with_epsilon(config.architecture.norm_epsilon);
        Ok(Self { norm, ..residual })
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
enum Inner {
    Dense(FeedForward),
    Experts(Box<MoeLayer>),
    Preset(Box<PresetLayer>),
}

#[derive(Debug, Clone)]
struct FeedForwardBlock {
    residual: Residual,
    inner: Inner,
    added: Option<AddedExperts>,
}

impl FeedForwardBlock {
    /// The block of the layer called `name`, of experts if the configuration says so.
    fn new(
        name: &str,
        config: &TranslationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let vb = root.pp(name);
        let inner = match &config.moe {
            Some(moe) if config.moe_layers().iter().any(|layer| layer == name) => {
                match &moe.routing {
                    Some(rule) => {
                        let layer = PresetLayer::new((name, config), (moe, rule), register, root)?;
                        Inner::Preset(Box::new(layer))
                    }
                    None => {
                        let shape = (name, config.d_model, config.activation);
                        Inner::Experts(Box::new(MoeLayer::new(shape, moe, register, root)?))
                    }
                }
            }
            _ => {
                let vb = vb.pp("feed_forward");
                Inner::Dense(FeedForward::new(config.d_model, config.d_ff, config.activation, &vb)?)
            }
        };
        let (network, has_groups) = match &inner {
            Inner::Dense(feed_forward) => (Some(feed_forward.weights()), false),
            Inner::Experts(layer) => (layer.shared(), true),
            Inner::Preset(_) => (None, true),
        };
        let TranslationConfig { d_model, activation, .. } = *config;
        let host = Host { name, network, has_groups, d_model, activation };
        let added = AddedExperts::new(host, register, root)?;
        let residual = Residual::of(config, "feed_forward_norm", &vb)?;
        Ok(Self { residual, inner, added })
    }

    fn preset(&self) -> Option<&PresetLayer> {
        match &self.inner {
            Inner::Preset(layer) => Some(layer),
            _ => None,
        }
    }

    fn added(&self) -> impl Iterator<Item = (&str, u64)> {
        self.added.iter().flat_map(AddedExperts::rows_computed)
    }

    /// Whether training may change any weight of the block's networks.
    fn learns(&self) -> bool {
        let inner = match &self.inner {
            Inner::Dense(feed_forward) => feed_forward.weights().learns(),
            Inner::Experts(layer) => layer.learns(),
            Inner::Preset(layer) => layer.learns(),
        };
        inner || self.added.as_ref().is_some_and(AddedExperts::learns)
    }

    fn forward(
        &self,
        xs: &Tensor,
        (layout, ways): (&Ragged, &Ways),
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let mut routing = None;
        let ys = self.residual.around(xs, context, |xs| {
            // Where nothing below learns, candle follows results from here on.
            let lowest = context.only_experts && context.is_training() && !xs.track_op();
            let followed = match lowest && self.learns() {
                true => Some(Var::from_tensor(xs)?),
                false => None,
            };
            let xs = followed.as_ref().map_or(xs, Var::as_tensor);
            let ys = match &self.inner {
                Inner::Dense(feed_forward) => feed_forward.forward(xs, context)?,
                Inner::Experts(layer) => {
                    let (ys, went) = layer.forward(xs, ways.routes(), context)?;
                    routing = Some(went);
                    ys
                }
                Inner::Preset(layer) => {
                    let (ys, went) = layer.forward(xs, (layout, ways), context)?;
                    routing = Some(went);
                    ys
                }
            };
            let added = self.added.as_ref().map(|added| added.forward(xs, ways, context));
            let Some((sum, went)) = added.transpose()?.flatten() else { return Ok(ys) };
            match &mut routing {
                Some(routing) => routing.extend(went),
                None => routing = Some(went),
            }
            Ok((ys + sum)?)
        })?;
        Ok((ys, routing))
    }

    fn expert_matrices(&self, ways: &Ways) -> Vec<Param> {
        let mut matrices = match &self.inner {
            // What a free rule will choose nobody knows: its experts stay by how late they were used.
            Inner::Dense(_) | Inner::Preset(_) => Vec::new(),
            Inner::Experts(layer) => layer.matrices(ways.routes()),
        };
        matrices.extend(self.added.iter().flat_map(|added| added.matrices(ways)));
        matrices
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
        let TranslationConfig { d_model, num_heads, .. } = *config;
        Ok(Self {
            attention: SelfAttention::new(d_model, num_heads, false, &vb.pp("attention"))?,
            attention_residual: Residual::of(config, "attention_norm", &vb)?,
            feed_forward: FeedForwardBlock::new(name, config, register, root)?,
        })
    }

    /// Maps `xs` `(N, D)` to the same shape; `ways` says where each row goes.
    pub fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        ways: &Ways,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.forward(xs, layout, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        self.feed_forward.forward(&xs, (layout, ways), context)
    }

    /// Its layer of experts with a published rule, if it has one.
    pub(crate) fn preset(&self) -> Option<&PresetLayer> {
        self.feed_forward.preset()
    }

    /// Rows that each added expert has computed, by name.
    pub(crate) fn added(&self) -> impl Iterator<Item = (&str, u64)> {
        self.feed_forward.added()
    }

    /// The matrices of the experts that rows of these `ways` may visit.
    pub(crate) fn expert_matrices(&self, ways: &Ways) -> Vec<Param> {
        self.feed_forward.expert_matrices(ways)
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
        let TranslationConfig { d_model, num_heads, .. } = *config;
        match config.architecture.target {
            TargetMixing::Attention => {
                SelfAttention::new(d_model, num_heads, true, vb).map(Self::Attention)
            }
            TargetMixing::Ssru => Ssru::new(d_model, vb).map(Self::Ssru),
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
                let qkv = attention.project(xs, context)?; // (R, 3D)
                attention.finish(&cache.attend_to_target(&qkv)?, context)
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
        let TranslationConfig { d_model, num_heads, .. } = *config;
        Ok(Self {
            attention: TargetBlock::new(config, &vb.pp("attention"))?,
            attention_residual: Residual::of(config, "attention_norm", &vb)?,
            cross: CrossAttention::new(d_model, num_heads, &vb.pp("cross"))?,
            cross_residual: Residual::of(config, "cross_norm", &vb)?,
            feed_forward: FeedForwardBlock::new(name, config, register, root)?,
        })
    }

    /// Its layer of experts with a published rule, if it has one.
    pub(crate) fn preset(&self) -> Option<&PresetLayer> {
        self.feed_forward.preset()
    }

    /// Rows that each added expert has computed, by name.
    pub(crate) fn added(&self) -> impl Iterator<Item = (&str, u64)> {
        self.feed_forward.added()
    }

    /// The matrices of the experts that rows of these `ways` may visit.
    pub(crate) fn expert_matrices(&self, ways: &Ways) -> Vec<Param> {
        self.feed_forward.expert_matrices(ways)
    }

    /// Keys and values of the encoder's output `memory` `(S, D)`: `(S, 2D)`.
    pub fn memory(&self, memory: &Tensor, context: &Context) -> Result<Tensor> {
        self.cross.memory(memory, context)
    }

    /// Maps whole targets `xs` `(N, D)` to the same shape, given the encoder's output.
    pub fn forward(
        &self,
        xs: &Tensor,
        layout: &Ragged,
        (memory, source): (&Tensor, &Ragged),
        ways: &Ways,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.forward(xs, layout, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        let kv = self.cross.memory(memory, context)?; // (S, 2D)
        let attend = |xs: &Tensor| self.cross.forward(xs, layout, (&kv, source), context);
        let xs = self.cross_residual.around(&xs, context, attend)?;
        self.feed_forward.forward(&xs, (layout, ways), context)
    }

    /// Maps the next row of every target, `xs` `(R, D)`, to the same shape, and adds its keys and
    /// values to `cache`.
    pub(crate) fn step(
        &self,
        xs: &Tensor,
        cache: &mut LayerCache,
        (rows, ways): (&StepRows<'_>, &Ways),
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let attend = |xs: &Tensor| self.attention.step(xs, cache, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        let xs = self.cross_residual.around(&xs, context, |xs| {
            let query = self.cross.project(xs, context)?; // (R, D)
            self.cross.finish(&cache.attend_to_source(&query, rows)?, context)
        })?;
        let layout = Ragged::contiguous(&vec![1; ways.routes().len()]);
        self.feed_forward.forward(&xs, (&layout, ways), context)
    }
}
