//! What a recommendation rests on.

use super::{Recommender, User};
use crate::{
    Error, Result,
    recommend::{Event, Explanation, Query, TRANSFORMER},
};

/// Events at the end of a history that are left out one by one to see what the transformer makes
/// of them.
const LEFT_OUT: usize = 10;

impl Recommender {
    /// What each event adds to the blended score of `item`: the scorers of items by items say it
    /// themselves; of the transformer it is the difference that its last events make, one by one.
    pub(super) fn explain_item(&self, query: &Query<'_>, item: u32) -> Result<Explanation> {
        self.check_item(item)?;
        let mut contributions = vec![0.0; query.history.len()];
        let places: Vec<usize> = (0..query.history.len())
            .filter(|&place| (query.history[place].item as usize) < self.ids.len())
            .collect();
        if places.is_empty() {
            return Ok(Explanation { contributions });
        }
        let components = self.components(&[*query])?.swap_remove(0);
        let shares = self.blend.shares(&components.gates, &components.behaviour);
        let names = self.scorers();
        let user = self.user(query);
        let history = &user.events;
        let mut cheap = self.scorers.contributions(history, item).into_iter();
        for (k, name) in names.iter().enumerate() {
            let parts = match k {
                0 => self.differences(query, &user, item)?,
                1 => continue, // popularity rests on others
                _ => match cheap.next() {
                    Some(parts) => parts,
                    None => continue,
                },
            };
            let share = self.blend.scorers.iter().position(|known| known == name);
            let share = share.map_or(0.0, |place| shares[place]);
            let deviation = components.deviations[k];
            if share > 0.0 && deviation > 0.0 {
                for (part, &place) in parts.iter().zip(&places) {
                    contributions[place] += share * part / deviation;
                }
            }
        }
        Ok(Explanation { contributions })
    }

    /// What the logit of `item` loses without each of the last events, by the same route; 0 for
    /// those before.
    fn differences(&self, query: &Query<'_>, user: &User, item: u32) -> Result<Vec<f32>> {
        let history = &user.events;
        let mut differences = vec![0.0; history.len()];
        if !self.blend.scorers.iter().any(|name| name == TRANSFORMER) {
            return Ok(differences);
        }
        let first = history.len().saturating_sub(LEFT_OUT);
        let with_events = |events: Vec<Event>| User {
            behaviours: self.profiler.behaviours(&events, query.now),
            events,
            route: user.route,
        };
        let mut users = vec![with_events(history.clone())];
        for place in first..history.len() {
            let mut without = history.clone();
            without.remove(place);
            users.push(with_events(without));
        }
        let queries = vec![*query; users.len()];
        let (logits, _) = self.transform(&queries, &users)?;
        let logit = |i: usize| logits[i * self.ids.len() + item as usize];
        for (i, place) in (first..history.len()).enumerate() {
            differences[place] = logit(0) - logit(i + 1);
        }
        Ok(differences)
    }

    /// Refuses an item that the catalogue does not know.
    pub(super) fn check_item(&self, item: u32) -> Result<()> {
        match (item as usize) < self.ids.len() {
            true => Ok(()),
            false => Err(Error::Invalid(format!(
                "there is no item {item}: the model knows {}",
                self.ids.len()
            ))),
        }
    }
}
