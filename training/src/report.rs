//! What a run leaves behind for people: a log, TensorBoard files, and one HTML page.
//!
//! ```text
//! DIR/log.jsonl        one event a line, the source of the page
//! DIR/tensorboard/     the same numbers, for `tensorboard --logdir DIR`
//! DIR/report.html      self-contained: no scripts, no requests
//! ```

mod compute;
mod event;
mod format;
mod heatmap;
mod inspection;
mod page;
mod plot;

pub(crate) use self::{
    format::escape,
    page::document,
    plot::{Line, plot},
};

pub mod log;

pub use inspection::inspection_page;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use log::{Event, LogWriter, RunLog, Start};

use crate::{Result, tensorboard::EventWriter};

/// Writes down everything that happens in a run.
#[derive(Debug)]
pub struct ReportWriter {
    folder: PathBuf,
    log: LogWriter,
    tensorboard: EventWriter,
}

impl ReportWriter {
    /// Begins a session in the folder of a run, which is made if there is none.
    ///
    /// A session that resumes says so in `start.resumed_at`, and what was recorded beyond is void.
    pub fn start(folder: &Path, start: Start) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let mut log = LogWriter::open(&folder.join("log.jsonl"))?;
        let tensorboard = EventWriter::create(&folder.join("tensorboard"), start.resumed_at)?;
        log.write(&Event::Start(Box::new(start)))?;
        Ok(Self { folder: folder.into(), log, tensorboard })
    }

    /// Records what happened.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        self.log.write(event)?;
        for (tag, step, value) in scalars(event) {
            self.tensorboard.scalar(&tag, step, value)?;
        }
        Ok(())
    }

    /// Makes `report.html` anew from the log, and returns its path.
    pub fn write_report(&self) -> Result<PathBuf> {
        let path = self.folder.join("report.html");
        write_report(&self.folder.join("log.jsonl"), &path)?;
        Ok(path)
    }
}

/// Makes the page at `html` from the log at `log`; a reader never sees half a page.
pub fn write_report(log: &Path, html: &Path) -> Result<()> {
    let page = render(&RunLog::load(log)?);
    let mut temporary = html.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = fs_err::File::create(&temporary)?;
    file.write_all(page.as_bytes())?;
    Ok(fs_err::rename(&temporary, html)?)
}

/// Renders a run as one HTML page.
pub fn render(log: &RunLog) -> String {
    page::render(log)
}

/// What TensorBoard shows of an event, as tag, step and value.
fn scalars(event: &Event) -> Vec<(String, u64, f64)> {
    match event {
        Event::Step(step) => [
            ("train/loss", step.loss),
            ("train/nll", step.nll),
            ("train/balance", step.balance),
            ("train/z_loss", step.z_loss),
            ("train/learning_rate", step.learning_rate),
            ("train/gradient_norm", step.gradient_norm),
            ("train/tokens_per_second", step.tokens_per_second),
        ]
        .map(|(tag, value)| (tag.to_owned(), step.step, value))
        .into(),
        Event::Dev(dev) => {
            let scores = dev.rows.iter().flat_map(|row| {
                row.scores.iter().map(|(name, &score)| {
                    (format!("dev/{name}/{}", row.label).replace(' ', "_"), dev.step, score)
                })
            });
            let mean = dev.chosen_score().map(|score| ("dev/mean".into(), dev.step, score));
            scores.chain(mean).collect()
        }
        Event::Load(load) => {
            let route = load.route.as_ref().map(|route| format!("{route}/")).unwrap_or_default();
            let tag = |expert| format!("load/{route}{}/{expert}", load.layer);
            load.shares.iter().map(|(expert, &share)| (tag(expert), load.step, share)).collect()
        }
        Event::Start(_) | Event::Table(_) | Event::Finish(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log::{Dev, DevRow, Finish, Load, Step};

    /// A short run of two directions, with an awkward name.
    fn record(folder: &Path) -> Result<ReportWriter> {
        let run = "<tiny> & \"quick\"".to_owned();
        let mut recorder = ReportWriter::start(folder, Start { run, ..Start::default() })?;
        for step in 1..=50 {
            let loss = 8.0 / step as f64;
            let target_tokens = 1000 * step;
            recorder.record(&Event::Step(Step { step, loss, target_tokens, ..Step::default() }))?;
        }
        let row = |label: &str, score| DevRow {
            label: label.into(),
            scores: [("chrF++".to_owned(), score)].into(),
        };
        let rows = vec![row("en-de", 41.5), row("de-en", 45.25)];
        let dev = Dev { step: 50, chosen_by: "chrF++".into(), rows, ..Dev::default() };
        recorder.record(&Event::Dev(dev))?;
        let shares = [("free.1".to_owned(), 0.25), ("free.2".to_owned(), 0.75)].into();
        let load = Load { step: 50, layer: "encoder.1".into(), route: None, shares };
        recorder.record(&Event::Load(load))?;
        Ok(recorder)
    }

    #[test]
    fn a_page_holds_the_run_and_asks_nobody_for_anything() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = record(folder.path())?;
        recorder.record(&Event::Finish(Finish { step: 50, ..Finish::default() }))?;
        let page = fs_err::read_to_string(recorder.write_report()?)?;
        for expected in ["&lt;tiny&gt; &amp; &quot;quick&quot;", "en-de", "45.25", "free.2", "<svg"]
        {
            assert!(page.contains(expected), "`{expected}` is missing");
        }
        for foreign in ["<tiny>", "<script", "src=", "href=", "url(", "@import", "NaN"] {
            assert!(!page.contains(foreign), "`{foreign}` is in the page");
        }
        Ok(())
    }

    #[test]
    fn a_run_that_has_only_begun_can_be_shown() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let recorder = ReportWriter::start(folder.path(), Start::default())?;
        let page = fs_err::read_to_string(recorder.write_report()?)?;
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        Ok(())
    }

    #[test]
    fn a_diverged_run_can_be_shown() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = record(folder.path())?;
        for step in 51..=60 {
            let loss = f64::NAN;
            recorder.record(&Event::Step(Step { step, loss, ..Step::default() }))?;
        }
        let page = fs_err::read_to_string(recorder.write_report()?)?;
        assert!(!page.contains("NaN"), "a number is missing");
        Ok(())
    }

    #[test]
    fn tags_say_where_a_number_belongs() {
        let shares = [("pair.en-de".to_owned(), 1.0)].into();
        let load = Load { step: 3, layer: "decoder.0".into(), route: Some("en-de".into()), shares };
        let scalars = scalars(&Event::Load(load));
        assert_eq!(scalars, [("load/en-de/decoder.0/pair.en-de".to_owned(), 3, 1.0)]);
    }
}
