//! Recommends: from what the store holds at the time of the request, with a model or without.
//!
//! A [`TenantIndex`] is one tenant: its store, and in memory its items (`catalogue`), how popular they are
//! (`popularity`), who touched the same (`neighbours`) and the model joined to them (`link`). A list
//! is made of scores (`score`), put in order and cut into pages (`rank`), and explained (`explain`).

mod vectors;
mod features;
mod expression;
mod upstream;
mod groups;
mod leaderboard;
mod settings;
mod popularity;
mod words;
mod bags;
mod item_index;
mod filter;
mod boost;
mod caps;
mod rank;
mod neighbours;
mod user_labels;
mod tasks;
mod model;
mod link;
mod queue;
mod tenant_index;
mod content;
mod label_lifts;
mod live;
mod score;
mod fallback;
mod rerank;
mod explain;
mod lists;
mod tenants;

use std::sync::Arc;

use dragoman_store::{Event, Timestamp};
use tracing::debug_span;

use crate::error::ServiceError;

pub use model::{LoadedRecommender, RecommenderHandle};

pub(crate) use boost::Boost;
pub(crate) use caps::Caps;
pub(crate) use explain::{Because, Why};
pub(crate) use expression::Expression;
pub(crate) use fallback::Fallback;
pub(crate) use features::check as check_labels;
pub(crate) use filter::Filter;
pub(crate) use groups::Recommender;
pub(crate) use lists::Named;
pub(crate) use rank::Place;
pub(crate) use settings::Settings;
pub(crate) use tenant_index::TenantIndex;
pub(crate) use tenants::Recommendations;

use rank::Order;
use score::{Scores, UserContext};
use tenant_index::Served;
use upstream::Reranker;

/// A place in a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scored {
    /// Identifier of the item, or of a user.
    pub(crate) id: String,
    /// Greater is better.
    pub(crate) score: f64,
}

/// Whom a list is for.
#[derive(Debug, Clone)]
pub(crate) enum Audience {
    /// A user with what the store knows.
    User(String),
    /// Somebody of whom only this is known, newest first.
    Session(Vec<Event>),
}

/// What is asked of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListRequest {
    pub(crate) audience: Audience,
    pub(crate) filter: Filter,
    pub(crate) offset: usize,
    pub(crate) n: usize,
    pub(crate) boost: Boost,
    pub(crate) caps: Caps,
    /// Weight of being unlike what stands above, 0 to 1.
    pub(crate) diversity: f32,
    /// Strength of exploration.
    pub(crate) explore: f32,
    /// What exploration depends on.
    pub(crate) seed: Option<u64>,
    /// Whether to say why.
    pub(crate) explain: bool,
    /// A recommender other than that of the user's group.
    pub(crate) recommender: Option<Recommender>,
}

/// A list and how it came about.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) items: Vec<Scored>,
    /// The group of the user.
    pub(crate) group: String,
    /// Why, if that was asked.
    pub(crate) why: Option<Why>,
}

impl Recommendations {
    /// Makes a list of `index`. Blocks.
    pub(crate) fn recommend(
        &self,
        index: &Arc<TenantIndex>,
        request: &ListRequest,
    ) -> Result<List, ServiceError> {
        let now = Timestamp::now();
        let context = debug_span!("recommend.user")
            .in_scope(|| UserContext::read(index, &self.settings, &request.audience, now))?;
        let (group, of_group) = match &request.audience {
            Audience::User(user) => self.settings.groups.of(user),
            Audience::Session(_) => ("session", Recommender::Model),
        };
        let recommender = request.recommender.unwrap_or(of_group);
        let link = match recommender {
            Recommender::Model => {
                let loaded = self.model.current_of(index.tenant.name());
                match request.recommender {
                    Some(_) => index.awaited_link(loaded)?, // who asks for the model gets it
                    None => index.link(loaded),
                }
            }
            _ => None,
        };
        let end = request.offset.saturating_add(request.n);
        let scoring = debug_span!("recommend.score").entered();
        let scores = match (recommender, &request.audience) {
            (Recommender::External(id), Audience::User(user)) => {
                match self.externals.ask(id, user, end) {
                    Some(items) => Scores::in_order(&index.items(), &items),
                    None => self.score(index, None, &context, Recommender::Live)?,
                }
            }
            _ => self.score(index, link.as_ref(), &context, recommender)?,
        };
        let fillings = self.fillings(index, (&context, &request.audience), &scores)?;
        drop(scoring);
        let is_personal = matches!(scores, Scores::Model { .. } | Scores::Live(_));
        let is_user = matches!(request.audience, Audience::User(_));
        // Pages of one list fit together: whatever lies beyond the first places is not put in order.
        let reranker = self.reranker.as_ref();
        let reranker =
            reranker.filter(|reranker| is_personal && is_user && request.offset < reranker.top());
        let offset = if reranker.is_some() { 0 } else { request.offset };
        let most = end.max(reranker.map_or(0, Reranker::top));

        let mut page: Vec<(Scored, u32)> = {
            let _ranking = debug_span!("recommend.rank").entered();
            let catalogue = index.items();
            let compiled =
                request.filter.compile(&catalogue, &context.seen(&catalogue, &self.settings));
            let order = Order {
                decays: context.decays(&catalogue, &self.settings),
                boost: (!request.boost.is_empty()).then(|| request.boost.weights(&catalogue)),
                explore: request.explore,
                seed: request.seed.unwrap_or_else(|| context.seed(&request.audience)),
                diversity: request.diversity,
                caps: request.caps.clone(),
            };
            let enough = order.is_plain().then_some(most);
            let candidates = scores.candidates(&catalogue, &compiled, &fillings, enough);
            let place = Place { offset, n: most - offset };
            let page = rank::page(&catalogue, candidates, &order, place);
            let scored = |one: rank::Candidate| {
                let id = catalogue.entry(one.number).id.to_string();
                (Scored { id, score: f64::from(one.score) }, one.number)
            };
            page.into_iter().map(scored).collect()
        };
        if let Some(reranker) = reranker {
            debug_span!("recommend.rerank")
                .in_scope(|| self.rerank(reranker, index, &context, &mut page))?;
            page.truncate(end);
            page.drain(..request.offset.min(page.len()));
        }
        let (page, numbers): (Vec<Scored>, Vec<u32>) = page.into_iter().unzip();
        let why = match request.explain {
            true => Some(
                debug_span!("recommend.explain")
                    .in_scope(|| self.explain(index, link.as_ref(), &context, &scores, &numbers))?,
            ),
            false => None,
        };
        // A list by another recommender than the group's says nothing about the group.
        if let (Audience::User(user), None) = (&request.audience, request.recommender) {
            self.metrics.listed(group, page.len());
            let items = page.iter().map(|one| one.id.as_str().into()).collect();
            index.note(user, Served { group: group.to_owned(), items });
        }
        Ok(List { items: page, group: group.to_owned(), why })
    }
}

#[cfg(test)]
mod tests;
