//! A block of experts with any router, on its own.

use candle::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    config::{MixtralConfig, Routing},
    plan::{Plan, Tokens},
    router::Router,
};
use crate::{
    Error, Result,
    config::Activation,
    context::Context,
    kernels::visits::Visits,
    ops::{self, ExpertParams},
    params::{Builder, Init},
};

/// Shape of a [`MoeBlock`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockConfig {
    /// Width of the tokens, `D`.
    pub d_model: usize,
    /// Inner width of an expert, `F`.
    pub d_ff: usize,
    /// Experts, `E`.
    pub num_experts: usize,
    /// Inner width of the shared expert that sees every token; 0 means there is none.
    pub shared_d_ff: usize,
    /// Non-linearity of the experts.
    pub activation: Activation,
    /// Whether experts have a gate, `down(act(gate(x)) ∘ up(x))`.
    pub gated: bool,
    /// Whether the maps of experts have biases.
    pub bias: bool,
    /// Whether the logits of the router have a bias.
    pub router_bias: bool,
    /// Whether the block stands in a decoder, where no token may depend on later ones.
    pub causal: bool,
    /// How tokens find their experts.
    pub routing: Routing,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self {
            d_model: 256,
            d_ff: 512,
            num_experts: 8,
            shared_d_ff: 0,
            activation: Activation::Relu,
            gated: false,
            bias: true,
            router_bias: false,
            causal: false,
            routing: Routing::Mixtral(MixtralConfig::default()),
        }
    }
}

impl BlockConfig {
    /// Says what is wrong, if the fields contradict each other.
    pub fn check(&self) -> Result<(), String> {
        if self.d_model == 0 || self.d_ff == 0 {
            return Err("d_model and d_ff must be at least 1".into());
        }
        self.routing.check(self.num_experts, self.causal)
    }
}

/// A router, its experts, and maybe a shared expert: `y = shared(x) + Σₛ wₛ · E_{e(s)}(x)`.
#[derive(Debug, Clone)]
pub struct MoeBlock {
    config: BlockConfig,
    router: Router,
    experts: Vec<ExpertParams>,
    shared: Option<ExpertParams>,
}

impl MoeBlock {
    /// Creates the block, with its weights named as by [`Router::new`] under `router`,
    /// `experts.E.{up,gate,down}.{weight,bias}` and `shared.{up,gate,down}.{weight,bias}`.
    ///
    /// # Errors
    /// Fails when `config` contradicts itself, or a weight is missing or has another shape.
    pub fn new(config: &BlockConfig, vb: &Builder<'_>) -> Result<Self> {
        config.check().map_err(Error::Invalid)?;
        let of = vb.pp("experts");
        let experts = (0..config.num_experts)
            .map(|e| expert(config, config.d_ff, &of.pp(e)))
            .collect::<Result<_>>()?;
        Self::of_experts(config, experts, vb)
    }

    /// Creates the block of `experts` that were made elsewhere; the other weights as in
    /// [`MoeBlock::new`].
    ///
    /// # Errors
    /// Fails as [`MoeBlock::new`] does.
    pub fn of_experts(
        config: &BlockConfig,
        experts: Vec<ExpertParams>,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        config.check().map_err(Error::Invalid)?;
        let shape = (config.d_model, config.num_experts);
        let router = Router::new(&config.routing, shape, config.router_bias, &vb.pp("router"))?;
        let shared = match config.shared_d_ff {
            0 => None,
            d_ff => Some(expert(config, d_ff, &vb.pp("shared"))?),
        };
        Ok(Self { config: config.clone(), router, experts, shared })
    }

    /// Shape of the block.
    pub fn config(&self) -> &BlockConfig {
        &self.config
    }

    /// Whether training may change any weight of the block.
    pub fn learns(&self) -> bool {
        let experts = self.experts.iter().chain(&self.shared);
        self.router.learns() || experts.into_iter().any(ExpertParams::learns)
    }

    /// The router.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The experts, without the shared one.
    pub fn experts(&self) -> &[ExpertParams] {
        &self.experts
    }

    /// Maps `tokens` `(N, D)` to the same shape, and says where they went; `soft` has no plan.
    /// Rows between sentences come out zero where experts are visited.
    ///
    /// # Errors
    /// Fails as [`Router::plan`] does.
    pub fn forward(
        &self,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<Plan>)> {
        let xs = tokens.tracked(context)?;
        let tokens = &Tokens { xs: &xs, ..*tokens };
        if let Some(slots) = self.router.slots() {
            return Ok((self.forward_soft(slots, tokens, context)?, None));
        }
        let plan = self.router.plan(tokens, context)?;
        if plan.experts.is_empty() {
            return Ok((tokens.xs.clone(), Some(plan)));
        }
        let ys = match &self.shared {
            None => self.run(tokens.xs, Some(&plan.weights), &plan.visits(), context)?,
            Some(_) => {
                let (visits, weights) = self.with_shared(tokens, &plan)?;
                self.run(tokens.xs, Some(&weights), &visits, context)?
            }
        };
        Ok((ys, Some(plan)))
    }

    fn forward_soft(
        &self,
        slots: &super::soft::Slots,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<Tensor> {
        tokens.check(self.config.d_model)?;
        if tokens.layout.rows() == 0 {
            return Ok(tokens.xs.clone());
        }
        let experts = |xs: &Tensor, visits: &Visits| -> Result<Tensor> {
            let activation = self.config.activation;
            ops::experts(xs, None, visits, &self.experts, activation, context)
        };
        let ys = slots.forward(tokens, self.config.num_experts, context, experts)?;
        let Some(shared) = &self.shared else { return Ok(ys) };
        let rows = tokens.layout.rows();
        let (visits, shared) = (Visits::new(&vec![0; rows], rows, 1, 1), [shared.clone()]);
        let activation = self.config.activation;
        Ok((ys + ops::experts(tokens.xs, None, &visits, &shared, activation, context)?)?)
    }

    /// The plan with one more visit of every row of a sentence: of weight one, to the shared
    /// expert, which comes after the others.
    fn with_shared(&self, tokens: &Tokens<'_>, plan: &Plan) -> Result<(Visits, Tensor)> {
        let (rows, slots, count) = (tokens.layout.rows(), plan.slots + 1, plan.num_experts);
        let mut experts = Vec::with_capacity(rows * slots);
        for (chosen, &cell) in plan.experts.chunks(plan.slots).zip(&plan.cells.of_row) {
            experts.extend_from_slice(chosen);
            experts.push(if cell == Visits::NONE { Visits::NONE } else { count as u32 });
        }
        let ones = Tensor::ones((rows, 1), DType::F32, tokens.xs.device())?;
        let weights = Tensor::cat(&[&plan.weights, &ones], 1)?; // (N, S + 1)
        Ok((Visits::new(&experts, rows, slots, count + 1), weights))
    }

    fn run(
        &self,
        xs: &Tensor,
        weights: Option<&Tensor>,
        visits: &Visits,
        context: &Context,
    ) -> Result<Tensor> {
        let mut experts = self.experts.clone();
        experts.extend(self.shared.clone());
        ops::experts(xs, weights, visits, &experts, self.config.activation, context)
    }
}

/// The weights of one expert of inner width `d_ff`.
fn expert(config: &BlockConfig, d_ff: usize, vb: &Builder<'_>) -> Result<ExpertParams> {
    let BlockConfig { d_model, gated, bias, .. } = *config;
    let init = Init::xavier(d_model, d_ff);
    let (up, gate, down) = (vb.pp("up"), vb.pp("gate"), vb.pp("down"));
    Ok(ExpertParams {
        up: up.get((d_ff, d_model), "weight", init)?,
        up_bias: bias.then(|| up.get(d_ff, "bias", Init::Zeros)).transpose()?,
        gate: gated.then(|| gate.get((d_ff, d_model), "weight", init)).transpose()?,
        down: down.get((d_model, d_ff), "weight", init)?,
        down_bias: bias.then(|| down.get(d_model, "bias", Init::Zeros)).transpose()?,
    })
}
