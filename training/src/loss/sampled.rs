//! Softmax over each row's own item and a few others, the same for all rows: for catalogues too
//! large for a softmax over all of it.
//!
//! With `K` negatives drawn evenly, the loss of a row is `−log (e^{h·w⁺} / (e^{h·w⁺} + Σₖ
//! e^{h·wₖ + ln(V/K)}))`: the correction makes the sum an estimate of the one over all items (Jean
//! et al. 2015, section 3). A negative that is the row's own item does not count.

use candle::Tensor;
use dragoman_core::kernels::matmul::{Epilogue, matmul_nn, matmul_nt, matmul_tn};
use rayon::prelude::*;

use super::{
    CHUNK, LossSums,
    items::{Computed, ItemLabels, ItemLoss},
    with_values,
};
use crate::Result;

impl ItemLoss {
    /// The scaled loss as a scalar, with these `negatives`; labels are not smoothed, and nothing is
    /// added to logits. On the CPU.
    pub fn sampled(
        &self,
        hidden: &Tensor,
        vectors: &Tensor,
        labels: ItemLabels<'_>,
        negatives: &[u32],
    ) -> Result<(Tensor, LossSums)> {
        let (hidden, vectors) = (hidden.contiguous()?, vectors.contiguous()?);
        let width = hidden.dim(1)?;
        let (dhidden, dvectors, sums) = with_values(&hidden, |hidden| {
            with_values(&vectors, |vectors| {
                let problem = Problem { hidden, vectors, width, labels, negatives };
                self.walk_sampled(&problem)
            })
        })??;
        let computed = Computed {
            loss: (sums.loss * f64::from(self.scale)) as f32,
            hidden: Tensor::from_vec(dhidden, hidden.shape(), hidden.device())?,
            vectors: Some(Tensor::from_vec(dvectors, vectors.shape(), hidden.device())?),
        };
        Ok((hidden.apply_op2(&vectors, computed)?, sums))
    }

    fn walk_sampled(&self, problem: &Problem<'_>) -> (Vec<f32>, Vec<f32>, LossSums) {
        let Problem { hidden, vectors, width, labels, negatives } = *problem;
        let count = negatives.len();
        let row = |item: u32| &vectors[item as usize * width..][..width];
        let others: Vec<f32> = negatives.iter().flat_map(|&item| row(item)).copied().collect();
        let shift = ((vectors.len() / width) as f32 / count as f32).ln().max(0.0);
        let (mut dhidden, mut dvectors) = (vec![0.0; hidden.len()], vec![0.0; vectors.len()]);
        let mut dothers = vec![0.0; others.len()];
        let mut sums = LossSums::default();
        let rows = (CHUNK / count.max(1)).clamp(1, labels.items.len().max(1));
        for (first, items) in (0..).step_by(rows).zip(labels.items.chunks(rows)) {
            let n = items.len();
            let weights = &labels.weights[first..first + n];
            let hidden = &hidden[first * width..(first + n) * width];
            let dhidden = &mut dhidden[first * width..(first + n) * width];
            let mut logits = vec![0.0; n * count];
            let dims = (n, count, width);
            matmul_nt(self.precision, hidden, &others, &mut logits, dims, &Epilogue::NONE);
            let row_losses: Vec<RowLoss> = (logits.par_chunks_exact_mut(count.max(1)).enumerate())
                .map(|(i, logits)| {
                    let own = &hidden[i * width..][..width];
                    let own: f32 = own.iter().zip(row(items[i])).map(|(a, b)| a * b).sum();
                    for (logit, &other) in logits.iter_mut().zip(negatives) {
                        *logit = if other == items[i] { f32::NEG_INFINITY } else { *logit + shift };
                    }
                    row_loss(own, logits, weights[i] * self.scale)
                })
                .collect();
            matmul_nn(self.precision, &logits, &others, dhidden, (n, width, count), false);
            let dims = (count, width, n);
            matmul_tn(self.precision, &logits, hidden, &mut dothers, dims, true);
            for (i, RowLoss { slope, nll, is_best }) in row_losses.into_iter().enumerate() {
                let weight = f64::from(weights[i]);
                sums.labels += weight;
                sums.loss += weight * f64::from(nll);
                sums.nll += weight * f64::from(nll);
                sums.correct += weight * f64::from(u8::from(is_best));
                let own = &hidden[i * width..][..width];
                add(slope, row(items[i]), &mut dhidden[i * width..][..width]);
                add(slope, own, &mut dvectors[items[i] as usize * width..][..width]);
            }
        }
        for (&item, dother) in negatives.iter().zip(dothers.chunks_exact(width)) {
            add(1.0, dother, &mut dvectors[item as usize * width..][..width]);
        }
        (dhidden, dvectors, sums)
    }
}

/// What is walked over.
#[derive(Clone, Copy)]
struct Problem<'a> {
    hidden: &'a [f32],
    vectors: &'a [f32],
    width: usize,
    labels: ItemLabels<'a>,
    negatives: &'a [u32],
}

/// Loss of a row and its derivative.
struct RowLoss {
    /// Derivative by the logit of its own item.
    slope: f32,
    nll: f32,
    is_best: bool,
}

/// The loss of a row, whose logits of negatives become their gradient, times `scale`.
fn row_loss(own: f32, logits: &mut [f32], scale: f32) -> RowLoss {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = greatest.max(own);
    let sum = (own - max).exp() + logits.iter().map(|logit| (logit - max).exp()).sum::<f32>();
    let nll = max + sum.ln() - own;
    for logit in logits {
        *logit = scale * (*logit - max).exp() / sum;
    }
    RowLoss { slope: scale * ((own - max).exp() / sum - 1.0), nll, is_best: own >= greatest }
}

/// `ys += a · xs`.
fn add(a: f32, xs: &[f32], ys: &mut [f32]) {
    ys.iter_mut().zip(xs).for_each(|(y, x)| *y += a * x);
}

#[cfg(test)]
mod tests {
    use candle::{Device, Var};
    use dragoman_core::{
        kernels::matmul::Precision,
        params::{Init, ParamStore},
    };

    use super::*;

    #[test]
    fn with_all_items_for_negatives_it_is_the_full_softmax() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let var = |name: &str, rows: usize| -> Result<Var> {
            let param = store.root().get((rows, 8), name, Init::Normal(1.0))?;
            Ok(Var::from_tensor(&param.tensor()?)?)
        };
        let (hidden, vectors) = (var("hidden", 5)?, var("vectors", 12)?);
        let items = [3, 0, 11, 3, 7];
        let weights = [1.0, 0.5, 0.0, 2.0, 1.0];
        let labels = ItemLabels { items: &items, weights: &weights, bias: None };
        let loss = ItemLoss { label_smoothing: 0.0, scale: 0.25, precision: Precision::F32 };
        let values = |(total, sums): (Tensor, LossSums)| -> Result<Vec<f32>> {
            let grads = total.backward()?;
            let mut values = vec![total.to_scalar::<f32>()?];
            for var in [&hidden, &vectors] {
                let grad = grads.get(var).expect("both have a gradient");
                values.extend(grad.flatten_all()?.to_vec1::<f32>()?);
            }
            values.extend([sums.labels, sums.loss, sums.nll, sums.correct].map(|x| x as f32));
            Ok(values)
        };
        let all: Vec<u32> = (0..12).collect();
        let ours = values(loss.sampled(&hidden, &vectors, labels, &all)?)?;
        let theirs = values(loss.fused(&hidden, &vectors, labels)?)?;
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
        Ok(())
    }
}
