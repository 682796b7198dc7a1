//! Losses that keep the choice of experts balanced, of the plans of a batch.
//!
//! Each is a scalar with gradients to the gate; `N` rows, `E` experts, `fₑ` the share of the
//! choices that went to expert `e`, `pₑ` its mean probability. Where routes have groups (the preset
//! `route`), each is computed within the group of each route and averaged over the rows.

use candle::{D, DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    load::Load,
    plan::{Cells, Gate, RoutingPlan},
};
use crate::{Error, Result, context::Context, kernels::visits::Visits, ops, ragged::Ragged};

/// Coefficients of the losses; those at zero are not computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceConfig {
    /// Of [`auxiliary_loss`] (fairseq's `--moe-gate-loss-wt`).
    pub auxiliary: f64,
    /// Of [`importance_loss`].
    pub importance: f64,
    /// Of [`load_loss`].
    pub load: f64,
    /// Deviation of the noise that [`load_loss`] imagines; about `1 / E`.
    pub load_noise: f64,
    /// Of [`z_loss`].
    pub z: f64,
    /// Of [`entropy_loss`].
    pub entropy: f64,
    /// Of [`sequence_loss`].
    pub sequence: f64,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self {
            auxiliary: 0.01,
            importance: 0.0,
            load: 0.0,
            load_noise: 0.125,
            z: 0.001,
            entropy: 0.0,
            sequence: 0.0,
        }
    }
}

impl BalanceConfig {
    /// Sum of the losses of `plan` times their coefficients; none where there is no gate. The
    /// sentences lie as in `layout`; `load` holds the global batch, if it is larger than this one.
    pub fn loss(
        &self,
        plan: &RoutingPlan,
        layout: &Ragged,
        load: Option<&Load>,
    ) -> Result<Option<Tensor>> {
        if plan.gate.is_none() {
            return Ok(None);
        }
        let mut sum = Tensor::zeros((), DType::F32, plan.weights.device())?;
        let mut add = |coefficient: f64, loss: &dyn Fn() -> Result<Tensor>| -> Result<()> {
            if coefficient != 0.0 {
                sum = (&sum + (loss()? * coefficient)?)?;
            }
            Ok(())
        };
        add(self.auxiliary, &|| auxiliary_loss(plan, load))?;
        add(self.importance, &|| importance_loss(plan))?;
        add(self.load, &|| load_loss(plan, self.load_noise))?;
        add(self.z, &|| z_loss(plan))?;
        add(self.entropy, &|| entropy_loss(plan))?;
        add(self.sequence, &|| sequence_loss(plan, layout))?;
        Ok(Some(sum))
    }
}

/// Balance loss and router z-loss of a layer, `(2,)`: [`auxiliary_loss`] and [`z_loss`], in one operation
/// where the choice is within the groups of routes.
pub(super) fn layer_losses(plan: &RoutingPlan, context: &Context) -> Result<Tensor> {
    match (&plan.gate, &plan.groups) {
        (Some(gate), Some(groups)) if !plan.cells.of_row.contains(&Visits::NONE) => {
            ops::router_losses(&gate.logits, groups, &plan.chosen, context)
        }
        _ => Ok(Tensor::stack(&[auxiliary_loss(plan, None)?, z_loss(plan)?], 0)?),
    }
}

/// `E · Σₑ fₑ·pₑ`: Switch (Fedus et al. 2021, eq. 4) over all choices, and the same for the first
/// choices of GShard (Lepikhin et al. 2020, section 2.2); 1 when the choices spread evenly.
///
/// With `load`, the shares `fₑ` are those of a global batch of which this one is a part (Qiu et
/// al. 2025).
pub fn auxiliary_loss(plan: &RoutingPlan, load: Option<&Load>) -> Result<Tensor> {
    let own;
    let load = match load {
        Some(load) => load,
        None => {
            own = Load::of(plan);
            &own
        }
    };
    let rows = rows_of(&plan.cells).max(1) as f64;
    weighted_probs(plan, &plan.cells, &load.choices, |_| 1.0 / rows)
}

/// `Σₑ fₑ·Pₑ` within each sentence, averaged over the sentences (DeepSeek-V3, 2024, eq. 17 to 20).
pub fn sequence_loss(plan: &RoutingPlan, layout: &Ragged) -> Result<Tensor> {
    let mut cells = Cells {
        of_row: vec![Visits::NONE; layout.rows()],
        members: vec![(0..plan.num_experts as u32).collect(); layout.len()],
    };
    let mut choices = vec![vec![0; plan.num_experts]; layout.len()];
    for (i, (&start, &length)) in layout.offsets().iter().zip(layout.lengths()).enumerate() {
        cells.of_row[start..start + length].fill(i as u32);
        let chosen = &plan.chosen[start * plan.slots..][..length * plan.slots];
        for &expert in chosen.iter().filter(|&&expert| expert != Visits::NONE) {
            choices[i][expert as usize] += 1;
        }
    }
    let sentences = layout.lengths().iter().filter(|&&length| length > 0).count().max(1);
    let row = |cell: usize| 1.0 / (layout.lengths()[cell] * sentences) as f64;
    weighted_probs(plan, &cells, &choices, row)
}

/// `Σ` over rows and experts of `E·fₑ·p`, each row counting as `row` says for its cell.
fn weighted_probs(
    plan: &RoutingPlan,
    cells: &Cells,
    choices: &[Vec<u64>],
    row: impl Fn(usize) -> f64,
) -> Result<Tensor> {
    let probs = &plan.probs()?;
    let experts = plan.num_experts;
    if choices.len() != cells.members.len() || choices.iter().any(|of| of.len() != experts) {
        let reason = "the load is of a layer with other experts or routes";
        return Err(Error::Invalid(reason.into()));
    }
    let mut slopes = vec![0f32; cells.of_row.len() * experts];
    for (&cell, slopes) in cells.of_row.iter().zip(slopes.chunks_mut(experts)) {
        if cell == Visits::NONE {
            continue;
        }
        let (cell, members) = (cell as usize, &cells.members[cell as usize]);
        let total = choices[cell].iter().sum::<u64>().max(1) as f64;
        for &expert in members {
            let share = choices[cell][expert as usize] as f64 / total;
            slopes[expert as usize] = (members.len() as f64 * share * row(cell)) as f32;
        }
    }
    let slopes = Tensor::from_vec(slopes, probs.shape(), probs.device())?;
    // A product with zero would keep a broken number between sentences: those rows are cut out.
    Ok((real_rows(probs, cells)? * real_rows(&slopes, cells)?)?.sum_all()?)
}

/// `CV²` of the experts' weights summed over the rows (Shazeer et al. 2017, eq. 6 and 7).
pub fn importance_loss(plan: &RoutingPlan) -> Result<Tensor> {
    let (cells, experts) = (plan.cells.members.len(), plan.num_experts);
    let mut index = Vec::with_capacity(plan.experts.len());
    for (visits, &cell) in plan.experts.chunks(plan.slots).zip(&plan.cells.of_row) {
        // Where there is no visit the weight is zero: it may count for anyone.
        let cell = if cell == Visits::NONE { 0 } else { cell };
        let expert = |&e: &u32| if e == Visits::NONE { 0 } else { e };
        index.extend(visits.iter().map(|e| cell * experts as u32 + expert(e)));
    }
    let device = plan.weights.device();
    let count = index.len();
    let index = Tensor::from_vec(index, count, device)?;
    let sums = Tensor::zeros((cells * experts, 1), DType::F32, device)?
        .index_add(&index, &plan.weights.reshape((count, 1))?, 0)?
        .reshape((cells, experts))?;
    mean_cv_squared(plan, &sums)
}

/// `CV²` of the experts' expected visits, if noise of deviation `noise` were added to the logits
/// (Shazeer et al. 2017, eq. 8 to 11; fixed noise as in Riquelme et al. 2021, appendix A).
///
/// # Errors
/// Fails for presets whose tokens do not all visit the same number of experts.
pub fn load_loss(plan: &RoutingPlan, noise: f64) -> Result<Tensor> {
    let logits = &gate_of(plan)?.logits;
    let (cells, experts, slots) = (&plan.cells, plan.num_experts, plan.slots);
    if noise.is_nan() || noise <= 0.0 {
        return Err(Error::Invalid(format!("load_noise {noise} must be above 0")));
    }
    let mut thresholds = vec![0u32; cells.of_row.len() * experts];
    let mut is_member = vec![0f32; cells.of_row.len() * experts];
    let values = logits.to_vec2::<f32>()?;
    for (row, &cell) in cells.of_row.iter().enumerate().filter(|(_, cell)| **cell != Visits::NONE) {
        let members = &cells.members[cell as usize];
        let all = slots + 1;
        let ranking =
            crate::ops::rank::best(members.iter().copied(), all, |e| values[row][e as usize]);
        for &expert in members {
            let at = row * experts + expert as usize;
            // The k-th best of the others; where all experts are chosen there is none to beat.
            let others: Vec<u32> = ranking.iter().copied().filter(|&e| e != expert).collect();
            if let Some(&threshold) = others.get(slots - 1) {
                thresholds[at] = threshold;
                is_member[at] = 1.0;
            }
        }
    }
    let shape = logits.shape();
    let thresholds = Tensor::from_vec(thresholds, shape, logits.device())?;
    let is_member = Tensor::from_vec(is_member, shape, logits.device())?;
    let margin = (logits - logits.contiguous()?.gather(&thresholds, D::Minus1)?)?;
    let chance = (((margin / (noise * std::f64::consts::SQRT_2))?.erf()? + 1.0)? * 0.5)?;
    let chance = (chance * is_member)?; // (N, E)
    let mut sums = Vec::with_capacity(cells.members.len());
    for cell in 0..cells.members.len() {
        let of_cell = |&of: &u32| if of == cell as u32 { 1f32 } else { 0.0 };
        let rows: Vec<f32> = cells.of_row.iter().map(of_cell).collect();
        let rows = Tensor::from_vec(rows, (1, cells.of_row.len()), logits.device())?;
        sums.push(rows.matmul(&chance)?); // (1, E)
    }
    mean_cv_squared(plan, &Tensor::cat(&sums, 0)?)
}

/// `CV²` within each cell of `sums` `(cells, E)`, averaged over the rows.
fn mean_cv_squared(plan: &RoutingPlan, sums: &Tensor) -> Result<Tensor> {
    let cells = &plan.cells;
    let all = rows_of(cells).max(1) as f64;
    let mut loss = Tensor::zeros((), DType::F32, sums.device())?;
    for (cell, members) in cells.members.iter().enumerate() {
        let rows = cells.of_row.iter().filter(|&&of| of == cell as u32).count();
        if rows == 0 {
            continue;
        }
        let members = Tensor::new(members.as_slice(), sums.device())?;
        let of_cell = sums.get(cell)?.index_select(&members, 0)?;
        let mean = of_cell.mean_all()?;
        let variance = of_cell.broadcast_sub(&mean)?.sqr()?.mean_all()?;
        let cv = (variance / (mean.sqr()? + 1e-10)?)?;
        loss = (loss + (cv * (rows as f64 / all))?)?;
    }
    Ok(loss)
}

/// Mean square of the log-sum-exp of a row's logits (ST-MoE, Zoph et al. 2022, eq. 5).
pub fn z_loss(plan: &RoutingPlan) -> Result<Tensor> {
    let logits = real_rows(&gate_of(plan)?.logits, &plan.cells)?;
    let members = member_mask(plan, -1e30, 0.0, logits.device())?;
    Ok((logits + members)?.log_sum_exp(D::Minus1)?.sqr()?.mean_all()?)
}

/// Mean entropy of a row's probabilities, `−Σₑ p·log p`: keeps `adaptive` from visiting everyone
/// (Huang et al. 2024, eq. 6).
pub fn entropy_loss(plan: &RoutingPlan) -> Result<Tensor> {
    let probs = real_rows(&plan.probs()?, &plan.cells)?;
    // The limit of p·log p at zero is zero.
    let logs = (&probs + 1e-20)?.log()?;
    Ok((probs * logs)?.sum(D::Minus1)?.mean_all()?.neg()?)
}

fn gate_of(plan: &RoutingPlan) -> Result<&Gate> {
    plan.gate.as_ref().ok_or_else(|| {
        let reason = "there is no gate, or no token, whose choices could be balanced";
        Error::Invalid(reason.into())
    })
}

fn rows_of(cells: &Cells) -> usize {
    cells.of_row.iter().filter(|&&cell| cell != Visits::NONE).count()
}

/// The rows of `xs` that belong to sentences.
fn real_rows(xs: &Tensor, cells: &Cells) -> Result<Tensor> {
    if !cells.of_row.contains(&Visits::NONE) {
        return Ok(xs.clone());
    }
    let rows = (0..cells.of_row.len() as u32).filter(|&r| cells.of_row[r as usize] != Visits::NONE);
    let rows: Vec<u32> = rows.collect();
    let count = rows.len();
    Ok(xs.index_select(&Tensor::from_vec(rows, count, xs.device())?, 0)?)
}

/// `inside` where the row's cell holds the expert, else `outside`: `(rows of sentences, E)`.
fn member_mask(
    plan: &RoutingPlan,
    outside: f32,
    inside: f32,
    device: &candle::Device,
) -> Result<Tensor> {
    let cells = plan.cells.of_row.iter().filter(|&&cell| cell != Visits::NONE);
    let mut mask = Vec::new();
    for &cell in cells {
        let start = mask.len();
        mask.resize(start + plan.num_experts, outside);
        plan.cells.members[cell as usize].iter().for_each(|&e| mask[start + e as usize] = inside);
    }
    let rows = mask.len() / plan.num_experts;
    Ok(Tensor::from_vec(mask, (rows, plan.num_experts), device)?)
}
