//! The loss by differentiable operations of candle: for devices other than the CPU, and to compare with.

use candle::{D, DType, Tensor};
use dragoman_core::{kernels::matmul::Precision, models::translation::IGNORED};

use super::{LossSums, OutputLoss};
use crate::Result;

impl OutputLoss {
    /// The composite form, of differentiable candle operations: for other devices, and to compare
    /// with.
    pub fn composite(&self, hidden: &Tensor, labels: &[u32]) -> Result<(Tensor, LossSums)> {
        let device = hidden.device();
        let first = self.first_output;
        let outputs = self.weight.shape().dims()[0] - first as usize;
        let weight = self.weight.tensor()?.narrow(0, first as usize, outputs)?; // (V', D)
        let column = |&label: &u32| if label == IGNORED { 0 } else { label - first };
        let columns: Vec<u32> = labels.iter().map(column).collect();
        let columns = Tensor::new(columns, device)?; // (N,)
        let counts = |label: &u32| if *label == IGNORED { 0.0 } else { 1.0 };
        let weights: Vec<f32> = labels.iter().map(counts).collect();
        let weights = Tensor::new(weights, device)?; // (N,)

        let logits = matmul_t(hidden, &weight, self.precision)?; // (N, V')
        let logits = match &self.bias {
            Some(bias) => {
                logits.broadcast_add(&bias.tensor()?.narrow(0, first as usize, outputs)?)?
            }
            None => logits,
        };
        let logits = match self.bonuses.is_empty() {
            true => logits,
            false => {
                let (n, width) = logits.dims2()?;
                let mut added = vec![0.0; n * (width + first as usize)];
                self.bonuses.add(0, &mut added, width + first as usize);
                let added = Tensor::from_vec(added, (n, width + first as usize), device)?;
                (logits + added.narrow(1, first as usize, width)?)?
            }
        };
        let (loss, sums) = smoothed(&logits, &columns, &weights, self.label_smoothing)?;
        Ok(((loss * f64::from(self.scale))?, sums))
    }
}

/// The label-smoothed loss of `logits` `(N, V)` as a scalar, for the labels `columns` `(N,)` that count as much as
/// `weights` `(N,)` say.
pub(super) fn smoothed(
    logits: &Tensor,
    columns: &Tensor,
    weights: &Tensor,
    label_smoothing: f32,
) -> Result<(Tensor, LossSums)> {
    let log_probs = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let nll = log_probs.gather(&columns.unsqueeze(1)?, 1)?.squeeze(1)?.neg()?; // (N,)
    let smooth = log_probs.mean(D::Minus1)?.neg()?; // (N,)
    let epsilon = f64::from(label_smoothing);
    let loss = ((&nll * (1.0 - epsilon))? + (smooth * epsilon)?)?;
    let loss = (loss * weights)?.sum_all()?;

    let correct = logits.argmax(D::Minus1)?.eq(columns)?.to_dtype(DType::F32)?;
    let sum = |tensor: Tensor| -> Result<f64> {
        Ok(f64::from((tensor.detach() * weights)?.sum_all()?.to_scalar::<f32>()?))
    };
    let sums = LossSums {
        labels: weights.to_vec1::<f32>()?.into_iter().map(f64::from).sum(),
        loss: f64::from(loss.to_scalar::<f32>()?),
        nll: sum(nll)?,
        correct: sum(correct)?,
    };
    Ok((loss, sums))
}

/// `xs · wᵀ` for `xs` `(N, K)` and `w` `(M, K)`.
pub(super) fn matmul_t(xs: &Tensor, w: &Tensor, precision: Precision) -> Result<Tensor> {
    Ok(match precision {
        Precision::F32 => xs.matmul(&w.t()?)?,
        Precision::Bf16 => {
            let (xs, w) = (xs.to_dtype(DType::BF16)?, w.to_dtype(DType::BF16)?);
            xs.matmul(&w.t()?)?.to_dtype(DType::F32)?
        }
    })
}
