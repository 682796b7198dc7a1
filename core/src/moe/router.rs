//! A gate with its weights, and the preset that plans from it.

use candle::{DType, Tensor};

use super::{
    adaptive,
    config::{HierarchicalConfig, Routing},
    deepseek, expert_choice, gshard, hash, hierarchical, mixtral,
    plan::{Cells, Gated, Plan, Tokens, not_finite, scaled},
    route,
    soft::Slots,
    switch,
};
use crate::{
    Error, Result,
    context::Context,
    kernels::{matmul::Precision, random},
    ops,
    params::{Builder, Init, Param},
};

/// Decides which experts each token visits.
#[derive(Debug, Clone)]
pub struct Router {
    routing: Routing,
    d_model: usize,
    num_experts: usize,
    /// `(E, D)` and `(E,)`.
    gate: Option<(Param, Option<Param>)>,
    /// Gate of the groups, `(G, D)`.
    group_gate: Option<Param>,
    /// What DeepSeek-V3 adds to the scores when it chooses, `(E,)`; no gradient changes it.
    correction: Option<Param>,
    slots: Option<Slots>,
}

impl Router {
    /// Creates the router of `num_experts` experts, with its weights named `gate.weight` `(E, D)`
    /// and, where the preset has them, `gate.bias`, `group_gate.weight` `(G, D)`,
    /// `correction_bias` `(E,)`, `slots.weight` `(E·p, D)` and `slots.scale`.
    ///
    /// # Errors
    /// Fails when `routing` contradicts itself or the number of experts.
    pub fn new(
        routing: &Routing,
        (d_model, num_experts): (usize, usize),
        bias: bool,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        routing.check(num_experts, false).map_err(Error::Invalid)?;
        // Small, so that all experts start as equals (Switch, section 2.4).
        let init = Init::Normal((0.1 / d_model as f32).sqrt());
        let gate = match routing {
            Routing::Hash(_) | Routing::Soft(_) => None,
            _ => {
                let vb = vb.pp("gate");
                let bias = bias.then(|| vb.get(num_experts, "bias", Init::Zeros)).transpose()?;
                Some((vb.get((num_experts, d_model), "weight", init)?, bias))
            }
        };
        let group_gate = match routing {
            Routing::Hierarchical(HierarchicalConfig { num_groups, .. }) => {
                Some(vb.pp("group_gate").get((*num_groups, d_model), "weight", init)?)
            }
            _ => None,
        };
        let correction = match routing {
            Routing::DeepseekV3(_) => {
                let correction = vb.get(num_experts, "correction_bias", Init::Zeros)?;
                correction.set_trainable(false);
                Some(correction)
            }
            _ => None,
        };
        let slots = match routing {
            Routing::Soft(config) => Some(Slots::new(config, (d_model, num_experts), vb)?),
            _ => None,
        };
        let routing = routing.clone();
        Ok(Self { routing, d_model, num_experts, gate, group_gate, correction, slots })
    }

    /// The rule.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Whether training may change any of its weights.
    pub(super) fn learns(&self) -> bool {
        let gate = self.gate.iter().flat_map(|(weight, bias)| [Some(weight), bias.as_ref()]);
        let gates = gate.flatten().chain(&self.group_gate);
        gates.into_iter().any(Param::is_trainable) || self.slots.as_ref().is_some_and(Slots::learns)
    }

    /// The gate's rows, `(E, D)`; `hash` and `soft` have none.
    pub fn gate(&self) -> Option<&Param> {
        self.gate.as_ref().map(|(weight, _)| weight)
    }

    /// What DeepSeek-V3 adds to the scores when it chooses, `(E,)`.
    pub fn correction(&self) -> Option<&Param> {
        self.correction.as_ref()
    }

    pub(super) fn slots(&self) -> Option<&Slots> {
        self.slots.as_ref()
    }

    /// Plans the visits of `tokens`. In training the weights are multiplied by the expert dropout
    /// of `context`.
    ///
    /// # Errors
    /// Fails when shapes differ, when something that the rule needs is not given, when a logit is
    /// not a finite number, and for `soft`, which visits no expert in particular.
    pub fn plan(&self, tokens: &Tokens<'_>, context: &Context) -> Result<Plan> {
        tokens.check(self.d_model)?;
        if tokens.layout.rows() == 0 {
            return self.empty_plan(tokens);
        }
        let xs = tokens.tracked(context)?;
        let tokens = &Tokens { xs: &xs, ..*tokens };
        let gated = || self.gated(tokens, context);
        let plan = match &self.routing {
            Routing::Switch(config) => switch::plan(config, &gated()?, context),
            Routing::Gshard(config) => gshard::plan(config, &gated()?, context),
            Routing::Mixtral(config) => mixtral::plan(config, &gated()?),
            Routing::DeepseekV2(config) => deepseek::plan_v2(config, &gated()?),
            Routing::DeepseekV3(config) => {
                deepseek::plan_v3(config, &self.correction_values()?, &gated()?)
            }
            Routing::ExpertChoice(config) => expert_choice::plan(config, &gated()?),
            Routing::Hash(config) => {
                self.check_inputs(tokens)?;
                hash::plan(&config.assignment, tokens, self.num_experts)
            }
            Routing::Hierarchical(config) => {
                hierarchical::plan(config, &gated()?, &self.gated_groups(tokens, context)?)
            }
            Routing::Adaptive(config) => adaptive::plan(config, &gated()?),
            Routing::Route(config) => return route::plan(config, &gated()?, context),
            Routing::Soft(_) => {
                let reason = "`soft` mixes tokens and plans no visits: use it through a MoeBlock";
                Err(Error::Invalid(reason.into()))
            }
        }?;
        drop_experts(plan, context)
    }

    /// The batch with the gate's logits, in float32, of inputs that jitter in training.
    fn gated<'a>(&self, tokens: &'a Tokens<'a>, context: &Context) -> Result<Gated<'a>> {
        let Some((weight, bias)) = &self.gate else {
            return Err(Error::Invalid("this kind of routing has no gate".into()));
        };
        let jitter = match &self.routing {
            Routing::Switch(config) => config.jitter,
            Routing::Mixtral(config) => config.jitter,
            _ => 0.0,
        };
        let xs = jittered(tokens.xs, jitter, context)?;
        let logits = ops::linear_in(Precision::F32, &xs, weight, bias.as_ref(), context)?;
        Gated::new(tokens, logits)
    }

    fn gated_groups<'a>(&self, tokens: &'a Tokens<'a>, context: &Context) -> Result<Gated<'a>> {
        let Some(weight) = &self.group_gate else {
            return Err(Error::Invalid("this kind of routing has no gate of groups".into()));
        };
        let logits = ops::linear_in(Precision::F32, tokens.xs, weight, None, context)?;
        Gated::new(tokens, logits)
    }

    fn correction_values(&self) -> Result<Vec<f32>> {
        let Some(correction) = &self.correction else { return Ok(vec![0.0; self.num_experts]) };
        let values = correction.tensor()?.to_vec1::<f32>()?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(not_finite("the correction biases")),
        }
    }

    fn check_inputs(&self, tokens: &Tokens<'_>) -> Result<()> {
        let values = tokens.xs.flatten_all()?.to_vec1::<f32>()?;
        let row = |row: &usize| &values[row * self.d_model..][..self.d_model];
        match tokens.rows().iter().find(|r| row(r).iter().any(|value| !value.is_finite())) {
            Some(row) => Err(not_finite(&format!("the inputs of row {row}"))),
            None => Ok(()),
        }
    }

    fn empty_plan(&self, tokens: &Tokens<'_>) -> Result<Plan> {
        let slots = self.routing.slots(self.num_experts);
        Ok(Plan {
            num_experts: self.num_experts,
            slots,
            experts: Vec::new(),
            chosen: Vec::new(),
            weights: Tensor::zeros((0, slots), DType::F32, tokens.xs.device())?,
            gate: None,
            cells: Cells::one(tokens, self.num_experts),
            counted_slots: slots,
        })
    }
}

/// `xs` times numbers from `[1 − jitter, 1 + jitter]`, in training.
fn jittered(xs: &Tensor, jitter: f32, context: &Context) -> Result<Tensor> {
    if jitter == 0.0 {
        return Ok(xs.clone());
    }
    match context.uniform(xs.elem_count()) {
        Some(numbers) => {
            let factor = |u| 1.0 - jitter + 2.0 * jitter * u;
            scaled(xs, numbers.into_iter().map(factor).collect())
        }
        None => Ok(xs.clone()),
    }
}

/// Drops answers of experts, and scales those that are kept, in training.
fn drop_experts(plan: Plan, context: &Context) -> Result<Plan> {
    let Some(dropout) = context.expert_dropout() else { return Ok(plan) };
    let mut factors = vec![1.0; plan.weights.elem_count()];
    random::dropout(&dropout, &mut factors);
    Ok(Plan { weights: scaled(&plan.weights, factors)?, ..plan })
}
