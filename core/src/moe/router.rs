//! What a routing rule provides, and the weights it plans with.

use std::{fmt, sync::Arc};

use candle::Tensor;

use super::{
    plan::{Gated, RoutingPlan, Tokens, not_finite, scaled},
    routers::Routing,
};
use crate::{
    Error, Result,
    context::Context,
    kernels::{matmul::Precision, random},
    ops,
    params::{Builder, Init, Param},
    register::RowRoute,
};

/// A rule by which tokens find their experts. The config of each rule implements it.
pub trait Router: fmt::Debug + Send + Sync {
    /// Says what is wrong, if the fields contradict each other or the number of experts, or if the
    /// rule looks at later tokens in a `causal` layer.
    fn check(&self, num_experts: usize, causal: bool) -> Result<(), String>;

    /// Visits of a token at most, `S`; where experts choose, all of them may choose the same token.
    fn slots(&self, num_experts: usize) -> usize;

    /// Creates the weights of the rule: a gate, where it needs no others.
    fn weights(&self, shape: &GateShape, vb: &Builder<'_>) -> Result<GateWeights> {
        GateWeights::of_gate(shape, vb)
    }

    /// Plans the visits of `tokens`, which are checked and not empty.
    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan>;

    /// Whether the answers of experts are dropped in training, as the context says.
    fn has_expert_dropout(&self) -> bool {
        true
    }

    /// The experts that rows of `routes` may visit, where that is known before a pass.
    fn known_experts(&self, _routes: &[RowRoute]) -> Option<Vec<usize>> {
        None
    }
}

/// Shape of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateShape {
    /// Width of the tokens, `D`.
    pub d_model: usize,
    /// Experts, `E`.
    pub num_experts: usize,
    /// Whether the logits have a bias.
    pub bias: bool,
}

impl GateShape {
    /// Small, so that all experts start as equals (Switch, section 2.4).
    pub(super) fn init(&self) -> Init {
        Init::Normal((0.1 / self.d_model as f32).sqrt())
    }
}

/// The weights of a router; each rule has some of them.
#[derive(Debug, Clone, Default)]
pub struct GateWeights {
    pub(super) num_experts: usize,
    pub(super) gate: Option<Gate>,
    /// Gate of the groups, `(G, D)`.
    pub(super) groups: Option<Param>,
    /// What DeepSeek-V3 adds to the scores when it chooses, `(E,)`; no gradient changes it.
    pub(super) correction: Option<Param>,
    /// Weights of Soft MoE.
    pub(super) slots: Option<SlotWeights>,
}

/// The weights that give each expert a logit.
#[derive(Debug, Clone)]
pub(super) enum Gate {
    /// One matrix `(E, D)`, and maybe a bias `(E,)`.
    Matrix(Param, Option<Param>),
    /// A row `(D,)` in the file of each expert.
    Rows(Vec<Param>),
}

/// The weights of the mixtures of Soft MoE.
#[derive(Debug, Clone)]
pub struct SlotWeights {
    /// `Φ`, one row for each slot, `(E·p, D)`.
    pub(super) weight: Param,
    /// Factor of normalised products, `(1,)`.
    pub(super) scale: Option<Param>,
}

impl GateWeights {
    /// Creates a gate, with weights named `gate.weight` `(E, D)` and `gate.bias` `(E,)`.
    pub(super) fn of_gate(shape: &GateShape, vb: &Builder<'_>) -> Result<Self> {
        let (vb, count) = (vb.pp("gate"), shape.num_experts);
        let bias = shape.bias.then(|| vb.get(count, "bias", Init::Zeros)).transpose()?;
        let weight = vb.get((count, shape.d_model), "weight", shape.init())?;
        Ok(Self { gate: Some(Gate::Matrix(weight, bias)), ..Self::default() })
    }

    /// A gate of one row for each expert.
    pub(super) fn of_rows(rows: Vec<Param>) -> Self {
        Self { num_experts: rows.len(), gate: Some(Gate::Rows(rows)), ..Self::default() }
    }

    /// Whether each expert brings its own row of the gate.
    pub(super) fn is_by_expert(&self) -> bool {
        matches!(self.gate, Some(Gate::Rows(_)))
    }

    /// Logits `(N, A)` of `xs` `(N, D)` for the `active` experts, in float32; a matrix gives those of
    /// all experts.
    pub(super) fn logits(
        &self,
        xs: &Tensor,
        active: &[usize],
        context: &Context,
    ) -> Result<Tensor> {
        match &self.gate {
            Some(Gate::Matrix(weight, bias)) => {
                ops::linear_in(Precision::F32, xs, weight, bias.as_ref(), context)
            }
            Some(Gate::Rows(rows)) => {
                let rows: Vec<Param> = active.iter().map(|&expert| rows[expert].clone()).collect();
                ops::gate_logits(xs, &rows, context)
            }
            None => Err(Error::Invalid("this kind of routing has no gate".into())),
        }
    }

    /// The batch with the gate's logits of all experts, of inputs that jitter in training.
    pub(super) fn gated<'a>(
        &self,
        tokens: &'a Tokens<'a>,
        jitter: f32,
        context: &Context,
    ) -> Result<Gated<'a>> {
        let all: Vec<usize> = (0..self.num_experts).collect();
        let xs = jittered(tokens.xs, jitter, context)?;
        Gated::new(tokens, self.logits(&xs, &all, context)?)
    }

    /// The batch with the logits of the groups, `(N, G)`.
    pub(super) fn gated_groups<'a>(
        &self,
        tokens: &'a Tokens<'a>,
        context: &Context,
    ) -> Result<Gated<'a>> {
        let Some(weight) = &self.groups else {
            return Err(Error::Invalid("this kind of routing has no gate of groups".into()));
        };
        Gated::new(tokens, ops::linear_in(Precision::F32, tokens.xs, weight, None, context)?)
    }

    /// The correction biases, `(E,)`.
    pub(super) fn correction_values(&self) -> Result<Vec<f32>> {
        let Some(correction) = &self.correction else { return Ok(vec![0.0; self.num_experts]) };
        let values = correction.tensor()?.to_vec1::<f32>()?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(not_finite("the correction biases")),
        }
    }

    /// The weights of the mixtures.
    pub(super) fn slots(&self) -> Result<&SlotWeights> {
        let reason = || Error::Invalid("this kind of routing has no slots".into());
        self.slots.as_ref().ok_or_else(reason)
    }

    /// All weights that gradients may change.
    fn all(&self) -> impl Iterator<Item = &Param> {
        let (rows, bias): (&[Param], _) = match &self.gate {
            Some(Gate::Matrix(weight, bias)) => (std::slice::from_ref(weight), bias.as_ref()),
            Some(Gate::Rows(rows)) => (rows, None),
            None => (&[], None),
        };
        let slots = self
            .slots
            .iter()
            .flat_map(|slots| [Some(&slots.weight), slots.scale.as_ref()].into_iter().flatten());
        rows.iter().chain(bias).chain(&self.groups).chain(slots)
    }
}

/// A rule with its weights.
#[derive(Debug, Clone)]
pub struct Gating {
    rule: Arc<dyn Router>,
    d_model: usize,
    weights: GateWeights,
}

impl Gating {
    /// Creates the gating of a rule, with its weights named `gate.weight` `(E, D)` and, where the rule
    /// has them, `gate.bias`, `group_gate.weight` `(G, D)`, `correction_bias` `(E,)`, `slots.weight`
    /// `(E·p, D)` and `slots.scale`.
    ///
    /// # Errors
    /// Fails when `routing` contradicts itself or the number of experts.
    pub fn new(routing: &Routing, shape: &GateShape, vb: &Builder<'_>) -> Result<Self> {
        routing.check(shape.num_experts, false).map_err(Error::Invalid)?;
        let rule = routing.router();
        let weights = GateWeights { num_experts: shape.num_experts, ..rule.weights(shape, vb)? };
        Ok(Self { rule, d_model: shape.d_model, weights })
    }

    /// The gating of a rule whose experts bring a row of the gate each.
    pub(super) fn of_rows(rule: Arc<dyn Router>, d_model: usize, rows: Vec<Param>) -> Self {
        Self { rule, d_model, weights: GateWeights::of_rows(rows) }
    }

    /// The rule.
    pub fn rule(&self) -> &dyn Router {
        &*self.rule
    }

    /// Whether training may change any of its weights.
    pub(super) fn learns(&self) -> bool {
        self.weights.all().any(Param::is_trainable)
    }

    /// What DeepSeek-V3 adds to the scores when it chooses, `(E,)`.
    pub fn correction(&self) -> Option<&Param> {
        self.weights.correction.as_ref()
    }

    /// The gate's rows, `(E, D)`, where they are one matrix.
    pub fn gate(&self) -> Option<&Param> {
        match &self.weights.gate {
            Some(Gate::Matrix(weight, _)) => Some(weight),
            _ => None,
        }
    }

    /// The experts that rows of `routes` may visit, where that is known before a pass.
    pub(super) fn known_experts(&self, routes: &[RowRoute]) -> Option<Vec<usize>> {
        self.weights.is_by_expert().then(|| self.rule.known_experts(routes)).flatten()
    }

    /// Plans the visits of `tokens`. In training the weights are multiplied by the expert dropout
    /// of `context`.
    ///
    /// # Errors
    /// Fails when shapes differ, when something that the rule needs is not given, and when a logit is
    /// not a finite number.
    pub fn plan(&self, tokens: &Tokens<'_>, context: &Context) -> Result<RoutingPlan> {
        tokens.check(self.d_model)?;
        if tokens.layout.rows() == 0 {
            return RoutingPlan::of_nothing(tokens, self.weights.num_experts);
        }
        let xs = match context.is_training() && self.learns() {
            true => tokens.tracked(context)?,
            false => tokens.xs.clone(),
        };
        let plan = self.rule.plan(&self.weights, &Tokens { xs: &xs, ..*tokens }, context)?;
        match self.rule.has_expert_dropout() {
            true => drop_experts(plan, context),
            false => Ok(plan),
        }
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
fn drop_experts(plan: RoutingPlan, context: &Context) -> Result<RoutingPlan> {
    let Some(dropout) = context.expert_dropout() else { return Ok(plan) };
    let mut factors = vec![1.0; plan.weights.elem_count()];
    random::dropout(&dropout, &mut factors);
    Ok(RoutingPlan { weights: scaled(&plan.weights, factors)?, ..plan })
}
