//! Rows of tables, weighed and summed: embeddings of many kinds in one operation.

use candle::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor, Var};
use rayon::prelude::*;

use super::{select, slices};
use crate::{Result, context::Context, params::Param};

/// Stands for no row: zeros are put there.
pub const NO_ROW: u32 = select::NONE;

/// What one table adds to the rows of a matrix: `ys[rows[i]] += weights[i] · table[ids[i]]`.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The table, `(V, D)`.
    pub table: Param,
    /// Rows that are added to, `(M,)`.
    pub rows: Vec<u32>,
    /// Rows of the table, `(M,)`.
    pub ids: Vec<u32>,
    /// Factors, `(M,)`.
    pub weights: Vec<f32>,
}

impl Lookup {
    /// Adds row `ids[i]` of `table` to row `i`.
    pub fn each(table: &Param, ids: Vec<u32>) -> Self {
        let rows = (0..ids.len() as u32).collect();
        let weights = vec![1.0; ids.len()];
        Self { table: table.clone(), rows, ids, weights }
    }

    fn entries(&self) -> impl Iterator<Item = (usize, usize, f32)> + '_ {
        let rows = self.rows.iter().zip(&self.ids).zip(&self.weights);
        rows.map(|((&row, &id), &weight)| (row as usize, id as usize, weight))
    }
}

/// A matrix of `shape` `(N, D)` made of nothing but `lookups`.
pub fn sum_lookups(
    shape: impl Into<Shape>,
    lookups: Vec<Lookup>,
    device: &Device,
    context: &Context,
) -> Result<Tensor> {
    let zeros = Tensor::zeros(shape, DType::F32, device)?;
    let learns = lookups.iter().any(|lookup| lookup.table.is_trainable());
    let is_followed = context.is_training() && (learns || !context.only_experts);
    match is_followed && context.uses_kernels(device) {
        // Ids are nothing that candle could follow back: this makes it follow the result.
        true => add_lookups(Var::from_tensor(&zeros)?.as_tensor(), lookups, context),
        false => add_lookups(&zeros, lookups, context),
    }
}

/// `xs` `(N, D)` with `lookups` added, in their order.
pub fn add_lookups(xs: &Tensor, lookups: Vec<Lookup>, context: &Context) -> Result<Tensor> {
    if context.uses_kernels(xs.device()) {
        return Ok(xs.contiguous()?.apply_op1(AddLookups(lookups))?);
    }
    let mut ys = xs.clone();
    for lookup in lookups.into_iter().filter(|lookup| !lookup.rows.is_empty()) {
        let weights = Tensor::new(lookup.weights.as_slice(), xs.device())?.unsqueeze(1)?; // (M, 1)
        let picked = select::select(&lookup.table.tensor()?, lookup.ids)?; // (M, D)
        let rows = Tensor::new(lookup.rows.as_slice(), xs.device())?;
        ys = ys.index_add(&rows, &picked.broadcast_mul(&weights)?, 0)?;
    }
    Ok(ys)
}

/// `scale · table[id]` for every id, zeros for [`NO_ROW`]: `(M, D)`, for a `table` `(V, D)` that is
/// itself computed.
pub fn pick(table: &Tensor, ids: &[u32], scale: f32, context: &Context) -> Result<Tensor> {
    if context.uses_kernels(table.device()) {
        return Ok(table.contiguous()?.apply_op1(Pick { ids: ids.to_vec(), scale })?);
    }
    Ok((select::select(table, ids.to_vec())? * f64::from(scale))?)
}

struct AddLookups(Vec<Lookup>);

impl CustomOp1 for AddLookups {
    fn name(&self) -> &'static str {
        "add-lookups"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let mut ys = slices::values(xs, layout)?.to_vec();
        let width = layout.dims()[1];
        for lookup in &self.0 {
            let add = |table: &[f32]| {
                for (row, id, weight) in lookup.entries() {
                    let from = &table[id * width..][..width];
                    axpy(weight, from, &mut ys[row * width..][..width]);
                }
            };
            lookup.table.with_value(add).map_err(candle::Error::wrap)?;
        }
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let width = xs.dim(1)?;
        slices::with_values(dys, |dys| {
            // One table, one thread: what several rows add to one id is added in their order.
            let trainable = self.0.par_iter().filter(|lookup| lookup.table.is_trainable());
            trainable.for_each(|lookup| {
                lookup.table.with_grad(|grad| {
                    for (row, id, weight) in lookup.entries() {
                        let from = &dys[row * width..][..width];
                        axpy(weight, from, &mut grad[id * width..][..width]);
                    }
                });
            });
        })?;
        Ok(Some(dys.clone()))
    }
}

struct Pick {
    ids: Vec<u32>,
    scale: f32,
}

impl CustomOp1 for Pick {
    fn name(&self) -> &'static str {
        "pick"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (table, width) = (slices::values(table, layout)?, layout.dims()[1]);
        let mut ys = vec![0.0; self.ids.len() * width];
        for (ys, &id) in ys.chunks_exact_mut(width.max(1)).zip(&self.ids) {
            if id != NO_ROW {
                axpy(self.scale, &table[id as usize * width..][..width], ys);
            }
        }
        Ok((CpuStorage::F32(ys), (self.ids.len(), width).into()))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let width = table.dim(1)?;
        let mut dtable = vec![0.0; table.elem_count()];
        slices::with_values(dys, |dys| {
            for (dys, &id) in dys.chunks_exact(width.max(1)).zip(&self.ids) {
                if id != NO_ROW {
                    axpy(self.scale, dys, &mut dtable[id as usize * width..][..width]);
                }
            }
        })?;
        Ok(Some(slices::tensor(dtable, table.shape())?))
    }
}

/// `ys += a · xs`.
fn axpy(a: f32, xs: &[f32], ys: &mut [f32]) {
    ys.iter_mut().zip(xs).for_each(|(y, x)| *y += a * x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::Training,
        kernels::matmul::Precision,
        params::{Init, ParamStore},
    };

    fn training(composite: bool) -> Context {
        let training = Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::F32, training);
        context.composite = composite;
        context
    }

    /// The result, and the gradients of both tables.
    fn run(composite: bool) -> Result<Vec<Vec<f32>>> {
        let store = ParamStore::new(&Device::Cpu, 3);
        let first = store.root().get((4, 2), "first", Init::Normal(1.0))?;
        let second = store.root().get((3, 2), "second", Init::Normal(1.0))?;
        let context = training(composite);
        let bag = Lookup {
            table: second.clone(),
            rows: vec![0, 0, 2],
            ids: vec![0, 2, 2],
            weights: vec![0.5, 0.5, 2.0],
        };
        let lookups = vec![Lookup::each(&first, vec![3, 0, 3]), bag];
        let table = sum_lookups((3, 2), lookups, &Device::Cpu, &context)?;
        let picked = pick(&table, &[1, NO_ROW, 0, 1], 2.0, &context)?;
        let factors =
            Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &Device::Cpu)?;
        let loss = ((&picked * factors)?.sum_all()? + table.sqr()?.sum_all()?)?;
        store.collect(&loss.backward()?)?;
        let grads = [first, second].map(|param| param.with_grad(|grad| grad.to_vec()));
        let [first, second] = grads;
        Ok(vec![picked.flatten_all()?.to_vec1()?, table.flatten_all()?.to_vec1()?, first, second])
    }

    #[test]
    fn both_forms_agree_forward_and_backward() -> Result<()> {
        let (ours, theirs) = (run(false)?, run(true)?);
        for (ours, theirs) in ours.iter().flatten().zip(theirs.iter().flatten()) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        assert_eq!(ours[0][2..4], [0.0, 0.0], "no row is a row of zeros");
        assert_eq!(ours[2][2..6], [0.0; 4], "rows 1 and 2 of the first table were not asked for");
        Ok(())
    }
}
