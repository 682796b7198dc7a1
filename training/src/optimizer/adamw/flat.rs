//! The update on a device other than the CPU: flat tensors, one for the weights that decay and one
//! for the others.

use candle::{Device, Tensor, backprop::GradStore};
use dragoman_core::params::{Param, ParamStore};

use super::{
    super::{Squares, on_cpu},
    Factors, decays, first_of, second_of,
};
use crate::{Result, checkpoint::Tensors};

/// First and second moments of all trainable weights.
#[derive(Debug)]
pub(super) struct Moments {
    groups: Vec<Group>,
}

/// Weights that are updated together.
#[derive(Debug)]
struct Group {
    params: Vec<Param>,
    decays: bool,
    /// `(P,)`, where `P` is the number of values in the group, as are the others.
    first: Tensor,
    second: Tensor,
    grad: Option<Tensor>,
}

impl Moments {
    pub(super) fn new(params: &ParamStore) -> Result<Self> {
        let trainable = params.iter().filter(Param::is_trainable);
        let (with, without): (Vec<_>, Vec<_>) = trainable.partition(decays);
        let groups = [(with, true), (without, false)].into_iter();
        let groups = groups.filter(|(group, _)| !group.is_empty());
        let groups = groups.map(|(group, decays)| Group::new(group, decays, params.device()));
        Ok(Self { groups: groups.collect::<Result<_>>()? })
    }

    pub(super) fn collect(&mut self, grads: &GradStore) -> Result<()> {
        self.groups.iter_mut().try_for_each(|group| group.collect(grads))
    }

    pub(super) fn take_buffers(&mut self) -> Result<()> {
        self.groups.iter_mut().try_for_each(Group::take_buffers)
    }

    /// One sum for each group.
    pub(super) fn squares(&self) -> Result<Vec<Squares>> {
        let grads = self.groups.iter().filter_map(|group| group.grad.as_ref());
        grads.map(|grad| Squares::of_tensor(0, "", grad)).collect()
    }

    pub(super) fn update(&mut self, factors: &Factors) -> Result<()> {
        self.groups.iter_mut().try_for_each(|group| group.update(factors))
    }

    pub(super) fn zero_grads(&mut self) {
        self.groups.iter_mut().for_each(|group| group.grad = None);
    }

    pub(super) fn tensors(&self) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for group in &self.groups {
            let first = group.split(&on_cpu(&group.first)?)?;
            let second = group.split(&on_cpu(&group.second)?)?;
            for ((param, first), second) in group.params.iter().zip(first).zip(second) {
                tensors.insert(first_of(param.name()), first);
                tensors.insert(second_of(param.name()), second);
            }
        }
        Ok(tensors)
    }

    pub(super) fn restore(&mut self, tensors: &Tensors) -> Result<()> {
        for group in &mut self.groups {
            group.first = group.join(tensors, first_of)?;
            group.second = group.join(tensors, second_of)?;
            group.grad = None;
        }
        Ok(())
    }
}

impl Group {
    fn new(params: Vec<Param>, decays: bool, device: &Device) -> Result<Self> {
        let count: usize = params.iter().map(Param::elem_count).sum();
        let first = Tensor::zeros(count, candle::DType::F32, device)?;
        let second = first.zeros_like()?;
        Ok(Self { params, decays, first, second, grad: None })
    }

    fn collect(&mut self, grads: &GradStore) -> Result<()> {
        let flat = |param: &Param| match grads.get(&param.tensor()?) {
            Some(grad) => Ok(grad.detach().flatten_all()?),
            None => Ok(Tensor::zeros(param.elem_count(), self.first.dtype(), self.first.device())?),
        };
        let parts = self.params.iter().map(flat).collect::<Result<Vec<_>>>()?;
        self.add(Tensor::cat(&parts, 0)?)
    }

    /// Adds the gradients in the buffers of the weights, by one copy to the device, and clears the
    /// buffers.
    fn take_buffers(&mut self) -> Result<()> {
        if !self.params.iter().any(Param::has_grad) {
            return Ok(());
        }
        let count = self.first.elem_count();
        let mut values = Vec::with_capacity(count);
        for param in &self.params {
            match param.has_grad() {
                true => param.with_grad(|grad| values.extend_from_slice(grad)),
                false => values.resize(values.len() + param.elem_count(), 0.0),
            }
            param.clear_grad();
        }
        self.add(Tensor::from_vec(values, count, self.first.device())?)
    }

    fn add(&mut self, new: Tensor) -> Result<()> {
        self.grad = Some(match &self.grad {
            Some(grad) => (grad + new)?,
            None => new,
        });
        Ok(())
    }

    fn update(&mut self, factors: &Factors) -> Result<()> {
        let Some(grad) = &self.grad else { return Ok(()) };
        let Factors { rate, beta1, beta2, epsilon, correction1, correction2, .. } = *factors;
        let decay = if self.decays { rate * factors.weight_decay } else { 0.0 };
        let grad = (grad * factors.grad_scale)?;
        self.first = ((&self.first * beta1)? + (&grad * (1.0 - beta1))?)?;
        self.second = ((&self.second * beta2)? + (grad.sqr()? * (1.0 - beta2))?)?;
        let root = ((&self.second / correction2)?.sqrt()? + epsilon)?;
        let step = ((&self.first * (rate / correction1))? / root)?;

        let flat = |param: &Param| Ok(param.tensor()?.detach().flatten_all()?);
        let values = self.params.iter().map(flat).collect::<Result<Vec<_>>>()?;
        let values = ((Tensor::cat(&values, 0)? * (1.0 - decay))? - step)?;
        for (param, value) in self.params.iter().zip(self.split(&values)?) {
            param.set(&value)?;
        }
        Ok(())
    }

    /// Cuts a flat tensor into pieces of the weights' shapes.
    fn split(&self, flat: &Tensor) -> Result<Vec<Tensor>> {
        let mut start = 0;
        let piece = |param: &Param| {
            let count = param.elem_count();
            start += count;
            Ok(flat.narrow(0, start - count, count)?.reshape(param.shape())?)
        };
        self.params.iter().map(piece).collect()
    }

    fn join(&self, tensors: &Tensors, name_of: fn(&str) -> String) -> Result<Tensor> {
        let piece = |param: &Param| match tensors.get(&name_of(param.name())) {
            Some(tensor) => Ok(tensor.flatten_all()?.to_device(self.first.device())?),
            None => Ok(Tensor::zeros(param.elem_count(), self.first.dtype(), self.first.device())?),
        };
        Ok(Tensor::cat(&self.params.iter().map(piece).collect::<Result<Vec<_>>>()?, 0)?)
    }
}
