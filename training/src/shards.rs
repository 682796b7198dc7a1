//! The weights of a run, sharded over its ranks (ZeRO, stage 1: Rajbhandari et al. 2020).
//!
//! Every rank has all weights, and computes gradients of its own micro-batches. Each weight has an
//! *owner*, the only rank that keeps moments of it: the others send it their gradients, the owner adds
//! them in the order of the ranks, updates the weight, and sends it to all. In a step a rank sends, and
//! receives, each byte of the weights about twice, as in an all-reduce of gradients. Weights on a GPU
//! are copied to the host's memory and back for it.
//!
//! Experts that are sharded over the ranks are the exception: one rank has them, and gathers their
//! gradients itself from the tokens of all.

use std::{cmp::Reverse, collections::BTreeSet};

use candle::{Device, Tensor};
use dragoman_core::{
    collective::{ExpertOwners, Purpose, Ranks, TreeSum},
    params::{Param, ParamStore},
};

use crate::{Result, checkpoint::Tensors};

/// Values of one owner that are sent at once: 1 MiB.
const BUCKET: usize = 1 << 18;

/// Which rank updates which weights.
#[derive(Debug)]
pub(crate) struct Shards {
    ranks: Ranks,
    /// Where the weights lie; what travels lies in the host's memory.
    device: Device,
    /// Weights by owner, in the order of their names.
    owned: Vec<Vec<Param>>,
    /// Weights of experts that this rank alone has.
    experts: Vec<Param>,
}

impl Shards {
    /// Gives each trainable weight an owner, such that all have about as many values: large weights
    /// first, each to the rank that has the least. Those of experts that `experts` shards have one.
    pub(crate) fn new(ranks: &Ranks, params: &ParamStore, experts: Option<&ExpertOwners>) -> Self {
        let is_sharded = |param: &Param| {
            experts.is_some_and(|owners| owners.owner_of_weight(param.name()).is_some())
        };
        let trainable = params.iter().filter(Param::is_trainable);
        let (experts, mut all): (Vec<Param>, Vec<Param>) = trainable.partition(is_sharded);
        all.sort_by_key(|param| Reverse(param.elem_count())); // stable: equal ones stay by name
        let mut owned: Vec<Vec<Param>> = vec![Vec::new(); ranks.size()];
        let mut sizes = vec![0; ranks.size()];
        for param in all {
            let least = (0..sizes.len()).min_by_key(|&rank| sizes[rank]).unwrap_or(0);
            sizes[least] += param.elem_count();
            owned[least].push(param);
        }
        owned.iter_mut().for_each(|params| params.sort_by(|a, b| a.name().cmp(b.name())));
        Self { ranks: ranks.clone(), device: params.device().clone(), owned, experts }
    }

    /// Those of `params` that this rank updates.
    pub(crate) fn own(&self, params: &ParamStore) -> ParamStore {
        let mut names: Vec<&str> = self.updated().map(Param::name).collect();
        names.sort_unstable();
        params.subset(|param| names.binary_search(&param.name()).is_ok())
    }

    fn updated(&self) -> impl Iterator<Item = &Param> {
        self.owned[self.ranks.rank()].iter().chain(&self.experts)
    }

    /// The gradients gathered, those of each owner after those of the one before; they are forgotten
    /// where they were.
    pub(crate) fn take_gradients(&self) -> Vec<f32> {
        let mut flat = Vec::with_capacity(self.owned.iter().map(|params| count(params)).sum());
        for param in self.owned.iter().flatten() {
            match param.has_grad() {
                true => param.with_grad(|grad| flat.extend_from_slice(grad)),
                false => flat.resize(flat.len() + param.elem_count(), 0.0),
            }
            param.clear_grad();
        }
        flat
    }

    /// Adds the `gradients` of all ranks, laid out as by [`Shards::take_gradients`], and leaves the
    /// sums in the weights that this rank owns.
    pub(crate) fn reduce(&self, gradients: &[f32]) -> Result<()> {
        let sums = match self.ranks.is_alone() {
            true => gradients.to_vec(),
            false => self.sum_over_ranks(gradients)?,
        };
        let mut rest = &sums[..];
        for param in &self.owned[self.ranks.rank()] {
            let (grad, others) = rest.split_at(param.elem_count());
            param.with_grad(|sum| sum.copy_from_slice(grad));
            rest = others;
        }
        Ok(())
    }

    fn sum_over_ranks(&self, gradients: &[f32]) -> Result<Vec<f32>> {
        let mut rest = gradients;
        let mut of_owner = Vec::with_capacity(self.owned.len());
        for params in &self.owned {
            let (own, others) = rest.split_at(count(params));
            of_owner.push(own);
            rest = others;
        }
        let longest = of_owner.iter().map(|part| part.len()).max().unwrap_or(0);
        let mut sums = Vec::with_capacity(of_owner[self.ranks.rank()].len());
        for first in (0..longest).step_by(BUCKET) {
            let bucket = |part: &&'_ [f32]| first.min(part.len())..(first + BUCKET).min(part.len());
            let parts: Vec<&[f32]> = of_owner.iter().map(|part| &part[bucket(part)]).collect();
            let received = self.ranks.all_to_all(Purpose::Gradients, &parts)?;
            sums.extend(TreeSum::of(received).unwrap_or_default());
        }
        Ok(sums)
    }

    /// Sends the weights that this rank owns to all others, and takes theirs.
    pub(crate) fn share_weights(&self) -> Result<()> {
        if self.ranks.is_alone() {
            return Ok(());
        }
        let mut own = Vec::with_capacity(count(&self.owned[self.ranks.rank()]));
        for param in &self.owned[self.ranks.rank()] {
            match &self.device {
                Device::Cpu => param.with_value(|value| own.extend_from_slice(value))?,
                _ => own.extend(param.to_vec()?),
            }
        }
        let longest = self.owned.iter().map(|params| count(params)).max().unwrap_or(0);
        let mut received = vec![Vec::new(); self.owned.len()];
        for first in (0..longest).step_by(BUCKET) {
            let bucket = &own[first.min(own.len())..(first + BUCKET).min(own.len())];
            let buckets = self.ranks.all_gather(Purpose::Weights, bucket)?;
            received.iter_mut().zip(buckets).for_each(|(all, bucket)| all.extend(bucket));
        }
        for (rank, (params, values)) in self.owned.iter().zip(&received).enumerate() {
            if rank == self.ranks.rank() {
                continue;
            }
            let mut rest = &values[..];
            for param in params {
                let (value, others) = rest.split_at(param.elem_count());
                param.set(&Tensor::from_slice(value, param.shape(), &self.device)?)?;
                rest = others;
            }
        }
        Ok(())
    }

    /// The values of experts that this rank alone has.
    pub(crate) fn expert_values(&self) -> Result<Tensors> {
        let value = |param: &Param| Ok((param.name().into(), param.tensor()?.detach()));
        self.experts.iter().map(value).collect()
    }

    /// The tensors of all ranks, on the first; the others get nothing.
    pub(crate) fn gather(&self, tensors: Tensors) -> Result<Tensors> {
        if self.ranks.is_alone() {
            return Ok(tensors);
        }
        let bytes = safetensors::serialize(&tensors, None)
            .map_err(|error| self.ranks.error(format!("its tensors cannot be sent: {error}")))?;
        let mut all = Tensors::new();
        for bytes in self.ranks.gather_bytes(Purpose::Statistics, &bytes)?.into_iter().flatten() {
            all.extend(candle::safetensors::load_buffer(&bytes, &Device::Cpu)?);
        }
        Ok(all)
    }

    /// What of a memory of all weights is about those that this rank owns.
    pub(crate) fn own_memory(&self, mut memory: Tensors) -> Tensors {
        let names: BTreeSet<&str> = self.updated().map(Param::name).collect();
        memory.retain(|key, _| {
            // An optimiser puts the kind of moment before the name, such as `first.`.
            names.contains(key.split_once('.').map_or("", |(_, name)| name))
        });
        memory
    }
}

fn count(params: &[Param]) -> usize {
    params.iter().map(Param::elem_count).sum()
}

#[cfg(test)]
mod tests {
    use dragoman_core::{
        collective::{Threads, threads},
        params::Init,
    };

    use super::*;

    const SHAPES: [(&str, usize); 4] = [("a", 3), ("b", 7), ("c", 2), ("d", 4)];

    fn store() -> Result<ParamStore> {
        let store = ParamStore::new(&Device::Cpu, 3);
        for (name, size) in SHAPES {
            store.root().get(size, name, Init::Normal(1.0))?;
        }
        Ok(store)
    }

    /// Runs `f` on two ranks, and returns the results by rank.
    fn on_two<R: Send>(f: impl Fn(Shards, ParamStore) -> Result<R> + Sync) -> Result<Vec<R>> {
        let run = |rank: Threads| {
            let store = store()?;
            f(Shards::new(&Ranks::new(rank), &store, None), store)
        };
        std::thread::scope(|scope| {
            let run = &run;
            let handles: Vec<_> =
                threads(2).into_iter().map(|rank| scope.spawn(move || run(rank))).collect();
            handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
        })
    }

    #[test]
    fn owners_have_equal_shares() -> Result<()> {
        let names = |store: ParamStore| store.iter().map(|p| p.name().to_string()).collect();
        let owned: Vec<Vec<String>> = on_two(|shards, store| Ok(names(shards.own(&store))))?;
        assert_eq!(owned, [["b", "c"], ["a", "d"]]); // 9 and 7 values
        Ok(())
    }

    #[test]
    fn gradients_go_to_owners_and_weights_to_all() -> Result<()> {
        let values = on_two(|shards, store| {
            let rank = shards.ranks.rank() as f32;
            for param in store.iter().filter(|param| param.name() != "c") {
                param.with_grad(|grad| grad.fill(1.0 + rank));
            }
            shards.reduce(&shards.take_gradients())?;
            for param in shards.own(&store).iter() {
                let expected = if param.name() == "c" { 0.0 } else { 3.0 };
                param.with_grad(|grad| assert!(grad.iter().all(|g| *g == expected)));
                param.update(|value, grad| value.copy_from_slice(grad))?;
            }
            shards.share_weights()?;
            store.iter().map(|param| Ok(param.with_value(<[f32]>::to_vec)?)).collect()
        })?;
        let values: Vec<Vec<Vec<f32>>> = values;
        assert_eq!(values[0], values[1]);
        assert_eq!(values[0], [vec![3.0; 3], vec![3.0; 7], vec![0.0; 2], vec![3.0; 4]]);
        Ok(())
    }

    #[test]
    fn moments_are_gathered_and_sharded_again() -> Result<()> {
        let lengths = on_two(|shards, store| {
            let moment = |param: Param| {
                let name = format!("first.{}", param.name());
                Ok((name, Tensor::zeros(param.elem_count(), candle::DType::F32, &Device::Cpu)?))
            };
            let own: Tensors = shards.own(&store).iter().map(moment).collect::<Result<_>>()?;
            let all = shards.gather(own.clone())?;
            let back = shards.own_memory(all.clone());
            let same = shards.ranks.rank() > 0 || back.keys().eq(own.keys());
            Ok((all.len(), same))
        })?;
        assert_eq!(lengths, [(4, true), (0, true)]);
        Ok(())
    }
}
