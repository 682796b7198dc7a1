//! Recommends: from what the store holds at the moment of the request, with a model or without.
//!
//! A [`Shop`] is one tenant: its store, and in memory its items (`catalogue`), how popular they are
//! (`popularity`), who touched the same (`neighbours`) and the model joined to them (`link`). A list
//! is made of scores (`score`), put in order and cut into pages (`rank`), and explained (`explain`).

mod features;
mod expression;
mod groups;
mod settings;
mod popularity;
mod catalogue;
mod filter;
mod boost;
mod rank;
mod neighbours;
mod model;
mod link;
mod queue;
mod shop;
mod score;
mod explain;
mod lists;
mod tenants;

use std::sync::Arc;

use dragoman_store::{Happened, Timestamp};

use crate::error::ApiError;

pub use features::{flatten as flatten_labels, item as describe_item};
pub use model::{LoadedRecommender, RecommenderHandle};

pub(crate) use boost::Boost;
pub(crate) use explain::{Because, Why};
pub(crate) use expression::Expression;
pub(crate) use features::check as check_labels;
pub(crate) use filter::Filter;
pub(crate) use groups::Recommender;
pub(crate) use lists::Named;
pub(crate) use settings::Settings;
pub(crate) use shop::Shop;
pub(crate) use tenants::Recommendations;

use rank::Order;
use score::Moment;
use shop::Served;

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
    Session(Vec<Happened>),
}

/// What is asked of a list.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) audience: Audience,
    pub(crate) filter: Filter,
    pub(crate) offset: usize,
    pub(crate) n: usize,
    pub(crate) boost: Boost,
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
    /// Makes a list of `shop`. Blocks.
    pub(crate) fn recommend(&self, shop: &Arc<Shop>, wish: &Wish) -> Result<List, ApiError> {
        let now = Timestamp::now();
        let moment = Moment::read(shop, &self.settings, &wish.audience, now)?;
        let (group, of_group) = match &wish.audience {
            Audience::User(user) => self.settings.groups.of(user),
            Audience::Session(_) => ("session", Recommender::Model),
        };
        let link = match wish.recommender.unwrap_or(of_group) {
            Recommender::Model => shop.link(self.model.current_of(shop.tenant.name())),
            _ => None,
        };
        let recommender = wish.recommender.unwrap_or(of_group);
        let scores = self.score(shop, link.as_ref(), &moment, recommender)?;

        let (page, numbers) = {
            let catalogue = shop.catalogue();
            let sieve = wish.filter.sieve(&catalogue, &moment.seen(&catalogue, &self.settings));
            let candidates = scores.candidates(&catalogue, &sieve, now.seconds);
            let order = Order {
                boost: (!wish.boost.is_empty()).then(|| wish.boost.weights(&catalogue)),
                explore: wish.explore,
                seed: wish.seed.unwrap_or_else(|| moment.seed(&wish.audience)),
                diversity: wish.diversity,
            };
            let page = rank::page(&catalogue, candidates, &order, (wish.offset, wish.n));
            let scored = |one: &rank::Candidate| Scored {
                id: catalogue.entry(one.number).id.to_string(),
                score: f64::from(one.score),
            };
            let items: Vec<Scored> = page.iter().map(scored).collect();
            (items, page.iter().map(|one| one.number).collect::<Vec<u32>>())
        };
        let why = match wish.explain {
            true => Some(self.explain(shop, link.as_ref(), &moment, &scores, &numbers)?),
            false => None,
        };
        if let Audience::User(user) = &wish.audience {
            self.metrics.listed(group, page.len());
            shop.note(user, Served { group: group.to_owned(), items: numbers });
        }
        Ok(List { items: page, group: group.to_owned(), why })
    }
}
