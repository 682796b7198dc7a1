//! The whole evaluation: choose on validation, fit again, ask once.

use dragoman_data::interactions::{Interactions, split::Cuts};
use serde::{Deserialize, Serialize};

use super::{
    baselines::Settings,
    compare::{Comparison, Scored},
    debias::debiased_ndcg,
    lists::{Beyond, places},
    metrics::Scores,
    panel::Panel,
    ranking::Outcome,
    report::{Evaluation, Pair, Setup, System, UserScores},
    successive::Successive,
    trial::{Case, Trial},
};
use crate::{Error, Result, metrics::significance::Bootstrap};

pub use super::panel::Named;

/// Events after which new users are asked again.
pub const REVEALED: [usize; 5] = [0, 1, 3, 5, 10];

/// How the log is split into past and future.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Protocol {
    /// At one moment for all, as a service lives: at this quantile of the events.
    Time {
        /// From 0 to 1, such as 0.9.
        quantile: f64,
    },
    /// Everybody's last event, as many papers have it; what others did later is known.
    LeaveOneOut,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How the log is split.
    pub protocol: Protocol,
    /// Whether the baselines stand beside the models.
    pub has_baselines: bool,
    /// Whether items that a user has met may be recommended, and count as targets.
    pub keeps_seen: bool,
    /// How many events of each user after the cut are asked about one after another, at most; 0
    /// leaves this out.
    pub successive: usize,
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
}

/// Evaluates models, which should have been trained on what lies before the cut, and baselines on a
/// log; `say` hears of choices as they are made.
pub fn evaluate(
    log: &Interactions,
    options: &Options,
    models: &[Named],
    mut say: impl FnMut(&str),
) -> Result<Evaluation> {
    let keeps_seen = options.keeps_seen;
    let (valid, test, cuts) = match options.protocol {
        Protocol::Time { quantile } => {
            let cuts = log.cuts(quantile)?;
            let valid = || Trial::in_time(log, cuts.valid, Some(cuts.test), keeps_seen);
            let valid = options.has_baselines.then(valid);
            (valid, Trial::in_time(log, cuts.test, None, keeps_seen), Some(cuts))
        }
        Protocol::LeaveOneOut => {
            let valid = options.has_baselines.then(|| Trial::leave_one_out(log, 1, keeps_seen));
            (valid, Trial::leave_one_out(log, 0, keeps_seen), None)
        }
    };
    let settings = valid.map(|valid| Settings::choose(&valid, &mut say)).transpose()?;
    if test.cases.is_empty() {
        return Err(Error::NothingToRecommend);
    }
    let setup = setup(log, options, cuts, &test);
    let mut asked = Asked { curve: curve(log, &test, options), successive: None, test };
    if cuts.is_some() {
        asked.successive = Successive::new(log, &asked.test, options.successive);
    }
    run(asked, setup, settings, options, models)
}

/// Evaluates models on users whose trial is made already, such as that of [`Trial::of_lines`];
/// `log` is what baselines learn from and choose on.
pub fn evaluate_trial(
    test: Trial,
    log: Option<&Interactions>,
    options: &Options,
    models: &[Named],
    say: impl FnMut(&str),
) -> Result<Evaluation> {
    let setup = setup(&test.train, options, None, &test);
    let settings = match log {
        Some(log) if options.has_baselines => {
            let valid = Trial::leave_one_out(log, 0, options.keeps_seen);
            Some(Settings::choose(&valid, say)?)
        }
        _ => None,
    };
    run(Asked { test, curve: Vec::new(), successive: None }, setup, settings, options, models)
}

/// The cases that all systems answer.
struct Asked {
    test: Trial,
    /// The cold-start curve, by the number of events that are revealed.
    curve: Vec<(usize, Trial)>,
    successive: Option<Successive>,
}

fn run(
    asked: Asked,
    setup: Setup,
    settings: Option<Settings>,
    options: &Options,
    models: &[Named],
) -> Result<Evaluation> {
    let Asked { test, curve, successive } = asked;
    let panel = Panel::new(&test, settings.as_ref(), models)?;
    let outcomes = panel.ask(&test)?;
    let num_baselines = outcomes.len() - models.len();
    let mut systems = systems(&test, &outcomes, num_baselines, &options.bootstrap)?;
    for (revealed, trial) in &curve {
        for (system, (_, outcome)) in systems.iter_mut().zip(panel.ask(trial)?) {
            system.curve.push((*revealed, Scores::mean(&outcome.scores).ndcg));
        }
    }
    let curve_users = curve.first().map_or(0, |(_, trial)| trial.cases.len());
    let pairs = pairs(&test, &outcomes[num_baselines..], &options.bootstrap)?;
    let users = users(&test, &outcomes);
    let evaluation =
        Evaluation { setup, settings, curve_users, successive: None, systems, pairs, users };
    match successive {
        Some(successive) => one_by_one(evaluation, successive, test, panel),
        None => Ok(evaluation),
    }
}

/// Adds the scores of all systems when one event is asked about after another.
fn one_by_one(
    mut evaluation: Evaluation,
    successive: Successive,
    test: Trial,
    panel: Panel<'_>,
) -> Result<Evaluation> {
    evaluation.successive = Some(successive.questions());
    let groups = successive.groups();
    let scores = successive.scores(test, panel)?;
    let scored: Vec<Scored<'_>> = scores.iter().map(|(name, of)| (&**name, &**of)).collect();
    let Setup { main_group: main, bootstrap, .. } = &evaluation.setup;
    let num_baselines = evaluation.systems.iter().filter(|system| system.is_baseline).count();
    let figures =
        Comparison { groups: &groups, main, bootstrap }.figures(&scored, num_baselines)?;
    for (system, figures) in evaluation.systems.iter_mut().zip(figures) {
        system.successive = figures;
    }
    Ok(evaluation)
}

/// The cold-start curve: the same new users after more and more events.
fn curve(log: &Interactions, test: &Trial, options: &Options) -> Vec<(usize, Trial)> {
    let most = REVEALED[REVEALED.len() - 1];
    match options.protocol {
        Protocol::LeaveOneOut => Vec::new(),
        Protocol::Time { .. } => REVEALED
            .into_iter()
            .map(|k| (k, test.after_first(log, k, most)))
            .filter(|(_, trial)| !trial.cases.is_empty())
            .collect(),
    }
}

fn setup(log: &Interactions, options: &Options, cuts: Option<Cuts>, test: &Trial) -> Setup {
    Setup {
        protocol: options.protocol,
        cuts,
        sha256: log.fingerprint(),
        users: log.users.len(),
        items: log.items.len(),
        events: log.len(),
        train_events: test.train.len(),
        known_items: test.candidates.iter().filter(|&&known| known).count(),
        test_users: test.cases.len(),
        main_group: test.main_group().to_owned(),
        keeps_seen: options.keeps_seen,
        bootstrap: options.bootstrap,
    }
}

/// Each model but the first beside the first.
fn pairs(test: &Trial, models: &[(String, Outcome)], bootstrap: &Bootstrap) -> Result<Vec<Pair>> {
    let scored: Vec<Scored<'_>> =
        models.iter().map(|(name, outcome)| (&**name, &*outcome.scores)).collect();
    let groups = &test.groups();
    Comparison { groups, main: test.main_group(), bootstrap }.beside_first(&scored)
}

/// What the lists of each user are worth.
fn users(test: &Trial, outcomes: &[(String, Outcome)]) -> Vec<UserScores> {
    let of = |(place, case): (usize, &Case)| UserScores {
        user: case.user.clone(),
        groups: case.groups.clone(),
        scores: outcomes
            .iter()
            .map(|(name, outcome)| (name.clone(), outcome.scores[place]))
            .collect(),
    };
    test.cases.iter().enumerate().map(of).collect()
}

/// The figures of each system.
fn systems(
    test: &Trial,
    outcomes: &[(String, Outcome)],
    num_baselines: usize,
    bootstrap: &Bootstrap,
) -> Result<Vec<System>> {
    let groups = &test.groups();
    let scored: Vec<Scored<'_>> =
        outcomes.iter().map(|(name, outcome)| (&**name, &*outcome.scores)).collect();
    let comparison = Comparison { groups, main: test.main_group(), bootstrap };
    let mut figures = comparison.figures(&scored, num_baselines)?;
    let lists: Vec<&[Vec<u32>]> = outcomes.iter().map(|(_, outcome)| &*outcome.lists).collect();
    let debiased = debiased_ndcg(test, groups, &lists, bootstrap.seed);
    for (group, ndcg) in figures.iter_mut().flatten().zip(debiased.into_iter().flatten()) {
        group.debiased_ndcg = ndcg;
    }
    let system = |(place, ((name, outcome), groups)): (_, (&(String, Outcome), _))| System {
        name: name.clone(),
        is_baseline: place < num_baselines,
        groups,
        beyond: Beyond::of(test, &outcome.lists),
        filled: places(&outcome.lists),
        curve: Vec::new(),
        successive: Vec::new(),
    };
    Ok(outcomes.iter().zip(figures).enumerate().map(system).collect())
}
