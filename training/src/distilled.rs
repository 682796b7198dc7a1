//! Corpora whose targets a model wrote, for another to learn from, or the same.
//!
//! Of the hypotheses of a beam search the best one is kept (sequence-level distillation, Kim and Rush 2016,
//! section 3.2), or the one that is nearest to what a person wrote (sequence-level interpolation,
//! section 3.3), by chrF++.

use std::{
    fmt,
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use fs_err as fs;
use serde::Serialize;

use crate::{Error, Result, metrics::Chrf};

/// Sentences that are translated before what came of them is written.
const TOGETHER: usize = 256;

/// What is kept of the hypotheses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Keep {
    /// The best one.
    Best,
    /// The one that is nearest to the translation in the corpus, if it has this chrF++ at least.
    Nearest(f64),
}

/// A corpus to write.
#[derive(Debug)]
pub struct DistilledCorpus<'a> {
    /// Sentences and what a person made of them.
    pub pairs: &'a [(String, String)],
    /// What is kept.
    pub keep: Keep,
    /// A table of two columns, the sentence and its target.
    pub out: PathBuf,
    /// What else decides over what is written: a stopped run goes on if it is the same.
    pub settings: serde_json::Value,
}

/// What came of a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distilled {
    /// Sentences that were translated.
    pub sentences: usize,
    /// Those that were kept.
    pub kept: usize,
    /// Mean chrF++ of single sentences: of the best hypotheses, and of the nearest ones.
    pub scores: [f64; 2],
}

/// What is known of a sentence, as a line of the file beside the table.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
struct Row {
    source: String,
    /// Its target; none if nothing is kept.
    target: Option<String>,
    best: f64,
    nearest: f64,
}

impl DistilledCorpus<'_> {
    /// Writes the corpus; `translate` gives the hypotheses of each text, best first, or nothing when it is to
    /// stop. Then nothing comes of it yet, and the next run goes on where this one was: all that is known of
    /// the sentences stays in a file beside the table.
    ///
    /// # Errors
    /// Fails when `translate` does, when the file cannot be written, and when one is there of other settings.
    pub fn write(
        &self,
        mut translate: impl FnMut(&[&str]) -> Result<Option<Vec<Vec<String>>>>,
    ) -> Result<Option<Distilled>> {
        let known = self.out.with_extension("jsonl");
        let mut rows = self.begun(&known)?;
        let mut file = fs::OpenOptions::new().append(true).open(&known)?;
        while rows.len() < self.pairs.len() {
            let next = &self.pairs[rows.len()..self.pairs.len().min(rows.len() + TOGETHER)];
            let sources: Vec<&str> = next.iter().map(|(source, _)| source.as_str()).collect();
            let Some(found) = translate(&sources)? else { return Ok(None) };
            let new: Vec<Row> =
                found.into_iter().zip(next).map(|(found, pair)| self.row(found, pair)).collect();
            let lines = new.iter().map(|row| Ok(serde_json::to_string(row)? + "\n"));
            file.write_all(lines.collect::<Result<String>>()?.as_bytes())?;
            rows.extend(new);
        }
        let mut table = String::new();
        let mut distilled = Distilled { sentences: rows.len(), ..Distilled::default() };
        for row in &rows {
            let scores = [row.best, row.nearest].map(|score| score / rows.len() as f64);
            distilled.scores = [0, 1].map(|i| distilled.scores[i] + scores[i]);
            if let Some(target) = &row.target {
                table += &format!("{}\t{target}\n", cell(&row.source));
                distilled.kept += 1;
            }
        }
        let part = self.out.with_extension("tsv.part");
        fs::write(&part, table)?;
        fs::rename(&part, &self.out)?;
        Ok(Some(distilled))
    }

    /// The rows of the file `known`, which is there afterwards.
    fn begun(&self, known: &Path) -> Result<Vec<Row>> {
        let settings = format!(
            "{}\n",
            serde_json::json!({
                "sentences": self.pairs.len(), "keep": self.keep, "settings": self.settings,
            })
        );
        if !known.exists() {
            fs::create_dir_all(known.parent().unwrap_or(Path::new("")))?;
            fs::write(known, settings)?;
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        let mut whole = 0;
        let mut reader = std::io::BufReader::new(fs::File::open(known)?);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            let is_same = match whole {
                0 => line == settings,
                _ => {
                    let row: Row = serde_json::from_str(&line)?;
                    let pair = self.pairs.get(rows.len());
                    let is_same = pair.is_some_and(|(source, _)| *source == row.source);
                    rows.push(row);
                    is_same
                }
            };
            if !is_same {
                let reason =
                    "was begun with other settings or sentences; remove it to begin anew".into();
                return Err(Error::Config { path: known.into(), reason });
            }
            whole += line.len() as u64;
            line.clear();
        }
        fs::OpenOptions::new().write(true).open(known)?.set_len(whole)?;
        if whole == 0 {
            fs::write(known, settings)?;
        }
        Ok(rows)
    }

    fn row(&self, found: Vec<String>, (source, own): &(String, String)) -> Row {
        let scored =
            found.into_iter().map(|text| (Chrf::plus_plus().sentence_score(&text, own), text));
        let scored: Vec<(f64, String)> = scored.collect();
        let best = scored.first().map_or(0.0, |(score, _)| *score);
        // Of equals the better one.
        let nearest = scored.iter().rev().max_by(|a, b| a.0.total_cmp(&b.0)).cloned();
        let (score, text) = nearest.unwrap_or_default();
        let target = match self.keep {
            Keep::Best => scored.into_iter().next().map(|(_, text)| text),
            Keep::Nearest(least) => (score >= least).then_some(text),
        };
        let target = target.map(|text| cell(&text)).filter(|text| !text.is_empty());
        Row { source: source.clone(), target, best, nearest: score }
    }
}

impl fmt::Display for Distilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sentences, kept, scores: [best, nearest] } = self;
        write!(
            f,
            "{kept} of {sentences} sentences; chrF++ of the best hypotheses {best:.1}, of the nearest \
             {nearest:.1} (means of single sentences)"
        )
    }
}

/// `text` as a cell of a table.
fn cell(text: &str) -> String {
    text.split(['\t', '\n', '\r']).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hypotheses(texts: &[&str]) -> Result<Option<Vec<Vec<String>>>> {
        let of = |text: &&str| vec![format!("{text} x"), (*text).to_owned(), "zz".to_owned()];
        Ok(Some(texts.iter().map(of).collect()))
    }

    #[test]
    fn the_nearest_hypothesis_is_kept_or_the_best_one() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let pair = |source: &str, own: &str| (source.to_owned(), own.to_owned());
        let pairs = [pair("a house", "a house"), pair("one\ttwo", "qqqqqqqq")];
        let mut corpus = DistilledCorpus {
            pairs: &pairs,
            keep: Keep::Nearest(30.0),
            out: dir.path().join("en-de.tsv"),
            settings: serde_json::Value::Null,
        };
        let distilled = corpus.write(hypotheses)?.expect("it ends");
        assert_eq!((distilled.sentences, distilled.kept), (2, 1));
        assert!(distilled.scores[0] < distilled.scores[1], "{distilled:?}");
        assert_eq!(fs::read_to_string(&corpus.out)?, "a house\ta house\n");
        (corpus.keep, corpus.out) = (Keep::Best, dir.path().join("best.tsv"));
        assert_eq!(corpus.write(hypotheses)?.expect("it ends").kept, 2);
        let table = fs::read_to_string(&corpus.out)?;
        assert_eq!(table, "a house\ta house x\none two\tone two x\n");
        Ok(())
    }

    #[test]
    fn a_stopped_run_goes_on_where_it_was() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let pairs: Vec<(String, String)> =
            (0..600).map(|i| (format!("text {i}"), format!("text {i}"))).collect();
        let corpus = |name: &str, settings: u32| DistilledCorpus {
            pairs: &pairs,
            keep: Keep::Nearest(30.0),
            out: dir.path().join(name),
            settings: settings.into(),
        };
        let whole = corpus("whole.tsv", 1).write(hypotheses)?;
        let stopped = |texts: &[&str]| match texts[0] {
            "text 512" => Ok(None),
            _ => hypotheses(texts),
        };
        assert_eq!(corpus("en-de.tsv", 1).write(stopped)?, None);
        let known = dir.path().join("en-de.jsonl");
        let begun = fs::read_to_string(&known)?;
        fs::write(&known, format!("{begun}{{\"target\": \"te"))?;
        let error = corpus("en-de.tsv", 2).write(|_| Ok(None)).expect_err("other settings");
        assert!(error.to_string().contains("remove it to begin anew"), "{error}");
        let mut asked = 0;
        let distilled = corpus("en-de.tsv", 1).write(|texts| {
            asked += texts.len();
            hypotheses(texts)
        })?;
        assert_eq!((asked, distilled), (600 - 512, whole));
        let read = |name: &str| fs::read_to_string(dir.path().join(name));
        assert_eq!(read("en-de.tsv")?, read("whole.tsv")?);
        // What is known is not asked again.
        let again = corpus("en-de.tsv", 1).write(|_| Err(Error::Translate("asked".into())))?;
        assert_eq!(again, whole);
        Ok(())
    }
}
