//! The simpler simple recurrent unit (Kim et al. 2019), Marian's fast decoder.

use candle::Tensor;

use crate::{Result, context::Context, layers::linear::Linear, params::Builder, ragged::Ragged};

/// `f = σ(x·W_fᵀ + b_f)`, `c ← f⊙c + (1 − f)⊙(x·Wᵀ)`, `y = relu(c)`, with a cell `c` of zeros before
/// the first token.
#[derive(Debug, Clone)]
pub struct Ssru {
    /// `W_f` above `W`, from one product, `(2D, D)`.
    gates: Linear,
}

impl Ssru {
    /// Creates the layer, with its weights named `gates.*`.
    pub fn new(d_model: usize, vb: &Builder<'_>) -> Result<Self> {
        Ok(Self { gates: Linear::stacked(d_model, d_model, 2, &vb.pp("gates"))? })
    }

    /// Forget gates, before the sigmoid, and new values of `xs` `(N, D)`: `(N, 2D)`.
    pub(crate) fn project(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        self.gates.forward(xs, context)
    }

    /// Maps whole targets `xs` `(N, D)` to the same shape.
    pub fn forward(&self, xs: &Tensor, layout: &Ragged, context: &Context) -> Result<Tensor> {
        let gates = self.project(xs, context)?; // (N, 2D)
        let rectangle = layout.to_rectangle(xs.device())?;
        let gates = match &rectangle {
            Some((there, _)) => gates.index_select(there, 0)?,
            None => gates,
        };
        let (batch, width) = (layout.len(), xs.dim(1)?);
        let time = gates.dim(0)? / batch.max(1);
        let gates = gates.reshape((batch, time, 2, width))?;
        let forget = candle_nn::ops::sigmoid(&gates.narrow(2, 0, 1)?.squeeze(2)?)?; // (B, T, D)
        let new = ((1.0 - &forget)? * gates.narrow(2, 1, 1)?.squeeze(2)?)?; // (B, T, D)
        let mut cell = Tensor::zeros((batch, width), xs.dtype(), xs.device())?;
        let mut cells = Vec::with_capacity(time);
        for t in 0..time {
            let of = |xs: &Tensor| xs.narrow(1, t, 1)?.squeeze(1);
            cell = ((of(&forget)? * cell)? + of(&new)?)?; // (B, D)
            cells.push(cell.clone());
        }
        let ys = Tensor::stack(&cells, 1)?.relu()?.reshape((batch * time, width))?;
        match rectangle {
            Some((_, back)) => Ok(ys.index_select(&back, 0)?),
            None => Ok(ys),
        }
    }

    /// Moves one `cell` `(D,)` on by a row of [`Ssru::project`], `(2D,)`, and writes what comes out.
    pub(crate) fn advance(cell: &mut [f32], gates: &[f32], out: &mut [f32]) {
        let (forget, new) = gates.split_at(cell.len());
        for (((cell, out), forget), new) in cell.iter_mut().zip(out).zip(forget).zip(new) {
            let forget = 1.0 / (1.0 + (-forget).exp());
            *cell = forget * *cell + (1.0 - forget) * new;
            *out = cell.max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle::Device;

    use super::*;
    use crate::{kernels::matmul::Precision, ops, params::ParamStore};

    #[test]
    fn whole_targets_and_single_steps_agree() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let layer = Ssru::new(4, &store.root())?;
        let xs = Tensor::arange(0f32, 20.0, &Device::Cpu)?.affine(0.1, -0.7)?.reshape((5, 4))?;
        let context = Context::inference(Precision::F32);
        let layout = Ragged::contiguous(&[3, 2]);
        let whole = layer.forward(&xs, &layout, &context)?.to_vec2::<f32>()?;
        let gates = layer.project(&xs, &context)?;
        let gates = ops::with_values(&gates, <[f32]>::to_vec)?;
        let (mut cell, mut out) = (vec![0.0; 4], vec![0.0; 4]);
        for (row, gates) in gates.chunks(8).enumerate() {
            if row == 3 {
                cell.fill(0.0);
            }
            Ssru::advance(&mut cell, gates, &mut out);
            for (a, b) in out.iter().zip(&whole[row]) {
                assert!((a - b).abs() < 1e-6, "{a} {b} in row {row}");
            }
        }
        Ok(())
    }
}
