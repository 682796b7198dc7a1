//! How the gradients of the micro-batches of a step become one.

use candle::backprop::GradStore;
use dragoman_core::{
    collective::{ExpertOwners, Ranks, TreeSum},
    params::ParamStore,
};

use super::Run;
use crate::{Error, Result, checkpoint::Tensors, optimizer::Optimizer, shards::Shards};

/// The gradients of a step.
pub(super) enum Gradients {
    /// Each micro-batch adds to what the weights have gathered.
    Running,
    /// They are added in the order of [`TreeSum`], over all ranks.
    Tree {
        shards: Shards,
        /// The weights that this rank updates.
        own: Box<ParamStore>,
        sum: TreeSum,
    },
}

impl Gradients {
    /// # Errors
    /// Fails when the ranks cannot share the micro-batches of a step evenly, and when experts that are
    /// sharded over the ranks are to compute elsewhere than on the CPU.
    pub(super) fn new(
        ranks: &Ranks,
        run: &Run<'_>,
        params: &ParamStore,
        experts: Option<&ExpertOwners>,
    ) -> Result<Self> {
        let (accumulation, size) = (run.config.accumulation, ranks.size());
        let invalid = |reason| Error::Config { path: run.dir.join("config.toml"), reason };
        if !accumulation.is_multiple_of(size) {
            return Err(invalid(format!(
                "[run] accumulation = {accumulation}, the micro-batches of a step, cannot be shared \
                 evenly by {size} ranks: set it to a multiple of {size}"
            )));
        }
        if ranks.is_alone() && !run.config.tree_sums {
            return Ok(Self::Running);
        }
        if experts.is_some() && !params.device().is_cpu() {
            let reason = "experts that are sharded over ranks compute on the CPU: set device = \"cpu\", \
                          or [run] expert_parallel = false, and every rank has all experts on its GPU";
            return Err(invalid(reason.into()));
        }
        let shards = Shards::new(ranks, params, experts);
        let own = Box::new(shards.own(params));
        Ok(Self::Tree { shards, own, sum: TreeSum::default() })
    }

    /// Those of all weights, `params`, that this rank updates.
    pub(super) fn own<'a>(&'a self, params: &'a ParamStore) -> &'a ParamStore {
        match self {
            Self::Running => params,
            Self::Tree { own, .. } => own,
        }
    }

    /// Takes the gradients of a micro-batch: those that candle gathered, and those that lie in the
    /// buffers of the weights already.
    pub(super) fn take(
        &mut self,
        params: &ParamStore,
        grads: &GradStore,
        optimizer: &mut dyn Optimizer,
    ) -> Result<()> {
        match self {
            Self::Running => optimizer.collect(params, grads),
            Self::Tree { shards, sum, .. } => {
                params.collect(grads)?;
                sum.push(shards.take_gradients());
                Ok(())
            }
        }
    }

    /// Gives the optimiser the gradient of the step, of the weights that this rank updates.
    pub(super) fn reduce(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        match self {
            Self::Running => Ok(()),
            Self::Tree { shards, sum, own } => {
                shards.reduce(&std::mem::take(sum).finish().unwrap_or_default())?;
                optimizer.take_buffers(own)
            }
        }
    }

    /// Sends the weights that this rank updated to all others, and takes theirs.
    pub(super) fn share_weights(&self) -> Result<()> {
        match self {
            Self::Running => Ok(()),
            Self::Tree { shards, .. } => shards.share_weights(),
        }
    }

    /// The tensors of all ranks, on the first.
    pub(super) fn gather(&self, tensors: Tensors) -> Result<Tensors> {
        match self {
            Self::Running => Ok(tensors),
            Self::Tree { shards, .. } => shards.gather(tensors),
        }
    }

    /// Brings the weights of experts that other ranks have to the first one, whose own are left.
    pub(super) fn gather_experts(&self, params: &ParamStore) -> Result<()> {
        let Self::Tree { shards, .. } = self else { return Ok(()) };
        for (name, value) in shards.gather(shards.expert_values()?)? {
            if let Some(param) = params.get(&name) {
                param.set(&value)?;
            }
        }
        Ok(())
    }

    /// What of a whole memory is about the weights that this rank updates.
    pub(super) fn own_memory(&self, memory: Tensors) -> Tensors {
        match self {
            Self::Running => memory,
            Self::Tree { shards, .. } => shards.own_memory(memory),
        }
    }
}
