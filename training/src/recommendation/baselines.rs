//! The simple recommenders that every model stands beside, with settings chosen on validation.

use dragoman_core::recommend::{
    cooccurrence::{Cooccurrence, CooccurrenceConfig},
    ease::{Ease, EaseConfig},
    neighbours::{Neighbours, NeighboursConfig},
    popularity::{Popularity, Window},
    scorer::Scorer,
};
use serde::{Deserialize, Serialize};

use super::{
    blend::{self, Blend, BlendConfig},
    ials::{Ials, IalsConfig},
    metrics::Scores,
    ranking::Outcome,
    trial::{Trial, WARM},
};
use crate::Result;

/// Catalogues up to this size have EASE's regularisation chosen from three; beyond, inverting is
/// dear and the middle one is taken.
const MANY_ITEMS: usize = 5000;

/// How each baseline is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Of ItemKNN.
    pub neighbours: NeighboursConfig,
    /// Of EASE; none for a catalogue beyond its means.
    pub ease: Option<EaseConfig>,
    /// Of iALS.
    pub ials: IalsConfig,
    /// Of the Markov chain.
    pub markov: CooccurrenceConfig,
    /// The best two of them together.
    pub blend: Option<BlendConfig>,
}

/// What is popular at a moment.
pub(super) struct Recent {
    /// In the seven days before.
    pub(super) week: Popularity,
    /// In the thirty days before.
    pub(super) month: Popularity,
}

/// Baselines that know what happened before a trial.
pub struct Baselines {
    scorers: Vec<(String, Box<dyn Scorer>)>,
    blend: Option<BlendConfig>,
}

impl Settings {
    /// Chooses all settings by the mean NDCG@10 of known users in a trial on the validation window,
    /// and says as it goes what it has chosen.
    pub fn choose(trial: &Trial, mut say: impl FnMut(&str)) -> Result<Self> {
        let trial = &spread(trial, 2000);
        let (histories, num_items) = (&trial.train.histories, trial.candidates.len());
        let mut settings = Self::default();

        let mut best = Best::default();
        for (neighbours, shrink) in [(20, 10.0), (50, 10.0), (20, 100.0), (100, 100.0)] {
            let config = NeighboursConfig { neighbours, shrink, ..Default::default() };
            let mut model = Neighbours::fit(histories, num_items, &config);
            for decay in [1.0, 0.98, 0.95, 0.9, 0.8] {
                model = model.with_decay(decay);
                best.offer(trial, &model, NeighboursConfig { decay, ..config });
            }
        }
        settings.neighbours = best.take().unwrap_or_default();
        say(&format!("ItemKNN: {}", shown(&settings.neighbours)));

        let mut best = Best::default();
        let lambdas: &[f32] = match num_items {
            n if n > Ease::MOST_ITEMS => &[],
            n if n > MANY_ITEMS => &[500.0],
            _ => &[200.0, 500.0, 1000.0],
        };
        for &lambda in lambdas {
            let config = EaseConfig { lambda, keep: 0, ..Default::default() };
            let mut model = Ease::fit(histories, num_items, &config)?;
            for decay in [1.0, 0.98, 0.95, 0.9, 0.8] {
                model = model.with_decay(decay);
                best.offer(trial, &model, EaseConfig { decay, ..config });
            }
        }
        settings.ease = best.take();
        say(&format!("EASE: {}", shown(&settings.ease)));

        let mut best = Best::default();
        for (factors, alpha, lambda) in
            [(64, 1.0, 1.0), (64, 10.0, 10.0), (32, 10.0, 1.0), (64, 1.0, 10.0)]
        {
            let config = IalsConfig { factors, alpha, lambda, ..Default::default() };
            best.offer(trial, &Ials::fit(histories, num_items, &config), config);
        }
        settings.ials = best.take().unwrap_or_default();
        say(&format!("iALS: {}", shown(&settings.ials)));

        let mut best = Best::default();
        for (window, decay, shrink) in
            [(1, 1.0, 10.0), (5, 0.5, 10.0), (5, 0.8, 10.0), (5, 0.8, 100.0), (10, 0.9, 10.0)]
        {
            let config = CooccurrenceConfig { window, decay, shrink, ..Default::default() };
            best.offer(trial, &Cooccurrence::fit(histories, num_items, &config), config);
        }
        settings.markov = best.take().unwrap_or_default();
        say(&format!("Markov: {}", shown(&settings.markov)));

        let scorers = Baselines::fit(trial, &settings)?.scorers;
        settings.blend = blend::choose(trial, &scorers);
        say(&format!("blend: {}", shown(&settings.blend)));
        Ok(settings)
    }
}

impl Baselines {
    /// Fits all of them to what happened before a trial.
    pub fn fit(trial: &Trial, settings: &Settings) -> Result<Self> {
        let train = &trial.train;
        let (histories, num_items) = (&train.histories, trial.candidates.len());
        let popularity = |window| -> Box<dyn Scorer> {
            Box::new(Popularity::fit(train.events(), num_items, trial.now, window))
        };
        let mut scorers = vec![("Pop".to_owned(), popularity(Window::All))];
        // Everybody's last event is at a time of its own: there is no recent past to count.
        if train.has_times && trial.main_group() == WARM {
            scorers.push(("Pop-7d".into(), popularity(Window::Days { days: 7.0 })));
            scorers.push(("Pop-30d".into(), popularity(Window::Days { days: 30.0 })));
        }
        let neighbours = Neighbours::fit(histories, num_items, &settings.neighbours);
        scorers.push(("ItemKNN".into(), Box::new(neighbours)));
        if let Some(config) = &settings.ease {
            let ease = Ease::fit(histories, num_items, config)?;
            scorers.push(("EASE".into(), Box::new(ease)));
        }
        scorers.push(("iALS".into(), Box::new(Ials::fit(histories, num_items, &settings.ials))));
        let markov = Cooccurrence::fit(histories, num_items, &settings.markov);
        scorers.push(("Markov".into(), Box::new(markov)));
        Ok(Self { scorers, blend: settings.blend.clone() })
    }

    /// Has Pop-7d and Pop-30d, where they are, count what is recent at another moment.
    pub(super) fn follow(&mut self, recent: Recent) {
        let Recent { week, month } = recent;
        for (name, popularity) in [("Pop-7d", week), ("Pop-30d", month)] {
            if let Some((_, scorer)) = self.scorers.iter_mut().find(|(known, _)| known == name) {
                *scorer = Box::new(popularity);
            }
        }
    }

    /// What each recommends in a trial over the same catalogue, the blend last.
    pub fn outcomes(&self, trial: &Trial) -> Vec<(String, Outcome)> {
        let of = |(name, scorer): &(String, Box<dyn Scorer>)| {
            (name.clone(), Outcome::of_scorer(trial, scorer.as_ref()))
        };
        let mut outcomes: Vec<_> = self.scorers.iter().map(of).collect();
        if let Some(config) = &self.blend
            && let Some(blend) = Blend::of(config, &self.scorers)
        {
            outcomes.push((config.name(), Outcome::of_scorer(trial, &blend)));
        }
        outcomes
    }
}

/// The best of several settings.
struct Best<T> {
    ndcg: f64,
    settings: Option<T>,
}

impl<T> Default for Best<T> {
    fn default() -> Self {
        Self { ndcg: f64::NEG_INFINITY, settings: None }
    }
}

impl<T> Best<T> {
    fn offer(&mut self, trial: &Trial, scorer: &dyn Scorer, settings: T) {
        let ndcg = Scores::mean(&Outcome::of_scorer(trial, scorer).scores).ndcg;
        if ndcg > self.ndcg {
            *self = Self { ndcg, settings: Some(settings) };
        }
    }

    fn take(self) -> Option<T> {
        self.settings
    }
}

/// The same trial with the users of its main group, or with `most` of them, spread evenly.
fn spread(trial: &Trial, most: usize) -> Trial {
    let main = trial.main_group();
    let cases = trial.cases.iter().filter(|case| case.groups.iter().any(|group| group == main));
    let cases: Vec<_> = cases.cloned().collect();
    let step = cases.len().div_ceil(most).max(1);
    Trial { cases: cases.into_iter().step_by(step).collect(), ..trial.clone() }
}

/// Settings on one line.
fn shown(settings: &impl Serialize) -> String {
    serde_json::to_string(settings).unwrap_or_default()
}
