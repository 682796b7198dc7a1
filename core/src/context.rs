//! What a forward pass needs to know besides its tensors.

use std::cell::Cell;

use candle::Device;

use crate::{
    collective::ExpertOwners,
    kernels::{
        matmul::Precision,
        packed::Packing,
        random::{self, Dropout},
    },
};

/// How a forward pass is run: handed down through all layers.
#[derive(Debug)]
pub struct Context {
    /// Type in which matrices are multiplied on the CPU; sums are float32 either way.
    pub precision: Precision,
    /// In what weights that do not change are kept, which are packed once.
    pub packing: Packing,
    /// Whether candle's differentiable operations are used even where we have kernels.
    pub composite: bool,
    /// Whether layers of experts say where every token went.
    pub trace: bool,
    /// Whether layers of published rules leave the balance loss to the caller, who balances over more than
    /// this batch.
    pub balance_later: bool,
    /// Where experts are, in training, if they are sharded over ranks.
    pub expert_owners: Option<ExpertOwners>,
    /// Whether nothing but experts learns: what lies below the lowest of them is not followed back.
    pub only_experts: bool,
    training: Option<Training>,
    next_stream: Cell<u64>,
}

/// What only training does. All randomness is a function of `seed` and `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the batch: no two batches share it.
    pub step: u64,
    /// Probability with which a value is dropped after each block.
    pub dropout: f32,
    /// Probability with which the answer of a chosen expert is dropped for a token
    /// (expert output masking of NLLB, 2022, but scaled in training rather than at inference).
    pub expert_dropout: f32,
}

impl Context {
    /// Runs without randomness, gradients or packing of changing weights.
    pub fn inference(packing: impl Into<Packing>) -> Self {
        let packing = packing.into();
        let precision = match packing {
            Packing::F32 => Precision::F32,
            Packing::Bf16 | Packing::Int8 => Precision::Bf16,
        };
        Self {
            precision,
            packing,
            composite: false,
            trace: false,
            balance_later: false,
            expert_owners: None,
            only_experts: false,
            training: None,
            next_stream: Cell::new(0),
        }
    }

    /// Runs as one step of training.
    pub fn training(precision: Precision, training: Training) -> Self {
        Self { training: Some(training), ..Self::inference(precision) }
    }

    /// Whether gradients will be asked for.
    pub fn is_training(&self) -> bool {
        self.training.is_some()
    }

    /// Whether our kernels run on `device`.
    pub(crate) fn uses_kernels(&self, device: &Device) -> bool {
        device.is_cpu() && !self.composite
    }

    /// A mask of its own for the next place that drops values with probability `rate`.
    pub(crate) fn dropout(&self) -> Option<Dropout> {
        self.mask(|training| training.dropout)
    }

    /// A mask of its own for the next layer that drops answers of experts.
    pub(crate) fn expert_dropout(&self) -> Option<Dropout> {
        self.mask(|training| training.expert_dropout)
    }

    /// Numbers uniform in [0, 1), for the next place that draws some; none at inference.
    pub(crate) fn uniform(&self, count: usize) -> Option<Vec<f32>> {
        let (training, stream) = self.next_stream()?;
        let mut numbers = vec![0.0; count];
        random::uniform_fill(training.seed, stream, &mut numbers);
        Some(numbers)
    }

    fn mask(&self, rate: impl Fn(&Training) -> f32) -> Option<Dropout> {
        // Numbered whether it is used or not: a rate of zero changes no other mask.
        let (training, stream) = self.next_stream()?;
        let rate = rate(training);
        (rate > 0.0).then_some(Dropout { probability: rate, seed: training.seed, stream })
    }

    /// The number of the next place that draws random numbers; none at inference.
    fn next_stream(&self) -> Option<(&Training, u64)> {
        let training = self.training.as_ref()?;
        let place = self.next_stream.get();
        self.next_stream.set(place + 1);
        Some((training, training.step.wrapping_mul(1 << 16).wrapping_add(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_mask_of_its_own() {
        let training = Training { seed: 7, step: 3, dropout: 0.1, expert_dropout: 0.0 };
        let context = Context::training(Precision::F32, training);
        let (first, second) = (context.dropout(), context.dropout());
        assert!(first.is_some() && first != second);
        assert_eq!(context.expert_dropout(), None);
        assert_eq!(Context::inference(Precision::F32).dropout(), None);
    }
}
