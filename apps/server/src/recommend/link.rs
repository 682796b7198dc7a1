//! Joins a model's items to those of a tenant.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dragoman_core::recommend::Recommend;

use super::{item_index::ItemIndex, model::LoadedRecommender};

/// What stands for no item.
const NONE: u32 = u32::MAX;

/// How long popularity may lag behind events for the model; lists of what is popular never do.
const LAG: Duration = Duration::from_millis(100);

/// A model that knows the items of a tenant.
pub(crate) struct Link {
    pub(crate) model: Arc<dyn Recommend>,
    to_model: Vec<u32>,
    to_tenant: Vec<u32>,
    /// Items that were added later may have a number that another item had here.
    serial: u64,
    popularity: Mutex<Option<(Instant, Arc<Vec<f32>>)>>,
}

/// Whether `loaded` is of this catalogue: it knows a tenth of the tenant's items, or finds half of its
/// own there.
pub(crate) fn is_of(loaded: &LoadedRecommender, catalogue: &ItemIndex) -> bool {
    let known = loaded.model.items().iter().filter(|id| catalogue.number(id).is_some()).count();
    let shown = catalogue.entries().iter().filter(|entry| entry.is_shown).count();
    known > 0 && (known * 10 >= shown || known * 2 >= loaded.model.items().len())
}

impl Link {
    /// Joins `model` to `catalogue`.
    pub(crate) fn new(model: Arc<dyn Recommend>, catalogue: &ItemIndex) -> Self {
        let number = |id: &String| catalogue.number(id).unwrap_or(NONE);
        let to_tenant: Vec<u32> = model.items().iter().map(number).collect();
        let mut to_model = vec![NONE; catalogue.entries().len()];
        for (index, &number) in to_tenant.iter().enumerate() {
            if number != NONE {
                to_model[number as usize] = u32::try_from(index).unwrap_or(NONE);
            }
        }
        Self {
            model,
            to_model,
            to_tenant,
            serial: catalogue.serial(),
            popularity: Mutex::default(),
        }
    }

    /// The model's index of the item `number` of `items`, if it knows it.
    pub(crate) fn index(&self, items: &ItemIndex, number: u32) -> Option<u32> {
        let index = self.to_model.get(number as usize).copied();
        index.filter(|&index| index != NONE && self.knows(items, number))
    }

    /// The number in `items` of the model's index `index`, if the tenant has it.
    pub(crate) fn number(&self, items: &ItemIndex, index: usize) -> Option<u32> {
        let number = self.to_tenant.get(index).copied();
        number.filter(|&number| number != NONE && self.knows(items, number))
    }

    fn knows(&self, items: &ItemIndex, number: u32) -> bool {
        let entry = items.entries().get(number as usize);
        entry.is_some_and(|entry| entry.serial < self.serial)
    }

    /// How popular each item of the model is now.
    pub(crate) fn popularity(&self, catalogue: &ItemIndex, now: i64) -> Arc<Vec<f32>> {
        let mut known = self.popularity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, popularity)) = &*known
            && since.elapsed() < LAG
        {
            return Arc::clone(popularity);
        }
        let popularity = catalogue.popularity();
        let at = |&number: &u32| match number {
            number if number != NONE && self.knows(catalogue, number) => {
                popularity.at(number, now) as f32
            }
            _ => 0.0,
        };
        let values: Arc<Vec<f32>> = Arc::new(self.to_tenant.iter().map(at).collect());
        *known = Some((Instant::now(), Arc::clone(&values)));
        values
    }
}
