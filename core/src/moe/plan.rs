//! What a router sees of a batch, and where it sends the tokens.

use candle::{D, DType, Tensor, Var};
use candle_nn::ops::softmax;

use super::capacity::Scope;
use crate::{
    Error, Result,
    context::Context,
    kernels::visits::Visits,
    ops::{self, Groups},
    ragged::Ragged,
    register::RowRoute,
};

/// The rows of a batch, with what may decide about their experts.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// The rows, `(N, D)`.
    pub xs: &'a Tensor,
    /// Where the sentences lie; rows between them visit nothing.
    pub layout: &'a Ragged,
    /// Id of the token of each row, for `hash`.
    pub ids: Option<&'a [u32]>,
    /// Where each row goes, for `route` and for experts that are added.
    pub routes: Option<&'a [RowRoute]>,
    /// What the gate of segments reads besides the rows, `(N, S)`.
    pub features: Option<&'a Tensor>,
}

/// Which experts every row visits, and how much each visit counts.
#[derive(Debug, Clone)]
pub struct RoutingPlan {
    /// Experts of the layer, `E`.
    pub num_experts: usize,
    /// Visits of a row at most, `S`.
    pub slots: usize,
    /// The expert in each slot, `(N, S)`; [`Visits::NONE`] where there is none.
    pub experts: Vec<u32>,
    /// The same before a capacity dropped any.
    pub chosen: Vec<u32>,
    /// Weight of each visit, `(N, S)`, with its gradient; zero where there is none.
    pub weights: Tensor,
    /// What the gate said; none where there is no gate.
    pub(super) gate: Option<Gate>,
    /// Among which experts each row chooses.
    pub(super) cells: Cells,
    /// Slots that the balance losses count: GShard counts first choices only.
    pub(super) counted_slots: usize,
    /// Groups of the routes, where the choice is within them.
    pub(super) groups: Option<Groups>,
    /// The layer's experts that the plan's experts stand for, ascending; none if they are all.
    pub(super) active: Option<Vec<usize>>,
    /// What the experts see in place of the rows (Soft MoE).
    pub(super) mixture: Option<Mixture>,
    /// Logits of each row's group by slot, `(N, G)`, of segments.
    pub(super) slot_logits: Option<Tensor>,
}

/// Mixtures of rows that the experts see, and how their answers are mixed again.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    /// `(M, D)`.
    pub(super) inputs: Tensor,
    /// The expert of each mixture.
    pub(super) visits: Visits,
    /// Weight of each mixture in each row, `(B, T, P)`.
    pub(super) combine: Tensor,
    /// Rows to gather from `(B·T, D)`, where the sentences differ in length.
    pub(super) back: Option<Tensor>,
}

impl Mixture {
    /// Mixes the answers `(M, D)` of the experts to `(N, D)`.
    pub(super) fn combine(&self, answers: &Tensor) -> Result<Tensor> {
        let (batch, time, slots) = self.combine.dims3()?;
        let width = answers.dim(1)?;
        let answers = answers.reshape((batch, slots, width))?;
        let ys = self.combine.matmul(&answers)?.reshape((batch * time, width))?;
        match &self.back {
            Some(back) => Ok(ys.index_select(back, 0)?),
            None => Ok(ys),
        }
    }
}

/// What the gate said about every row and expert.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// `(N, E)`.
    pub(super) logits: Tensor,
    /// `(N, E)`; the rows sum to one over the experts among which they choose. Without them, they are
    /// the softmax over the group of each row's route.
    pub(super) probs: Option<Tensor>,
}

/// Rows that choose among the same experts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    /// Cell of each row; [`Visits::NONE`] for rows that belong to no sentence.
    pub(super) of_row: Vec<u32>,
    /// Experts of each cell.
    pub(super) members: Vec<Vec<u32>>,
}

impl<'a> Tokens<'a> {
    /// Rows `xs` `(N, D)` of sentences that lie as in `layout`.
    pub fn new(xs: &'a Tensor, layout: &'a Ragged) -> Self {
        Self { xs, layout, ids: None, routes: None, features: None }
    }

    /// The rows that belong to sentences.
    pub(super) fn rows(&self) -> Vec<usize> {
        self.sentences().concat()
    }

    /// The rows of each sentence.
    pub(super) fn sentences(&self) -> Vec<Vec<usize>> {
        let starts = self.layout.offsets().iter();
        let rows = |(&start, &length): (&usize, &usize)| (start..start + length).collect();
        starts.zip(self.layout.lengths()).map(rows).collect()
    }

    /// The rows that count together.
    pub(super) fn scopes(&self, scope: Scope) -> Vec<Vec<usize>> {
        match scope {
            Scope::Batch => vec![self.rows()],
            Scope::Sentence => self.sentences(),
        }
    }

    /// The rows such that gradients of weights can be followed back in training: an operation of
    /// ours holds its weights itself, and candle asks for no gradient where no input is tracked.
    pub(super) fn tracked(&self, context: &Context) -> Result<Tensor> {
        match context.is_training() && !self.xs.track_op() {
            true => Ok(Var::from_tensor(self.xs)?.into_inner()),
            false => Ok(self.xs.clone()),
        }
    }

    /// Checks the shapes, and the length of what was given beside the rows.
    pub(super) fn check(&self, d_model: usize) -> Result<()> {
        let rows = self.layout.rows();
        let shape = self.xs.dims();
        if shape != [rows, d_model] {
            let reason = format!("expected tokens of shape [{rows}, {d_model}], not {shape:?}");
            return Err(Error::Invalid(reason));
        }
        let given = [("ids", self.ids.map(<[_]>::len)), ("routes", self.routes.map(<[_]>::len))];
        for (name, given) in given {
            if let Some(count) = given.filter(|&count| count != rows) {
                let reason = format!("{count} {name} for {rows} rows of tokens");
                return Err(Error::Invalid(reason));
            }
        }
        Ok(())
    }
}

impl RoutingPlan {
    /// The plan in which no row visits any expert: `(N, 1)` slots, all empty.
    pub(super) fn of_nothing(tokens: &Tokens<'_>, num_experts: usize) -> Result<Self> {
        let rows = tokens.layout.rows();
        Ok(Self {
            num_experts,
            slots: 1,
            experts: vec![Visits::NONE; rows],
            chosen: vec![Visits::NONE; rows],
            weights: Tensor::zeros((rows, 1), DType::F32, tokens.xs.device())?,
            gate: None,
            cells: Cells::one(tokens, num_experts),
            counted_slots: 1,
            groups: None,
            active: None,
            mixture: None,
            slot_logits: None,
        })
    }

    /// The experts of the rows and, after them, the shared expert, which every row of a sentence visits
    /// with weight one; the weights have one more column for it.
    pub(super) fn visits_with_shared(&self) -> Result<(Visits, Tensor)> {
        let (rows, slots, count) = (self.cells.of_row.len(), self.slots + 1, self.num_experts);
        let mut experts = Vec::with_capacity(rows * slots);
        for (chosen, &cell) in self.experts.chunks(self.slots).zip(&self.cells.of_row) {
            experts.extend_from_slice(chosen);
            experts.push(if cell == Visits::NONE { Visits::NONE } else { count as u32 });
        }
        let ones = Tensor::ones((rows, 1), DType::F32, self.weights.device())?;
        let weights = Tensor::cat(&[&self.weights, &ones], 1)?; // (N, S + 1)
        Ok((Visits::new(&experts, rows, slots, count + 1), weights))
    }

    /// Probabilities `(N, E)` of the gate.
    pub(super) fn probs(&self) -> Result<Tensor> {
        match (&self.gate, &self.groups) {
            (Some(Gate { probs: Some(probs), .. }), _) => Ok(probs.clone()),
            (Some(Gate { logits, .. }), Some(groups)) => ops::group_probs(logits, groups),
            _ => Err(Error::Invalid("there is no gate whose choices could be balanced".into())),
        }
    }

    /// The experts of the rows, sorted by expert.
    pub fn visits(&self) -> Visits {
        let rows = self.experts.len() / self.slots;
        Visits::new(&self.experts, rows, self.slots, self.num_experts)
    }

    /// Whether a gate made the choice, which losses can balance.
    pub fn has_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// Visits of each expert, `(E,)`.
    pub fn load(&self) -> Vec<usize> {
        let mut load = vec![0; self.num_experts];
        let visits = self.experts.iter().filter(|&&expert| expert != Visits::NONE);
        visits.for_each(|&expert| load[expert as usize] += 1);
        load
    }

    /// Visits that a capacity dropped.
    pub fn dropped(&self) -> usize {
        let count = |of: &[u32]| of.iter().filter(|&&expert| expert != Visits::NONE).count();
        count(&self.chosen) - count(&self.experts)
    }

    /// For every row its experts with their weights.
    pub fn trace(&self) -> Result<Vec<Vec<(usize, f32)>>> {
        let weights = self.weights.flatten_all()?.to_vec1::<f32>()?;
        let row = |(experts, weights): (&[u32], &[f32])| {
            let visits = experts.iter().zip(weights).filter(|(expert, _)| **expert != Visits::NONE);
            visits.map(|(&expert, &weight)| (expert as usize, weight)).collect()
        };
        Ok(self.experts.chunks(self.slots).zip(weights.chunks(self.slots)).map(row).collect())
    }

    /// Logits of the gate, `(N, E)`; none where there is no gate.
    pub fn logits(&self) -> Option<&Tensor> {
        self.gate.as_ref().map(|gate| &gate.logits)
    }
}

/// A batch with the logits of a gate: what a preset plans from.
pub(super) struct Gated<'a> {
    pub(super) tokens: &'a Tokens<'a>,
    /// `(N, E)`.
    pub(super) logits: Tensor,
    /// The same, on the host.
    values: Vec<f32>,
    pub(super) num_experts: usize,
}

impl<'a> Gated<'a> {
    /// # Errors
    /// Fails when a logit of a sentence is not a finite number.
    pub(super) fn new(tokens: &'a Tokens<'a>, logits: Tensor) -> Result<Self> {
        let num_experts = logits.dim(1)?;
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        let gated = Self { tokens, logits, values, num_experts };
        for row in tokens.rows() {
            if gated.row(row).iter().any(|value| !value.is_finite()) {
                return Err(not_finite(&format!("the gate's logits of row {row}")));
            }
        }
        Ok(gated)
    }

    /// Logits of all rows, on the host.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Logits of one row, `(E,)`.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.num_experts..][..self.num_experts]
    }

    /// Softmax over all experts, `(N, E)`.
    pub(super) fn probs(&self) -> Result<Tensor> {
        Ok(softmax(&self.logits, D::Minus1)?)
    }

    /// Lets `choose` pick at most `slots` experts for every row of a sentence: `(N, S)`.
    pub(super) fn choose(
        &self,
        slots: usize,
        mut choose: impl FnMut(usize) -> Vec<u32>,
    ) -> Vec<u32> {
        let mut chosen = vec![Visits::NONE; self.tokens.layout.rows() * slots];
        for row in self.tokens.rows() {
            let experts = choose(row);
            chosen[row * slots..][..experts.len()].copy_from_slice(&experts);
        }
        chosen
    }

    /// The plan of `chosen` `(N, S)` experts with these `weights`; `probs` `(N, E)` is what the
    /// balance losses see.
    pub(super) fn plan(
        &self,
        probs: Tensor,
        chosen: Vec<u32>,
        slots: usize,
        weights: Tensor,
    ) -> RoutingPlan {
        RoutingPlan {
            num_experts: self.num_experts,
            slots,
            experts: chosen.clone(),
            chosen,
            weights,
            gate: Some(Gate { logits: self.logits.clone(), probs: Some(probs) }),
            cells: Cells::one(self.tokens, self.num_experts),
            counted_slots: slots,
            groups: None,
            active: None,
            mixture: None,
            slot_logits: None,
        }
    }
}

impl Cells {
    /// All rows choose among all experts.
    pub(super) fn one(tokens: &Tokens<'_>, num_experts: usize) -> Self {
        let mut of_row = vec![Visits::NONE; tokens.layout.rows()];
        tokens.rows().into_iter().for_each(|row| of_row[row] = 0);
        Self { of_row, members: vec![(0..num_experts as u32).collect()] }
    }
}

/// What `scores` `(N, E)` say about the chosen experts, `(N, S)`; zero where there is none.
pub(super) fn pick(scores: &Tensor, chosen: &[u32], slots: usize) -> Result<Tensor> {
    let shape = (chosen.len() / slots, slots);
    let expert = |&expert: &u32| if expert == Visits::NONE { 0 } else { expert };
    let index: Vec<u32> = chosen.iter().map(expert).collect();
    let index = Tensor::from_vec(index, shape, scores.device())?;
    masked(&scores.contiguous()?.gather(&index, D::Minus1)?, chosen)
}

/// `weights` `(N, S)`, zero where `experts` says that there is no visit.
pub(super) fn masked(weights: &Tensor, experts: &[u32]) -> Result<Tensor> {
    if !experts.contains(&Visits::NONE) {
        return Ok(weights.clone());
    }
    let factor = |&expert: &u32| if expert == Visits::NONE { 0.0 } else { 1.0 };
    scaled(weights, experts.iter().map(factor).collect())
}

/// `weights` `(N, S)` times constant `factors`.
pub(super) fn scaled(weights: &Tensor, factors: Vec<f32>) -> Result<Tensor> {
    Ok((weights * Tensor::from_vec(factors, weights.shape(), weights.device())?)?)
}

/// The error for values that are not numbers.
pub(super) fn not_finite(what: &str) -> Error {
    let why = "are not finite numbers: the inputs or the weights are broken";
    Error::Invalid(format!("{what} {why}"))
}
