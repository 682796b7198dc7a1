//! Label-smoothed cross-entropy of the output layer, without ever holding all its logits.
//!
//! For hidden states `h` `(N, D)`, output weights `W` `(V, D)`, a bias `b` `(V,)` and labels, with `p = softmax(h ·
//! Wᵀ + b)` over the tokens that may be put out, the loss of a row is `(1 − ε) · (−log p[label]) + ε ·
//! mean(−log p)` (Szegedy et al. 2016).

mod bonuses;
mod composite;
pub mod items;
pub mod reads;
mod sampled;
mod shortlist;

use std::sync::Arc;

use candle::{CpuStorage, CustomOp1, Device, Layout, Shape, Storage, Tensor};
use dragoman_core::{
    kernels::{
        cross_entropy::{CrossEntropy, RowLoss},
        matmul::{Epilogue, Precision, matmul_nn, matmul_nt, matmul_tn},
        softmax::LogitRows,
    },
    models::translation::IGNORED,
    params::Param,
};

use crate::{Result, task::Figures};

pub use bonuses::Bonuses;
pub use shortlist::Shortlist;

/// Logits that are held at once, about.
const CHUNK: usize = 8 << 20;

/// The output layer and its loss.
#[derive(Debug, Clone)]
pub struct OutputLoss {
    /// Weight of the output layer, `(V, D)`.
    pub weight: Param,
    /// What each token gets in its logit, `(V,)`, if anything.
    pub bias: Option<Param>,
    /// The first token that may be put out; those before it are tags and reserved.
    pub first_output: u32,
    /// ε, the share of the label that is spread over all outputs.
    pub label_smoothing: f32,
    /// Factor of the loss and of its gradient, such as one by the number of labels in a step.
    pub scale: f32,
    /// Type in which matrices are multiplied.
    pub precision: Precision,
    /// The outputs that the softmax runs over; none: all. On the CPU only.
    pub shortlist: Option<Shortlist>,
    /// What is added to the logits of single rows.
    pub bonuses: Arc<Bonuses>,
}

/// The values of the output layer, and where its gradients go: none for what is frozen or not there.
struct OutputLayer<'a> {
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    weight_grad: Option<&'a mut [f32]>,
    bias_grad: Option<&'a mut [f32]>,
}

/// Sums over the labels of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LossSums {
    /// Labels.
    pub labels: f64,
    /// Smoothed loss, without the scale.
    pub loss: f64,
    /// Negative log-likelihood in nats.
    pub nll: f64,
    /// Labels that were the most likely token.
    pub correct: f64,
}

impl LossSums {
    /// Adds the losses of the rows whose labels count.
    fn add(&mut self, losses: &[RowLoss], labels: &[u32]) {
        for (loss, _) in losses.iter().zip(labels).filter(|(_, label)| **label != IGNORED) {
            self.labels += 1.0;
            self.loss += f64::from(loss.loss);
            self.nll += f64::from(loss.nll);
            self.correct += f64::from(u8::from(loss.correct));
        }
    }

    /// The same as figures for the log, with no other term in the total yet.
    pub fn figures(&self) -> Figures {
        let Self { labels, loss, nll, correct } = *self;
        Figures { labels, total: loss, loss, nll, correct, ..Figures::default() }
    }
}

impl OutputLoss {
    /// The scaled loss of `hidden` `(N, D)` as a scalar, by kernels on the CPU and by candle's
    /// operations elsewhere.
    ///
    /// Rows with the label [`IGNORED`] count for nothing. On the CPU the weight's gradient is
    /// already in its place when this returns, so the result must enter the total unscaled.
    pub fn forward(&self, hidden: &Tensor, labels: &[u32]) -> Result<(Tensor, LossSums)> {
        match hidden.device() {
            Device::Cpu => self.fused(hidden, labels),
            _ => self.composite(hidden, labels),
        }
    }

    /// The kernel form: the gradients are computed with the loss, a few hundred rows at a time.
    pub fn fused(&self, hidden: &Tensor, labels: &[u32]) -> Result<(Tensor, LossSums)> {
        let contiguous = hidden.contiguous()?;
        let (gradient, sums) = with_values(&contiguous, |hidden| {
            self.weight.with_value(|weight| {
                self.weight.with_trainable_grad(|weight_grad| {
                    self.with_bias(|bias, bias_grad| {
                        let layer = OutputLayer { weight, bias, weight_grad, bias_grad };
                        match self.shortlist {
                            Some(list) => self.walk_listed(list, hidden, labels, layer),
                            None => {
                                let first = self.first_output as usize;
                                self.walk(hidden, labels, layer, first, &self.bonuses)
                            }
                        }
                    })
                })
            })
        })???;
        let gradient = Tensor::from_vec(gradient, hidden.shape(), &Device::Cpu)?;
        let loss = (sums.loss * f64::from(self.scale)) as f32;
        Ok((contiguous.apply_op1(Computed { loss, gradient })?, sums))
    }

    /// The sums for `hidden` `(N, D)` on the CPU, without any gradient.
    pub fn sums(&self, hidden: &Tensor, labels: &[u32]) -> Result<LossSums> {
        let hidden = hidden.contiguous()?;
        with_values(&hidden, |hidden| {
            self.weight.with_value(|weight| match &self.bias {
                Some(bias) => {
                    Ok(bias.with_value(|bias| self.walk_sums(hidden, labels, weight, Some(bias)))?)
                }
                None => Ok(self.walk_sums(hidden, labels, weight, None)),
            })
        })??
    }

    fn walk_sums(
        &self,
        hidden: &[f32],
        labels: &[u32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> LossSums {
        let d_model = self.weight.shape().dims()[1];
        let rows =
            LogitRows { width: weight.len() / d_model, first_output: self.first_output as usize };
        let rule = CrossEntropy { rows, label_smoothing: self.label_smoothing };
        let epilogue = Epilogue { bias, ..Epilogue::NONE };
        let together = (CHUNK / rows.width).max(1);
        let mut sums = LossSums::default();
        let chunks = hidden.chunks(together * d_model).zip(labels.chunks(together));
        for (chunk, (hidden, labels)) in chunks.enumerate() {
            let dims = (labels.len(), rows.width, d_model);
            let mut logits = vec![0.0; labels.len() * rows.width];
            matmul_nt(self.precision, hidden, weight, &mut logits, dims, &epilogue);
            self.bonuses.add(chunk * together, &mut logits, rows.width);
            sums.add(&rule.forward(&logits, &targets(labels, rows)), labels);
        }
        sums
    }

    /// Runs `f` on the bias and on its gradient, as far as there are any.
    fn with_bias<R>(&self, f: impl FnOnce(Option<&[f32]>, Option<&mut [f32]>) -> R) -> Result<R> {
        match &self.bias {
            None => Ok(f(None, None)),
            Some(bias) => {
                Ok(bias.with_value(|value| bias.with_trainable_grad(|grad| f(Some(value), grad)))?)
            }
        }
    }

    /// Computes the gradient of `hidden`, adds those of the weights, and sums the loss up, over the
    /// outputs of `layer` from `first_output` on.
    fn walk(
        &self,
        hidden: &[f32],
        labels: &[u32],
        layer: OutputLayer<'_>,
        first_output: usize,
        bonuses: &Bonuses,
    ) -> (Vec<f32>, LossSums) {
        let OutputLayer { weight, bias, mut weight_grad, mut bias_grad } = layer;
        let d_model = self.weight.shape().dims()[1];
        let vocab_size = weight.len() / d_model;
        let mut gradient = vec![0.0; hidden.len()];
        let mut sums = LossSums::default();
        let rows = (CHUNK / vocab_size).clamp(1, labels.len().max(1));
        let mut logits = vec![0.0; rows * vocab_size];
        let epilogue = Epilogue { bias, ..Epilogue::NONE };
        let chunks = hidden.chunks(rows * d_model).zip(gradient.chunks_mut(rows * d_model));
        for (chunk, ((hidden, gradient), labels)) in chunks.zip(labels.chunks(rows)).enumerate() {
            let n = labels.len();
            let logits = &mut logits[..n * vocab_size];
            let dims = (n, vocab_size, d_model);
            matmul_nt(self.precision, hidden, weight, logits, dims, &epilogue);
            bonuses.add(chunk * rows, logits, vocab_size);
            self.cross_entropy(
                logits,
                labels,
                LogitRows { width: vocab_size, first_output },
                &mut sums,
            );
            let dims = (n, d_model, vocab_size);
            matmul_nn(self.precision, logits, weight, gradient, dims, false);
            if let Some(grad) = &mut weight_grad {
                let dims = (vocab_size, d_model, n);
                matmul_tn(self.precision, logits, hidden, grad, dims, true);
            }
            if let Some(grad) = &mut bias_grad {
                for row in logits.chunks_exact(vocab_size) {
                    grad.iter_mut().zip(row).for_each(|(sum, logit)| *sum += logit);
                }
            }
        }
        (gradient, sums)
    }

    /// Replaces `logits` `(n, V)` by their gradient.
    fn cross_entropy(
        &self,
        logits: &mut [f32],
        labels: &[u32],
        rows: LogitRows,
        sums: &mut LossSums,
    ) {
        let scale = |label: &u32| if *label == IGNORED { 0.0 } else { self.scale };
        let scales: Vec<f32> = labels.iter().map(scale).collect();
        let rule = CrossEntropy { rows, label_smoothing: self.label_smoothing };
        sums.add(&rule.forward_backward(logits, &targets(labels, rows), &scales), labels);
    }
}

/// The labels, and an output that stands for any where none counts.
fn targets(labels: &[u32], rows: LogitRows) -> Vec<u32> {
    let any = rows.first_output as u32;
    labels.iter().map(|&label| if label == IGNORED { any } else { label }).collect()
}

/// Runs `f` on the values of a contiguous tensor on the CPU.
fn with_values<R>(xs: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = xs.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Ok(f(&values[start..end])),
        _ => Err(candle::Error::Msg("hidden states are float32 on the CPU".into()).into()),
    }
}

/// A loss whose gradient is known already.
struct Computed {
    loss: f32,
    /// Gradient of the loss by the hidden states, `(N, D)`.
    gradient: Tensor,
}

impl CustomOp1 for Computed {
    fn name(&self) -> &'static str {
        "output-loss"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.loss]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, upstream: &Tensor) -> candle::Result<Option<Tensor>> {
        Ok(Some(self.gradient.broadcast_mul(upstream)?))
    }
}

#[cfg(test)]
mod tests {
    use candle::Var;
    use dragoman_core::params::{Init, ParamStore};

    use super::*;

    const LABELS: [u32; 7] = [5, 9, IGNORED, 6, 11, 5, 8];

    fn setting(precision: Precision) -> Result<(ParamStore, OutputLoss, Var)> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let weight = store.root().get((12, 8), "weight", Init::Normal(1.0))?;
        let bias = Some(store.root().get(12, "bias", Init::Normal(1.0))?);
        let hidden = store.root().get((7, 8), "hidden", Init::Normal(1.0))?;
        let hidden = Var::from_tensor(&hidden.tensor()?)?;
        let loss = OutputLoss {
            weight,
            bias,
            first_output: 5,
            label_smoothing: 0.1,
            scale: 0.25,
            precision,
            shortlist: None,
            bonuses: Default::default(),
        };
        Ok((store, loss, hidden))
    }

    fn assert_close(ours: &[f32], theirs: &[f32], tolerance: f32) {
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() < tolerance, "{ours:?}\n{theirs:?}");
        }
    }

    #[test]
    fn both_forms_agree() -> Result<()> {
        let (store, loss, hidden) = setting(Precision::F32)?;
        let (ours, our_sums) = loss.fused(&hidden, &LABELS)?;
        let our_hidden = ours.backward()?;
        let bias = loss.bias.clone().expect("the setting has a bias");
        let our_weight = loss.weight.with_grad(|grad| grad.to_vec());
        let our_bias = bias.with_grad(|grad| grad.to_vec());
        store.zero_grads();
        let (theirs, their_sums) = loss.composite(&hidden, &LABELS)?;
        let their_hidden = theirs.backward()?;
        store.collect(&their_hidden)?;
        let their_weight = loss.weight.with_grad(|grad| grad.to_vec());

        let rows = |grads: &candle::backprop::GradStore| -> Result<Vec<f32>> {
            let grad = grads.get(&hidden).expect("the hidden states have a gradient");
            Ok(grad.flatten_all()?.to_vec1()?)
        };
        assert_close(&rows(&our_hidden)?, &rows(&their_hidden)?, 1e-6);
        assert_close(&our_weight, &their_weight, 1e-6);
        assert!(our_bias.iter().skip(5).all(|g| *g != 0.0), "{our_bias:?}");
        assert_close(&our_bias, &bias.with_grad(|grad| grad.to_vec()), 1e-6);
        assert_close(&[ours.to_scalar()?], &[theirs.to_scalar()?], 1e-5);
        assert_eq!((our_sums.labels, our_sums.correct), (6.0, their_sums.correct));
        assert!((our_sums.loss - their_sums.loss).abs() < 1e-5);
        assert!((our_sums.nll - their_sums.nll).abs() < 1e-5);
        Ok(())
    }

    #[test]
    fn both_forms_agree_on_bonuses() -> Result<()> {
        let (_store, mut loss, hidden) = setting(Precision::F32)?;
        let (_, without) = loss.fused(&hidden, &LABELS)?;
        let mut bonuses = Bonuses::default();
        bonuses.push(&[(5, 1.0), (7, 2.0)]);
        bonuses.skip_to(4);
        bonuses.push(&[(11, 0.5)]);
        loss.bonuses = Arc::new(bonuses);
        let (ours, our_sums) = loss.fused(&hidden, &LABELS)?;
        let (theirs, their_sums) = loss.composite(&hidden, &LABELS)?;
        assert_close(&[ours.to_scalar()?], &[theirs.to_scalar()?], 1e-5);
        assert!((our_sums.nll - their_sums.nll).abs() < 1e-5);
        assert!((our_sums.nll - without.nll).abs() > 0.1);
        let grad = |loss: &Tensor| -> Result<Vec<f32>> {
            let grads = loss.backward()?;
            let grad = grads.get(&hidden).expect("the hidden states have a gradient");
            Ok(grad.flatten_all()?.to_vec1()?)
        };
        assert_close(&grad(&ours)?, &grad(&theirs)?, 1e-6);
        Ok(())
    }

    #[test]
    fn tags_never_get_a_gradient_and_neither_do_frozen_weights() -> Result<()> {
        let (_store, loss, hidden) = setting(Precision::F32)?;
        loss.fused(&hidden, &LABELS)?;
        let grad = loss.weight.with_grad(|grad| grad.to_vec());
        for (id, row) in grad.chunks(8).enumerate() {
            let is_output = id >= 5;
            assert_eq!(row.iter().any(|g| *g != 0.0), is_output, "token {id}: {row:?}");
        }
        loss.weight.clear_grad();
        loss.weight.set_trainable(false);
        loss.fused(&hidden, &LABELS)?;
        assert!(!loss.weight.has_grad());
        Ok(())
    }
}
