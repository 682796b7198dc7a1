//! The graphs of a tenant's vectors: made when they are first needed, beside the requests, and anew
//! when many items have changed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::{Distance, graph::Graph};
use crate::recommend::item_index::{Entry, ItemIndex};

/// From so many vectors on there is a graph; fewer are all compared.
pub(crate) const MANY: usize = 10_000;

/// Graphs of a tenant at most.
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
    graph: Option<Arc<Graph>>,
    is_made: bool,
}

/// The graphs of one tenant; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Graphs(Arc<Mutex<HashMap<Kind, Slot>>>);

impl Graphs {
    /// The graph of `kind` as it was last made, if there is one; another is begun where there is none or
    /// the one is too old. `snapshot` collects its vectors.
    pub(crate) fn get(
        &self,
        kind: &Kind,
        items: &ItemIndex,
        snapshot: impl FnOnce() -> Vec<(u32, Arc<[f32]>)>,
    ) -> Option<Arc<Graph>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() == MOST && !slots.contains_key(kind) {
            return None;
        }
        let slot = slots.entry(kind.clone()).or_default();
        let graph = slot.graph.clone().filter(|graph| items.vectors_since(graph.at).is_some());
        let is_old = graph.as_ref().is_none_or(|graph| {
            let since = items.vectors_since(graph.at).map_or(0, Iterator::count);
            since > graph.len() / 50
        });
        if is_old && !slot.is_made {
            slot.is_made = true;
            self.make(kind.clone(), snapshot(), items.changes());
        }
        graph
    }

    /// Makes the graph of `vectors` on a thread of its own.
    fn make(&self, kind: Kind, vectors: Vec<(u32, Arc<[f32]>)>, at: u64) {
        let graphs = self.clone();
        let make = move || {
            let graph = Graph::new(kind.distance, &vectors, at)
                .inspect_err(|error| tracing::error!(error, "no graph of vectors is made"));
            graphs.take(&kind, graph.ok().map(Arc::new));
        };
        let thread = thread::Builder::new().name("vectors".into()).spawn(make);
        if let Err(error) = thread {
            tracing::warn!(%error, "no graph of vectors is made; all of them are compared");
        }
    }

    fn take(&self, kind: &Kind, graph: Option<Arc<Graph>>) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(kind.clone()).or_default();
        slot.is_made = graph.is_none(); // what failed once is not tried again
        slot.graph = graph;
    }

    /// How many are made.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().filter(|slot| slot.graph.is_some()).count()
    }

    /// Forgets all graphs: the numbers of items are others now.
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
