//! Rows picked from a matrix by their numbers, with a gradient that is picked and summed.
//!
//! candle's `index_select` gathers its gradient with `index_add`, which on CUDA walks through all
//! rows one after the other, and on the CPU copies the whole sum each time.

use candle::{
    CpuStorage, CudaStorage, CustomOp1, Layout, Shape, Storage, Tensor, backend::BackendStorage,
};

use crate::{Result, kernels::visits::Visits};

/// Stands for no row: zeros are put there.
pub(crate) const NONE: u32 = u32::MAX;

/// Rows that are summed in one go in the backward pass.
const FAN: usize = 8;

/// Row `rows[i]` of `xs` `(N, D)`, or zeros where that is [`NONE`], for every `i`: `(M, D)`.
pub(crate) fn select(xs: &Tensor, rows: Vec<u32>) -> Result<Tensor> {
    let index = Tensor::new(rows.as_slice(), xs.device())?;
    Ok(xs.contiguous()?.apply_op1(Select { rows, index })?)
}

struct Select {
    rows: Vec<u32>,
    /// The rows, on the device; candle takes the highest number for no row, too.
    index: Tensor,
}

impl Select {
    fn pick<S: BackendStorage>(
        &self,
        (xs, layout): (&S, &Layout),
        (index, index_layout): (&S, &Layout),
    ) -> candle::Result<(S, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let picked = xs.index_select(index, layout, index_layout, 0)?;
        Ok((picked, (self.rows.len(), width).into()))
    }
}

impl CustomOp1 for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (storage, index_layout) = self.index.storage_and_layout();
        match &*storage {
            Storage::Cpu(index) => self.pick((xs, layout), (index, index_layout)),
            _ => candle::bail!("select: the rows are not on the cpu"),
        }
    }

    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> candle::Result<(CudaStorage, Shape)> {
        let (storage, index_layout) = self.index.storage_and_layout();
        match &*storage {
            Storage::Cuda(index) => self.pick((xs, layout), (index, index_layout)),
            _ => candle::bail!("select: the rows are not on the gpu"),
        }
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let (inputs, width) = xs.dims2()?;
        let mut sums = dys.contiguous()?;
        // Rows of `sums` that belong to each row of `xs`, at first those that it was picked for.
        let mut parts = Visits::new(&self.rows, self.rows.len(), 1, inputs);
        loop {
            let longest = (0..inputs).map(|row| parts.of_expert(row).len()).max().unwrap_or(0);
            let fan = longest.clamp(1, FAN);
            let (mut index, mut owners) = (Vec::new(), Vec::new());
            for row in 0..inputs {
                let own = &parts.tokens()[parts.of_expert(row)];
                let chunks = own.chunks(fan).chain(own.is_empty().then_some(&[][..]));
                for chunk in chunks {
                    index.extend_from_slice(chunk);
                    index.resize(index.len() + fan - chunk.len(), NONE);
                    owners.push(row as u32);
                }
            }
            let index = Tensor::new(index.as_slice(), sums.device())?;
            sums = sums.index_select(&index, 0)?;
            if fan > 1 {
                sums = sums.reshape((owners.len(), fan, width))?.sum(1)?;
            }
            if longest <= FAN {
                return Ok(Some(sums));
            }
            parts = Visits::new(&owners, owners.len(), 1, inputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle::{Device, Var};

    use super::*;

    #[test]
    fn a_row_gets_the_gradients_of_all_its_copies() -> Result<()> {
        let values: Vec<f32> = (0..8).map(|i| i as f32).collect();
        let xs = Var::from_tensor(&Tensor::from_vec(values, (4, 2), &Device::Cpu)?)?;
        // Row 1 a hundred times (more than two rounds of sums), row 3 once, rows 0 and 2 never.
        let rows: Vec<u32> = [3, NONE].into_iter().chain([1; 100]).collect();
        let ys = select(&xs, rows)?;
        assert_eq!(ys.narrow(0, 0, 3)?.to_vec2::<f32>()?, [[6., 7.], [0., 0.], [2., 3.]]);
        let weights: Vec<f32> = (0..102).map(|i| i as f32).collect();
        let weights = Tensor::from_vec(weights, (102, 1), &Device::Cpu)?;
        let grads = ys.broadcast_mul(&weights)?.sum_all()?.backward()?;
        let grad = grads.get(&xs).expect("the rows are tracked").to_vec2::<f32>()?;
        let copies = (2..102).sum::<i32>() as f32;
        assert_eq!(grad, [[0., 0.], [copies, copies], [0., 0.], [0., 0.]]);
        Ok(())
    }
}
