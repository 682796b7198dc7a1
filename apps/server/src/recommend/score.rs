//! Scores for one user at one moment: by the model, or by what is alike, together and popular.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dragoman_core::recommend::{Event, Ranking};
use dragoman_store::{Happened, Timestamp};

use super::{
    Audience, Recommendations, Recommender, Settings, Shop,
    catalogue::Catalogue,
    features,
    filter::Sieve,
    link::Link,
    queue::{Asked, Refusal},
    rank::{Candidate, hash},
};
use crate::error::ApiError;

/// The latest liked items that stand for a user where there is no model.
const RECENT: usize = 20;

/// The latest of these whose neighbours are asked.
const SEEDS: usize = 8;

/// Shares of neighbours, content and popularity in a score without a model.
pub(super) const SHARES: [f32; 3] = [1.0, 0.5, 0.25];

/// What is known of a user at a moment.
pub(super) struct Moment {
    /// What the user did until now, newest first.
    pub(super) events: Vec<Happened>,
    labels: Vec<String>,
    pub(super) now: Timestamp,
    is_session: bool,
}

/// What the items of a tenant score.
pub(super) enum Scores {
    /// By a model.
    Model { link: Arc<Link>, ranking: Ranking, asked: Asked },
    /// By neighbours, content and popularity, by number; `from` says which items each rests on.
    Live { scores: HashMap<u32, f32>, from: HashMap<u32, Vec<(String, f32)>> },
    /// Nobody's: what is popular comes first.
    Popular,
    /// Nobody's: what is new comes first.
    Latest,
}

impl Moment {
    /// Reads what the store knows of the audience.
    pub(super) fn read(
        shop: &Shop,
        settings: &Settings,
        audience: &Audience,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        Ok(match audience {
            Audience::User(user) => {
                let known = shop.tenant.user(user)?;
                Self {
                    events: shop.history(user)?,
                    labels: known.map(|user| features::flatten(&user.labels)).unwrap_or_default(),
                    now,
                    is_session: false,
                }
            }
            Audience::Session(events) => {
                let liked = |one: &&Happened| settings.is_positive(&one.feedback_type, one.value);
                let events = events.iter().filter(liked).cloned().collect();
                Self { events, labels: Vec::new(), now, is_session: true }
            }
        })
    }

    /// Items that are not to be listed again.
    pub(super) fn seen(&self, catalogue: &Catalogue, settings: &Settings) -> HashSet<u32> {
        let is_out = |event: &&Happened| {
            self.is_session
                || !settings.replacement
                || settings.is_negative(&event.feedback_type, event.value)
        };
        let out = self.events.iter().filter(is_out);
        out.filter_map(|event| catalogue.number(&event.item_id)).collect()
    }

    /// What exploration depends on: the user and how much happened, so that pages fit together
    /// and the next event brings another draw.
    pub(super) fn seed(&self, audience: &Audience) -> u64 {
        let name = match audience {
            Audience::User(user) => user.as_str(),
            Audience::Session(_) => "",
        };
        hash(self.events.len() as u64, name)
    }

    /// The latest liked items without repeats, newest first.
    fn recent(&self, settings: &Settings) -> Vec<&str> {
        let mut seen = HashSet::new();
        let liked = self
            .events
            .iter()
            .filter(|event| settings.is_positive(&event.feedback_type, event.value));
        let ids = liked.map(|event| event.item_id.as_str());
        ids.filter(|id| seen.insert(*id)).take(RECENT).collect()
    }
}

impl Recommendations {
    /// Scores the items of `shop` as `recommender` does.
    pub(super) fn score(
        &self,
        shop: &Arc<Shop>,
        link: Option<&Arc<Link>>,
        moment: &Moment,
        recommender: Recommender,
    ) -> Result<Scores, ApiError> {
        match (recommender, link) {
            (Recommender::Popular, _) => Ok(Scores::Popular),
            (Recommender::Latest, _) => Ok(Scores::Latest),
            (Recommender::Model, Some(link)) => {
                let asked = self.ask(shop, link, moment);
                match self.queue.rank(asked.clone()) {
                    Ok(ranking) => Ok(Scores::Model { link: Arc::clone(link), ranking, asked }),
                    Err(Refusal::Full) => {
                        self.metrics.refused.inc();
                        Err(ApiError::Busy)
                    }
                    Err(Refusal::Failed(reason)) => {
                        tracing::error!(reason, "the model failed; the list is made without it");
                        self.live(shop, moment)
                    }
                }
            }
            _ => self.live(shop, moment),
        }
    }

    /// The query of a moment in the indices of the model.
    fn ask(&self, shop: &Shop, link: &Arc<Link>, moment: &Moment) -> Asked {
        let catalogue = shop.catalogue();
        let kinds = link.model.kinds();
        let kind_of = |name: &str| kinds.iter().position(|kind| kind == name).unwrap_or(0);
        let event = |event: &Happened| {
            Some(Event {
                item: link.index(catalogue.number(&event.item_id)?)?,
                kind: u16::try_from(kind_of(&event.feedback_type)).unwrap_or(0),
                value: if event.value == 0.0 { 1.0 } else { event.value as f32 },
                time: event.time.seconds,
            })
        };
        let newest = moment.events.iter().filter_map(event).take(self.settings.history);
        let mut history: Vec<Event> = newest.collect();
        history.reverse();
        Asked {
            link: Arc::clone(link),
            history,
            labels: moment.labels.clone(),
            now: moment.now.seconds,
            popularity: link.popularity(&catalogue, moment.now.seconds),
        }
    }

    /// Scores without a model: items that users of the latest items liked too, items like them, and
    /// among these the popular ones.
    fn live(&self, shop: &Shop, moment: &Moment) -> Result<Scores, ApiError> {
        let recent = moment.recent(&self.settings);
        let mut together: HashMap<u32, f32> = HashMap::new();
        let mut from: HashMap<u32, Vec<(String, f32)>> = HashMap::new();
        for (place, id) in recent.iter().take(SEEDS).enumerate() {
            let near = shop.neighbours.of_item(&shop.tenant, &self.settings, id)?;
            let catalogue = shop.catalogue();
            for (other, score) in near.iter() {
                if let Some(number) = catalogue.number(other) {
                    let share = score / (1.0 + place as f32).sqrt();
                    *together.entry(number).or_default() += share;
                    from.entry(number).or_default().push(((*id).to_owned(), share));
                }
            }
        }
        let catalogue = shop.catalogue();
        let numbers: Vec<u32> = recent.iter().filter_map(|id| catalogue.number(id)).collect();
        let content = alike(&catalogue, &numbers);
        Ok(Scores::Live { scores: blend(&catalogue, together, content, moment.now.seconds), from })
    }
}

/// How much of what the items `numbers` have in common each item has.
fn alike(catalogue: &Catalogue, numbers: &[u32]) -> HashMap<u32, f32> {
    let mut weights: HashMap<u32, f32> = HashMap::new();
    for &number in numbers {
        let entry = catalogue.entry(number);
        for &word in entry.categories.iter().chain(&entry.labels) {
            *weights.entry(word).or_default() += 1.0 / numbers.len() as f32;
        }
    }
    if weights.is_empty() {
        return HashMap::new();
    }
    let score = |number: usize| {
        let entry = &catalogue.entries()[number];
        let words = entry.categories.iter().chain(&entry.labels);
        let sum: f32 = words.filter_map(|word| weights.get(word)).sum();
        let count = entry.categories.len() + entry.labels.len();
        sum / (count.max(1) as f32).sqrt()
    };
    let numbers = (0..catalogue.entries().len()).filter(|&i| catalogue.entries()[i].is_shown);
    let scored = numbers.map(|i| (i as u32, score(i)));
    scored.filter(|(_, score)| *score > 0.0).collect()
}

/// Adds the parts up, each on a scale up to one; popularity alone makes nothing personal.
fn blend(
    catalogue: &Catalogue,
    together: HashMap<u32, f32>,
    content: HashMap<u32, f32>,
    now: i64,
) -> HashMap<u32, f32> {
    let top = |part: &HashMap<u32, f32>| part.values().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut scores: HashMap<u32, f32> = HashMap::with_capacity(content.len());
    for (part, share) in [(&together, SHARES[0]), (&content, SHARES[1])] {
        let scale = share / top(part);
        part.iter()
            .for_each(|(&number, score)| *scores.entry(number).or_default() += score * scale);
    }
    let popularity = catalogue.popularity();
    let best = popularity.ranked().next().map_or(1.0, |number| popularity.at(number, now));
    for (&number, score) in &mut scores {
        *score += SHARES[2] * (popularity.at(number, now) / best.max(1e-30)) as f32;
    }
    scores
}

impl Scores {
    /// All items that pass `sieve`, with their scores: the user's first, then what is popular, then
    /// what is new.
    pub(super) fn candidates(
        &self,
        catalogue: &Catalogue,
        sieve: &Sieve,
        now: i64,
    ) -> Vec<Candidate> {
        let popularity = catalogue.popularity();
        let own = |number: u32| match self {
            Self::Model { link, ranking, .. } => {
                let index = link.index(number)?;
                ranking.scores.get(index as usize).copied().filter(|score| !score.is_nan())
            }
            Self::Live { scores, .. } => scores.get(&number).copied(),
            Self::Popular | Self::Latest => None,
        };
        let candidate = |number: u32| {
            // Relative to now, because single precision cannot tell the seconds since 1970 apart.
            let time = catalogue.entry(number).time - now;
            let (tier, score) = match own(number) {
                Some(score) => (0, score),
                None if matches!(self, Self::Latest) => (2, time as f32),
                None => match popularity.at(number, now) as f32 {
                    popular if popular > 0.0 => (1, popular),
                    _ => (2, time as f32),
                },
            };
            Candidate { number, tier, score }
        };
        let numbers = 0..u32::try_from(catalogue.entries().len()).unwrap_or(u32::MAX);
        numbers.filter(|&number| sieve.passes(catalogue, number)).map(candidate).collect()
    }
}
