//! A run from a log to a model: choose, mix, and learn again from all that may be learned from.

use std::path::{Path, PathBuf};

use candle::Device;
use dragoman_core::{
    directory::{
        Files, LoadedRecommendation, RecommendationParts, WeightFormat, save_recommendation,
    },
    recommend::Blend,
    recommender::Recommender,
};
use dragoman_data::interactions::Interactions;

use super::{
    Protocol, RecommendationTask, RunPaths, TrainConfig,
    blend::{self, Window},
    protocol::Stages,
    scorers,
};
use crate::{
    Error, Result,
    control::{Control, Ended},
    device,
    recommendation::trial::Trial,
    recorder::RunInfo,
    trainer::{self, Run, Summary},
};

/// Trains a recommendation model on `log`, or goes on with the run that is in `paths.out`.
///
/// First a model learns without the events by which settings are chosen: they say which weights are
/// best, how the cheap scorers are set, and how all are mixed. Where the mixture is learned from
/// earlier windows, too, a model learns before each, for as many passes as the first one was best
/// after. A last one then learns from all that the protocol does not keep, for as many passes; it
/// takes settings and mixture over. A budget of minutes is for all of them together: each gets its
/// share by the events that it learns from. `dev` stands for events that the protocol would keep, and for
/// the first model alone.
pub fn train(
    config: &TrainConfig,
    log: &Interactions,
    protocol: Protocol,
    dev: Option<Trial>,
    paths: &RunPaths,
    control: &Control,
) -> Result<Summary> {
    let invalid = |reason| Error::Config { path: paths.out.join("config.toml"), reason };
    config.check().map_err(invalid)?;
    let Stages { windows, last } = match dev {
        Some(dev) => Stages { windows: vec![dev], last: None },
        None => protocol.stages(log, config.keep_seen, config.blend.windows.max(1))?,
    };
    let scorers = match config.choose_scorers {
        true => scorers::choose(&windows, &config.scorers)?,
        false => config.scorers,
    };
    let (trial, earlier) = windows.split_first().expect("there is one window at least");
    let out = match last {
        Some(_) => paths.out.join("validation"),
        None => paths.out.clone(),
    };
    let earlier = if config.blend.enabled { earlier } else { &[] };
    let mut time =
        TimePlan::new(config.run.budget.minutes, [trial].into_iter().chain(earlier), &last);
    let config = &time.grant(config);
    let task = RecommendationTask::new(config, &scorers, &trial.train, Some(trial.clone()))?;
    let chosen = run(config, task, &out, paths.quiet, control)?;
    time.spend(chosen.seconds);
    if chosen.ended != Ended::Finished {
        return Ok(chosen);
    }
    let as_long = |log: &Interactions| as_long(config, &chosen, trial.train.len(), log.len());
    let mut models = Vec::new();
    for (number, window) in (1..).zip(earlier) {
        let config = time.grant(&as_long(&window.train));
        let task = RecommendationTask::new(&config, &scorers, &window.train, None)?;
        let out = paths.out.join("windows").join(number.to_string());
        let summary = run(&config, task, &out, paths.quiet, control)?;
        if summary.ended != Ended::Finished {
            return Ok(summary);
        }
        time.spend(summary.seconds);
        models.extend(summary.model.map(|path| (path, window)));
    }
    let blend = mix(config, trial, &chosen, &models)?;
    let Some(last) = last else { return Ok(chosen) };
    let config = time.grant(&as_long(&last));
    let mut task = RecommendationTask::new(&config, &scorers, &last, None)?;
    task.blend = blend;
    run(&config, task, &paths.out, paths.quiet, control)
}

/// The minutes of a budget, shared by the stages that are to come.
struct TimePlan {
    /// Minutes for all stages; 0 is no limit.
    minutes: f64,
    /// Seconds that the stages took so far.
    spent: f64,
    /// Events of the stages to come, the next one last.
    stages: Vec<usize>,
}

impl TimePlan {
    fn new<'a>(
        minutes: f64,
        windows: impl Iterator<Item = &'a Trial>,
        last: &Option<Interactions>,
    ) -> Self {
        let mut stages: Vec<usize> = windows.map(|window| window.train.len()).collect();
        stages.extend(last.as_ref().map(Interactions::len));
        stages.reverse();
        Self { minutes, spent: 0.0, stages }
    }

    /// `config` with the minutes of the next stage: its share by events of what is left.
    fn grant(&mut self, config: &TrainConfig) -> TrainConfig {
        let all: usize = self.stages.iter().sum();
        let events = self.stages.pop().unwrap_or(all);
        let mut config = config.clone();
        if self.minutes > 0.0 {
            // A stage that found nothing left makes a step at least.
            let left = (self.minutes - self.spent / 60.0).max(self.minutes / 1000.0);
            config.run.budget.minutes = left * events as f64 / all.max(1) as f64;
        }
        config
    }

    fn spend(&mut self, seconds: f64) {
        self.spent += seconds;
    }
}

/// Settings for a run over another number of events that ends after as many passes as were best in
/// the run that chose.
fn as_long(config: &TrainConfig, chosen: &Summary, events: usize, others: usize) -> TrainConfig {
    let growth = others as f64 / events.max(1) as f64;
    let longer = |steps: u64| (steps as f64 * growth).round() as u64;
    let best = chosen.best.map_or(chosen.step, |best| best.step);
    let mut config = config.clone();
    config.run.budget.steps = longer(config.run.budget.steps.max(chosen.step)).max(1);
    config.run.end_at = longer(best).max(1);
    config.run.patience = 0;
    config
}

/// One run of the training loop.
fn run(
    config: &TrainConfig,
    mut task: RecommendationTask,
    out: &Path,
    quiet: bool,
    control: &Control,
) -> Result<Summary> {
    let invalid = |error: toml::ser::Error| Error::Config {
        path: out.join("config.toml"),
        reason: error.to_string(),
    };
    let run = Run {
        config: &config.run,
        dir: out,
        identity: task.identity(),
        settings: toml::to_string(config).map_err(invalid)?,
        info: RunInfo {
            name: config.name.clone(),
            settings: serde_json::to_value(config)?,
            model: task.size_of_model(),
            machine: device::machine("cpu"),
        },
        quiet,
    };
    trainer::train(&mut task, run, control)
}

/// Learns the mixture of the model that a run left, by its window and by those of `earlier` models,
/// and writes it into its directory.
fn mix(
    config: &TrainConfig,
    trial: &Trial,
    summary: &Summary,
    earlier: &[(PathBuf, &Trial)],
) -> Result<Blend> {
    let load = |path: &Path| Files::Folder(path.into()).load_recommendation(&Device::Cpu);
    let Some(path) = summary.model.as_deref() else { return Ok(Blend::default()) };
    let loaded = load(path)?;
    if !config.blend.enabled {
        return Ok(loaded.blend);
    }
    let recommender = Recommender::new(loaded)?;
    let mut windows = vec![Window::ask(&recommender, trial, &config.blend)?];
    for (path, trial) in earlier {
        windows.push(Window::ask(&Recommender::new(load(path)?)?, trial, &config.blend)?);
    }
    let blend = blend::fit(&recommender, windows, &config.blend);
    let LoadedRecommendation { model, params, register, catalogue, scorers, .. } = load(path)?;
    let parts = RecommendationParts {
        config: model.config(),
        register: &register,
        catalogue: &catalogue,
        blend: &blend,
        scorers: &scorers,
    };
    save_recommendation(path, parts, &params, WeightFormat::F32)?;
    Ok(blend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stages_together_take_the_minutes_of_the_budget() {
        let mut config = TrainConfig::default();
        config.run.budget.minutes = 10.0;
        let mut time = TimePlan { minutes: 10.0, spent: 0.0, stages: vec![500, 100, 400] };
        let mut granted = Vec::new();
        for took in [4.0, 0.5, 5.5] {
            granted.push(time.grant(&config).run.budget.minutes);
            time.spend(60.0 * took);
        }
        assert_eq!(granted, [4.0, 1.0, 5.5], "what a stage leaves goes to those after it");
        let mut unlimited = TimePlan { minutes: 0.0, spent: 0.0, stages: vec![1, 1] };
        config.run.budget.minutes = 0.0;
        assert_eq!(unlimited.grant(&config).run.budget.minutes, 0.0);
    }
}
