//! How the gradients of the micro-batches of a step become one.

use dragoman_core::{
    collective::{ExpertOwners, Ranks, TreeSum},
    params::ParamStore,
};

use super::Run;
use crate::{Error, Result, checkpoint::Tensors, shards::Shards};

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
    /// Fails when the ranks cannot share the micro-batches of a step evenly, and when several ranks
    /// compute elsewhere than on the CPU.
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
        if !params.device().is_cpu() {
            let reason = "several ranks, and `tree_sums`, compute on the CPU: set device = \"cpu\"";
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

    /// Takes what a micro-batch left in the weights.
    pub(super) fn micro_batch_is_done(&mut self) {
        if let Self::Tree { shards, sum, .. } = self {
            sum.push(shards.take_gradients());
        }
    }

    /// Leaves the gradient of the step in the weights that this rank updates.
    pub(super) fn reduce(&mut self) -> Result<()> {
        match self {
            Self::Running => Ok(()),
            Self::Tree { shards, sum, .. } => {
                shards.reduce(&std::mem::take(sum).finish().unwrap_or_default())
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
