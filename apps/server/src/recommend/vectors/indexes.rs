//! The indexes of a tenant's vectors: made when they are first needed, beside the requests, and anew
//! when many items have changed. They are not stored: making one is quicker than reading its items was.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use super::{Distance, cells::Cells};
use crate::recommend::item_index::{Entry, ItemIndex};

/// From so many vectors on there is an index; fewer are all compared.
pub(crate) const MANY: usize = 10_000;

/// Indexes of a tenant at most.
const MOST: usize = 4;

/// Which vectors, and how they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) path: String,
    pub(crate) distance: Distance,
    /// Numbers of each vector.
    pub(crate) len: usize,
}

#[derive(Default)]
struct Slot {
    cells: Option<Arc<Cells>>,
    is_made: bool,
}

/// The indexes of one tenant; clones share them.
#[derive(Clone, Default)]
pub(crate) struct VectorIndexes(Arc<Mutex<HashMap<Kind, Slot>>>);

impl VectorIndexes {
    /// The index of `kind` as it was last made, if there is one; another is begun where there is none or
    /// the one is too old. `snapshot` collects its vectors.
    pub(crate) fn get(
        &self,
        kind: &Kind,
        items: &ItemIndex,
        snapshot: impl FnOnce() -> Vec<(u32, Arc<[f32]>)>,
    ) -> Option<Arc<Cells>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() == MOST && !slots.contains_key(kind) {
            return None;
        }
        let slot = slots.entry(kind.clone()).or_default();
        let cells = slot.cells.clone().filter(|cells| items.vectors_since(cells.at).is_some());
        let is_old = cells.as_ref().is_none_or(|cells| {
            let since = items.vectors_since(cells.at).map_or(0, Iterator::count);
            since > cells.len() / 50
        });
        if is_old && !slot.is_made {
            slot.is_made = true;
            self.make(kind.clone(), snapshot(), items.changes());
        }
        cells
    }

    /// Makes the index of `vectors` on a thread of its own.
    fn make(&self, kind: Kind, vectors: Vec<(u32, Arc<[f32]>)>, at: u64) {
        let indexes = self.clone();
        let make = move || {
            let (count, started) = (vectors.len(), Instant::now());
            tracing::info!(path = kind.path, count, "an index of vectors is begun");
            let cells = Cells::new(kind.distance, &vectors, at)
                .inspect_err(|error| tracing::error!(error, "no index of vectors is made"));
            let seconds = started.elapsed().as_secs_f32();
            tracing::info!(path = kind.path, count, seconds, "an index of vectors is made");
            indexes.take(&kind, cells.ok().map(Arc::new));
        };
        let thread = thread::Builder::new().name("vectors".into()).spawn(make);
        if let Err(error) = thread {
            tracing::warn!(%error, "no index of vectors is made; all of them are compared");
        }
    }

    fn take(&self, kind: &Kind, cells: Option<Arc<Cells>>) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(kind.clone()).or_default();
        slot.is_made = cells.is_none(); // what failed once is not tried again
        slot.cells = cells;
    }

    /// How many are made.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().filter(|slot| slot.cells.is_some()).count()
    }

    /// Forgets all indexes: the numbers of items are others now.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Kind {
    /// The vector of `entry` that is of this kind.
    pub(crate) fn of<'a>(&self, entry: &'a Entry) -> Option<&'a Arc<[f32]>> {
        entry.vectors.get(self.path.as_str()).filter(|vector| vector.len() == self.len)
    }
}
