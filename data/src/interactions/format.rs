//! Which files make a log, and how they are laid out.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    build::Builder,
    folder::{self, EVENTS, Part, files, sequence_lines, stem},
    sequences,
};
use crate::{Error, Result, corpus::input};

/// How a log is laid out. All files but `.parquet` may be packed as `.gz` or `.zst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `ratings.csv` and `movies.csv`, or `ratings.dat`, `movies.dat` and `users.dat`, or `u.data`, `u.item` and
    /// `u.user`.
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
                Some("tsv" | "csv" | "jsonl" | "json" | "ndjson" | "parquet" | "dat" | "data") => {
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
        let has = |wanted: &str| names.iter().any(|file| stem(file) == wanted);
        let ends = |wanted: &str| {
            names.iter().any(|file| input::extension(file).is_some_and(|name| name == wanted))
        };
        if has("ratings") || (has("u") && ends("data")) {
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
            let reason = "the folder holds neither ratings.csv nor u.data (MovieLens), NAME.inter (RecBole), \
                          events.tsv or events.jsonl, nor sequences.txt or input.txt";
            Err(unknown(path, reason))
        }
    }

    /// The files of `folder` that a log of this format is read from.
    pub fn files(self, folder: &Path) -> Result<Vec<PathBuf>> {
        Ok(folder::parts(self, folder)?.into_iter().map(|(file, _)| file).collect())
    }

    /// Reads the log at `path`; files of a folder that are no part of it are named in a message.
    pub(super) fn read(self, path: &Path, builder: &mut Builder) -> Result<()> {
        if path.is_dir() {
            let parts = folder::parts(self, path)?;
            folder::name_unread(path, &parts)?;
            return parts.iter().try_for_each(|(file, part)| part.read(file, builder));
        }
        match self {
            Self::MovieLens | Self::RecBole | Self::Events => Part::Events.read(path, builder),
            Self::Sequences => sequences::read_users(path, builder),
            Self::Lines => sequences::read_lines(path, builder),
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
