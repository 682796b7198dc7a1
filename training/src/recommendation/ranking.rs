//! Lists for the users of a trial, from a scorer or from a model, and what they are worth.

use std::collections::HashMap;

use dragoman_core::recommend::{Event, Query, Recommend, scorer::Scorer};
use rayon::prelude::*;

use super::{
    metrics::{Scores, top},
    trial::{Case, Trial},
};
use crate::Result;

/// Users that a model scores at once.
const BATCH: usize = 64;

/// The recommendations of one system in a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the list of each case is worth.
    pub scores: Vec<Scores>,
    /// The lists, by case.
    pub lists: Vec<Vec<u32>>,
}

impl Outcome {
    /// Asks a scorer, whose items are those of the trial.
    pub fn of_scorer(trial: &Trial, scorer: &dyn Scorer) -> Self {
        let ask = |case: &Case| {
            let mut scores = vec![0.0; scorer.num_items()];
            scorer.score(&case.history, case.now, &mut scores);
            list(trial, case, &mut scores)
        };
        trial.cases.par_iter().map(ask).collect::<Vec<_>>().into()
    }

    /// Asks a model, whose items are matched by identifier: it receives nothing about items that it does
    /// not know, and never recommends them.
    pub fn of_model(trial: &Trial, model: &dyn Recommend) -> Result<Self> {
        let catalogue = Catalogue::new(trial, model);
        let mut results = Vec::with_capacity(trial.cases.len());
        for cases in trial.cases.chunks(BATCH) {
            let histories: Vec<Vec<Event>> =
                cases.iter().map(|case| catalogue.history(&case.history)).collect();
            let queries: Vec<Query<'_>> = cases
                .iter()
                .zip(&histories)
                .map(|(case, history)| Query {
                    history,
                    labels: &case.labels,
                    now: case.now,
                    popularity: &catalogue.popularity,
                })
                .collect();
            for (case, ranking) in cases.iter().zip(model.rank(&queries)?) {
                let mut scores = catalogue.scores(&ranking.scores);
                results.push(list(trial, case, &mut scores));
            }
        }
        Ok(results.into())
    }
}

impl From<Vec<(Scores, Vec<u32>)>> for Outcome {
    fn from(results: Vec<(Scores, Vec<u32>)>) -> Self {
        let (scores, lists) = results.into_iter().unzip();
        Self { scores, lists }
    }
}

/// The best of what may be recommended.
fn list(trial: &Trial, case: &Case, scores: &mut [f32]) -> (Scores, Vec<u32>) {
    trial.exclude(case, scores);
    let list = top(scores);
    (Scores::of(&list, &case.targets), list)
}

/// The items of a trial as a model numbers them.
struct Catalogue {
    /// Place in the model of each item of the trial.
    item: Vec<Option<u32>>,
    /// Kind in the model of each kind of the trial.
    kind: Vec<u16>,
    /// Of each item of the model.
    popularity: Vec<f32>,
}

impl Catalogue {
    fn new(trial: &Trial, model: &dyn Recommend) -> Self {
        let places: HashMap<&str, u32> =
            model.items().iter().zip(0..).map(|(id, place)| (id.as_str(), place)).collect();
        let item: Vec<_> =
            trial.train.items.iter().map(|item| places.get(item.id.as_str()).copied()).collect();
        let kind_of = |name: &String| model.kinds().iter().position(|kind| kind == name);
        let kind = trial.train.kinds.iter().map(|name| kind_of(name).unwrap_or(0) as u16).collect();
        let mut popularity = vec![0.0; model.items().len()];
        for (place, &count) in item.iter().zip(&trial.popularity) {
            if let Some(place) = place {
                popularity[*place as usize] = count;
            }
        }
        Self { item, kind, popularity }
    }

    fn history(&self, history: &[Event]) -> Vec<Event> {
        let translate = |event: &Event| {
            let item = self.item[event.item as usize]?;
            let kind = self.kind.get(event.kind as usize).copied().unwrap_or(0);
            Some(Event { item, kind, ..*event })
        };
        history.iter().filter_map(translate).collect()
    }

    fn scores(&self, of_model: &[f32]) -> Vec<f32> {
        let score =
            |place: &Option<u32>| place.and_then(|place| of_model.get(place as usize)).copied();
        self.item.iter().map(|place| score(place).unwrap_or(f32::NEG_INFINITY)).collect()
    }
}
