//! Trains the recommendation model again while the server runs, in a process of its own.
//!
//! The process is the command that a person would run, `train recommendation --from-store URL --replace MODEL`:
//! it reads the store through the admin API, refuses a model that is worse than the one that serves, and goes
//! on where it was stopped. If it dies, the server does not.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use dragoman_objects::is_address;
use dragoman_server::{RecommenderHandle, ServerConfig};
use dragoman_training::tasks::recommendation::TrainConfig;
use serde_json::Value;
use tracing::{info, warn};

/// How often the process and the wish to stop are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Looks from one look at the steps of a training to the next.
const STEPS_EVERY: u64 = 5;

/// What `/api/dashboard/tasks` calls a training.
const TASK: &str = "train recommendation";

/// What the line about the scores of both models begins with.
const SCORES: &str = "NDCG@10";

/// The shortest time between two trainings.
const SHORTEST: Duration = Duration::from_secs(1);

/// When and how the model that recommends is trained again
#[derive(Debug, Clone, Args)]
pub(super) struct RetrainArgs {
    /// Train the model that recommends again so often, such as `12h` or `1d`, on what the store gathered; a
    /// model that is worse is refused
    #[arg(long, value_name = "TIME", value_parser = duration)]
    retrain_every: Option<Duration>,

    /// Settings of that training, such as `training/configs/recommend-shop.toml`
    #[arg(long, value_name = "FILE")]
    retrain_config: Option<PathBuf>,
}

/// What a training needs to know.
#[derive(Debug, Clone)]
pub(super) struct Retraining {
    every: Duration,
    config: PathBuf,
    /// The model that it replaces.
    model: PathBuf,
    /// Where the server listens.
    url: String,
    admin_key: String,
    /// Types of feedback that say only that a user saw an item, where the settings count them.
    read_feedback: Vec<String>,
}

/// Trainings that go on until this is dropped.
pub(super) struct Retrainer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RetrainArgs {
    /// What is asked for, if anything is.
    pub(super) fn plan(
        &self,
        model: Option<&Path>,
        url: &str,
        config: &ServerConfig,
    ) -> anyhow::Result<Option<Retraining>> {
        let in_file = || {
            let text = config.training.retrain_every.as_deref();
            text.map(|text| duration(text).map_err(|error| anyhow!("`retrain_every`: {error}")))
                .transpose()
        };
        let every = match self.retrain_every {
            Some(every) => Some(every),
            None => in_file()?,
        };
        let settings = self.retrain_config.as_ref().or(config.training.retrain_config.as_ref());
        let (every, settings) = match (every, settings) {
            (Some(every), Some(settings)) => (every, settings),
            (None, None) => return Ok(None),
            (Some(_), None) => bail!(
                "`--retrain-every` needs the settings of the training: name them with `--retrain-config`, or with \
                 `retrain_config` in `[training]`"
            ),
            (None, Some(_)) => bail!(
                "`--retrain-config` needs a time: say how often with `--retrain-every`, or with `retrain_every` in \
                 `[training]`"
            ),
        };
        let model = model.context(
            "`--retrain-every` trains a model that is served: name one that recommends with `--model`",
        )?;
        if is_address(model) {
            let address = model.display();
            bail!(
                "`--retrain-every` writes into the folder of its model, and `{address}` is an address"
            );
        }
        let admin_key = config.keys.admin_key.as_deref().context(
            "`--retrain-every` reads the store through the admin API: set DRAGOMAN_ADMIN_KEY",
        )?;
        let counts_reads = TrainConfig::load(settings)?.objective.read_weight > 0.0;
        let read_feedback = match counts_reads {
            true => config.recommendation.only_read(),
            false => Vec::new(),
        };
        Ok(Some(Retraining {
            every,
            config: settings.clone(),
            model: model.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            admin_key: admin_key.to_owned(),
            read_feedback,
        }))
    }
}

impl Retraining {
    /// Begins to wait for the first training; `handle` shows how each gets on.
    pub(super) fn start(self, handle: RecommenderHandle) -> anyhow::Result<Retrainer> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            while wait(self.every, &stopped) {
                handle.start_task(TASK);
                let result = self.train(&stopped, |steps| handle.advance_task(TASK, steps));
                if let Err(error) = &result {
                    warn!("the model that serves stays: {error:#}");
                }
                handle.finish_task(TASK, result.map_err(|error| format!("{error:#}")));
            }
        };
        let thread = std::thread::Builder::new().name("retrain".into()).spawn(work)?;
        Ok(Retrainer { stop, thread: Some(thread) })
    }

    /// Where the run is kept until it is done.
    fn folder(&self) -> PathBuf {
        let mut name = self.model.file_name().unwrap_or_default().to_owned();
        name.push(".retraining");
        self.model.with_file_name(name)
    }

    fn train(&self, stop: &AtomicBool, advance: impl Fn((u64, u64))) -> anyhow::Result<()> {
        let (started, folder) = (Instant::now(), self.folder());
        info!(model = %self.model.display(), "training again on what the store gathered");
        let mut child = self.command(&folder)?.spawn().context("starting the training")?;
        let look = || {
            if let Some(steps) = steps(&folder) {
                advance(steps);
            }
        };
        let Some(success) = watch(&mut child, stop, look)? else {
            return Ok(()); // it goes on from its checkpoint the next time
        };
        let mut words = String::new();
        if let Some(mut output) = child.stdout.take() {
            output.read_to_string(&mut words)?; // a few lines, which it could write before anybody read
        }
        let scores = words.lines().find(|line| line.starts_with(SCORES)).unwrap_or_default();
        fs_err::remove_dir_all(&folder).or_else(|error| match folder.exists() {
            true => Err(error),
            false => Ok(()),
        })?;
        let seconds = started.elapsed().as_secs();
        if !success && scores.is_empty() {
            bail!("training again failed after {seconds} s: the log says why above");
        }
        if !success {
            bail!("trained again in {seconds} s, and the new model is not taken: {scores}");
        }
        info!(seconds, scores, "trained again; the new model serves");
        Ok(())
    }

    /// The training as a command, at a low priority and on half of the processors.
    fn command(&self, folder: &Path) -> anyhow::Result<Command> {
        let binary = std::env::current_exe()?;
        let mut command = match cfg!(unix) {
            true => {
                let mut nice = Command::new("nice");
                nice.args(["-n", "10"]).arg(binary);
                nice
            }
            false => Command::new(binary),
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        command
            .args(["train", "recommendation", "--protocol", "time", "--quiet"])
            .args(["--from-store", &self.url, "--config"])
            .args([self.config.as_os_str(), "--replace".as_ref(), self.model.as_os_str()])
            .args(["--out".as_ref(), folder.as_os_str()])
            .args(self.read_feedback.iter().flat_map(|name| ["--read-feedback", name]))
            .env("DRAGOMAN_ADMIN_KEY", &self.admin_key)
            .env("RAYON_NUM_THREADS", (processors / 2).max(1).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Ok(command)
    }
}

impl Drop for Retrainer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok(); // it only waits and logs
        }
    }
}

/// Waits for `time`; `false` when it is to stop.
fn wait(time: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
    }
    !stop.load(Ordering::Relaxed)
}

/// Whether the process succeeded; none when it was stopped. Calls `look` from time to time.
fn watch(child: &mut Child, stop: &AtomicBool, look: impl Fn()) -> anyhow::Result<Option<bool>> {
    let mut rounds = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if stop.load(Ordering::Relaxed) {
            child.kill().ok(); // it may have ended by itself; a run survives being killed
            child.wait()?;
            return Ok(None);
        }
        if rounds % STEPS_EVERY == 0 {
            look();
        }
        rounds += 1;
        std::thread::sleep(LOOK);
    }
}

/// The steps that the run in `folder` made and those of its budget, of the stage that wrote to its log last; none
/// before the first.
fn steps(folder: &Path) -> Option<(u64, u64)> {
    let windows = fs_err::read_dir(folder.join("windows")).into_iter().flatten();
    let mut stages: Vec<PathBuf> = windows.flatten().map(|window| window.path()).collect();
    stages.extend([folder.join("validation"), folder.to_owned()]);
    let changed = |log: &PathBuf| fs_err::metadata(log).and_then(|log| log.modified()).ok();
    let logs = stages.into_iter().map(|stage| stage.join("log.jsonl"));
    let log = logs.filter(|log| changed(log).is_some()).max_by_key(changed)?;
    let text = fs_err::read_to_string(log).ok()?;
    let event = |line: &str| serde_json::from_str::<Value>(line).ok();
    let start = event(text.lines().next()?)?;
    let run = &start["config"]["run"];
    let total = [&run["end_at"], &run["budget"]["steps"]].into_iter().filter_map(Value::as_u64);
    let total = total.filter(|&steps| steps > 0).min().unwrap_or(0);
    let step = text.lines().rev().filter_map(event).find_map(|event| event["step"].as_u64());
    Some((step.unwrap_or(0), total))
}

/// Reads `90s`, `30m`, `12h` or `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is no time; write `30m`, `12h` or `1d`");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(refuse()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].trim().parse().map_err(|_| refuse())?;
    let time = count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refuse)?;
    match time >= SHORTEST && time <= Duration::from_secs(366 * 86_400) {
        true => Ok(time),
        false => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("1d", 86_400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "5", "d", "0h", "-1d", "1w", "99999999999999d", "1é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_without_the_other_half_are_named() {
        let plan = |text: &str| {
            let config = ServerConfig::parse(text).expect(text);
            let flags = RetrainArgs { retrain_every: None, retrain_config: None };
            flags.plan(Some("model".as_ref()), "http://localhost/", &config)
        };
        assert!(plan("").expect("nothing is asked for").is_none());
        for (text, named) in [
            ("every = '1d'", "`retrain_config`"),
            ("config = 'a.toml'", "`retrain_every`"),
            ("every = 'often'\nconfig = 'a.toml'", "`often`"),
            ("every = '1d'\nconfig = 'a.toml'", "DRAGOMAN_ADMIN_KEY"),
        ] {
            let error = plan(&format!("[training]\n{text}")).expect_err(text).to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_steps_of_a_run_are_those_of_its_last_stage() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        assert_eq!(steps(dir.path()), None);
        let start = r#"{"event":"start","config":{"run":{"budget":{"steps":50},"end_at":0}}}"#;
        let validation = dir.path().join("validation");
        fs_err::create_dir_all(&validation)?;
        fs_err::write(validation.join("log.jsonl"), format!("{start}\n"))?;
        assert_eq!(steps(dir.path()), Some((0, 50)));
        let lines = format!("{start}\n{{\"event\":\"step\",\"step\":7}}\n{{\"event\":\"st");
        fs_err::write(validation.join("log.jsonl"), lines)?;
        assert_eq!(steps(dir.path()), Some((7, 50)));
        Ok(())
    }
}
