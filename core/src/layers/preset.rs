//! A layer of experts whose tokens find them by any published rule.

use candle::Tensor;

use super::{feed_forward::expert_params, moe::LayerRouting, ways::Ways};
use crate::{
    Error, Result,
    config::{MoeConfig, TranslationConfig},
    context::Context,
    moe::{
        BlockConfig, Load, MoeBlock, Plan, Routing, Tokens,
        balance::{auxiliary_loss, z_loss},
    },
    params::Builder,
    ragged::Ragged,
    register::Register,
};

/// A [`MoeBlock`] in a model: its experts are files of the register, its router is shared.
///
/// Where a rule gives experts a capacity, what a token visits can depend on the rest of the batch,
/// as in the models that published it; `capacity_scope = "sentence"` keeps sentences apart.
#[derive(Debug, Clone)]
pub(crate) struct PresetLayer {
    name: String,
    experts: Vec<String>,
    block: MoeBlock,
}

impl PresetLayer {
    /// Creates the layer called `name`, with weights named `NAME.router.*`, `NAME.shared.*` and
    /// `experts.EXPERT.NAME.*`, for the experts that cover it.
    ///
    /// # Errors
    /// Fails when the rule does not fit the number of experts, or looks ahead in a decoder.
    pub(super) fn new(
        (name, config): (&str, &TranslationConfig),
        (moe, routing): (&MoeConfig, &Routing),
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let covers = |layers: &[String]| layers.iter().any(|layer| layer == name);
        let entries = register.experts.iter().filter(|entry| covers(&entry.layers));
        let (mut experts, mut weights) = (Vec::new(), Vec::new());
        let mut d_ff = config.d_ff;
        for entry in entries {
            let vb = root.pp("experts").pp(&entry.name).pp(name);
            weights.push(expert_params(config.d_model, entry.d_ff, &vb)?);
            experts.push(entry.name.clone());
            d_ff = entry.d_ff;
        }
        let block = BlockConfig {
            d_model: config.d_model,
            d_ff,
            num_experts: experts.len(),
            shared_d_ff: moe.shared_d_ff,
            activation: config.activation,
            causal: name.starts_with("decoder"),
            routing: routing.clone(),
            ..BlockConfig::default()
        };
        let in_layer = |error| match error {
            Error::Invalid(reason) => Error::Invalid(format!("layer `{name}`: {reason}")),
            other => other,
        };
        let block = MoeBlock::of_experts(&block, weights, &root.pp(name)).map_err(in_layer)?;
        Ok(Self { name: name.into(), experts, block })
    }

    /// Whether training may change any weight of the layer.
    pub(super) fn learns(&self) -> bool {
        self.block.learns()
    }

    /// Maps `xs` `(N, D)` to the same shape.
    pub(super) fn forward(
        &self,
        xs: &Tensor,
        (layout, ways): (&Ragged, &Ways),
        context: &Context,
    ) -> Result<(Tensor, LayerRouting)> {
        let ids = (!ways.ids().is_empty()).then_some(ways.ids());
        let tokens = Tokens { ids, routes: Some(ways.routes()), ..Tokens::new(xs, layout) };
        let (ys, plan) = self.block.forward(&tokens, context)?;
        let routing = match plan {
            Some(plan) => self.routing(&plan, context)?,
            None => {
                let rows = if context.trace { layout.rows() } else { 0 };
                LayerRouting { visits: vec![Vec::new(); rows], ..self.nowhere() }
            }
        };
        Ok((ys, routing))
    }

    fn routing(&self, plan: &Plan, context: &Context) -> Result<LayerRouting> {
        let losses = match context.is_training() && plan.has_gate() {
            true => Some(Tensor::stack(&[auxiliary_loss(plan, None)?, z_loss(plan)?], 0)?),
            false => None,
        };
        Ok(LayerRouting {
            losses,
            load: plan.load(),
            dropped: plan.dropped(),
            visits: if context.trace { plan.trace()? } else { Vec::new() },
            ..self.nowhere()
        })
    }

    /// Where no token visits an expert in particular.
    fn nowhere(&self) -> LayerRouting {
        LayerRouting {
            layer: self.name.clone(),
            losses: None,
            experts: self.experts.clone(),
            load: vec![0; self.experts.len()],
            dropped: 0,
            visits: Vec::new(),
        }
    }

    /// Moves the biases of DeepSeek-V3 against the load of a step; other rules have none.
    pub(crate) fn update_correction(&self, visits: Vec<u64>, speed: f64) -> Result<()> {
        let router = self.block.router();
        match router.correction() {
            Some(_) => router.update_correction(&Load::of_visits(visits), speed),
            None => Ok(()),
        }
    }

    /// Name of the layer.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Names of the experts, in the order of their loads.
    pub(crate) fn experts(&self) -> &[String] {
        &self.experts
    }
}
