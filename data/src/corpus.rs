//! Reads pairs of sentences from files, whatever their format.
//!
//! A malformed line is an item like any other, with its number and what is wrong with it: the
//! reader goes on behind it.

pub mod input;
mod jsonl;
mod plain;
mod table;
mod tmx;
mod tsv;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A sentence and its translation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The sentence in the corpus's source language.
    pub source: String,
    /// The same in the target language.
    pub target: String,
    /// The set it belongs to, where the corpus says so (`newstest2014`).
    pub set: Option<String>,
}

/// One line (or TMX unit) of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands in the file, from 1.
    pub number: usize,
    /// The pair, or why there is none.
    pub pair: Result<Pair, String>,
}

/// The lines of a corpus; an error ends it (a file that cannot be read on).
pub type Lines = Box<dyn Iterator<Item = Result<Line>> + Send>;

/// A file of sentence pairs, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// The file: `.tsv`, `.jsonl`, `.tmx`, or plain text beside `target_path`; `.gz` and `.zst`
    /// are unpacked on the fly.
    pub path: PathBuf,
    /// The file with the translations, line by line, of a plain text.
    #[serde(default)]
    pub target_path: Option<PathBuf>,
    /// Language of the first column.
    pub source: String,
    /// Language of the second column.
    pub target: String,
    /// Whether only the direction from `source` to `target` is for training, because the target
    /// side was made by a machine.
    #[serde(default)]
    pub one_way: bool,
    /// Whether the first line names the languages of as many columns, two of which are meant.
    #[serde(default)]
    pub is_table: bool,
    /// Name of the domain or set, for statistics and sampling weights.
    #[serde(default)]
    pub label: String,
    /// Sets whose pairs are passed over, as if they were not in the file.
    #[serde(default)]
    pub without: Vec<String>,
    /// Lines that are read, from the beginning, sets that are passed over not counted; none: all.
    #[serde(default)]
    pub first: Option<usize>,
}

/// How pairs are laid out in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `source<TAB>target[<TAB>set]`, or the columns that its first line names.
    Tsv,
    /// Two files with as many lines each.
    Plain,
    /// Translation Memory eXchange, an XML format.
    Tmx,
    /// One JSON object a line.
    Jsonl,
    /// One phrase a line in several languages, which the first line names.
    Table,
}

impl Corpus {
    /// Describes the file at `path`, for training in both directions; its label is its folder.
    pub fn new(path: impl Into<PathBuf>, source: &str, target: &str) -> Self {
        let path = path.into();
        let folder = path.parent().and_then(Path::file_name);
        let label = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (source, target) = (source.to_owned(), target.to_owned());
        Self {
            path,
            target_path: None,
            source,
            target,
            one_way: false,
            is_table: false,
            label,
            without: Vec::new(),
            first: None,
        }
    }

    /// Describes a file whose name starts with its languages, as in `en-de.train.tsv.gz`.
    pub fn from_name(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let pair = name.as_deref().and_then(|name| name.split('.').next()?.split_once('-'));
        match pair {
            Some((source, target)) if is_code(source) && is_code(target) => {
                Ok(Self::new(&path, source, target))
            }
            _ => {
                let reason = "its name does not start with two languages, as in `en-de.tsv`";
                Err(Error::Corpus { path, reason: reason.into() })
            }
        }
    }

    /// The same corpus with its translations in a second plain file, one sentence a line in each.
    #[must_use]
    pub fn with_target(self, path: impl Into<PathBuf>) -> Self {
        Self { target_path: Some(path.into()), ..self }
    }

    /// Describes a table of phrases (`.tsv`), whose first line names the languages of its columns: the
    /// first language with each of the others.
    pub fn table(path: impl Into<PathBuf>) -> Result<Vec<Self>> {
        let path = path.into();
        let languages = table_languages(&path)?;
        let pair = |target| Self { is_table: true, ..Self::new(&path, &languages[0], target) };
        Ok(languages[1..].iter().map(|target| pair(target)).collect())
    }

    /// The corpus of two languages, in either order, that `pattern` names: a file in whose name `{pair}` stands
    /// for `en-de`, one whose name begins with its languages, or a table. `None` if there is none.
    pub fn of_pair(pattern: &str, source: &str, target: &str) -> Option<Self> {
        let both = [(source, target), (target, source)];
        if pattern.contains("{pair}") {
            let path = |(a, b): (&str, &str)| {
                PathBuf::from(pattern.replace("{pair}", &format!("{a}-{b}")))
            };
            let (source, target) = both.into_iter().find(|pair| path(*pair).exists())?;
            return Some(Self::new(path((source, target)), source, target));
        }
        let is_of =
            |corpus: &Self| both.contains(&(corpus.source.as_str(), corpus.target.as_str()));
        match Self::from_name(pattern) {
            Ok(corpus) => Some(corpus).filter(is_of),
            Err(_) => Self::table(pattern).ok()?.into_iter().find(is_of),
        }
    }

    /// The pairs of such a corpus that can be read, the sentence in `source` first.
    pub fn pairs_from(&self, source: &str) -> Result<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for line in self.lines()? {
            let Ok(Pair { source: first, target: second, .. }) = line?.pair else { continue }; // `data stats` names them
            pairs.push(if self.source == source { (first, second) } else { (second, first) });
        }
        Ok(pairs)
    }

    /// The same corpus, for training from source to target only.
    #[must_use]
    pub fn one_way(self) -> Self {
        Self { one_way: true, ..self }
    }

    /// The same corpus under another label.
    #[must_use]
    pub fn labelled(self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self }
    }

    /// The same corpus without the pairs of the sets called `sets`.
    #[must_use]
    pub fn without(self, sets: &[String]) -> Self {
        Self { without: sets.to_vec(), ..self }
    }

    /// The first `lines` of the corpus, or all.
    #[must_use]
    pub fn first(self, lines: Option<usize>) -> Self {
        Self { first: lines, ..self }
    }

    /// Says how the file is laid out, from its name.
    pub fn format(&self) -> Result<Format> {
        if self.target_path.is_some() {
            return Ok(Format::Plain);
        }
        if self.is_table {
            return Ok(Format::Table);
        }
        match input::extension(&self.path).as_deref() {
            Some("tsv") => Ok(Format::Tsv),
            Some("tmx") => Ok(Format::Tmx),
            Some("jsonl") => Ok(Format::Jsonl),
            _ => {
                let reason = "its name must end in .tsv, .jsonl or .tmx (and perhaps .gz or .zst), \
                              or a second file must hold the translations";
                Err(Error::Corpus { path: self.path.clone(), reason: reason.into() })
            }
        }
    }

    /// Opens the corpus and reads it line by line.
    pub fn lines(&self) -> Result<Lines> {
        let (source, target) = (self.source.clone(), self.target.clone());
        let input = input::open(&self.path)?;
        let lines: Lines = match (self.format()?, &self.target_path) {
            (Format::Plain, Some(path)) => Box::new(plain::lines(input, input::open(path)?)),
            (Format::Jsonl, _) => Box::new(jsonl::lines(input, source, target)),
            (Format::Table, _) => {
                let languages = table_languages(&self.path)?;
                let column = |code: &str| languages.iter().position(|language| language == code);
                let (Some(first), Some(second)) = (column(&source), column(&target)) else {
                    let reason = format!("its first line does not name `{source}` and `{target}`");
                    return Err(Error::Corpus { path: self.path.clone(), reason });
                };
                Box::new(table::lines(input, [first, second], languages.len()))
            }
            (Format::Tmx, _) => Box::new(tmx::lines(input, source, target)),
            _ => {
                let lines = tsv::lines(input, [&source, &target]);
                Box::new(lines.map_err(|reason| Error::Corpus { path: self.path.clone(), reason })?)
            }
        };
        let (path, without) = (self.path.clone(), self.without.clone());
        let is_wanted = move |line: &Result<Line>| match line {
            Ok(Line { pair: Ok(Pair { set: Some(set), .. }), .. }) => !without.contains(set),
            _ => true,
        };
        let lines = lines.filter(is_wanted).take(self.first.unwrap_or(usize::MAX));
        Ok(Box::new(
            lines.map(move |line| line.map(checked).map_err(|error| located(error, &path))),
        ))
    }
}

/// Bytes of the longest text of a pair.
const LONGEST_TEXT: usize = 1 << 16;

/// Lets go of texts that no model could learn from, before many of them are held at once.
fn checked(line: Line) -> Line {
    let is_long = |pair: &Pair| pair.source.len().max(pair.target.len()) > LONGEST_TEXT;
    match line.pair {
        Ok(pair) if is_long(&pair) => {
            Line { pair: Err(format!("longer than {} kB", LONGEST_TEXT >> 10)), ..line }
        }
        pair => Line { pair, ..line },
    }
}

/// The languages of the columns of a table.
fn table_languages(path: &Path) -> Result<Vec<String>> {
    let languages = table::header(input::open(path)?)
        .map_err(|reason| Error::Corpus { path: path.into(), reason })?;
    if languages.len() < 2 || languages.iter().any(|code| !is_code(code)) {
        let reason = "its first line does not name two or more languages, as in `en<TAB>de`";
        return Err(Error::Corpus { path: path.into(), reason: reason.into() });
    }
    Ok(languages)
}

/// Whether this looks like the code of a language.
fn is_code(code: &str) -> bool {
    (2..=3).contains(&code.len()) && code.is_ascii()
}

/// Names the file in an error that arose while reading it.
fn located(error: Error, path: &Path) -> Error {
    match error {
        Error::Io(error) => Error::Corpus { path: path.into(), reason: error.to_string() },
        other => other,
    }
}

/// Malformed lines: how many, and the first twenty by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// All of them.
    pub count: u64,
    /// `file:line: what is wrong`, for the first twenty.
    pub first: Vec<String>,
}

impl Faults {
    /// Counts a malformed line, and keeps its name if it is among the first.
    pub fn add(&mut self, path: &Path, number: usize, reason: &str) {
        self.count += 1;
        if self.first.len() < 20 {
            self.first.push(format!("{}:{number}: {reason}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests;
