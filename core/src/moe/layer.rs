//! The layer of experts: a router, its experts, a shared expert, and those that are added.

mod place;
mod ranks;

use std::sync::Arc;

use candle::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    added::AddedExperts,
    expert::ExpertShape,
    plan::{RoutingPlan, Tokens},
    router::{GateShape, Gating, Router},
    routers::{
        MixtralConfig, RouteConfig, Routing,
        segments::{SegmentGate, SegmentRouter},
    },
    routing::LayerRouting,
};
use crate::{
    Error, Result,
    context::Context,
    kernels::{activation::Activation, visits::Visits},
    ops::{self, ExpertParams},
    params::{Builder, Init, Param},
    register::{ExpertEntry, RowRoute},
};

pub(crate) use place::Place;

/// `y = shared(x) + Σₛ wₛ · E_{e(s)}(x) + added(x)`: the router says which experts `e(s)` a token
/// visits and with what weights `wₛ`. Without a router it is the feed-forward network of a dense layer.
#[derive(Debug, Clone)]
pub struct MoeLayer {
    name: String,
    router: Option<Gating>,
    experts: Vec<Expert>,
    /// The expert that every token visits.
    shared: Option<ExpertParams>,
    added: Option<AddedExperts>,
    activation: Activation,
}

/// One expert in one layer.
#[derive(Debug, Clone)]
struct Expert {
    name: String,
    weights: ExpertParams,
}

/// Shape of a standalone [`MoeLayer`].
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
    /// Whether the layer stands in a decoder, where no token may depend on later ones.
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

impl MoeLayer {
    /// Creates a layer on its own, with its weights named as by [`Gating::new`] under `router`,
    /// `experts.E.{up,up_gate,down}.{weight,bias}` and `shared.{up,up_gate,down}.{weight,bias}`.
    ///
    /// # Errors
    /// Fails when `config` contradicts itself, or a weight is missing or has another shape.
    pub fn new(config: &BlockConfig, vb: &Builder<'_>) -> Result<Self> {
        config.check().map_err(Error::Invalid)?;
        let BlockConfig { d_model, d_ff, num_experts, gated, bias, .. } = *config;
        let shape = ExpertShape { d_model, d_ff, gated, bias };
        let of = vb.pp("experts");
        let expert = |e: usize| -> Result<Expert> {
            Ok(Expert { name: e.to_string(), weights: shape.create(&of.pp(e))? })
        };
        let experts = (0..num_experts).map(expert).collect::<Result<_>>()?;
        let gate = GateShape { d_model, num_experts, bias: config.router_bias };
        let router = Gating::new(&config.routing, &gate, &vb.pp("router"))?;
        let shared = match config.shared_d_ff {
            0 => None,
            d_ff => Some(ExpertShape { d_ff, ..shape }.create(&vb.pp("shared"))?),
        };
        let (name, activation) = (String::new(), config.activation);
        Ok(Self { name, router: Some(router), experts, shared, added: None, activation })
    }

    /// The feed-forward network of inner width `d_ff` of a layer without experts, with weights named
    /// `NAME.feed_forward.*`.
    pub(crate) fn dense(place: Place<'_>, d_ff: usize) -> Result<Self> {
        let vb = place.root.pp(place.name).pp("feed_forward");
        let network = place.shape(d_ff).create(&vb)?;
        let added = place.added(Some(&network), false)?;
        Ok(place.layer(None, Vec::new(), Some(network), added))
    }

    /// The layer whose tokens choose `top_k` experts of the group of their route, with weights named
    /// `NAME.shared.*` and `experts.EXPERT.NAME.*`, for the experts that cover it.
    pub(crate) fn of_routes(place: Place<'_>, top_k: usize, shared_d_ff: usize) -> Result<Self> {
        let shared = place.shared(shared_d_ff)?;
        // Small, so that all experts of a group start as equals (ST-MoE, 2022).
        let init = Init::Normal(0.1 / (place.d_model as f32).sqrt());
        let is_in_group = |entry: &&ExpertEntry| !entry.kind.is_of_domain();
        let (experts, rows) = place.experts_with_rows(is_in_group, place.d_model, init)?;
        let groups = place.groups(&experts);
        for (route, group) in place.register.routes.iter().zip(&groups) {
            if group.len() <= top_k {
                let reason = format!(
                    "route `{}` has {} experts in layer `{}`: a gate that picks {top_k} needs more",
                    route.name,
                    group.len(),
                    place.name
                );
                return Err(Error::Invalid(reason));
            }
        }
        let router = Gating::of_rows(Arc::new(RouteConfig { groups, top_k }), place.d_model, rows);
        let added = place.added(shared.as_ref(), true)?;
        Ok(place.layer(Some(router), experts, shared, added))
    }

    /// The layer whose tokens choose by a published rule, with weights named `NAME.router.*`,
    /// `NAME.shared.*` and `experts.EXPERT.NAME.*`, for the experts that cover it.
    ///
    /// Where a rule gives experts a capacity, what a token visits can depend on the rest of the batch,
    /// as in the models that published it; `capacity_scope = "sentence"` keeps sentences apart.
    ///
    /// # Errors
    /// Fails when the rule does not fit the number of experts, or looks ahead in a decoder.
    pub(crate) fn of_rule(place: Place<'_>, rule: &Routing, shared_d_ff: usize) -> Result<Self> {
        let mut experts = Vec::new();
        for entry in place.register.experts.iter().filter(|entry| place.is_covered_by(entry)) {
            experts.push(place.expert(entry)?);
        }
        let vb = place.root.pp(place.name);
        let gate = GateShape { d_model: place.d_model, num_experts: experts.len(), bias: false };
        let is_causal = place.name.starts_with("decoder");
        let in_layer = |reason: String| Error::Invalid(format!("layer `{}`: {reason}", place.name));
        rule.check(experts.len(), is_causal).map_err(in_layer)?;
        let router = Gating::new(rule, &gate, &vb.pp("router"))?;
        let shared = place.shared(shared_d_ff)?;
        let added = place.added(None, true)?;
        Ok(place.layer(Some(router), experts, shared, added))
    }

    /// The layer of a model that recommends: all experts of the user's group, weighed by `gate`, which
    /// reads `num_statistics` numbers besides the token; weights named `NAME.shared.*` and
    /// `experts.EXPERT.NAME.*`.
    pub(crate) fn of_segments(
        place: Place<'_>,
        d_ff: usize,
        num_statistics: usize,
        gate: SegmentGate,
    ) -> Result<Self> {
        let width = place.d_model + num_statistics;
        let init = Init::Normal(gate.spread(width));
        let (experts, rows) = place.experts_with_rows(|_| true, width, init)?;
        if gate != SegmentGate::Learned {
            rows.iter().for_each(|row| row.set_trainable(false));
        }
        let router = SegmentRouter { groups: place.groups(&experts), gate };
        let in_layer =
            |reason: String| Error::Invalid(format!("{reason} in layer `{}`", place.name));
        router.check(experts.len(), true).map_err(in_layer)?;
        let is_routed = router.groups.first().is_some_and(|group| !group.is_empty());
        let router = is_routed.then(|| Gating::of_rows(Arc::new(router), place.d_model, rows));
        let shared = place.shared(d_ff)?;
        Ok(place.layer(router, experts, shared, None))
    }

    /// Name of the layer.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The router; a dense layer has none.
    pub fn router(&self) -> Option<&Gating> {
        self.router.as_ref()
    }

    /// The weights of the experts, without the shared one.
    pub fn experts(&self) -> impl Iterator<Item = &ExpertParams> {
        self.experts.iter().map(|expert| &expert.weights)
    }

    /// Names of the experts, in the order of their loads.
    pub(crate) fn expert_names(&self) -> impl Iterator<Item = &String> {
        self.experts.iter().map(|expert| &expert.name)
    }

    /// Rows that each added expert has computed, by name.
    pub(crate) fn added(&self) -> impl Iterator<Item = (&str, u64)> {
        self.added.iter().flat_map(AddedExperts::rows_computed)
    }

    /// Whether training may change any weight of the layer.
    pub fn learns(&self) -> bool {
        self.router.as_ref().is_some_and(Gating::learns)
            || self.experts().chain(&self.shared).any(ExpertParams::learns)
            || self.added.as_ref().is_some_and(AddedExperts::learns)
    }

    /// The matrices of the experts that rows of `routes` may visit, for reading ahead. What a published
    /// rule will choose is not known before the pass.
    pub(crate) fn matrices(&self, routes: &[RowRoute]) -> Vec<Param> {
        let known = self.router.as_ref().and_then(|router| router.known_experts(routes));
        let known = known.into_iter().flatten().map(|e| &self.experts[e].weights);
        let mut matrices: Vec<Param> = known.flat_map(ExpertParams::matrices).cloned().collect();
        matrices.extend(self.added.iter().flat_map(|added| added.matrices(routes)));
        matrices
    }

    /// Maps `tokens` `(N, D)` to the same shape, and says where they went; a dense layer says so only
    /// where it adds experts.
    ///
    /// # Errors
    /// Fails as [`Gating::plan`] does.
    pub fn forward(
        &self,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<LayerRouting>)> {
        let xs = self.followed(tokens, context)?;
        let tokens = &Tokens { xs: &xs, ..*tokens };
        let (ys, plan) = self.forward_own(tokens, context)?;
        let routing = |plan: &RoutingPlan| {
            let name = |e: usize| self.experts[e].name.clone();
            let names = match &plan.active {
                Some(active) => active.iter().map(|&e| name(e)).collect(),
                None => (0..self.experts.len()).map(name).collect(),
            };
            LayerRouting::of(plan, &self.name, names, context)
        };
        let mut routing = plan.as_ref().map(routing).transpose()?;
        let (Some(added), Some(routes)) = (&self.added, tokens.routes) else {
            return Ok((ys, routing));
        };
        let Some((sum, visited)) = added.forward(&xs, routes, context)? else {
            return Ok((ys, routing));
        };
        match &mut routing {
            Some(routing) => routing.extend(visited),
            None => routing = Some(visited),
        }
        Ok(((ys + sum)?, routing))
    }

    /// The same without the experts that are added, with the whole plan; a dense layer has none, nor has
    /// `soft`. Rows between sentences come out zero where experts are visited.
    ///
    /// # Errors
    /// Fails as [`Gating::plan`] does.
    pub fn forward_planned(
        &self,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<RoutingPlan>)> {
        let (ys, plan) = self.forward_own(tokens, context)?;
        Ok((ys, plan.filter(|plan| plan.mixture.is_none())))
    }

    fn forward_own(
        &self,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<(Tensor, Option<RoutingPlan>)> {
        let Some(router) = &self.router else {
            let xs = self.followed(tokens, context)?;
            return Ok((self.run_shared(&xs, context)?, None));
        };
        let xs = self.followed(tokens, context)?;
        let tokens = &Tokens { xs: &xs, ..*tokens };
        let plan = router.plan(tokens, context)?;
        let ys = match (&plan.mixture, &self.shared) {
            (None, _) if context.is_training() && context.expert_owners.is_some() => {
                self.run_on_ranks(&xs, &plan, context)?
            }
            _ if tokens.layout.rows() == 0 => xs.clone(),
            (Some(mixture), shared) => {
                let experts = self.active(&plan);
                let answers =
                    self.run(&mixture.inputs, None, &mixture.visits, &experts, context)?;
                let ys = mixture.combine(&answers)?;
                match shared {
                    Some(_) => (ys + self.run_shared(&xs, context)?)?,
                    None => ys,
                }
            }
            (None, None) => {
                let experts = self.active(&plan);
                self.run(&xs, Some(&plan.weights), &plan.visits(), &experts, context)?
            }
            (None, Some(shared)) => {
                let (visits, weights) = plan.visits_with_shared()?;
                let mut experts = self.active(&plan);
                experts.push(shared.clone());
                self.run(&xs, Some(&weights), &visits, &experts, context)?
            }
        };
        Ok((ys, Some(plan)))
    }

    /// The rows such that candle follows what the layer makes of them, where it learns.
    fn followed(&self, tokens: &Tokens<'_>, context: &Context) -> Result<Tensor> {
        match context.is_training() && self.learns() {
            true => tokens.tracked(context),
            false => Ok(tokens.xs.clone()),
        }
    }

    /// The experts that the plan's experts stand for.
    fn active(&self, plan: &RoutingPlan) -> Vec<ExpertParams> {
        match &plan.active {
            Some(active) => active.iter().map(|&e| self.experts[e].weights.clone()).collect(),
            None => self.experts().cloned().collect(),
        }
    }

    /// Every row through the shared expert.
    fn run_shared(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        let Some(shared) = &self.shared else { return Ok(xs.zeros_like()?) };
        let rows = xs.dim(0)?;
        let visits = Visits::new(&vec![0; rows], rows, 1, 1);
        self.run(xs, None, &visits, std::slice::from_ref(shared), context)
    }

    /// The one place where experts are computed: [`ops::experts`] chooses between kernel and composite.
    fn run(
        &self,
        xs: &Tensor,
        weights: Option<&Tensor>,
        visits: &Visits,
        experts: &[ExpertParams],
        context: &Context,
    ) -> Result<Tensor> {
        ops::experts(xs, weights, visits, experts, self.activation, context)
    }
}
