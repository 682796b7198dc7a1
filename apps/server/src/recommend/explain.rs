//! Says what a list rests on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use dragoman_core::recommend::segments::Segment;
use dragoman_store::Timestamp;

use super::{
    Recommendations, TenantIndex,
    link::Link,
    live::LiveScores,
    score::{Scores, UserContext},
};
use crate::error::ServiceError;

/// Items of a list that are explained at most: each costs the model some work.
pub(crate) const MAX_EXPLAINED: usize = 100;

/// Events named for an item at most.
const MAX_REASONS: usize = 3;

/// Why a list is what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Why {
    /// Segment experts with their weights.
    pub(crate) segments: Vec<(String, f32)>,
    /// The segment of the user by the model's rules, if a model made the list.
    pub(crate) segment: Option<&'static str>,
    /// Scorers that were blended with their weights.
    pub(crate) blend: Vec<(String, f32)>,
    /// Titles and categories of the items of the list.
    pub(crate) about: Vec<(String, Vec<String>)>,
    /// For each item of the list the events that it rests on, the strongest first.
    pub(crate) because: Vec<Vec<Because>>,
}

/// An event that an item rests on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Because {
    /// The item of the event.
    pub(crate) item: String,
    /// What a person would call it.
    pub(crate) title: String,
    /// In which way, such as `read`.
    pub(crate) kind: String,
    /// When.
    pub(crate) time: Timestamp,
    /// What it adds to the score.
    pub(crate) share: f32,
}

impl Recommendations {
    /// Explains the items `numbers` of a list.
    pub(super) fn explain(
        &self,
        index: &TenantIndex,
        link: Option<&Arc<Link>>,
        context: &UserContext,
        scores: &Scores,
        numbers: &[u32],
    ) -> Result<Why, ServiceError> {
        let (segments, blend) = match (scores, link) {
            (Scores::Model { ranking, .. }, Some(_)) => {
                (ranking.segments.clone(), ranking.blend.clone())
            }
            (Scores::External { .. }, _) => (Vec::new(), vec![("external".into(), 1.0)]),
            (Scores::Latest, _) => (Vec::new(), vec![("latest".into(), 1.0)]),
            (Scores::Live(scores), _) if !scores.is_empty() => (Vec::new(), live_shares(scores)),
            _ => (Vec::new(), vec![("popularity".into(), 1.0)]),
        };
        let segment = match scores {
            Scores::Model { ranking, .. } => ranking.segment.map(Segment::name),
            _ => None,
        };
        let about = {
            let catalogue = index.items();
            let title = |number| catalogue.entry(number).title.to_string();
            let about = |&number: &u32| (title(number), catalogue.categories_of(number));
            numbers.iter().map(about).collect()
        };
        let numbers = &numbers[..numbers.len().min(MAX_EXPLAINED)];
        let because = numbers.iter().map(|&number| because(index, context, scores, number));
        Ok(Why { segments, segment, blend, about, because: because.collect::<Result<_, _>>()? })
    }
}

fn live_shares(scores: &LiveScores) -> Vec<(String, f32)> {
    let parts = scores.parts();
    let sum: f32 = parts.iter().map(|(_, share)| *share).sum();
    parts.into_iter().map(|(name, share)| (name.to_owned(), share / sum)).collect()
}

/// The events that the item `number` rests on.
fn because(
    index: &TenantIndex,
    context: &UserContext,
    scores: &Scores,
    number: u32,
) -> Result<Vec<Because>, ServiceError> {
    let mut shares: Vec<(String, f32)> = match scores {
        Scores::Model { link, asked, .. } => {
            let of_model = link.index(&index.items(), number);
            let Some(of_model) = of_model else { return Ok(Vec::new()) };
            let explain = || link.model.explain(&asked.query(), of_model);
            let explained = catch_unwind(AssertUnwindSafe(explain))
                .map_err(|_| ServiceError::Internal("the model crashed".into()))?
                .map_err(|error| ServiceError::Internal(error.to_string()))?;
            let catalogue = index.items();
            let events = asked.history.iter().zip(explained.contributions);
            let named = events.filter_map(|(event, share)| {
                let number = link.number(&catalogue, event.item as usize)?;
                Some((catalogue.entry(number).id.to_string(), share))
            });
            named.collect()
        }
        Scores::Live(scores) => scores.from(number),
        Scores::External { .. } | Scores::Popular | Scores::Latest => Vec::new(),
    };
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let catalogue = index.items();
    let mut reasons: Vec<Because> = Vec::new();
    for (item, share) in shares {
        if reasons.len() == MAX_REASONS {
            break;
        }
        let event = context.events.iter().find(|event| event.item_id == item);
        let is_new = reasons.iter().all(|reason| reason.item != item);
        if let Some(event) = event
            && is_new
        {
            let number = catalogue.number(&item);
            let title = number.map(|number| catalogue.entry(number).title.to_string());
            let title = title.unwrap_or_default();
            let (kind, time) = (event.feedback_type.clone(), event.time);
            reasons.push(Because { item, title, kind, time, share });
        }
    }
    Ok(reasons)
}
