//! The log of a run: one JSON object a line, from which its report can be made again at any time.
//!
//! A line is written in one piece as soon as something happens, so a killed run loses at most the
//! line it was writing; that torn line is cut off when the run goes on.

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use fs_err::{File, OpenOptions};
use tracing::warn;

pub use super::event::{
    Dev, DevRow, Event, Finish, Load, Machine, ModelSize, Start, Step, Table, assumed_watts,
};
use crate::{Error, Result};

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
    /// Tables, in the order in which they came.
    pub tables: Vec<Table>,
    /// How the last session ended; `None` while it runs, or when it was killed.
    pub finish: Option<Finish>,
    /// Lines that could not be understood.
    pub skipped_lines: usize,
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
            Event::Table(table) => {
                self.tables.retain(|other| other.title != table.title);
                self.tables.push(table);
            }
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
