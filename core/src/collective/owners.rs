//! Which rank computes which experts, where they are sharded (expert parallelism; GShard, Lepikhin et
//! al. 2020).

use std::{collections::BTreeMap, sync::Arc};

use super::Ranks;
use crate::{Error, Result};

/// The ranks, and the one that has the weights of each expert; clones share them.
#[derive(Debug, Clone)]
pub struct ExpertOwners {
    ranks: Ranks,
    owners: Arc<BTreeMap<String, usize>>,
    chunks: usize,
}

impl ExpertOwners {
    /// Shards the experts called `names` into runs of equal length.
    ///
    /// # Errors
    /// Fails when there are fewer experts than ranks.
    pub fn new<'a>(ranks: &Ranks, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        let (count, size) = (names.len(), ranks.size());
        if count < size {
            let reason = format!(
                "{count} experts cannot be sharded over {size} ranks: start at most {count}, or \
                 leave `expert_parallel` out"
            );
            return Err(Error::Invalid(reason));
        }
        let owner = |(i, name): (usize, &&str)| (name.to_string(), i * size / count);
        let owners = Arc::new(names.iter().enumerate().map(owner).collect());
        Ok(Self { ranks: ranks.clone(), owners, chunks: 1 })
    }

    /// The same, with rows that travel in so many chunks: the exchange of one overlaps with the computation
    /// of another. All ranks say the same.
    pub fn in_chunks(self, chunks: usize) -> Self {
        Self { chunks: chunks.max(1), ..self }
    }

    /// Chunks in which rows travel.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// The ranks.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// The rank that has the expert called `name`; the first one of an expert that is not sharded.
    pub fn owner(&self, name: &str) -> usize {
        self.owners.get(name).copied().unwrap_or(0)
    }

    /// The owner of `weight`, such as `experts.free.1.encoder.1.up.weight`; none if all ranks have it, as
    /// they have the rows of gates.
    pub fn owner_of_weight(&self, weight: &str) -> Option<usize> {
        let mut parts = weight.rsplit('.');
        let is_of_network = matches!(parts.nth(1), Some("up" | "up_gate" | "down"));
        let rest = weight.strip_prefix("experts.").filter(|_| is_of_network)?;
        // A name may have dots, and be the beginning of another.
        let is_of = |name: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let named = self.owners.iter().filter(|(name, _)| is_of(name));
        named.max_by_key(|(name, _)| name.len()).map(|(_, &rank)| rank)
    }

    /// Whether another rank has `weight`, and this one does not.
    pub fn is_away(&self, weight: &str) -> bool {
        self.owner_of_weight(weight).is_some_and(|owner| owner != self.ranks.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::threads, *};

    #[test]
    fn experts_are_sharded_in_runs_and_gates_are_not() -> Result<()> {
        let names = ["pair.de-en", "free.1", "free.2", "free.2.x"];
        let [_, second] = <[_; 2]>::try_from(threads(2)).expect("two ranks");
        let owners = ExpertOwners::new(&Ranks::new(second), names)?;
        assert_eq!(names.map(|name| owners.owner(name)), [0, 0, 1, 1]);
        let owner = |weight: &str| owners.owner_of_weight(weight);
        assert_eq!(owner("experts.free.1.encoder.1.up.weight"), Some(0));
        assert_eq!(owner("experts.free.2.encoder.1.down.bias"), Some(1));
        assert_eq!(owner("experts.free.2.encoder.1.gate.weight"), None);
        assert_eq!(owner("encoder.1.shared.up.weight"), None);
        assert!(owners.is_away("experts.pair.de-en.decoder.0.up_gate.weight"));
        let error = ExpertOwners::new(&Ranks::new(threads(5).remove(0)), names);
        assert!(error.expect_err("4 experts").to_string().contains("at most 4"));
        Ok(())
    }
}
