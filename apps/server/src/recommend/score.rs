//! Scores for one user at one moment: by the model, or by what is alike, together and popular.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dragoman_core::recommend::{Event, Ranking};
use dragoman_store::{Happened, Timestamp};

use super::{
    Audience, Recommendations, Recommender, Settings, Shop,
    catalogue::{Catalogue, Entry},
    features,
    filter::Sieve,
    link::Link,
    queue::{Asked, Failed},
    rank::{Candidate, hash},
};
use crate::error::ApiError;

/// The latest liked items that stand for a user where there is no model.
const RECENT: usize = 20;

/// The latest of these whose neighbours are asked.
const SEEDS: usize = 5;

const SECONDS_OF_A_YEAR: f32 = 365.25 * 86_400.0;

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
    /// By neighbours, content and popularity, by number, 0 for what nothing speaks for; `from` says
    /// which items each rests on.
    Live { scores: Vec<f32>, from: HashMap<u32, Vec<(String, f32)>> },
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
                    Err(Failed(reason)) => {
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
        let catalogue = shop.catalogue();
        let numbers = |id: &str| catalogue.number(id);
        let mut together = vec![0f32; catalogue.entries().len()];
        let mut from: HashMap<u32, Vec<(String, f32)>> = HashMap::new();
        for (place, id) in recent.iter().take(SEEDS).enumerate() {
            let near = shop.neighbours.of_item(&shop.tenant, &self.settings, (id, &numbers))?;
            for &(number, score) in near.iter() {
                let share = score / (1.0 + place as f32).sqrt();
                if let Some(sum) = together.get_mut(number as usize) {
                    *sum += share;
                    from.entry(number).or_default().push(((*id).to_owned(), share));
                }
            }
        }
        let recent: Vec<u32> = recent.iter().filter_map(|id| catalogue.number(id)).collect();
        let content = alike(&catalogue, &recent);
        Ok(Scores::Live {
            scores: blend(&catalogue, &together, &content, moment.now.seconds),
            from,
        })
    }
}

/// How much each item has of what the items `numbers` are made of.
fn alike(catalogue: &Catalogue, numbers: &[u32]) -> Vec<f32> {
    let mut weights = vec![0f32; catalogue.words()];
    for &number in numbers {
        let entry = catalogue.entry(number);
        for &word in entry.categories.iter().chain(&entry.labels) {
            weights[word as usize] += 1.0 / numbers.len() as f32;
        }
    }
    let score = |entry: &Entry| {
        let count = entry.categories.len() + entry.labels.len();
        let words = entry.categories.iter().chain(&entry.labels);
        words.map(|&word| weights[word as usize]).sum::<f32>() / (count.max(1) as f32).sqrt()
    };
    match numbers.is_empty() {
        true => vec![0.0; catalogue.entries().len()],
        false => catalogue.entries().iter().map(score).collect(),
    }
}

/// Adds the parts up, each on a scale up to one; popularity alone makes nothing personal.
fn blend(catalogue: &Catalogue, together: &[f32], content: &[f32], now: i64) -> Vec<f32> {
    let scale =
        |part: &[f32], share: f32| share / part.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let (by_users, by_content) = (scale(together, SHARES[0]), scale(content, SHARES[1]));
    let popularity = catalogue.popularity();
    let best = popularity.ranked().next().map_or(0.0, |number| popularity.log_at(number, now));
    let sum = |number: usize| {
        let own = together[number] * by_users + content[number] * by_content;
        match own > 0.0 {
            // An item of the catalogue has a number of 32 bits.
            true => own + SHARES[2] * (popularity.log_at(number as u32, now) - best).exp() as f32,
            false => 0.0,
        }
    };
    (0..together.len()).map(sum).collect()
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
            Self::Live { scores, .. } => {
                scores.get(number as usize).copied().filter(|score| *score > 0.0)
            }
            Self::Popular | Self::Latest => None,
        };
        let candidate = |number: u32| {
            // Relative to now, because single precision cannot tell the seconds since 1970 apart.
            let years = (catalogue.entry(number).time - now) as f32 / SECONDS_OF_A_YEAR;
            let (tier, score) = match own(number) {
                Some(score) => (0, score),
                None if matches!(self, Self::Latest) => (2, years),
                None => match popularity.log_at(number, now) as f32 {
                    f32::NEG_INFINITY => (2, years),
                    popular => (1, popular),
                },
            };
            Candidate { number, tier, score }
        };
        let numbers = 0..u32::try_from(catalogue.entries().len()).unwrap_or(u32::MAX);
        numbers.filter(|&number| sieve.passes(catalogue, number)).map(candidate).collect()
    }
}
