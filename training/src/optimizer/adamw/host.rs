//! The update on the CPU: one fused kernel for each weight, in the order of the names.

use std::collections::BTreeMap;

use candle::{Device, Tensor};
use dragoman_core::{
    kernels::adamw::{AdamW, AdamWBuffers},
    params::{Param, ParamStore},
};

use super::{super::Squares, Factors, decays, first_of, second_of};
use crate::{Result, checkpoint::Tensors};

/// First and second moments, by the names of the weights.
#[derive(Debug, Default)]
pub(super) struct Moments(BTreeMap<String, (Vec<f32>, Vec<f32>)>);

/// Sums of squares of the gradients of all weights that have one.
pub(super) fn squares(params: &ParamStore) -> Vec<Squares> {
    let with_grad = params.iter().filter(|param| param.is_trainable() && param.has_grad());
    with_grad.map(|param| Squares::of_grad(0, &param)).collect()
}

impl Moments {
    pub(super) fn update(&mut self, params: &ParamStore, factors: &Factors) -> Result<()> {
        for param in params.iter().filter(Param::is_trainable) {
            let count = param.elem_count();
            let zeros = || (vec![0.0; count], vec![0.0; count]);
            let (m, v) = self.0.entry(param.name().into()).or_insert_with(zeros);
            let rule = factors.rule(decays(&param));
            param.update(|values, grads| rule.step(AdamWBuffers { values, grads, m, v }))?;
        }
        Ok(())
    }

    pub(super) fn tensors(&self) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for (name, (first, second)) in &self.0 {
            tensors.insert(first_of(name), Tensor::new(first.as_slice(), &Device::Cpu)?);
            tensors.insert(second_of(name), Tensor::new(second.as_slice(), &Device::Cpu)?);
        }
        Ok(tensors)
    }

    pub(super) fn restore(&mut self, tensors: &Tensors) -> Result<()> {
        self.0.clear();
        for (key, first) in tensors {
            let Some(name) = key.strip_prefix(&first_of("")) else { continue };
            if let Some(second) = tensors.get(&second_of(name)) {
                let [first, second] =
                    [first, second].map(|tensor| tensor.flatten_all()?.to_vec1::<f32>());
                self.0.insert(name.into(), (first?, second?));
            }
        }
        Ok(())
    }
}

impl Factors {
    fn rule(&self, decays: bool) -> AdamW {
        AdamW {
            learning_rate: self.rate as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            eps: self.epsilon as f32,
            weight_decay: if decays { self.weight_decay as f32 } else { 0.0 },
            bias_correction1: self.correction1 as f32,
            bias_correction2: self.correction2 as f32,
            grad_scale: self.grad_scale as f32,
        }
    }
}
