//! AdamW (Loshchilov and Hutter 2019, algorithm 2), with moments that can be saved and read back.
//!
//! On the CPU one fused kernel walks over each weight. On another device all weights of a group lie
//! side by side in one flat tensor while they are updated, so that an update is a handful of
//! launches and no copy to the host.

mod flat;
mod host;

use candle::{Device, backprop::GradStore};
use dragoman_core::params::ParamStore;

use super::{Optimizer, Squares, Update, clip_factor, is_matrix as decays};
use crate::{Result, checkpoint::Tensors, config::OptimizerConfig};

/// The update rule and its memory.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    updates: u64,
    moments: Moments,
}

#[derive(Debug)]
enum Moments {
    Host(host::Moments),
    Device(flat::Moments),
}

/// The numbers of one update, the same for every weight.
#[derive(Debug, Clone, Copy)]
struct Factors {
    /// Factor of the gradient, which clips its norm.
    grad_scale: f64,
    rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    /// `1 − β₁ᵗ`.
    correction1: f64,
    /// `1 − β₂ᵗ`.
    correction2: f64,
}

impl AdamW {
    /// A fresh optimiser of the trainable weights among `params`.
    pub fn new(config: OptimizerConfig, params: &ParamStore) -> Result<Self> {
        let moments = match params.device() {
            Device::Cpu => Moments::Host(host::Moments::default()),
            _ => Moments::Device(flat::Moments::new(params)?),
        };
        Ok(Self { config, updates: 0, moments })
    }

    /// Updates the weights by the gradients gathered, each times `grad_scale`.
    pub(super) fn apply(&mut self, params: &ParamStore, rate: f64, grad_scale: f64) -> Result<()> {
        self.updates += 1;
        let factors = self.factors(rate, grad_scale);
        match &mut self.moments {
            Moments::Host(moments) => moments.update(params, &factors),
            Moments::Device(moments) => moments.update(&factors),
        }
    }

    /// Forgets the gradients gathered.
    pub(super) fn zero_grads(&mut self, params: &ParamStore) {
        match &mut self.moments {
            Moments::Host(_) => params.zero_grads(),
            Moments::Device(moments) => moments.zero_grads(),
        }
    }

    fn factors(&self, rate: f64, grad_scale: f64) -> Factors {
        let OptimizerConfig { beta1, beta2, epsilon, weight_decay, .. } = self.config;
        let updates = i32::try_from(self.updates).unwrap_or(i32::MAX);
        Factors {
            grad_scale,
            rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            correction1: 1.0 - beta1.powi(updates),
            correction2: 1.0 - beta2.powi(updates),
        }
    }
}

impl Optimizer for AdamW {
    fn collect(&mut self, params: &ParamStore, grads: &GradStore) -> Result<()> {
        match &mut self.moments {
            Moments::Host(_) => Ok(params.collect(grads)?),
            Moments::Device(moments) => moments.collect(grads),
        }
    }

    fn take_buffers(&mut self, _params: &ParamStore) -> Result<()> {
        match &mut self.moments {
            Moments::Host(_) => Ok(()),
            Moments::Device(moments) => moments.take_buffers(),
        }
    }

    fn squares(&self, params: &ParamStore) -> Result<Vec<Squares>> {
        match &self.moments {
            Moments::Host(_) => Ok(host::squares(params)),
            Moments::Device(moments) => moments.squares(),
        }
    }

    fn update(&mut self, params: &ParamStore, rate: f64, grad_norm: f64) -> Result<Update> {
        let applied = grad_norm.is_finite();
        if applied {
            self.apply(params, rate, clip_factor(&self.config, grad_norm))?;
        }
        self.zero_grads(params);
        Ok(Update { grad_norm, applied })
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    /// `first.NAME` and `second.NAME` for each weight called `NAME`.
    fn tensors(&self) -> Result<Tensors> {
        match &self.moments {
            Moments::Host(moments) => moments.tensors(),
            Moments::Device(moments) => moments.tensors(),
        }
    }

    fn restore(&mut self, tensors: &Tensors, updates: u64) -> Result<()> {
        self.updates = updates;
        match &mut self.moments {
            Moments::Host(moments) => moments.restore(tensors),
            Moments::Device(moments) => moments.restore(tensors),
        }
    }
}

/// Name of the first moment of a weight in a checkpoint.
fn first_of(name: &str) -> String {
    format!("first.{name}")
}

/// Name of the second moment of a weight in a checkpoint.
fn second_of(name: &str) -> String {
    format!("second.{name}")
}

#[cfg(test)]
mod tests {
    use candle::Tensor;
    use dragoman_core::params::Init;

    use super::*;

    /// A matrix that decays, an embedding and a bias that do not.
    fn store() -> Result<ParamStore> {
        let store = ParamStore::new(&Device::Cpu, 3);
        store.root().pp("layer").get((3, 4), "weight", Init::Normal(1.0))?;
        store.root().pp("layer").get(4, "bias", Init::Normal(1.0))?;
        store.root().pp("embedding").get((5, 2), "weight", Init::Normal(1.0))?;
        Ok(store)
    }

    fn values(store: &ParamStore) -> Result<Vec<Vec<f32>>> {
        store.iter().map(|param| Ok(param.with_value(<[f32]>::to_vec)?)).collect()
    }

    /// The sum of squares of all weights: every gradient is twice the weight.
    fn loss(store: &ParamStore) -> Result<Tensor> {
        let squares = store.iter().map(|param| Ok(param.tensor()?.sqr()?.sum_all()?));
        let squares = squares.collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&squares, 0)?.sum_all()?)
    }

    fn steps(optimizer: &mut AdamW, store: &ParamStore, count: usize) -> Result<Vec<Update>> {
        let step = |_| {
            optimizer.collect(store, &loss(store)?.backward()?)?;
            optimizer.step(store, 0.1)
        };
        (0..count).map(step).collect()
    }

    fn flat(config: OptimizerConfig, store: &ParamStore) -> Result<AdamW> {
        let moments = Moments::Device(flat::Moments::new(store)?);
        Ok(AdamW { config, updates: 0, moments })
    }

    #[test]
    fn the_first_step_has_the_length_of_the_rate() -> Result<()> {
        let store = store()?;
        let config = OptimizerConfig { weight_decay: 0.5, clip_norm: 0.0, ..Default::default() };
        let before = values(&store)?;
        steps(&mut AdamW::new(config, &store)?, &store, 1)?;
        for ((param, before), after) in store.iter().zip(before).zip(values(&store)?) {
            let keep = if param.name() == "layer.weight" { 1.0 - 0.1 * 0.5 } else { 1.0 };
            for (before, after) in before.iter().zip(after) {
                // m / √v is the gradient's sign in the first step.
                let expected = before * keep - 0.1 * before.signum();
                assert!((after - expected).abs() < 1e-5, "{}: {after}, {expected}", param.name());
            }
        }
        Ok(())
    }

    #[test]
    fn the_flat_form_agrees_with_the_kernel() -> Result<()> {
        let config = OptimizerConfig { weight_decay: 0.1, clip_norm: 2.0, ..Default::default() };
        let (kernel, other) = (store()?, store()?);
        let ours = steps(&mut AdamW::new(config, &kernel)?, &kernel, 5)?;
        let mut flat = flat(config, &other)?;
        let theirs = steps(&mut flat, &other, 3)?;
        // A saved state goes on in the other form, too.
        let mut resumed = AdamW::new(config, &other)?;
        resumed.restore(&flat.tensors()?, flat.updates())?;
        steps(&mut resumed, &other, 2)?;
        assert!((ours[0].grad_norm - theirs[0].grad_norm).abs() < 1e-4);
        for (ours, theirs) in values(&kernel)?.concat().iter().zip(values(&other)?.concat()) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        Ok(())
    }

    #[test]
    fn gradients_in_the_buffers_of_weights_reach_the_flat_form() -> Result<()> {
        let config = OptimizerConfig { weight_decay: 0.1, clip_norm: 2.0, ..Default::default() };
        let (kernel, other) = (store()?, store()?);
        let (mut ours, mut theirs) = (AdamW::new(config, &kernel)?, flat(config, &other)?);
        for _ in 0..3 {
            for (store, optimizer) in [(&kernel, &mut ours), (&other, &mut theirs)] {
                store.collect(&loss(store)?.backward()?)?;
                store.get("layer.bias").expect("made above").clear_grad();
                optimizer.take_buffers(store)?;
                optimizer.step(store, 0.1)?;
                assert!(store.iter().all(|param| !param.has_grad()));
            }
        }
        for (ours, theirs) in values(&kernel)?.concat().iter().zip(values(&other)?.concat()) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        Ok(())
    }

    #[test]
    fn clipping_scales_the_whole_gradient() -> Result<()> {
        let (large, small) = (store()?, store()?);
        let clip = |clip_norm| OptimizerConfig { clip_norm, epsilon: 1e-1, ..Default::default() };
        let norm = steps(&mut AdamW::new(clip(0.0), &large)?, &large, 1)?[0].grad_norm;
        let by_hand = (values(&store()?)?.concat().iter().map(|w| 4.0 * w * w).sum::<f32>()).sqrt();
        assert!((norm - f64::from(by_hand)).abs() < 1e-4);

        // The moments of a clipped gradient are those of the gradient, scaled.
        let mut clipped = AdamW::new(clip(norm / 10.0), &small)?;
        steps(&mut clipped, &small, 1)?;
        let first = clipped.tensors()?["first.layer.bias"].to_vec1::<f32>()?;
        let bias = store()?.get("layer.bias").expect("made above").with_value(<[f32]>::to_vec)?;
        for (first, bias) in first.iter().zip(bias) {
            assert!((first - 0.1 * 2.0 * bias / 10.0).abs() < 1e-6, "{first} {bias}");
        }
        Ok(())
    }

    #[test]
    fn a_frozen_weight_keeps_its_bits_and_a_gradient_of_nan_changes_none() -> Result<()> {
        let store = store()?;
        let frozen = store.get("layer.weight").expect("made above");
        frozen.set_trainable(false);
        let before = frozen.with_value(<[f32]>::to_vec)?;
        let mut optimizer = AdamW::new(OptimizerConfig::default(), &store)?;
        steps(&mut optimizer, &store, 2)?;
        assert_eq!(frozen.with_value(<[f32]>::to_vec)?, before);
        assert!(!optimizer.tensors()?.contains_key("first.layer.weight"));

        let before = values(&store)?;
        store.get("layer.bias").expect("made above").with_grad(|grad| grad[0] = f32::NAN);
        let update = optimizer.step(&store, 0.1)?;
        assert!(!update.applied && optimizer.updates() == 2);
        assert_eq!(values(&store)?, before);
        Ok(())
    }
}
