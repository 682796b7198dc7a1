//! What the services need of a recommendation model: histories in, scores of items out.
//!
//! A model knows its items by an index, the place in [`Recommend::items`]; a store of
//! identifiers maps them once, when a model is opened.
//!
//! | module | holds |
//! |---|---|
//! | [`behaviour`], [`segments`] | how users differ: what a gate reads, and the rules it begins with |
//! | [`rule`] | which users an added route is for |
//! | [`scorer`] | what the cheap experts have in common |
//! | [`popularity`] | counts, in windows and fading |
//! | [`sparse`] | what relates items to items |
//! | [`ease`], [`neighbours`], [`cooccurrence`] | cheap experts that read the history |
//! | [`Catalogue`], [`FeatureRules`], [`Bags`] | items and the words that describe them |
//! | [`labels`] | the words in the JSON that a store keeps of an item or a user |
//! | [`Profiler`], [`Scorers`], [`Blend`] | the inputs of a gate, and what it mixes |

pub mod behaviour;
pub mod segments;
pub mod rule;
pub mod scorer;
pub mod popularity;
pub mod sparse;
mod sets;
pub mod ease;
pub mod neighbours;
pub mod cooccurrence;
mod bags;
mod blend;
mod titles;
mod catalogue;
pub mod labels;
mod profile;
mod scorers;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bags::Bags;
pub use blend::{Blend, POPULARITY, TRANSFORMER, standardise};
pub use catalogue::{Catalogue, FeatureRules};
pub use profile::Profiler;
pub use scorers::{Scorers, ScorersConfig};
use segments::Segment;

use crate::Result;

/// An item as people describe it: all that is known of it before any event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Item {
    /// Identifier, unique within a catalogue.
    pub id: String,
    /// What a person would call it; may be empty.
    pub title: String,
    /// Kinds of thing it belongs to, such as genres.
    pub categories: Vec<String>,
    /// Further features, flattened to text, such as `year:1995`.
    pub labels: Vec<String>,
    /// When it appeared, in seconds since 1970; 0 if unknown.
    pub time: i64,
}

/// Something a user did with an item that the model knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Index of the item in [`Recommend::items`].
    pub item: u32,
    /// Index of the kind of event in [`Recommend::kinds`]; kinds it does not know count as 0.
    pub kind: u16,
    /// How much of it, such as a rating; 1 where there is no such number.
    pub value: f32,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// A user at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// What the user did, oldest first; may be empty, and repeats are a sequence like any other.
    pub history: &'a [Event],
    /// What is known of the user otherwise, flattened to text, such as `occupation:writer`.
    pub labels: &'a [String],
    /// The moment, in seconds since 1970.
    pub now: i64,
    /// How popular each item of [`Recommend::items`] is at that moment, by recent events.
    pub popularity: &'a [f32],
}

/// Every item of the catalogue in the eyes of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Score of each item of [`Recommend::items`], greater is better; none is NaN. Items of the
    /// history are scored like all others.
    pub scores: Vec<f32>,
    /// Names of the segment experts with their weights, which sum to one.
    pub segments: Vec<(String, f32)>,
    /// Names of the scorers that were blended with their weights, which sum to one.
    pub blend: Vec<(String, f32)>,
    /// The segment of the user by the model's rules, which the learned weights need not follow; none
    /// where the model has no rules.
    pub segment: Option<Segment>,
}

/// What a recommendation of one item rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What each event of the history adds to the score, in the order of the history.
    pub contributions: Vec<f32>,
}

/// What the services need of a recommendation model.
pub trait Recommend: Send + Sync {
    /// Identifiers of the items, by index.
    fn items(&self) -> &[String];

    /// Names of the kinds of event, by index, such as `read`.
    fn kinds(&self) -> &[String];

    /// Names of the segments of all users, such as `segment.new`, in the order of
    /// [`Ranking::segments`]; a user of an added route has another in the place of one of them.
    fn segments(&self) -> &[String];

    /// Scores the whole catalogue for every query as one batch; blocks and is CPU-bound.
    fn rank(&self, queries: &[Query<'_>]) -> Result<Vec<Ranking>>;

    /// Why `item` has its score.
    fn explain(&self, query: &Query<'_>, item: u32) -> Result<Explanation>;

    /// How similar each item of the catalogue is to `item`, greater is more.
    fn similar(&self, item: u32) -> Result<Vec<f32>>;

    /// The same model with `items` behind its catalogue, known by their content alone.
    fn extend(&self, items: &[Item]) -> Result<Arc<dyn Recommend>>;

    /// The register of experts, for people to read.
    fn experts(&self) -> serde_json::Value;
}
