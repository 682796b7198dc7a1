//! What fills a list that is too short, in the order of the settings.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::{
    Audience, Recommendations, Settings, TenantIndex,
    item_index::ItemIndex,
    leaderboard::Leaderboard,
    lists::Named,
    rank::{self, Candidate, Order, Place},
    score::{Scores, UserContext},
    upstream::ExternalId,
};
use crate::error::ServiceError;

/// Fallbacks at most: each is a tier of a list.
const MOST: usize = 16;

/// The latest items of a user whose neighbours are listed.
const SEEDS: usize = 10;

/// Neighbours of an item that count.
const NEAR: usize = 100;

/// What the reciprocal of a place in a list begins with (Cormack and others, 2009).
const RANK: f32 = 60.0;

/// A recommender that fills lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fallback {
    /// What is popular now.
    Popular,
    /// What appeared last.
    Latest,
    /// What a formula of the settings puts in order.
    Leaderboard(Leaderboard),
    /// What is near the latest items that the user liked.
    NearItems(Named),
    /// What users near the user like.
    NearUsers,
    /// The model.
    Collaborative,
    /// Another service.
    External(ExternalId),
}

/// What a fallback has for one list.
pub(super) enum Filling {
    /// What is popular now, which is at hand.
    Popular,
    /// What appeared last, which is at hand.
    Latest,
    /// Items with their scores, the greatest first.
    Made { items: Vec<(u32, f32)>, numbers: AHashSet<u32> },
}

impl Fallback {
    /// Reads a name.
    pub(crate) fn parse(name: &str, settings: &Settings) -> Option<Self> {
        let of_everybody = |name: &str| match Named::of_everybody(name, settings)? {
            Named::Popular => Some(Self::Popular),
            Named::Latest => Some(Self::Latest),
            Named::Leaderboard(board) => Some(Self::Leaderboard(board)),
            _ => None,
        };
        match name.split_once('/') {
            None if name == "collaborative" => Some(Self::Collaborative),
            None => of_everybody(name),
            Some(("non-personalized", name)) => of_everybody(name),
            Some(("item-to-item", name)) => {
                Named::of_item(settings.resolve(name)).map(Self::NearItems)
            }
            Some(("user-to-user", name)) => {
                Named::of_user(settings.resolve(name)).map(|_| Self::NearUsers)
            }
            Some(_) => {
                let id = ExternalId::parse(name)?;
                settings.externals.iter().any(|one| one.id() == id).then_some(Self::External(id))
            }
        }
    }

    /// Reads `names`, each once.
    pub(super) fn parse_all(names: &[String], settings: &Settings) -> Result<Vec<Self>, String> {
        let mut all = Vec::new();
        for name in names {
            let one = Self::parse(name, settings).ok_or_else(|| {
                format!(
                    "`fallback`: there is no `{name}`; there are `popular`, `latest`, `collaborative`, \
                     `item-to-item/NAME`, `user-to-user/NAME`, `external/NAME` and the names of leaderboards"
                )
            })?;
            if !all.contains(&one) {
                all.push(one);
            }
        }
        if all.len() > MOST {
            return Err(format!("`fallback` has {} names; take {MOST} at most", all.len()));
        }
        Ok(all)
    }
}

impl Filling {
    fn new(mut items: Vec<(u32, f32)>, catalogue: &ItemIndex) -> Self {
        let id = |number: u32| &catalogue.entry(number).id;
        items.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| id(a.0).cmp(id(b.0))));
        let numbers = items.iter().map(|(number, _)| *number).collect();
        Self::Made { items, numbers }
    }

    /// Whether the item `number`, whose popularity relative to the best is `relative`, is among these.
    pub(super) fn has(&self, number: u32, relative: f32) -> bool {
        match self {
            Self::Popular => relative > f32::NEG_INFINITY,
            Self::Latest => true,
            Self::Made { numbers, .. } => numbers.contains(&number),
        }
    }
}

impl Recommendations {
    /// What fills a list of `scores` for `audience`, in order; what is new comes last in any case.
    pub(super) fn fillings(
        &self,
        index: &Arc<TenantIndex>,
        (context, audience): (&UserContext, &Audience),
        scores: &Scores,
    ) -> Result<Vec<Filling>, ServiceError> {
        let mut fillings = match scores {
            Scores::Popular => vec![Filling::Popular],
            Scores::Latest => Vec::new(),
            _ => {
                let all = self.settings.fallback.iter();
                // A model leaves nothing to fill but items of the last moment: what takes work is not worth it.
                let is_worth_it = |one: &&Fallback| {
                    let is_at_hand = matches!(one, Fallback::Popular | Fallback::Latest);
                    is_at_hand || !matches!(scores, Scores::Model { .. })
                };
                let of = |one| self.filling(index, (context, audience), one);
                all.filter(is_worth_it).map(of).collect::<Result<Vec<_>, _>>()?
            }
        };
        if !fillings.iter().any(|filling| matches!(filling, Filling::Latest)) {
            fillings.push(Filling::Latest);
        }
        Ok(fillings)
    }

    /// What `fallback` has for `audience`.
    pub(super) fn filling(
        &self,
        index: &Arc<TenantIndex>,
        (context, audience): (&UserContext, &Audience),
        fallback: &Fallback,
    ) -> Result<Filling, ServiceError> {
        let items = match (fallback, audience) {
            (Fallback::Popular, _) => return Ok(Filling::Popular),
            (Fallback::Latest, _) => return Ok(Filling::Latest),
            (Fallback::Leaderboard(board), _) => {
                let ranked = index.leaderboards.get(board, &index.tenant)?;
                let catalogue = index.items();
                let known = ranked.iter();
                known.filter_map(|(id, s)| Some((catalogue.number(id)?, *s as f32))).collect()
            }
            (Fallback::NearItems(name), _) => self.near_all(index, name, &context.recent())?,
            (Fallback::NearUsers, Audience::User(user)) => {
                let near = index.neighbours.of_user(&index.tenant, &self.settings, user)?;
                let catalogue = index.items();
                let tenant = &index.tenant;
                index.neighbours.liked_by(tenant, &self.settings, &near, &catalogue)?
            }
            (Fallback::Collaborative, _) => self.by_model_alone(index, context),
            (Fallback::External(id), Audience::User(user)) => {
                let ids = self.externals.ask(*id, user, NEAR).unwrap_or_default();
                let catalogue = index.items();
                let places = ids.iter().zip((0..ids.len()).rev());
                places.filter_map(|(id, s)| Some((catalogue.number(id)?, s as f32))).collect()
            }
            (Fallback::NearUsers | Fallback::External(_), Audience::Session(_)) => Vec::new(),
        };
        Ok(Filling::new(items, &index.items()))
    }

    /// What is near `ids` as the list `name` has it. Such lists have scales of their own, so places are added up.
    fn near_all(
        &self,
        index: &Arc<TenantIndex>,
        name: &Named,
        ids: &[&str],
    ) -> Result<Vec<(u32, f32)>, ServiceError> {
        let mut sums: AHashMap<u32, f32> = AHashMap::new();
        for id in ids.iter().take(SEEDS) {
            let Some(number) = index.items().number(id) else { continue };
            let mut near = self.near_candidates(index, name, (id, number))?;
            near.retain(|one| one.number != number);
            let place = Place { offset: 0, n: NEAR };
            let near = rank::page(&index.items(), near, &Order::default(), place);
            for (Candidate { number, .. }, place) in near.into_iter().zip(0u16..) {
                *sums.entry(number).or_default() += 1.0 / (RANK + f32::from(place));
            }
        }
        Ok(sums.into_iter().collect())
    }

    /// The items as the model scores them; none without a model, or where it fails.
    fn by_model_alone(&self, index: &Arc<TenantIndex>, context: &UserContext) -> Vec<(u32, f32)> {
        let Some(link) = index.link(self.model.current_of(index.tenant.name())) else {
            return Vec::new();
        };
        let Ok(ranking) = self.queue.rank(self.ask(index, &link, context)) else {
            return Vec::new();
        };
        let catalogue = index.items();
        let scored = ranking.scores.into_iter().enumerate().filter(|(_, score)| !score.is_nan());
        scored.filter_map(|(at, score)| Some((link.number(&catalogue, at)?, score))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RecommendationConfig;

    #[test]
    fn names_are_those_of_recommenders_here() -> Result<(), String> {
        let config = RecommendationConfig {
            leaderboards: vec!["starred = len(feedback)".into()],
            recommender_aliases: vec!["also=users".into()],
            external_recommenders: vec!["shop=http://127.0.0.1:1/{user}".into()],
            ..RecommendationConfig::default()
        };
        let with = |names: &[&str]| {
            let fallback = names.iter().map(|&name| name.into()).collect();
            Settings::new(&RecommendationConfig { fallback, ..config.clone() })
        };
        let names = ["item-to-item/also", "collaborative", "starred", "non-personalized/starred"];
        let fallback = with(&names)?.fallback;
        assert_eq!(fallback[..2], [Fallback::NearItems(Named::Together), Fallback::Collaborative]);
        assert_eq!(fallback.len(), 3, "each once");
        assert_eq!(with(&["user-to-user/neighbors", "external/shop", "latest"])?.fallback.len(), 3);
        for name in ["item-to-item/magic", "user-to-user/magic", "external/other", "weekly", ""] {
            let error = with(&[name]).expect_err(name);
            assert!(error.contains(&format!("`{name}`")) && error.contains("fallback"), "{error}");
        }
        Ok(())
    }
}
