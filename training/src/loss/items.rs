//! Cross-entropy over all items, whose vectors are computed and so have a gradient of their own.
//!
//! For hidden states `h` `(N, D)`, item vectors `W` `(V, D)`, labels and weights, with `p =
//! softmax(h · Wᵀ)`, the loss is `Σₙ weightₙ · (−log pₙ[labelₙ])`, and never are all logits held.

use candle::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use dragoman_core::kernels::{
    cross_entropy::CrossEntropy,
    matmul::{Epilogue, Precision, matmul_nn, matmul_nt, matmul_tn},
    softmax::LogitRows,
};

use super::{
    CHUNK, LossSums,
    composite::{matmul_t, smoothed},
};
use crate::{Result, loss::with_values};

/// How the items are scored.
#[derive(Debug, Clone, Copy)]
pub struct ItemLoss {
    /// Share of the label that is spread over all items.
    pub label_smoothing: f32,
    /// Factor of the loss and of its gradient.
    pub scale: f32,
    /// Type in which matrices are multiplied.
    pub precision: Precision,
}

/// The labels of the rows.
#[derive(Debug, Clone, Copy)]
pub struct ItemLabels<'a> {
    /// The item of each row, `(N,)`.
    pub items: &'a [u32],
    /// How much each row counts, `(N,)`; rows of weight 0 count for nothing.
    pub weights: &'a [f32],
    /// What is added to the logits, if anything.
    pub bias: Option<LogitBias<'a>>,
}

/// What is added to the logits of each row.
#[derive(Debug, Clone, Copy)]
pub struct LogitBias<'a> {
    /// Some vectors over all items, `(R, V)`.
    pub table: &'a [f32],
    /// Which of them each row gets, `(N,)`.
    pub rows: &'a [u32],
}

impl LogitBias<'_> {
    /// What is added to the logit of `item` in row `n` of all.
    pub(super) fn of(&self, n: usize, item: u32, num_items: usize) -> f32 {
        self.table[self.rows[n] as usize * num_items + item as usize]
    }

    /// Adds to `logits` `(n, V)`, whose first row is row `first` of all.
    fn add(&self, first: usize, logits: &mut [f32], num_items: usize) {
        for (logits, &row) in logits.chunks_exact_mut(num_items).zip(&self.rows[first..]) {
            let bias = &self.table[row as usize * num_items..][..num_items];
            logits.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
        }
    }
}

/// The vectors of all items on the CPU.
struct Items<'a> {
    /// `(V, D)`.
    vectors: &'a [f32],
    /// Where their gradient is added; none where they are frozen.
    gradient: Option<&'a mut [f32]>,
    /// `D`.
    width: usize,
}

impl ItemLoss {
    /// The scaled loss as a scalar, by kernels on the CPU and by candle's operations elsewhere.
    pub fn forward(
        &self,
        hidden: &Tensor,
        vectors: &Tensor,
        labels: ItemLabels<'_>,
    ) -> Result<(Tensor, LossSums)> {
        match hidden.device().is_cpu() {
            true => self.fused(hidden, vectors, labels),
            false => self.composite(hidden, vectors, labels),
        }
    }

    /// The kernel form: the gradients are computed with the loss, a few hundred rows at a time.
    pub fn fused(
        &self,
        hidden: &Tensor,
        vectors: &Tensor,
        labels: ItemLabels<'_>,
    ) -> Result<(Tensor, LossSums)> {
        let (hidden, vectors) = (hidden.contiguous()?, vectors.contiguous()?);
        let width = hidden.dim(1)?;
        // Frozen items need no gradient.
        let mut dvectors = vectors.track_op().then(|| vec![0.0; vectors.elem_count()]);
        let (dhidden, sums) = with_values(&hidden, |hidden| {
            with_values(&vectors, |vectors| {
                let items = Items { vectors, gradient: dvectors.as_deref_mut(), width };
                self.walk(hidden, items, labels)
            })
        })??;
        let tensor = |dvectors| Tensor::from_vec(dvectors, vectors.shape(), hidden.device());
        let computed = Computed {
            loss: (sums.loss * f64::from(self.scale)) as f32,
            hidden: Tensor::from_vec(dhidden, hidden.shape(), hidden.device())?,
            vectors: dvectors.map(tensor).transpose()?,
        };
        Ok((hidden.apply_op2(&vectors, computed)?, sums))
    }

    fn walk(
        &self,
        hidden: &[f32],
        items: Items<'_>,
        labels: ItemLabels<'_>,
    ) -> (Vec<f32>, LossSums) {
        let Items { vectors, gradient: mut dvectors, width } = items;
        let num_items = vectors.len() / width;
        let mut dhidden = vec![0.0; hidden.len()];
        let mut sums = LossSums::default();
        let rule = CrossEntropy {
            rows: LogitRows { width: num_items, first_output: 0 },
            label_smoothing: self.label_smoothing,
        };
        let rows = (CHUNK / num_items).clamp(1, labels.items.len().max(1));
        let mut logits = vec![0.0; rows * num_items];
        let chunks = hidden.chunks(rows * width).zip(dhidden.chunks_mut(rows * width));
        let labelled = labels.items.chunks(rows).zip(labels.weights.chunks(rows));
        for (i, ((hidden, dhidden), (items, weights))) in chunks.zip(labelled).enumerate() {
            let n = items.len();
            let logits = &mut logits[..n * num_items];
            let dims = (n, num_items, width);
            matmul_nt(self.precision, hidden, vectors, logits, dims, &Epilogue::NONE);
            if let Some(bias) = labels.bias {
                bias.add(i * rows, logits, num_items);
            }
            let scales: Vec<f32> = weights.iter().map(|weight| weight * self.scale).collect();
            for (loss, &weight) in rule.forward_backward(logits, items, &scales).iter().zip(weights)
            {
                let weight = f64::from(weight);
                sums.labels += weight;
                sums.loss += weight * f64::from(loss.loss);
                sums.nll += weight * f64::from(loss.nll);
                sums.correct += weight * f64::from(u8::from(loss.correct));
            }
            let dims = (n, width, num_items);
            matmul_nn(self.precision, logits, vectors, dhidden, dims, false);
            if let Some(dvectors) = &mut dvectors {
                let dims = (num_items, width, n);
                matmul_tn(self.precision, logits, hidden, dvectors, dims, true);
            }
        }
        (dhidden, sums)
    }

    /// The composite form, of differentiable candle operations: for other devices, and to compare
    /// with.
    pub fn composite(
        &self,
        hidden: &Tensor,
        vectors: &Tensor,
        labels: ItemLabels<'_>,
    ) -> Result<(Tensor, LossSums)> {
        let device = hidden.device();
        let columns = Tensor::new(labels.items, device)?; // (N,)
        let weights = Tensor::new(labels.weights, device)?; // (N,)
        let logits = matmul_t(hidden, vectors, self.precision)?; // (N, V)
        let logits = match labels.bias {
            Some(LogitBias { table, rows }) => {
                let table = Tensor::from_slice(table, ((), logits.dim(1)?), device)?;
                (logits + table.index_select(&Tensor::new(rows, device)?, 0)?)?
            }
            None => logits,
        };
        let (loss, sums) = smoothed(&logits, &columns, &weights, self.label_smoothing)?;
        Ok(((loss * f64::from(self.scale))?, sums))
    }
}

/// A loss whose gradients are known already.
pub(super) struct Computed {
    pub(super) loss: f32,
    /// Gradient by the hidden states, `(N, D)`.
    pub(super) hidden: Tensor,
    /// Gradient by the item vectors, `(V, D)`; none if they are frozen.
    pub(super) vectors: Option<Tensor>,
}

impl CustomOp2 for Computed {
    fn name(&self) -> &'static str {
        "item-loss"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        upstream: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let hidden = self.hidden.broadcast_mul(upstream)?;
        let vectors = self.vectors.as_ref().map(|vectors| vectors.broadcast_mul(upstream));
        Ok((Some(hidden), vectors.transpose()?))
    }
}

#[cfg(test)]
mod tests {
    use candle::{Device, Var};
    use dragoman_core::params::{Init, ParamStore};

    use super::*;

    #[test]
    fn both_forms_agree() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let var = |name: &str, rows: usize| -> Result<Var> {
            let param = store.root().get((rows, 8), name, Init::Normal(1.0))?;
            Ok(Var::from_tensor(&param.tensor()?)?)
        };
        let (hidden, vectors) = (var("hidden", 5)?, var("vectors", 12)?);
        let items = [3, 0, 11, 3, 7];
        let weights = [1.0, 0.5, 0.0, 2.0, 1.0];
        let table: Vec<f32> = (0..24).map(|i| (i % 5) as f32 / 3.0).collect();
        let bias = Some(LogitBias { table: &table, rows: &[0, 1, 1, 0, 1] });
        let labels = ItemLabels { items: &items, weights: &weights, bias };
        let loss = ItemLoss { label_smoothing: 0.1, scale: 0.25, precision: Precision::F32 };
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
        let ours = values(loss.fused(&hidden, &vectors, labels)?)?;
        let theirs = values(loss.composite(&hidden, &vectors, labels)?)?;
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
        Ok(())
    }
}
