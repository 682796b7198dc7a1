//! Retrieval experts: a memory of decoder states and the tokens that followed them, whose nearest
//! entries vote at every token (kNN-MT, Khandelwal et al. 2021).
//!
//! A [`Datastore`] holds, for each route, the last hidden states of the decoder over a corpus as int8
//! keys, sorted into cells, and behind each the token that came next. A query finds the nearest keys
//! in the nearest cells. A [`gate::Gate`] says from their distances, their agreement and the confidence of the
//! model how much the nearest 1, 4 and 16 of them count (adaptive kNN-MT, Zheng et al. 2021). Nothing
//! of the model learns.
//!
//! Rows that ask for no datastore are not looked at, so their bits are what they were.

pub mod gate;
pub mod section;
pub mod build;
pub mod mixture;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::register::RowRoute;

pub use build::Builder;
pub use gate::{Gate, Observation};
pub use mixture::{Mixture, ModelView};
pub use section::{Neighbour, Section};

/// Neighbours that are looked for.
pub const NEIGHBOURS: usize = 16;

/// A retrieval expert, opened.
#[derive(Debug)]
pub struct Datastore {
    name: String,
    /// The bit of [`RowRoute::domains`] that asks for it.
    bit: u64,
    /// What it knows of each route, by the route's index.
    sections: BTreeMap<u32, Section>,
    lookups: AtomicU64,
}

impl Datastore {
    /// The expert called `name`, which rows with `bit` among their domains ask for.
    pub fn new(name: String, bit: u64, sections: BTreeMap<u32, Section>) -> Self {
        Self { name, bit, sections, lookups: AtomicU64::new(0) }
    }
}

/// The retrieval experts of a model.
#[derive(Debug, Default)]
pub struct Retrieval {
    datastores: Vec<Datastore>,
}

/// What one retrieval expert found for one row.
#[derive(Debug)]
pub struct Found<'a> {
    /// Name of the expert.
    pub name: &'a str,
    /// The nearest entries, nearest first.
    pub neighbours: Vec<Neighbour>,
    /// What decides how much they count.
    pub gate: &'a Gate,
}

impl Retrieval {
    /// The retrieval experts `datastores`.
    pub fn new(datastores: Vec<Datastore>) -> Self {
        Self { datastores }
    }

    /// Adds an expert.
    pub fn push(&mut self, datastore: Datastore) {
        self.datastores.push(datastore);
    }

    /// Whether a row that goes there looks anything up.
    pub fn is_asked(&self, row: RowRoute) -> bool {
        self.datastores.iter().any(|datastore| datastore.bit & row.domains != 0)
    }

    /// Looks up the state `hidden`, `(D,)`, of a row in all experts that it asks for.
    pub fn look_up(&self, row: RowRoute, hidden: &[f32]) -> Vec<Found<'_>> {
        let asked = self.datastores.iter().filter(|datastore| datastore.bit & row.domains != 0);
        asked
            .filter_map(|datastore| {
                let section = datastore.sections.get(&row.route)?;
                datastore.lookups.fetch_add(1, Ordering::Relaxed);
                let neighbours = section.nearest(hidden, NEIGHBOURS, |_| false);
                Some(Found { name: &datastore.name, neighbours, gate: section.gate() })
            })
            .collect()
    }

    /// How often each expert was asked, by name.
    pub fn lookups(&self) -> BTreeMap<String, u64> {
        let count = |store: &Datastore| (store.name.clone(), store.lookups.load(Ordering::Relaxed));
        self.datastores.iter().map(count).collect()
    }
}
