//! Token embeddings.

use candle::{CpuStorage, CustomOp1, Layout, Shape, Tensor, Var};

use super::{select::select, slices};
use crate::{
    Result,
    context::Context,
    kernels::embedding::{Embedding, Positions},
    params::Param,
};

/// A table of embeddings, some rows of which are weights of their own.
#[derive(Debug, Clone)]
pub struct Table {
    /// All rows, `(V, D)`.
    pub weight: Param,
    /// Rows `(1, D)` that stand in for those of `weight`, by their ids.
    pub replaced: Vec<(u32, Param)>,
    /// What embeddings are multiplied by.
    pub scale: f64,
}

impl Table {
    fn learns(&self) -> bool {
        self.weight.is_trainable() || self.replaced.iter().any(|(_, row)| row.is_trainable())
    }

    /// All rows as one tensor, the replacing ones last, and `ids` as rows of it.
    fn flat(&self, ids: &[u32]) -> Result<(Tensor, Vec<u32>)> {
        let rows = self.replaced.iter().map(|(_, row)| row.tensor());
        let all: Result<Vec<Tensor>> = [self.weight.tensor()].into_iter().chain(rows).collect();
        let all = all?;
        let size = self.weight.shape().dims()[0];
        let place = |id: &u32| match self.replaced.iter().position(|(other, _)| other == id) {
            Some(i) => (size + i) as u32,
            None => *id,
        };
        Ok((Tensor::cat(&all, 0)?, ids.iter().map(place).collect()))
    }
}

/// `scale · weight[id] + sinusoids[position]` for every id, `(N, D)` (Vaswani et al. 2017, section
/// 3.4, where the scale is `√D`), with `weight` `(V, D)` and `sinusoids` `(P, D)`.
pub fn embed(
    ids: &[u32],
    positions: &[u32],
    table: &Table,
    sinusoids: &Tensor,
    context: &Context,
) -> Result<Tensor> {
    let (device, scale) = (sinusoids.device(), table.scale);
    if !context.uses_kernels(device) {
        let places = sinusoids.index_select(&Tensor::new(positions, device)?, 0)?; // (N, D)
        let (weight, ids) = match table.replaced.is_empty() {
            true => (table.weight.tensor()?, ids.to_vec()),
            false => table.flat(ids)?,
        };
        let rows = select(&weight, ids)?;
        return Ok(((rows * scale)? + places)?);
    }
    let (ids, positions) = (ids.to_vec(), positions.to_vec());
    let op = Embed { ids, positions, scale: scale as f32, table: table.clone() };
    match context.is_training() && (table.learns() || !context.only_experts) {
        // Ids are nothing that candle could follow back: this makes it follow the result.
        true => Ok(Var::from_tensor(sinusoids)?.apply_op1(op)?),
        false => Ok(sinusoids.apply_op1(op)?),
    }
}

struct Embed {
    ids: Vec<u32>,
    positions: Vec<u32>,
    scale: f32,
    table: Table,
}

impl Embed {
    /// Rows of the result that come from the replacing row `id`.
    fn rows_of(&self, id: u32) -> Vec<usize> {
        (0..self.ids.len()).filter(|&row| self.ids[row] == id).collect()
    }

    /// Writes the rows that come from replacing rows.
    fn replace(&self, sinusoids: &[f32], ys: &mut [f32], width: usize) -> crate::Result<()> {
        for (id, param) in &self.table.replaced {
            let rows = self.rows_of(*id);
            let places: Vec<u32> = rows.iter().map(|&row| self.positions[row]).collect();
            let mut own = vec![0.0; rows.len() * width];
            param.with_value(|table| {
                let positions = Some(Positions { table: sinusoids, places: &places });
                let kernel = Embedding { table, d_model: width, scale: self.scale, positions };
                kernel.forward(&vec![0; rows.len()], &mut own);
            })?;
            for (&row, own) in rows.iter().zip(own.chunks_exact(width)) {
                ys[row * width..][..width].copy_from_slice(own);
            }
        }
        Ok(())
    }

    fn kernel<'a>(&'a self, weight: &'a [f32], sinusoids: Option<&'a [f32]>) -> Embedding<'a> {
        let places = &self.positions;
        let positions = sinusoids.map(|table| Positions { table, places });
        let d_model = self.table.weight.shape().dims()[1];
        Embedding { table: weight, d_model, scale: self.scale, positions }
    }
}

impl CustomOp1 for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (sinusoids, width) = (slices::values(xs, layout)?, layout.dims()[1]);
        let mut ys = vec![0.0; self.ids.len() * width];
        let weight = &self.table.weight;
        let done = match weight.is_stored() {
            // Only the rows that are wanted become floats.
            true => weight.rows(&self.ids).map(|rows| {
                let ids: Vec<u32> = (0..self.ids.len() as u32).collect();
                self.kernel(&rows, Some(sinusoids)).forward(&ids, &mut ys);
            }),
            false => weight.with_value(|weight| {
                self.kernel(weight, Some(sinusoids)).forward(&self.ids, &mut ys);
            }),
        };
        done.map_err(candle::Error::wrap)?;
        self.replace(sinusoids, &mut ys, width).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(ys), (self.ids.len(), width).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let weight = &self.table.weight;
        if weight.is_trainable() {
            let done = slices::with_values(dys, |dys| {
                weight.with_value(|values| {
                    weight.with_grad(|grad| {
                        self.kernel(values, None).backward(&self.ids, dys, grad);
                        // What belongs to a replacing row is not theirs.
                        let width = weight.shape().dims()[1];
                        for (id, _) in &self.table.replaced {
                            grad[*id as usize * width..][..width].fill(0.0);
                        }
                    });
                })
            })?;
            done.map_err(candle::Error::wrap)?;
        }
        for (id, param) in self.table.replaced.iter().filter(|(_, row)| row.is_trainable()) {
            let width = weight.shape().dims()[1];
            slices::with_values(dys, |dys| {
                param.with_grad(|grad| {
                    for row in self.rows_of(*id) {
                        let dys = &dys[row * width..][..width];
                        grad.iter_mut().zip(dys).for_each(|(sum, dy)| *sum += self.scale * dy);
                    }
                });
            })?;
        }
        Ok(None)
    }
}
