//! Trains the recommendation model again while the server runs, in a process of its own.
//!
//! The process is the command that a person would run, `train recommendation --from-store URL --replace MODEL`:
//! it reads the store through the admin API, refuses a model that is worse than the one that serves, and goes
//! on where it was stopped. If it dies, the server does not.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use dragoman_objects::is_address;
use dragoman_server::ServerConfig;
use dragoman_training::tasks::recommendation::TrainConfig;
use tracing::{info, warn};

/// How often the process and the wish to stop are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The shortest time between two trainings.
const SHORTEST: Duration = Duration::from_secs(1);

/// When and how the model that recommends is trained again
#[derive(Debug, Clone, Args)]
pub(super) struct RetrainArgs {
    /// Train the model that recommends again so often, such as `12h` or `1d`, on what the store gathered; a
    /// model that is worse is refused
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "retrain_config")]
    retrain_every: Option<Duration>,

    /// Settings of that training, such as `training/configs/recommend-shop.toml`
    #[arg(long, value_name = "FILE", requires = "retrain_every")]
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
        let (Some(every), Some(settings)) = (self.retrain_every, &self.retrain_config) else {
            return Ok(None);
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
    /// Begins to wait for the first training.
    pub(super) fn start(self) -> anyhow::Result<Retrainer> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            while wait(self.every, &stopped) {
                if let Err(error) = self.train(&stopped) {
                    warn!("training again failed, the model that serves stays: {error:#}");
                }
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

    fn train(&self, stop: &AtomicBool) -> anyhow::Result<()> {
        let (started, folder) = (Instant::now(), self.folder());
        info!(model = %self.model.display(), "training again on what the store gathered");
        let mut child = self.command(&folder)?.spawn().context("starting the training")?;
        let Some(success) = watch(&mut child, stop)? else {
            return Ok(()); // it goes on from its checkpoint the next time
        };
        let seconds = started.elapsed().as_secs();
        match success {
            true => info!(seconds, "trained again; the new model serves"),
            false => warn!(seconds, "trained again, and the model that serves stays: see above"),
        }
        fs_err::remove_dir_all(&folder).or_else(|error| match folder.exists() {
            true => Err(error),
            false => Ok(()),
        })?;
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
            .stdout(Stdio::null());
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

/// Whether the process succeeded; none when it was stopped.
fn watch(child: &mut Child, stop: &AtomicBool) -> anyhow::Result<Option<bool>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if stop.load(Ordering::Relaxed) {
            child.kill().ok(); // it may have ended by itself; a run survives being killed
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
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
}
