//! Muon: momentum whose singular values are all brought near to one (Jordan et al. 2024).
//!
//! For a weight matrix `W` `(M, N)` with gradient `G`:
//!
//! ```text
//! V ← μ·V + G,   U = NewtonSchulz(G + μ·V),   W ← W − η·(s·√max(M, N)·U + λ·W)
//! ```
//!
//! The scale is that of Liu et al. 2025 (eq. 4): an orthogonal matrix has a root mean square of
//! `1/√max(M, N)`, so updates have `s`, whatever the shape. Other weights take AdamW.

mod newton_schulz;

use std::collections::BTreeMap;

use candle::{DType, Device, Tensor, backprop::GradStore};
use dragoman_core::params::{Param, ParamStore};

use super::{AdamW, Optimizer, Squares, Update, clip_factor, is_matrix, on_cpu};
use crate::{
    Result,
    checkpoint::Tensors,
    config::{MuonConfig, OptimizerConfig},
};

/// Muon for matrices, AdamW for all else.
#[derive(Debug)]
pub struct Muon {
    config: OptimizerConfig,
    muon: MuonConfig,
    matrices: ParamStore,
    others: ParamStore,
    adamw: AdamW,
    /// Momentum by the name of the weight, where the weight lies.
    momentum: BTreeMap<String, Tensor>,
    /// Gradients of the matrices that candle gathered, where they do not lie in the weights' buffers.
    grads: BTreeMap<String, Tensor>,
}

impl Muon {
    /// A fresh optimiser of the trainable weights among `params`.
    pub fn new(config: OptimizerConfig, muon: MuonConfig, params: &ParamStore) -> Result<Self> {
        let matrices = params.subset(is_matrix);
        let others = params.subset(|param| !is_matrix(param));
        let adamw = AdamW::new(config, &others)?;
        let (momentum, grads) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { config, muon, matrices, others, adamw, momentum, grads })
    }

    fn trainable(&self) -> impl Iterator<Item = Param> + use<> {
        self.matrices.iter().filter(Param::is_trainable)
    }

    /// The gradient of a matrix, `(M, N)`, as a tensor where the weight lies.
    fn gradient(&self, param: &Param) -> Result<Tensor> {
        let device = self.matrices.device();
        match self.grads.get(param.name()) {
            Some(grad) => Ok(grad.clone()),
            None if param.has_grad() => {
                Ok(param.with_grad(|grad| Tensor::from_slice(grad, param.shape(), device))?)
            }
            None => Ok(Tensor::zeros(param.shape(), DType::F32, device)?),
        }
    }

    fn update_matrix(&mut self, param: &Param, rate: f64, grad_scale: f64) -> Result<()> {
        let MuonConfig { momentum: decay, iterations, scale } = self.muon;
        let grad = (self.gradient(param)? * grad_scale)?;
        let momentum = match self.momentum.get(param.name()) {
            Some(momentum) => ((momentum * decay)? + &grad)?,
            None => grad.clone(),
        };
        let ahead = (grad + (&momentum * decay)?)?; // Nesterov's form
        self.momentum.insert(param.name().into(), momentum);

        let (rows, columns) = ahead.dims2()?;
        let direction = newton_schulz::orthogonal(&ahead, iterations)?; // (M, N)
        let length = scale * (rows.max(columns) as f64).sqrt();
        let value = param.tensor()?.detach();
        let kept = (value * (1.0 - rate * self.config.weight_decay))?;
        Ok(param.set(&(kept - (direction * (rate * length))?)?)?)
    }
}

impl Optimizer for Muon {
    fn collect(&mut self, params: &ParamStore, grads: &GradStore) -> Result<()> {
        if let Device::Cpu = params.device() {
            return Ok(params.collect(grads)?);
        }
        self.adamw.collect(&self.others, grads)?;
        for param in self.trainable() {
            let Some(grad) = grads.get(&param.tensor()?) else { continue };
            let sum = match self.grads.get(param.name()) {
                Some(sum) => (sum + grad)?,
                None => grad.clone(),
            };
            self.grads.insert(param.name().into(), sum.detach());
        }
        Ok(())
    }

    fn take_buffers(&mut self, _params: &ParamStore) -> Result<()> {
        self.adamw.take_buffers(&self.others) // matrices are updated from their buffers
    }

    fn squares(&self, _params: &ParamStore) -> Result<Vec<Squares>> {
        let mut squares = self.adamw.squares(&self.others)?;
        let with_grad = self.trainable().filter(Param::has_grad);
        squares.extend(with_grad.map(|param| Squares::of_grad(1, &param)));
        for (name, grad) in &self.grads {
            squares.push(Squares::of_tensor(2, name, grad)?);
        }
        Ok(squares)
    }

    fn update(&mut self, params: &ParamStore, rate: f64, grad_norm: f64) -> Result<Update> {
        let applied = grad_norm.is_finite();
        if applied {
            let grad_scale = clip_factor(&self.config, grad_norm);
            self.adamw.apply(&self.others, rate, grad_scale)?;
            self.trainable().try_for_each(|param| self.update_matrix(&param, rate, grad_scale))?;
        }
        self.adamw.zero_grads(&self.others);
        self.grads.clear();
        params.zero_grads();
        Ok(Update { grad_norm, applied })
    }

    fn updates(&self) -> u64 {
        self.adamw.updates()
    }

    /// `momentum.NAME` for each matrix called `NAME`, and the moments of the other weights.
    fn tensors(&self) -> Result<Tensors> {
        let mut tensors = self.adamw.tensors()?;
        for (name, momentum) in &self.momentum {
            tensors.insert(format!("momentum.{name}"), on_cpu(momentum)?);
        }
        Ok(tensors)
    }

    fn restore(&mut self, tensors: &Tensors, updates: u64) -> Result<()> {
        self.adamw.restore(tensors, updates)?;
        self.momentum.clear();
        for param in self.trainable() {
            if let Some(momentum) = tensors.get(&format!("momentum.{}", param.name())) {
                let momentum = momentum.to_device(self.matrices.device())?;
                self.momentum.insert(param.name().into(), momentum);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::params::Init;

    use super::*;

    fn store() -> Result<ParamStore> {
        let store = ParamStore::new(&Device::Cpu, 3);
        store.root().pp("layer").get((6, 4), "weight", Init::Normal(1.0))?;
        store.root().pp("layer").get(4, "bias", Init::Normal(1.0))?;
        store.root().pp("embedding").get((5, 2), "weight", Init::Normal(1.0))?;
        Ok(store)
    }

    fn config() -> OptimizerConfig {
        OptimizerConfig { weight_decay: 0.1, clip_norm: 0.0, ..Default::default() }
    }

    fn muon(store: &ParamStore) -> Result<Muon> {
        Muon::new(config(), MuonConfig::default(), store)
    }

    /// Steps down the sum of the squares of all weights.
    fn steps(optimizer: &mut dyn Optimizer, store: &ParamStore, count: usize) -> Result<()> {
        for _ in 0..count {
            let squares = store.iter().map(|param| Ok(param.tensor()?.sqr()?.sum_all()?));
            let loss = Tensor::stack(&squares.collect::<Result<Vec<_>>>()?, 0)?.sum_all()?;
            optimizer.collect(store, &loss.backward()?)?;
            optimizer.step(store, 0.05)?;
        }
        Ok(())
    }

    fn values(store: &ParamStore) -> Result<Vec<f32>> {
        let values = store.iter().map(|param| Ok(param.with_value(<[f32]>::to_vec)?));
        Ok(values.collect::<Result<Vec<_>>>()?.concat())
    }

    #[test]
    fn a_step_of_a_matrix_has_the_root_mean_square_of_the_scale() -> Result<()> {
        let store = store()?;
        let weight = store.get("layer.weight").expect("made above");
        let before = weight.with_value(<[f32]>::to_vec)?;
        steps(&mut muon(&store)?, &store, 1)?;
        let moved = weight.with_value(|after| {
            let kept = before.iter().map(|w| w * (1.0 - 0.05 * 0.1));
            after.iter().zip(kept).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        })?;
        // Four singular values near 1 of a matrix (6, 4), times 0.2 · √6 · rate.
        let singular = (moved / (0.05f64 * 0.2).powi(2) / 6.0 / 4.0).sqrt();
        assert!((0.7..1.25).contains(&singular), "{singular}");
        Ok(())
    }

    #[test]
    fn other_weights_take_the_step_of_adamw() -> Result<()> {
        let (ours, theirs) = (store()?, store()?);
        steps(&mut muon(&ours)?, &ours, 3)?;
        steps(&mut AdamW::new(config(), &theirs)?, &theirs, 3)?;
        for name in ["layer.bias", "embedding.weight"] {
            let value = |store: &ParamStore| {
                store.get(name).expect("made above").with_value(<[f32]>::to_vec)
            };
            assert_eq!(value(&ours)?, value(&theirs)?, "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_saved_memory_goes_on_bit_for_bit() -> Result<()> {
        let (straight, resumed) = (store()?, store()?);
        steps(&mut muon(&straight)?, &straight, 5)?;
        let mut first = muon(&resumed)?;
        steps(&mut first, &resumed, 2)?;
        let mut second = muon(&resumed)?;
        second.restore(&first.tensors()?, first.updates())?;
        steps(&mut second, &resumed, 3)?;
        assert_eq!(values(&straight)?, values(&resumed)?);
        Ok(())
    }

    #[test]
    fn a_gradient_of_nan_changes_nothing() -> Result<()> {
        let store = store()?;
        let before = values(&store)?;
        let mut optimizer = muon(&store)?;
        store.get("layer.weight").expect("made above").with_grad(|grad| grad[0] = f32::NAN);
        assert!(!optimizer.step(&store, 0.1)?.applied);
        assert_eq!((values(&store)?, optimizer.updates()), (before, 0));
        Ok(())
    }
}
