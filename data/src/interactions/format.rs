//! Which files make a log, and how they are laid out.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    build::Builder,
    events, parquet, sequences,
    things::{self, Things},
};
use crate::{Error, Result, corpus::input};

/// How a log is laid out. All files but `.parquet` may be packed as `.gz` or `.zst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `ratings.csv` and `movies.csv`, or `ratings.dat`, `movies.dat` and `users.dat`.
    MovieLens,
    /// RecBole's atomic files: `NAME.inter`, `NAME.item`, `NAME.user`.
    RecBole,
    /// `events.tsv`, `.csv`, `.jsonl` or `.parquet`, perhaps beside `items.*` and `users.*`; or one such file.
    Events,
    /// One line for each user, `user item item …`, or for each event, `user item`, without times.
    Sequences,
    /// One line for each user, `item item …`, without times.
    Lines,
}

/// Stems of the files that hold events, in a folder of its own format.
const EVENTS: [&str; 4] = ["events", "feedback", "interactions", "feedbacks"];

impl Format {
    const NAMES: [(&'static str, Self); 5] = [
        ("movielens", Self::MovieLens),
        ("recbole", Self::RecBole),
        ("events", Self::Events),
        ("sequences", Self::Sequences),
        ("lines", Self::Lines),
    ];

    /// Tells the format of a file or folder from its names.
    pub fn detect(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            fs_err::metadata(path)?;
            return match input::extension(path).as_deref() {
                Some("inter") => Ok(Self::RecBole),
                Some("tsv" | "csv" | "jsonl" | "json" | "parquet" | "dat" | "data") => {
                    Ok(Self::Events)
                }
                Some("txt") => Ok(Self::Sequences),
                _ => {
                    let reason =
                        "its name ends in none of .tsv .csv .jsonl .parquet .dat .inter .txt";
                    Err(unknown(path, reason))
                }
            };
        }
        let names = files(path)?;
        let has = |stem: &str| names.iter().any(|file| self::stem(file) == stem);
        let ends = |wanted: &str| {
            names.iter().any(|file| input::extension(file).is_some_and(|name| name == wanted))
        };
        if has("ratings") {
            Ok(Self::MovieLens)
        } else if ends("inter") {
            Ok(Self::RecBole)
        } else if EVENTS.iter().any(|name| has(name)) {
            Ok(Self::Events)
        } else if has("sequences") {
            Ok(Self::Sequences)
        } else if sequence_lines(path)?.is_some() {
            Ok(Self::Lines)
        } else {
            let reason = "the folder holds neither ratings.csv (MovieLens), NAME.inter (RecBole), \
                          events.tsv or events.jsonl, nor sequences.txt or input.txt";
            Err(unknown(path, reason))
        }
    }

    /// Reads the log at `path`.
    pub(super) fn read(self, path: &Path, builder: &mut Builder) -> Result<()> {
        let is_folder = path.is_dir();
        match self {
            Self::MovieLens | Self::RecBole | Self::Events if !is_folder => {
                events_of(path, builder)
            }
            Self::MovieLens => folder(path, &["ratings"], builder),
            Self::Events => folder(path, &EVENTS, builder),
            Self::RecBole => recbole(path, builder),
            Self::Sequences => sequences::read_users(&only(path, "sequences")?, builder),
            Self::Lines => {
                let file = match is_folder {
                    true => sequence_lines(path)?
                        .ok_or_else(|| unknown(path, "the folder holds no input.txt"))?,
                    false => path.to_owned(),
                };
                sequences::read_lines(&file, builder)
            }
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|&(_, format)| format).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name).join(", ");
            Error::Config(format!("unknown format `{name}` of interactions; choose one of {known}"))
        })
    }
}

fn unknown(path: &Path, reason: &str) -> Error {
    Error::Interactions { path: path.to_owned(), reason: reason.to_owned() }
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The name up to its first dot, in lower case: `ratings` of `ratings.csv.gz`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    name.as_deref().and_then(|name| name.split('.').next()).unwrap_or_default().to_owned()
}

/// The file called `name` in a folder; a file is itself.
fn only(path: &Path, name: &str) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let found = files(path)?.into_iter().find(|file| stem(file) == name);
    found.ok_or_else(|| unknown(path, &format!("the folder holds no {name}.txt")))
}

/// The `input.txt` of a folder, or of its folder `train`.
fn sequence_lines(folder: &Path) -> Result<Option<PathBuf>> {
    for folder in [folder.to_owned(), folder.join("train")] {
        if folder.is_dir() {
            let found = files(&folder)?.into_iter().find(|file| stem(file) == "input");
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn events_of(path: &Path, builder: &mut Builder) -> Result<()> {
    match input::extension(path).as_deref() {
        Some("jsonl" | "json") => events::read_jsonl(path, builder),
        Some("parquet") => parquet::read_events(path, builder),
        extension => events::read_table(path, extension.unwrap_or_default(), builder),
    }
}

fn things_of(path: &Path, what: Things, builder: &mut Builder) -> Result<()> {
    match input::extension(path).as_deref() {
        Some("jsonl" | "json") => things::read_jsonl(path, what, builder),
        Some("parquet") => parquet::read_things(path, what, builder),
        _ => things::read_table(path, what, builder),
    }
}

/// Reads all files of a folder that are called by one of `events`, and what describes their items
/// and users.
fn folder(path: &Path, events: &[&str], builder: &mut Builder) -> Result<()> {
    let is_table = |file: &PathBuf| {
        let extension = input::extension(file);
        extension.is_some_and(|name| {
            ["csv", "dat", "tsv", "jsonl", "json", "parquet"].contains(&name.as_str())
        })
    };
    for file in files(path)?.iter().filter(|file| is_table(file)) {
        match stem(file).as_str() {
            "movies" | "items" => things_of(file, Things::Items, builder)?,
            "users" => things_of(file, Things::Users, builder)?,
            name if events.contains(&name) => events_of(file, builder)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads the atomic files of a folder.
fn recbole(path: &Path, builder: &mut Builder) -> Result<()> {
    for file in files(path)? {
        match input::extension(&file).as_deref() {
            Some("inter") => events_of(&file, builder)?,
            Some("item") => things::read_table(&file, Things::Items, builder)?,
            Some("user") => things::read_table(&file, Things::Users, builder)?,
            _ => {}
        }
    }
    Ok(())
}
