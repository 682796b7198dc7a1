//! What was shown and passed over: each row's own item against the items that its user saw and did
//! nothing about.
//!
//! A choice among what was shown is a softmax over that alone (McFadden 1974): with the reads `R` of a
//! row its loss is `−log (e^{s⁺} / (e^{s⁺} + Σ_{r ∈ R} e^{sᵣ}))`, where `s = h · w` and what is added to
//! the logits. Rows without reads count for nothing.

use candle::Tensor;

use super::{
    items::{Computed, ItemLabels, ItemLoss},
    with_values,
};
use crate::Result;

/// The items that the user of each row saw and passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowReads {
    /// Where the items of each row end.
    ends: Vec<usize>,
    items: Vec<u32>,
}

impl RowReads {
    /// Adds the next row.
    pub fn push(&mut self, items: &[u32]) {
        self.items.extend_from_slice(items);
        self.ends.push(self.items.len());
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The items of each row.
    fn rows(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.items[start..end])
    }
}

impl ItemLoss {
    /// `weight` times the scaled loss as a scalar, and `weight` times its sum over the rows as they
    /// count. On the CPU.
    pub fn against_reads(
        &self,
        hidden: &Tensor,
        vectors: &Tensor,
        labels: ItemLabels<'_>,
        reads: &RowReads,
        weight: f32,
    ) -> Result<(Tensor, f64)> {
        let (hidden, vectors) = (hidden.contiguous()?, vectors.contiguous()?);
        let width = hidden.dim(1)?;
        let mut dhidden = vec![0.0; hidden.elem_count()];
        let mut dvectors = vec![0.0; vectors.elem_count()];
        let sum = with_values(&hidden, |hidden| {
            with_values(&vectors, |vectors| {
                let mut sum = 0.0;
                for (n, read) in reads.rows().enumerate() {
                    let weight = weight * labels.weights[n];
                    if read.is_empty() || weight == 0.0 {
                        continue;
                    }
                    let choices: Vec<u32> =
                        std::iter::once(labels.items[n]).chain(read.iter().copied()).collect();
                    let logits =
                        logits(labels, n, &choices, &hidden[n * width..][..width], vectors);
                    let (nll, slopes) = choice(&logits);
                    sum += f64::from(weight * nll);
                    for (&item, slope) in choices.iter().zip(slopes) {
                        let (slope, place) = (slope * weight * self.scale, item as usize * width);
                        for i in 0..width {
                            dhidden[n * width + i] += slope * vectors[place + i];
                            dvectors[place + i] += slope * hidden[n * width + i];
                        }
                    }
                }
                sum
            })
        })??;
        let gradient = Tensor::from_vec(dvectors, vectors.shape(), hidden.device())?;
        let computed = Computed {
            loss: (sum * f64::from(self.scale)) as f32,
            hidden: Tensor::from_vec(dhidden, hidden.shape(), hidden.device())?,
            vectors: vectors.track_op().then_some(gradient),
        };
        Ok((hidden.apply_op2(&vectors, computed)?, sum))
    }
}

/// The logits of `choices` in row `n`, whose hidden state is `hidden`.
fn logits(
    labels: ItemLabels<'_>,
    n: usize,
    choices: &[u32],
    hidden: &[f32],
    vectors: &[f32],
) -> Vec<f32> {
    let width = hidden.len();
    let logit = |&item: &u32| {
        let vector = &vectors[item as usize * width..][..width];
        let dot: f32 = hidden.iter().zip(vector).map(|(a, b)| a * b).sum();
        dot + labels.bias.map_or(0.0, |bias| bias.of(n, item, vectors.len() / width))
    };
    choices.iter().map(logit).collect()
}

/// The loss of choosing the first, and its derivatives by `logits`.
fn choice(logits: &[f32]) -> (f32, Vec<f32>) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - max).exp()).sum();
    let mut slopes: Vec<f32> = logits.iter().map(|logit| (logit - max).exp() / sum).collect();
    slopes[0] -= 1.0;
    (max + sum.ln() - logits[0], slopes)
}

#[cfg(test)]
mod tests {
    use candle::{Device, Var};
    use dragoman_core::{
        kernels::matmul::Precision,
        params::{Init, ParamStore},
    };

    use super::*;
    use crate::loss::items::LogitBias;

    /// A softmax over all items in which all but those of the row's choice have no weight.
    #[test]
    fn it_is_the_softmax_over_what_was_shown() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let var = |name: &str, rows: usize| -> Result<Var> {
            let param = store.root().get((rows, 8), name, Init::Normal(1.0))?;
            Ok(Var::from_tensor(&param.tensor()?)?)
        };
        let (hidden, vectors) = (var("hidden", 4)?, var("vectors", 12)?);
        let (items, weights) = ([3, 0, 11, 5], [1.0, 0.5, 0.0, 2.0]);
        let read: [&[u32]; 4] = [&[1, 2], &[], &[4], &[9, 0, 7]];
        let mut reads = RowReads::default();
        read.iter().for_each(|items| reads.push(items));
        let table: Vec<f32> = (0..24).map(|i| (i % 5) as f32 / 3.0).collect();
        let rows = [0, 1, 1, 0];
        let bias = |table| Some(LogitBias { table, rows: &rows });
        let loss = ItemLoss { label_smoothing: 0.0, scale: 0.25, precision: Precision::F32 };
        let values = |total: &Tensor| -> Result<Vec<f32>> {
            let grads = total.backward()?;
            let mut values = vec![total.to_scalar::<f32>()?];
            for var in [&hidden, &vectors] {
                let grad = grads.get(var).expect("both have a gradient");
                values.extend(grad.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(values)
        };
        let labels = ItemLabels { items: &items, weights: &weights, bias: bias(&table) };
        let (ours, sum) = loss.against_reads(&hidden, &vectors, labels, &reads, 3.0)?;

        // One row of biases for each row, and for what was not shown one that leaves it no weight.
        let mut masked = Vec::new();
        for (n, &row) in rows.iter().enumerate() {
            masked.extend((0..12u32).map(|item| {
                match items[n] == item || read[n].contains(&item) {
                    true => table[row as usize * 12 + item as usize],
                    false => -1e4,
                }
            }));
        }
        let bias = Some(LogitBias { table: &masked, rows: &[0, 1, 2, 3] });
        let weights = [1.0, 0.0, 0.0, 2.0]; // nobody read anything in the second row
        let theirs = ItemLabels { items: &items, weights: &weights, bias };
        let (theirs, sums) = loss.composite(&hidden, &vectors, theirs)?;
        assert!((sum - 3.0 * sums.loss).abs() < 1e-4, "{sum} {sums:?}");
        for (ours, theirs) in values(&ours)?.iter().zip(values(&(theirs * 3.0)?)?) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
        Ok(())
    }
}
