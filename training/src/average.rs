//! Averages of weights: over the steps of a run while it goes on, and over its last checkpoints.

use candle::{CpuStorage, Device, InplaceOp2, Layout, Tensor};
use dragoman_core::params::{Param, ParamStore};
use rayon::prelude::*;

use crate::{Result, checkpoint::Tensors};

/// An exponential moving average of the weights (Polyak and Juditsky 1992, with a window).
///
/// Averaging over the last `1 / (1 − decay)` steps takes the noise out of them, much as a falling
/// learning rate does: the average is a good model long before the run ends.
#[derive(Debug)]
pub struct MovingAverage {
    decay: f64,
    tensors: Tensors,
}

impl MovingAverage {
    /// An average that starts at the weights as they are.
    pub fn new(decay: f64, params: &ParamStore) -> Result<Self> {
        let mut tensors = Tensors::new();
        for param in params.iter().filter(Param::is_trainable) {
            tensors.insert(param.name().into(), param.tensor()?.detach().copy()?);
        }
        Ok(Self { decay, tensors })
    }

    /// Takes in the weights after update number `updates`.
    pub fn update(&mut self, params: &ParamStore, updates: u64) -> Result<()> {
        let updates = updates as f64;
        let decay = self.decay.min((1.0 + updates) / (10.0 + updates));
        for (name, average) in &mut self.tensors {
            if let Some(param) = params.get(name) {
                let value = param.tensor()?.detach();
                match value.device() {
                    Device::Cpu => average.inplace_op2(&value, &Blend { decay: decay as f32 })?,
                    _ => *average = ((&*average * decay)? + (value * (1.0 - decay))?)?,
                }
            }
        }
        Ok(())
    }

    /// Goes on from saved tensors.
    pub fn restore(&mut self, tensors: &Tensors) -> Result<()> {
        for (name, average) in &mut self.tensors {
            if let Some(saved) = tensors.get(name) {
                *average = saved.to_device(average.device())?;
            }
        }
        Ok(())
    }

    /// The average, by the names of the weights.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }
}

/// `a ← decay · a + (1 − decay) · b`, in one pass.
struct Blend {
    decay: f32,
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn cpu_fwd(
        &self,
        averages: &mut CpuStorage,
        _: &Layout,
        values: &CpuStorage,
        layout: &Layout,
    ) -> candle::Result<()> {
        let (CpuStorage::F32(averages), CpuStorage::F32(values), Some((start, end))) =
            (averages, values, layout.contiguous_offsets())
        else {
            candle::bail!("weights are contiguous float32");
        };
        const BLOCK: usize = 1 << 16;
        let pairs = averages.par_chunks_mut(BLOCK).zip(values[start..end].par_chunks(BLOCK));
        pairs.for_each(|(averages, values)| {
            for (average, value) in averages.iter_mut().zip(values) {
                *average = self.decay * *average + (1.0 - self.decay) * value;
            }
        });
        Ok(())
    }
}

/// Replaces the weights that `tensors` names, and returns what they were: a second call puts them
/// back.
pub fn swap(params: &ParamStore, tensors: &Tensors) -> Result<Tensors> {
    let mut before = Tensors::new();
    for param in params.iter() {
        if let Some(tensor) = tensors.get(param.name()) {
            before.insert(param.name().into(), param.tensor()?.detach().copy()?);
            param.set(&tensor.to_device(params.device())?)?;
        }
    }
    Ok(before)
}

/// The mean of several sets of weights of the same names and shapes, summed in the order given.
pub fn mean(sets: impl IntoIterator<Item = Result<Tensors>>) -> Result<Tensors> {
    let mut count = 0;
    let mut sums = Tensors::new();
    for set in sets {
        count += 1;
        for (name, tensor) in set? {
            let sum: Tensor = match sums.remove(&name) {
                Some(sum) => (sum + tensor)?,
                None => tensor,
            };
            sums.insert(name, sum);
        }
    }
    let share = 1.0 / f64::from(count.max(1));
    sums.into_iter().map(|(name, sum)| Ok((name, (sum * share)?))).collect()
}

#[cfg(test)]
mod tests {
    use dragoman_core::params::Init;

    use super::*;

    fn store() -> Result<ParamStore> {
        let store = ParamStore::new(&Device::Cpu, 0);
        store.root().get(2, "w", Init::Ones)?;
        Ok(store)
    }

    fn set(store: &ParamStore, value: f32) -> Result<()> {
        let param = store.get("w").expect("made above");
        Ok(param.set(&Tensor::new(&[value, 0.0], &Device::Cpu)?)?)
    }

    #[test]
    fn the_average_follows_the_weights_slowly() -> Result<()> {
        let store = store()?;
        let mut average = MovingAverage::new(0.5, &store)?;
        set(&store, 3.0)?;
        average.update(&store, 1000)?; // 1 → 0.5 · 1 + 0.5 · 3
        assert_eq!(average.tensors()["w"].to_vec1::<f32>()?, [2.0, 0.5]);
        average.update(&store, 0)?; // the first steps count more: a decay of 1 / 10
        let [first, _] = average.tensors()["w"].to_vec1::<f32>()?[..] else { unreachable!() };
        assert!((first - 2.9).abs() < 1e-6, "{first}");
        Ok(())
    }

    #[test]
    fn weights_swapped_twice_are_back() -> Result<()> {
        let store = store()?;
        let others = Tensors::from([("w".to_string(), Tensor::new(&[7f32, 8.0], &Device::Cpu)?)]);
        let param = store.get("w").expect("made above");
        let before = swap(&store, &others)?;
        assert_eq!(param.with_value(<[f32]>::to_vec)?, [7.0, 8.0]);
        swap(&store, &before)?;
        assert_eq!(param.with_value(<[f32]>::to_vec)?, [1.0, 1.0]);
        Ok(())
    }

    #[test]
    fn the_mean_of_checkpoints_is_their_mean() -> Result<()> {
        let set = |value: f32| -> Result<Tensors> {
            Ok(Tensors::from([("w".to_string(), Tensor::new(&[value], &Device::Cpu)?)]))
        };
        let mean = mean([set(1.0), set(2.0), set(6.0)])?;
        assert_eq!(mean["w"].to_vec1::<f32>()?, [3.0]);
        Ok(())
    }
}
