//! The log of a run: one JSON object a line, from which its report can be made again at any time.
//!
//! A line is written in one piece as soon as something happens, so a killed run loses at most the
//! line it was writing; that torn line is cut off when the run goes on.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use fs_err::{File, OpenOptions};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tracing::warn;

use crate::{Error, Result, evaluate::Evaluation};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A session began: the first one, or one that resumes from a checkpoint.
    Start(Box<Start>),
    /// The weights were updated (logged every few steps).
    Step(Step),
    /// The development sets were scored.
    Dev(Dev),
    /// Tokens were counted at the experts of a layer.
    Load(Load),
    /// The run ended, or was stopped with a checkpoint.
    Finish(Finish),
}

/// How a session begins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Name of the run, the title of its report.
    pub run: String,
    /// Step of the checkpoint that is resumed; what was logged after it is void. 0 for a new run.
    pub resumed_at: u64,
    /// Seconds of training in the sessions before, up to that checkpoint.
    pub elapsed_seconds: f64,
    /// When the session began, in seconds since 1970.
    pub unix_time: u64,
    /// All settings of the run.
    pub config: Value,
    /// Size of the model.
    pub model: ModelSize,
    /// What the run has to compute with.
    pub machine: Machine,
}

/// How many weights there are, and how many take part for one token.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSize {
    /// All weights.
    pub parameters: u64,
    /// Weights that a source token is multiplied with: no embedding rows, `top_k` experts.
    pub active_encoder_parameters: u64,
    /// Weights that a target token is multiplied with, the output projection included.
    pub active_decoder_parameters: u64,
}

/// What a run has to compute with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Name of the device, such as `cpu` or `cuda:0 (NVIDIA H100)`.
    pub device: String,
    /// Number of such devices.
    pub devices: u32,
    /// CPU cores in use.
    pub cores: u32,
    /// Power drawn, in watts: an assumption, which the report states. See [`assumed_watts`].
    pub watts: f64,
}

/// Numbers of one step; losses are means over the target tokens since the last logged step.
///
/// A number that is not finite is written as `null`, and read as NaN.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Updates made so far.
    pub step: u64,
    /// Seconds of training so far, those of earlier sessions included.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// What is minimised: label-smoothed cross-entropy and the auxiliary losses.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Negative log-likelihood of a target token, in nats, without smoothing.
    #[serde(deserialize_with = "number")]
    pub nll: f64,
    /// Balance loss of the experts.
    #[serde(deserialize_with = "number")]
    pub balance: f64,
    /// z-loss of the routers.
    #[serde(deserialize_with = "number")]
    pub z_loss: f64,
    /// Learning rate.
    #[serde(deserialize_with = "number")]
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Target tokens in a second.
    #[serde(deserialize_with = "number")]
    pub tokens_per_second: f64,
    /// Source tokens seen so far.
    pub source_tokens: u64,
    /// Target tokens seen so far.
    pub target_tokens: u64,
}

/// Scores on the development sets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dev {
    /// Updates made so far.
    pub step: u64,
    /// Seconds of training so far.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// Name of the score by which checkpoints are chosen, such as `chrF++`.
    pub chosen_by: String,
    /// One row for each language pair, or whatever is scored apart.
    pub rows: Vec<DevRow>,
}

/// Scores of one development set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DevRow {
    /// What was scored, such as `en-de`.
    pub label: String,
    /// Scores by name, such as `chrF++`.
    pub scores: BTreeMap<String, f64>,
}

/// Where the tokens of one layer went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Updates made so far.
    pub step: u64,
    /// Path of the layer, such as `encoder.1`.
    pub layer: String,
    /// The route of the tokens, or `None` for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Share of the visits by name of the expert; they sum to 1.
    pub shares: BTreeMap<String, f64>,
}

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Finish {
    /// Updates made.
    pub step: u64,
    /// Seconds of training.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// Why it ended, such as `the budget of 60 minutes is used up`.
    pub reason: String,
    /// Step of the best checkpoint.
    pub best_step: Option<u64>,
}

/// Appends events to a file.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
}

/// A run as its log tells it, without what a resumed session made void.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunLog {
    /// Every session, with the seconds it trained.
    pub sessions: Vec<(Start, f64)>,
    /// Logged steps, ascending.
    pub steps: Vec<Step>,
    /// Evaluations, ascending.
    pub devs: Vec<Dev>,
    /// Expert loads, ascending by step.
    pub loads: Vec<Load>,
    /// How the last session ended; `None` while it runs, or when it was killed.
    pub finish: Option<Finish>,
    /// Lines that could not be understood.
    pub skipped_lines: usize,
}

/// Watts assumed for a CPU core at work, with its share of memory and power supply.
const WATTS_PER_CORE: f64 = 15.0;
/// Watts assumed for a GPU at work: the rated power of an H100 (SXM).
const WATTS_PER_GPU: f64 = 700.0;

/// Power assumed where nobody has measured it: 15 W for each core and 700 W for each GPU.
pub fn assumed_watts(cores: u32, gpus: u32) -> f64 {
    WATTS_PER_CORE * f64::from(cores) + WATTS_PER_GPU * f64::from(gpus)
}

impl LogWriter {
    /// Opens the log at `path` to go on with it, or begins it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole_lines = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole_lines as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file })
    }

    /// Writes one line, and hands it to the operating system.
    pub fn write(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event).map_err(std::io::Error::from)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        Ok(self.file.flush()?)
    }
}

impl RunLog {
    /// Reads the log at `path`; lines that make no sense are skipped, counted and warned of.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs_err::read(path)?;
        let mut log = Self::default();
        for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(event) => log.add(event),
                Err(_) if !line.ends_with(b"\n") => {} // torn: the run was killed while writing it
                Err(error) => {
                    log.skipped_lines += 1;
                    warn!("{}:{}: skipped: {error}", path.display(), number + 1);
                }
            }
        }
        match log.sessions.is_empty() {
            true => Err(Error::RunLog { path: PathBuf::from(path) }),
            false => Ok(log),
        }
    }

    /// Adds what happened next.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::Start(start) => self.resume(*start),
            Event::Step(step) => {
                self.note_time(step.elapsed_seconds);
                self.steps.push(step);
            }
            Event::Dev(dev) => {
                self.note_time(dev.elapsed_seconds);
                self.devs.push(dev);
            }
            Event::Load(load) => self.loads.push(load),
            Event::Finish(finish) => {
                self.note_time(finish.elapsed_seconds);
                self.finish = Some(finish);
            }
        }
    }

    /// The settings and sizes of the newest session.
    pub fn start(&self) -> Option<&Start> {
        self.sessions.last().map(|(start, _)| start)
    }

    /// The evaluation with the highest mean of the score by which checkpoints are chosen.
    pub fn best_dev(&self) -> Option<&Dev> {
        let scored = self.devs.iter().filter_map(|dev| Some((dev, dev.chosen_score()?)));
        // The first of equals, as it took the least training.
        scored.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(dev, _)| dev)
    }

    fn resume(&mut self, start: Start) {
        self.steps.retain(|step| step.step <= start.resumed_at);
        self.devs.retain(|dev| dev.step <= start.resumed_at);
        self.loads.retain(|load| load.step <= start.resumed_at);
        self.finish = None;
        self.sessions.push((start, 0.0));
    }

    fn note_time(&mut self, elapsed: f64) {
        if let Some((start, seconds)) = self.sessions.last_mut() {
            *seconds = seconds.max(elapsed - start.elapsed_seconds);
        }
    }
}

impl Dev {
    /// Takes the scores of every row of `evaluation`; checkpoints are chosen by chrF++.
    pub fn from_evaluation(step: u64, elapsed_seconds: f64, evaluation: &Evaluation) -> Self {
        let rows = evaluation.rows.iter().map(|row| {
            let mut scores = BTreeMap::from([
                ("BLEU".to_owned(), row.bleu.score),
                ("chrF".to_owned(), row.chrf.score),
                ("chrF++".to_owned(), row.chrf_plus_plus.score),
                ("length ratio".to_owned(), row.length_ratio),
                ("repeats %".to_owned(), 100.0 * row.loop_rate),
            ]);
            let off_target = row.off_target_rate.map(|rate| 100.0 * rate);
            scores.extend(off_target.map(|rate| ("off-target %".to_owned(), rate)));
            DevRow { label: row.label(), scores }
        });
        Self { step, elapsed_seconds, chosen_by: "chrF++".into(), rows: rows.collect() }
    }

    /// Mean of the score by which checkpoints are chosen; `None` if no row has it.
    pub fn chosen_score(&self) -> Option<f64> {
        self.mean(&self.chosen_by)
    }

    /// Mean of the score called `name` over the rows that have it.
    pub fn mean(&self, name: &str) -> Option<f64> {
        let scores: Vec<_> = self.rows.iter().filter_map(|row| row.scores.get(name)).collect();
        (!scores.is_empty()).then(|| scores.iter().copied().sum::<f64>() / scores.len() as f64)
    }
}

/// Reads `null`, which JSON has for what is not finite, as NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Event {
        let elapsed_seconds = step as f64;
        Event::Step(Step { step, elapsed_seconds, loss: 1.0 / step as f64, ..Step::default() })
    }

    fn start(resumed_at: u64) -> Event {
        let elapsed_seconds = resumed_at as f64;
        Event::Start(Box::new(Start { resumed_at, elapsed_seconds, ..Start::default() }))
    }

    fn write(path: &Path, events: impl IntoIterator<Item = Event>) -> Result<()> {
        let mut writer = LogWriter::open(path)?;
        events.into_iter().try_for_each(|event| writer.write(&event))
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_cut_off_when_the_run_goes_on() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.jsonl");
        write(&path, [start(0), step(1), step(2)])?;
        let bytes = fs_err::read(&path)?;
        fs_err::write(&path, &bytes[..bytes.len() - 9])?; // killed in the middle of step 2

        let log = RunLog::load(&path)?;
        assert_eq!((log.steps.len(), log.skipped_lines), (1, 0));

        write(&path, [start(1), step(2), step(3)])?;
        let log = RunLog::load(&path)?;
        assert_eq!(log.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(log.skipped_lines, 0);
        Ok(())
    }

    #[test]
    fn what_came_after_the_resumed_checkpoint_is_void_but_its_time_was_spent() {
        let mut log = RunLog::default();
        for event in [start(0), step(1), step(2), step(3), start(1), step(2)] {
            log.add(event);
        }
        assert_eq!(log.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2]);
        let seconds: Vec<_> = log.sessions.iter().map(|(_, seconds)| *seconds).collect();
        assert_eq!(seconds, [3.0, 1.0]);
    }

    #[test]
    fn a_loss_that_is_not_a_number_can_be_read_back() -> anyhow::Result<()> {
        let line = serde_json::to_string(&Event::Step(Step { loss: f64::NAN, ..Step::default() }))?;
        let Event::Step(step) = serde_json::from_str(&line)? else { anyhow::bail!("{line}") };
        assert!(step.loss.is_nan() && step.nll == 0.0);
        Ok(())
    }

    #[test]
    fn garbage_is_skipped_and_counted_and_a_log_of_nothing_else_refused() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.jsonl");
        fs_err::write(
            &path,
            "garbage\n\n{\"event\":\"start\",\"run\":\"a\"}\n{\"event\":\"x\"}\n",
        )?;
        let log = RunLog::load(&path)?;
        assert_eq!((log.skipped_lines, log.sessions.len()), (3, 1));

        fs_err::write(&path, "garbage\n")?;
        let error = RunLog::load(&path).expect_err("there is no session");
        assert!(error.to_string().contains("log.jsonl"), "{error}");
        Ok(())
    }

    #[test]
    fn the_best_evaluation_has_the_highest_mean() {
        let dev = |step, scores: [f64; 2]| Dev {
            step,
            chosen_by: "chrF++".into(),
            rows: scores
                .map(|score| DevRow {
                    label: String::new(),
                    scores: [("chrF++".to_owned(), score)].into(),
                })
                .into(),
            ..Dev::default()
        };
        let devs = vec![dev(1, [10.0, 20.0]), dev(2, [30.0, 20.0]), dev(3, [49.0, 0.0])];
        let log = RunLog { devs, ..RunLog::default() };
        assert_eq!(log.best_dev().map(|dev| dev.step), Some(2));
    }
}
