//! Scores for one user at one time: by the model, or by what is alike, together and popular.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dragoman_core::recommend::{Event as ModelEvent, Ranking, labels};
use dragoman_store::{Event, Timestamp};

use super::{
    Audience, Recommendations, Recommender, Settings, TenantIndex,
    fallback::Filling,
    filter::CompiledFilter,
    item_index::ItemIndex,
    link::Link,
    live::{LiveScores, SEEDS},
    queue::{Asked, Failed},
    rank::{Candidate, hash},
};
use crate::error::ServiceError;

const SECONDS_OF_A_YEAR: f32 = 365.25 * 86_400.0;

/// What is known of a user at one time.
pub(super) struct UserContext {
    /// What the user did until now, newest first.
    pub(super) events: Vec<Event>,
    /// Whether the user likes the item of each event.
    is_liked: Vec<bool>,
    /// Whether the user wants no more of the item of each event.
    is_disliked: Vec<bool>,
    labels: Vec<String>,
    pub(super) now: Timestamp,
    is_session: bool,
}

/// What the items of a tenant score.
pub(super) enum Scores {
    /// By a model.
    Model { link: Arc<Link>, ranking: Ranking, asked: Asked },
    /// By neighbours, content and popularity.
    Live(LiveScores),
    /// By another service, by number, 0 for what it did not name.
    External { scores: Vec<f32> },
    /// Nobody's: what is popular comes first.
    Popular,
    /// Nobody's: what is new comes first.
    Latest,
}

impl UserContext {
    /// Reads what the store knows of the audience.
    pub(super) fn read(
        index: &TenantIndex,
        settings: &Settings,
        audience: &Audience,
        now: Timestamp,
    ) -> Result<Self, ServiceError> {
        let tenant = &index.tenant;
        Ok(match audience {
            Audience::User(user) => {
                let known = tenant.user(user)?;
                let events = index.history(user)?;
                let liked = events.iter().map(|event| settings.likes(tenant, event));
                let disliked = events.iter().map(|event| settings.dislikes(tenant, event));
                let labels = known.map(|user| labels::flatten(&user.labels)).unwrap_or_default();
                if tenant.is_shared() {
                    index.note_labels(user, &labels);
                }
                Self {
                    is_liked: liked.collect::<Result<_, _>>()?,
                    is_disliked: disliked.collect::<Result<_, _>>()?,
                    events,
                    labels,
                    now,
                    is_session: false,
                }
            }
            Audience::Session(events) => {
                let liked = |one: &&Event| settings.is_positive(&one.feedback_type, one.value);
                let events: Vec<Event> = events.iter().filter(liked).cloned().collect();
                Self {
                    is_liked: vec![true; events.len()],
                    is_disliked: vec![false; events.len()],
                    events,
                    labels: Vec::new(),
                    now,
                    is_session: true,
                }
            }
        })
    }

    /// Items that are not to be listed again.
    pub(super) fn seen(&self, catalogue: &ItemIndex, settings: &Settings) -> HashSet<u32> {
        let is_out = |is_disliked: bool| self.is_session || !settings.replacement || is_disliked;
        let out = self.events.iter().zip(&self.is_disliked).filter(|(_, is)| is_out(**is));
        out.filter_map(|(event, _)| catalogue.number(&event.item_id)).collect()
    }

    /// What is added to the scores of items that are listed again.
    pub(super) fn decays(&self, catalogue: &ItemIndex, settings: &Settings) -> HashMap<u32, f32> {
        let [liked, read] = settings.decays;
        if self.is_session || !settings.replacement || (liked == 0.0 && read == 0.0) {
            return HashMap::new();
        }
        let mut decays = HashMap::new();
        for (event, is_liked) in self.events.iter().zip(&self.is_liked) {
            let is_read = || settings.is_read(&event.feedback_type, event.value);
            if let Some(number) = catalogue.number(&event.item_id)
                && (*is_liked || is_read())
            {
                let decay = if *is_liked { liked } else { read };
                let known = decays.entry(number).or_insert(decay);
                *known = decay.max(*known);
            }
        }
        decays
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

    /// The events whose items the user likes, newest first.
    pub(super) fn liked(&self) -> impl Iterator<Item = &Event> {
        let events = self.events.iter().zip(&self.is_liked);
        events.filter(|(_, is_liked)| **is_liked).map(|(event, _)| event)
    }

    /// The latest liked items without repeats, newest first.
    pub(super) fn recent(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let ids = self.liked().map(|event| event.item_id.as_str());
        ids.filter(|id| seen.insert(*id)).take(SEEDS).collect()
    }
}

impl Recommendations {
    /// Scores the items of `index` as `recommender` does.
    pub(super) fn score(
        &self,
        index: &Arc<TenantIndex>,
        link: Option<&Arc<Link>>,
        context: &UserContext,
        recommender: Recommender,
    ) -> Result<Scores, ServiceError> {
        match (recommender, link) {
            (Recommender::Popular, _) => Ok(Scores::Popular),
            (Recommender::Latest, _) => Ok(Scores::Latest),
            (Recommender::Model, Some(link)) => {
                let asked = self.ask(index, link, context);
                match self.queue.rank(asked.clone()) {
                    Ok(ranking) => Ok(Scores::Model { link: Arc::clone(link), ranking, asked }),
                    Err(Failed(reason)) => {
                        tracing::error!(reason, "the model failed; the list is made without it");
                        self.live(index, context)
                    }
                }
            }
            _ => self.live(index, context),
        }
    }

    /// The query of a user in the indices of the model.
    pub(super) fn ask(
        &self,
        index: &TenantIndex,
        link: &Arc<Link>,
        context: &UserContext,
    ) -> Asked {
        let catalogue = index.items();
        let kinds = link.model.kinds();
        let event = |event: &Event| {
            let kind = kinds.iter().position(|kind| *kind == event.feedback_type);
            // A model that learned without what was only read knows no such events.
            if kind.is_none() && self.settings.is_only_read(&event.feedback_type) {
                return None;
            }
            Some(ModelEvent {
                item: link.index(&catalogue, catalogue.number(&event.item_id)?)?,
                kind: u16::try_from(kind.unwrap_or(0)).unwrap_or(0),
                value: if event.value == 0.0 { 1.0 } else { event.value as f32 },
                time: event.time.seconds,
            })
        };
        let newest = context.events.iter().filter_map(event).take(self.settings.history);
        let mut history: Vec<ModelEvent> = newest.collect();
        history.reverse();
        Asked {
            link: Arc::clone(link),
            history,
            labels: context.labels.clone(),
            now: context.now.seconds,
            popularity: link.popularity(&catalogue, context.now.seconds),
        }
    }

    /// Scores without a model.
    fn live(&self, index: &TenantIndex, context: &UserContext) -> Result<Scores, ServiceError> {
        let (recent, labels) = (context.recent(), &context.labels);
        Ok(Scores::Live(LiveScores::new(index, &self.settings, &recent, labels)?))
    }
}

impl Scores {
    /// Scores for which the items of `ids` come in this order; those that are unknown are left out.
    pub(super) fn in_order(catalogue: &ItemIndex, ids: &[String]) -> Self {
        let mut scores = vec![0.0; catalogue.entries().len()];
        for (place, id) in ids.iter().enumerate().rev() {
            if let Some(number) = catalogue.number(id) {
                scores[number as usize] = (ids.len() - place) as f32;
            }
        }
        Self::External { scores }
    }

    /// Items that pass `compiled`, with their scores: the user's first, then those of each of `fillings`.
    ///
    /// Where only the first `most` count, others that come after them are left out: the orders of
    /// popularity and of time are at hand, and need not be found among all items again.
    pub(super) fn candidates(
        &self,
        catalogue: &ItemIndex,
        compiled: &CompiledFilter,
        fillings: &[Filling],
        most: Option<usize>,
    ) -> Vec<Candidate> {
        let passes = |number: &u32| compiled.passes(catalogue, *number);
        let own = |number: u32| {
            let score = self.own(catalogue, number)?;
            Some(Candidate { number, tier: 0, score })
        };
        let numbers = 0..u32::try_from(catalogue.entries().len()).unwrap_or(u32::MAX);
        let most = most.unwrap_or(usize::MAX);
        let mut found: Vec<Candidate> = match self {
            Self::Popular | Self::Latest => Vec::new(),
            Self::Live(scores) => scores.candidates(catalogue, passes, most),
            _ => numbers.filter_map(own).filter(|one| passes(&one.number)).collect(),
        };
        let relative = catalogue.popularity().relative_to_best();
        for (filling, place) in fillings.iter().zip(0u8..) {
            if found.len() >= most {
                break;
            }
            let is_listed = |number: u32| {
                let mut before = fillings[..usize::from(place)].iter();
                self.own(catalogue, number).is_some()
                    || before.any(|filling| filling.has(number, relative(number)))
            };
            let rest = filled(filling, catalogue);
            let rest = rest.filter(|(number, _)| !is_listed(*number) && passes(number));
            let candidate = |(number, score)| Candidate { number, tier: place + 1, score };
            fill(&mut found, rest.map(candidate), most);
        }
        found
    }

    /// The score of an item for the user, if anything speaks for it.
    fn own(&self, catalogue: &ItemIndex, number: u32) -> Option<f32> {
        match self {
            Self::Model { link, ranking, .. } => {
                let index = link.index(catalogue, number)?;
                ranking.scores.get(index as usize).copied().filter(|score| !score.is_nan())
            }
            Self::Live(scores) => scores.of(catalogue, number),
            Self::External { scores } => {
                scores.get(number as usize).copied().filter(|score| *score > 0.0)
            }
            Self::Popular | Self::Latest => None,
        }
    }
}

/// The items of `filling` with their scores, the greatest first.
fn filled<'a>(
    filling: &'a Filling,
    catalogue: &'a ItemIndex,
) -> Box<dyn Iterator<Item = (u32, f32)> + 'a> {
    match filling {
        Filling::Popular => {
            let relative = catalogue.popularity().relative_to_best();
            Box::new(catalogue.popular().map(move |number| (number, relative(number))))
        }
        Filling::Latest => {
            let newest = catalogue.latest().next().map_or(0, |number| catalogue.entry(number).time);
            // Relative to the newest item, because single precision cannot tell the seconds since
            // 1970 apart.
            let years = move |number| {
                let time = catalogue.entry(number).time;
                time.saturating_sub(newest) as f32 / SECONDS_OF_A_YEAR
            };
            Box::new(catalogue.latest().map(move |number| (number, years(number))))
        }
        Filling::Made { items, .. } => Box::new(items.iter().copied()),
    }
}

/// Adds candidates of `rest`, the best first, until there are `most`, and all that are equal to the last
/// of them: which of equals comes first is decided later.
fn fill(found: &mut Vec<Candidate>, rest: impl Iterator<Item = Candidate>, most: usize) {
    let mut last = None;
    for one in rest {
        if found.len() >= most && last != Some(one.score) {
            break;
        }
        last = Some(one.score);
        found.push(one);
    }
}
