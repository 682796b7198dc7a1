//! Lists that are not made for one user: popular, latest, and what is near an item or a user.

use std::sync::Arc;

use dragoman_store::Timestamp;

use super::{
    Filter, Recommendations, Scored, Shop,
    rank::{self, Candidate, Order},
};
use crate::error::ApiError;

/// The recommenders that have names on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// What is popular now.
    Popular,
    /// What appeared last.
    Latest,
    /// By the model where there is one, else by users and then by content.
    Neighbours,
    /// By users alone.
    Together,
    /// By categories and labels alone.
    Content,
}

impl Named {
    /// Reads the name of a list for everybody.
    pub(crate) fn of_everybody(name: &str) -> Option<Self> {
        match name {
            "popular" => Some(Self::Popular),
            "latest" => Some(Self::Latest),
            _ => None,
        }
    }

    /// Reads the name of a list of items near an item.
    pub(crate) fn of_item(name: &str) -> Option<Self> {
        match name {
            "neighbors" | "neighbours" | "similar" => Some(Self::Neighbours),
            "users" | "co-occurrence" => Some(Self::Together),
            "content" | "tags" => Some(Self::Content),
            _ => None,
        }
    }

    /// Reads the name of a list of users near a user.
    pub(crate) fn of_user(name: &str) -> Option<Self> {
        match name {
            "neighbors" | "neighbours" | "similar" | "items" => Some(Self::Together),
            _ => None,
        }
    }
}

impl Recommendations {
    /// What is popular or new, without what `user` has seen. Blocks.
    pub(crate) fn everybody(
        &self,
        shop: &Shop,
        (name, filter): (Named, &Filter),
        user: Option<&str>,
        (offset, n): (usize, usize),
    ) -> Result<Vec<Scored>, ApiError> {
        let events = user.map(|user| shop.history(user)).transpose()?.unwrap_or_default();
        let seen = shop.numbers(&events);
        let catalogue = shop.catalogue();
        let sieve = filter.sieve(&catalogue, &seen);
        let passing = |number: &u32| sieve.passes(&catalogue, *number);
        let now = Timestamp::now().seconds;
        let scored = |number: u32| {
            let entry = catalogue.entry(number);
            let score = match name {
                Named::Latest => entry.time as f64,
                _ => catalogue.popularity().at(number, now),
            };
            Scored { id: entry.id.to_string(), score }
        };
        Ok(match name {
            Named::Latest => {
                catalogue.latest().filter(passing).skip(offset).take(n).map(scored).collect()
            }
            _ => catalogue.popular().filter(passing).skip(offset).take(n).map(scored).collect(),
        })
    }

    /// Items near `item`, without what `user` has seen. Blocks.
    pub(crate) fn near_item(
        &self,
        shop: &Arc<Shop>,
        (name, item): (Named, &str),
        (filter, user): (&Filter, Option<&str>),
        place: (usize, usize),
    ) -> Result<Vec<Scored>, ApiError> {
        let events = user.map(|user| shop.history(user)).transpose()?.unwrap_or_default();
        let mut seen = shop.numbers(&events);
        let Some(number) = shop.catalogue().number(item) else { return Ok(Vec::new()) };
        seen.insert(number);
        let candidates = match name {
            Named::Neighbours => match self.by_model(shop, number)? {
                Some(candidates) => candidates,
                None => {
                    let mut together = self.by_users(shop, item)?;
                    let known: std::collections::HashSet<u32> =
                        together.iter().map(|one| one.number).collect();
                    let content = by_content(shop, number, 1);
                    together.extend(content.into_iter().filter(|one| !known.contains(&one.number)));
                    together
                }
            },
            Named::Content => by_content(shop, number, 0),
            _ => self.by_users(shop, item)?,
        };
        let catalogue = shop.catalogue();
        let sieve = filter.sieve(&catalogue, &seen);
        let candidates = candidates.into_iter().filter(|one| sieve.passes(&catalogue, one.number));
        let page = rank::page(&catalogue, candidates.collect(), &Order::default(), place);
        let scored = |one: Candidate| Scored {
            id: catalogue.entry(one.number).id.to_string(),
            score: f64::from(one.score),
        };
        Ok(page.into_iter().map(scored).collect())
    }

    /// Users near `user`. Blocks.
    pub(crate) fn near_user(
        &self,
        shop: &Shop,
        user: &str,
        (offset, n): (usize, usize),
    ) -> Result<Vec<Scored>, ApiError> {
        let near = shop.neighbours.of_user(&shop.tenant, &self.settings, user)?;
        let scored =
            |(id, score): &(String, f32)| Scored { id: id.clone(), score: f64::from(*score) };
        Ok(near.iter().skip(offset).take(n).map(scored).collect())
    }

    /// How similar the model finds each item, if it knows the item `number`.
    fn by_model(&self, shop: &Arc<Shop>, number: u32) -> Result<Option<Vec<Candidate>>, ApiError> {
        let Some(link) = shop.link(self.model.current_of(shop.tenant.name())) else {
            return Ok(None);
        };
        let Some(index) = link.index(number) else { return Ok(None) };
        let failed = |error: dragoman_core::Error| ApiError::Internal(error.to_string());
        let scores = link.model.similar(index).map_err(failed)?;
        let candidate = |(index, score): (usize, f32)| {
            Some(Candidate { number: link.number(index)?, tier: 0, score })
        };
        Ok(Some(scores.into_iter().enumerate().filter_map(candidate).collect()))
    }

    fn by_users(&self, shop: &Shop, item: &str) -> Result<Vec<Candidate>, ApiError> {
        let catalogue = shop.catalogue();
        let numbers = |id: &str| catalogue.number(id);
        let near = shop.neighbours.of_item(&shop.tenant, &self.settings, (item, &numbers))?;
        let candidate = |&(number, score): &(u32, f32)| Candidate { number, tier: 0, score };
        Ok(near.iter().map(candidate).collect())
    }
}

/// Items that share categories or labels with the item `number`.
fn by_content(shop: &Shop, number: u32, tier: u8) -> Vec<Candidate> {
    let catalogue = shop.catalogue();
    let numbers = 0..u32::try_from(catalogue.entries().len()).unwrap_or(u32::MAX);
    let candidates = numbers.map(|other| {
        let score = catalogue.likeness(number, other);
        Candidate { number: other, tier, score }
    });
    candidates.filter(|one| one.score > 0.0).collect()
}
