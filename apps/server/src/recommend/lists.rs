//! Lists that are not made for one user: popular, latest, and what is near an item or a user.

use std::{collections::HashSet, sync::Arc};

use dragoman_store::Timestamp;

use super::{
    Audience, Fallback, Filter, Recommendations, Scored, Settings, TenantIndex,
    fallback::Filling,
    item_index::{Entry, ItemIndex},
    leaderboard::{Leaderboard, Ranked},
    rank::{self, Candidate, Order, Place},
    score::UserContext,
    upstream::ExternalId,
    vectors::{Distance, Kind, MANY},
};
use crate::error::ServiceError;

/// The label that holds the vector of an item unless another is named.
const EMBEDDING: &str = "embedding";

/// The recommenders that have names on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Named {
    /// What is popular now.
    Popular,
    /// What appeared last.
    Latest,
    /// By a formula of the settings.
    Leaderboard(Leaderboard),
    /// By the model where there is one, else by users and then by content.
    Neighbours,
    /// By users alone.
    Together,
    /// By categories and labels, then by vectors.
    Content,
    /// By the vectors of a label.
    Vectors {
        /// How they are compared.
        distance: Distance,
        /// The path of the label.
        path: String,
    },
}

impl Named {
    /// Reads the name of a list for everybody.
    pub(crate) fn of_everybody(name: &str, settings: &Settings) -> Option<Self> {
        let board = || settings.leaderboards.iter().find(|board| board.name == name);
        match settings.resolve(name) {
            _ if board().is_some() => board().cloned().map(Self::Leaderboard),
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
            _ => Self::of_vectors(name),
        }
    }

    /// Reads `embedding` or `cosine`, with the path of the label behind a colon where it is another.
    fn of_vectors(name: &str) -> Option<Self> {
        let (kind, path) = name.split_once(':').unwrap_or((name, EMBEDDING));
        let distance = match kind {
            "embedding" | "euclidean" => Distance::Euclidean,
            "cosine" => Distance::Cosine,
            _ => return None,
        };
        Some(Self::Vectors { distance, path: path.into() })
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
    /// What the external recommender `id` answers for `user`; none where it does not. Blocks.
    pub(crate) fn external(&self, id: ExternalId, user: &str, n: usize) -> Option<Vec<String>> {
        let mut items = self.externals.ask(id, user, n)?;
        items.truncate(n);
        Some(items)
    }

    /// What `fallback` alone has for `user`, without what the user has seen. Blocks.
    pub(crate) fn by_fallback(
        &self,
        index: &Arc<TenantIndex>,
        fallback: &Fallback,
        (user, filter): (&str, &Filter),
        place: Place,
    ) -> Result<Vec<Scored>, ServiceError> {
        let audience = Audience::User(user.to_owned());
        let context = UserContext::read(index, &self.settings, &audience, Timestamp::now())?;
        let everybody = |name: &Named| self.everybody(index, name, filter, Some(user), place);
        let items = match self.filling(index, (&context, &audience), fallback)? {
            Filling::Popular => return everybody(&Named::Popular),
            Filling::Latest => return everybody(&Named::Latest),
            Filling::Made { items, .. } => items,
        };
        let catalogue = index.items();
        let seen = context.seen(&catalogue, &self.settings);
        let compiled = filter.compile(&catalogue, &seen);
        let passing = items.into_iter().filter(|(number, _)| compiled.passes(&catalogue, *number));
        let scored = |(number, score): (u32, f32)| Scored {
            id: catalogue.entry(number).id.to_string(),
            score: f64::from(score),
        };
        Ok(passing.skip(place.offset).take(place.n).map(scored).collect())
    }

    /// What is popular or new, without what `user` has seen. Blocks.
    pub(crate) fn everybody(
        &self,
        index: &TenantIndex,
        name: &Named,
        filter: &Filter,
        user: Option<&str>,
        Place { offset, n }: Place,
    ) -> Result<Vec<Scored>, ServiceError> {
        let events = user.map(|user| index.history(user)).transpose()?.unwrap_or_default();
        let seen = index.numbers(&events);
        let ranked = match name {
            Named::Leaderboard(board) => index.leaderboards.get(board, &index.tenant)?,
            _ => Ranked::default(),
        };
        let catalogue = index.items();
        let compiled = filter.compile(&catalogue, &seen);
        let passing = |number: &u32| compiled.passes(&catalogue, *number);
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
            Named::Leaderboard(_) => {
                let known = ranked.iter();
                let known = known.filter_map(|(id, score)| Some((catalogue.number(id)?, *score)));
                let passing = known.filter(|(number, _)| passing(number)).skip(offset).take(n);
                let scored = |(number, score): (u32, f64)| Scored {
                    id: catalogue.entry(number).id.to_string(),
                    score,
                };
                passing.map(scored).collect()
            }
            Named::Latest => {
                catalogue.latest().filter(passing).skip(offset).take(n).map(scored).collect()
            }
            _ => catalogue.popular().filter(passing).skip(offset).take(n).map(scored).collect(),
        })
    }

    /// Items near `item`, without what `user` has seen. Blocks.
    pub(crate) fn near_item(
        &self,
        index: &Arc<TenantIndex>,
        name: &Named,
        item: &str,
        filter: &Filter,
        user: Option<&str>,
        place: Place,
    ) -> Result<Vec<Scored>, ServiceError> {
        let events = user.map(|user| index.history(user)).transpose()?.unwrap_or_default();
        let mut seen = index.numbers(&events);
        let Some(number) = index.items().number(item) else { return Ok(Vec::new()) };
        seen.insert(number);
        let candidates = self.near_candidates(index, name, (item, number))?;
        let catalogue = index.items();
        let compiled = filter.compile(&catalogue, &seen);
        let passing = |candidates: Vec<Candidate>| -> Vec<Candidate> {
            let passing = candidates.into_iter();
            passing.filter(|one| compiled.passes(&catalogue, one.number)).collect()
        };
        let mut candidates = passing(candidates);
        if let Named::Vectors { distance, path } = name
            && candidates.len() < place.offset.saturating_add(place.n)
        {
            candidates = passing(all_by_vectors(&catalogue, number, *distance, path));
        }
        let page = rank::page(&catalogue, candidates, &Order::default(), place);
        let scored = |one: Candidate| Scored {
            id: catalogue.entry(one.number).id.to_string(),
            score: f64::from(one.score),
        };
        Ok(page.into_iter().map(scored).collect())
    }

    /// What the list `name` has near `item`, which has this number. Blocks.
    pub(super) fn near_candidates(
        &self,
        index: &Arc<TenantIndex>,
        name: &Named,
        (item, number): (&str, u32),
    ) -> Result<Vec<Candidate>, ServiceError> {
        Ok(match name {
            Named::Neighbours => match self.by_model(index, number)? {
                Some(candidates) => candidates,
                None => one_after_another([
                    self.by_users(index, item)?,
                    by_vectors(index, number, Distance::Euclidean, EMBEDDING),
                    by_content(index, number),
                ]),
            },
            Named::Content => one_after_another([
                by_content(index, number),
                by_vectors(index, number, Distance::Euclidean, EMBEDDING),
                Vec::new(),
            ]),
            Named::Vectors { distance, path } => by_vectors(index, number, *distance, path),
            _ => self.by_users(index, item)?,
        })
    }

    /// Users near `user`. Blocks.
    pub(crate) fn near_user(
        &self,
        index: &TenantIndex,
        user: &str,
        Place { offset, n }: Place,
    ) -> Result<Vec<Scored>, ServiceError> {
        let near = index.neighbours.of_user(&index.tenant, &self.settings, user)?;
        let scored =
            |(id, score): &(String, f32)| Scored { id: id.clone(), score: f64::from(*score) };
        Ok(near.iter().skip(offset).take(n).map(scored).collect())
    }

    /// How similar the model finds each item, if it knows the item `number`.
    fn by_model(
        &self,
        index: &Arc<TenantIndex>,
        number: u32,
    ) -> Result<Option<Vec<Candidate>>, ServiceError> {
        let Some(link) = index.link(self.model.current_of(index.tenant.name())) else {
            return Ok(None);
        };
        let Some(of_model) = link.index(&index.items(), number) else { return Ok(None) };
        let failed = |error: dragoman_core::Error| ServiceError::Internal(error.to_string());
        let scores = link.model.similar(of_model).map_err(failed)?;
        let items = index.items();
        let candidate = |(of_model, score): (usize, f32)| {
            Some(Candidate { number: link.number(&items, of_model)?, tier: 0, score })
        };
        Ok(Some(scores.into_iter().enumerate().filter_map(candidate).collect()))
    }

    fn by_users(&self, index: &TenantIndex, item: &str) -> Result<Vec<Candidate>, ServiceError> {
        let catalogue = index.items();
        let near = index.neighbours.of_item(&index.tenant, &self.settings, item, &catalogue)?;
        let candidate = |(number, score)| Candidate { number, tier: 0, score };
        Ok(near.cosines().map(candidate).collect())
    }
}

/// The candidates of several lists, those of a later list in a lower tier, each item once.
fn one_after_another(lists: [Vec<Candidate>; 3]) -> Vec<Candidate> {
    let mut known = HashSet::new();
    let mut all = Vec::new();
    for (list, tier) in lists.into_iter().zip(0u8..) {
        let new = list.into_iter().filter(|one| known.insert(one.number));
        all.extend(new.map(|one| Candidate { tier, ..one }));
    }
    all
}

/// Items with a vector of the same label as the item `number`; what is nearer scores more. Of many only
/// the nearest, as an index of them finds them.
fn by_vectors(index: &TenantIndex, number: u32, distance: Distance, path: &str) -> Vec<Candidate> {
    let items = index.items();
    let Some(own) = items.entry(number).vectors.get(path) else { return Vec::new() };
    let kind = Kind { path: path.to_owned(), distance, len: own.len() };
    if items.vectors(path, own.len()) < MANY {
        return all_by_vectors(&items, number, distance, path);
    }
    let all = || {
        let of = |(entry, number): (&Entry, u32)| Some((number, Arc::clone(kind.of(entry)?)));
        items.entries().iter().zip(0..).filter_map(of).collect()
    };
    let Some(cells) = index.vector_indexes.get(&kind, &items, all) else {
        return all_by_vectors(&items, number, distance, path);
    };
    // What has another vector now is among the changed ones.
    let near = cells.near(own).into_iter();
    let changed = items.vectors_since(cells.at).into_iter().flatten();
    let mut known = HashSet::new();
    let candidate = |number: u32| {
        let distance = distance.between(own, kind.of(items.entry(number))?)?;
        known.insert(number).then_some(Candidate { number, tier: 0, score: -distance })
    };
    near.chain(changed).filter_map(candidate).collect()
}

/// All items with a vector of the same label as the item `number`.
fn all_by_vectors(
    items: &ItemIndex,
    number: u32,
    distance: Distance,
    path: &str,
) -> Vec<Candidate> {
    let Some(own) = items.entry(number).vectors.get(path) else { return Vec::new() };
    let candidate = |(entry, number): (&Entry, u32)| {
        let distance = distance.between(own, entry.vectors.get(path)?)?;
        Some(Candidate { number, tier: 0, score: -distance })
    };
    items.entries().iter().zip(0..).filter_map(candidate).collect()
}

/// Items that share categories or labels with the item `number`.
fn by_content(index: &TenantIndex, number: u32) -> Vec<Candidate> {
    let catalogue = index.items();
    let numbers = 0..u32::try_from(catalogue.entries().len()).unwrap_or(u32::MAX);
    let candidates = numbers.map(|other| {
        let score = catalogue.likeness(number, other);
        Candidate { number: other, tier: 0, score }
    });
    candidates.filter(|one| one.score > 0.0).collect()
}
