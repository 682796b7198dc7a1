//! The softmax over a part of the vocabulary: the labels of a batch, and others drawn at random.
//!
//! The labels `L` of the batch are all on the list. Of the other outputs `R`, `n` are drawn without
//! replacement, each with probability `q = n / |R|`, and get `−ln q` on their logits, so that their
//! exponentials stand for those of all of `R` (Jean et al. 2015, section 3): the expectation of
//!
//! ```text
//! Z = Σ_{j ∈ L} e^{z_j} + 1/q · Σ_{j drawn} e^{z_j}
//! ```
//!
//! is the sum over the whole vocabulary. Label smoothing is spread evenly over the list. With 8,016
//! outputs the output layer is over a quarter of a step's work; a list of 2,048 saves most of it.

use dragoman_core::models::translation::IGNORED;
use rand::{SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

use super::{Bonuses, LossSums, OutputLayer, OutputLoss};

/// How many outputs a softmax runs over, and which random ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortlist {
    /// Outputs on the list; the labels of a batch are on it even if there are more.
    pub size: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

/// The outputs on the list.
#[derive(Debug, PartialEq)]
struct Listed {
    /// Their numbers in the vocabulary: those of labels, in order, then those drawn, in order.
    ids: Vec<u32>,
    /// How many of them are labels.
    labels: usize,
    /// What each drawn one gets on its logit, `−ln q`.
    correction: f32,
}

impl Shortlist {
    /// The list for `labels` and the outputs that get a bonus, of the outputs from `first` up to
    /// `vocab_size`; none where it would be the whole vocabulary.
    fn draw(
        self,
        labels: &[u32],
        bonuses: &Bonuses,
        first: usize,
        vocab_size: usize,
    ) -> Option<Listed> {
        let mut is_label = vec![false; vocab_size];
        labels
            .iter()
            .filter(|&&label| label != IGNORED)
            .for_each(|&id| is_label[id as usize] = true);
        bonuses.outputs().for_each(|id| is_label[id as usize] = true);
        let outputs = first as u32..vocab_size as u32;
        let (mut ids, rest): (Vec<u32>, Vec<u32>) = outputs.partition(|&id| is_label[id as usize]);
        let labels = ids.len();
        let drawn = self.size.saturating_sub(labels);
        if drawn >= rest.len() {
            return None;
        }
        let correction = match drawn {
            0 => 0.0,
            _ => (rest.len() as f32 / drawn as f32).ln(),
        };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut places = index::sample(&mut random, rest.len(), drawn).into_vec();
        places.sort_unstable();
        ids.extend(places.into_iter().map(|place| rest[place]));
        Some(Listed { ids, labels, correction })
    }
}

impl OutputLoss {
    /// Computes the gradient of `hidden`, adds those of the weights on the list, and sums the loss up.
    pub(super) fn walk_listed(
        &self,
        list: Shortlist,
        hidden: &[f32],
        labels: &[u32],
        layer: OutputLayer<'_>,
    ) -> (Vec<f32>, LossSums) {
        let dims = self.weight.shape().dims();
        let (vocab_size, width) = (dims[0], dims[1]);
        let first = self.first_output as usize;
        let Some(Listed { ids, labels: known, correction }) =
            list.draw(labels, &self.bonuses, first, vocab_size)
        else {
            return self.walk(hidden, labels, layer, first, &self.bonuses);
        };
        let OutputLayer { weight, bias, weight_grad, bias_grad } = layer;
        let mut place = vec![IGNORED; vocab_size];
        (0..).zip(&ids).for_each(|(at, &id)| place[id as usize] = at);
        let at = |&label: &u32| if label == IGNORED { IGNORED } else { place[label as usize] };
        let listed_labels: Vec<u32> = labels.iter().map(at).collect();
        let listed_weight: Vec<f32> =
            ids.iter().flat_map(|&id| &weight[id as usize * width..][..width]).copied().collect();
        let listed_bias = |(at, &id): (usize, &u32)| {
            bias.map_or(0.0, |bias| bias[id as usize]) + if at < known { 0.0 } else { correction }
        };
        let listed_bias: Vec<f32> = ids.iter().enumerate().map(listed_bias).collect();
        let mut listed_weight_grad = weight_grad.as_ref().map(|_| vec![0.0; listed_weight.len()]);
        let mut listed_bias_grad = bias_grad.as_ref().map(|_| vec![0.0; listed_bias.len()]);
        let listed = OutputLayer {
            weight: &listed_weight,
            bias: Some(&listed_bias),
            weight_grad: listed_weight_grad.as_deref_mut(),
            bias_grad: listed_bias_grad.as_deref_mut(),
        };
        let bonuses = self.bonuses.renumbered(&place);
        let found = self.walk(hidden, &listed_labels, listed, 0, &bonuses);
        if let (Some(sums), Some(grads)) = (weight_grad, &listed_weight_grad) {
            for (&id, grad) in ids.iter().zip(grads.chunks_exact(width)) {
                let sums = &mut sums[id as usize * width..][..width];
                sums.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
        }
        if let (Some(sums), Some(grads)) = (bias_grad, &listed_bias_grad) {
            ids.iter().zip(grads).for_each(|(&id, grad)| sums[id as usize] += grad);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle::{Device, Tensor};
    use dragoman_core::{
        kernels::matmul::Precision,
        params::{Init, ParamStore},
    };

    use super::*;
    use crate::Result;

    const LABELS: [u32; 6] = [5, 9, IGNORED, 6, 11, 5];

    fn setting(shortlist: Option<Shortlist>) -> Result<(ParamStore, OutputLoss, Tensor)> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let weight = store.root().get((40, 8), "weight", Init::Normal(0.5))?;
        let bias = Some(store.root().get(40, "bias", Init::Normal(0.5))?);
        let hidden = store.root().get((6, 8), "hidden", Init::Normal(0.5))?.tensor()?;
        let precision = Precision::F32;
        let (label_smoothing, scale) = (0.0, 0.25);
        let loss = OutputLoss {
            weight,
            bias,
            first_output: 5,
            label_smoothing,
            scale,
            precision,
            shortlist,
            bonuses: Arc::default(),
        };
        Ok((store, loss, hidden))
    }

    #[test]
    fn the_labels_come_first_and_what_is_drawn_is_drawn_once() {
        let list = Shortlist { size: 12, seed: 3 };
        let listed =
            list.draw(&LABELS, &Bonuses::default(), 5, 40).expect("a part of the vocabulary");
        assert_eq!((listed.ids.len(), listed.labels), (12, 4));
        assert_eq!(listed.ids[..4], [5, 6, 9, 11]);
        assert!(listed.ids[4..].is_sorted_by(|a, b| a < b), "{:?}", listed.ids);
        assert!(listed.ids[4..].iter().all(|id| (5..40).contains(id) && !LABELS.contains(id)));
        assert!((listed.correction - (31.0f32 / 8.0).ln()).abs() < 1e-6);
        assert_eq!(
            list.draw(&LABELS, &Bonuses::default(), 5, 40),
            Some(listed),
            "the same seed draws the same"
        );
    }

    #[test]
    fn what_gets_a_bonus_is_on_the_list() {
        let mut bonuses = Bonuses::default();
        bonuses.push(&[(30, 1.0), (5, 0.5)]);
        let list = Shortlist { size: 12, seed: 3 };
        let listed = list.draw(&LABELS, &bonuses, 5, 40).expect("a part of the vocabulary");
        assert_eq!((listed.ids.len(), listed.labels), (12, 5));
        assert_eq!(listed.ids[..5], [5, 6, 9, 11, 30]);
    }

    #[test]
    fn a_list_of_everything_is_the_whole_softmax() -> Result<()> {
        let (_store, whole, hidden) = setting(None)?;
        let (_, sums) = whole.fused(&hidden, &LABELS)?;
        let gradient = whole.weight.with_grad(|grad| grad.to_vec());
        let (_store, listed, hidden) = setting(Some(Shortlist { size: 35, seed: 1 }))?;
        assert_eq!(listed.fused(&hidden, &LABELS)?.1, sums);
        assert_eq!(listed.weight.with_grad(|grad| grad.to_vec()), gradient);
        Ok(())
    }

    /// Means over many draws against the whole softmax: the estimate has next to no bias.
    #[test]
    fn the_mean_over_many_lists_is_near_the_whole_softmax() -> Result<()> {
        let (_store, whole, hidden) = setting(None)?;
        let (_, exact) = whole.fused(&hidden, &LABELS)?;
        let exact_grad = whole.weight.with_grad(|grad| grad.to_vec());
        let rounds = 2000;
        let (mut nll, mut mean) = (0.0, vec![0.0; exact_grad.len()]);
        for seed in 0..rounds {
            let (_store, listed, hidden) = setting(Some(Shortlist { size: 24, seed }))?;
            nll += listed.fused(&hidden, &LABELS)?.1.nll / rounds as f64;
            listed.weight.with_grad(|grad| {
                mean.iter_mut()
                    .zip(grad)
                    .for_each(|(sum, g)| *sum += f64::from(*g) / rounds as f64);
            });
        }
        assert!((nll - exact.nll).abs() < 0.03 * exact.nll, "{nll} for {}", exact.nll);
        let size = exact_grad.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let off =
            mean.iter().zip(&exact_grad).map(|(m, g)| (m - f64::from(*g)).powi(2)).sum::<f64>();
        assert!(off.sqrt() < 0.05 * size, "{} of {size}", off.sqrt());
        Ok(())
    }

    #[test]
    fn outputs_that_are_not_on_the_list_get_no_gradient() -> Result<()> {
        let list = Shortlist { size: 12, seed: 7 };
        let (_store, loss, hidden) = setting(Some(list))?;
        loss.fused(&hidden, &LABELS)?;
        let ids =
            list.draw(&LABELS, &Bonuses::default(), 5, 40).expect("a part of the vocabulary").ids;
        let grad = loss.weight.with_grad(|grad| grad.to_vec());
        for (id, row) in (0..).zip(grad.chunks(8)) {
            assert_eq!(row.iter().any(|g| *g != 0.0), ids.contains(&id), "token {id}: {row:?}");
        }
        let bias = loss.bias.expect("the setting has a bias").with_grad(|grad| grad.to_vec());
        assert!(ids.iter().all(|&id| bias[id as usize] != 0.0));
        Ok(())
    }
}
