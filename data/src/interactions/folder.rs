//! Which files of a folder make a log, and what each of them holds.

use std::path::{Path, PathBuf};

use super::{
    build::Builder,
    events,
    format::Format,
    movielens, parquet, properties, sequences,
    things::{self, Things},
};
use crate::{Result, corpus::input};

/// Stems of the files that hold events, in a folder of its own format.
pub(super) const EVENTS: [&str; 4] = ["events", "feedback", "interactions", "feedbacks"];

/// Names of files that are not read are listed up to this number.
const LISTED: usize = 8;

/// What a file of a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Events,
    Things(Things),
    /// `u.item` or `u.user`.
    OldThings(Things),
    /// The names of the genres of `u.item`, which is read with it.
    Genres,
    /// `item_properties_part1.csv` of RetailRocket.
    Properties,
    /// `category_tree.csv` beside it.
    Tree,
    Sequences,
    Lines,
}

impl Part {
    /// Reads the file of this part at `path`.
    pub(super) fn read(self, path: &Path, builder: &mut Builder) -> Result<()> {
        let extension = input::extension(path).unwrap_or_default();
        match (self, extension.as_str()) {
            (Self::Events, "jsonl" | "json" | "ndjson") => events::read_jsonl(path, builder),
            (Self::Events, "parquet") => parquet::read_events(path, builder),
            (Self::Events, extension) => events::read_table(path, extension, builder),
            (Self::Things(what), "jsonl" | "json" | "ndjson") => {
                things::read_jsonl(path, what, builder)
            }
            (Self::Things(what), "parquet") => parquet::read_things(path, what, builder),
            (Self::Things(what), _) => things::read_table(path, what, builder),
            (Self::OldThings(Things::Items), _) => movielens::read_items(path, builder),
            (Self::OldThings(Things::Users), _) => movielens::read_users(path, builder),
            (Self::Genres, _) => Ok(()),
            (Self::Properties, _) => properties::read(path, builder),
            (Self::Tree, _) => properties::read_tree(path, builder),
            (Self::Sequences, _) => sequences::read_users(path, builder),
            (Self::Lines, _) => sequences::read_lines(path, builder),
        }
    }
}

/// The parts of a log of this format in `folder`.
pub(super) fn parts(format: Format, folder: &Path) -> Result<Vec<(PathBuf, Part)>> {
    if format == Format::Lines {
        return Ok(sequence_lines(folder)?.map(|file| (file, Part::Lines)).into_iter().collect());
    }
    let parts = files(folder)?.into_iter().filter_map(|file| {
        let part = part(format, &stem(&file), &input::extension(&file)?)?;
        Some((file, part))
    });
    Ok(parts.collect())
}

fn part(format: Format, stem: &str, extension: &str) -> Option<Part> {
    let is_table = ["csv", "dat", "tsv", "jsonl", "json", "ndjson", "parquet"].contains(&extension);
    match (format, stem, extension) {
        (Format::MovieLens, "u", "data") => Some(Part::Events),
        (Format::MovieLens, "u", "item") => Some(Part::OldThings(Things::Items)),
        (Format::MovieLens, "u", "user") => Some(Part::OldThings(Things::Users)),
        (Format::MovieLens, "u", "genre") => Some(Part::Genres),
        (Format::MovieLens | Format::Events, "movies" | "items", _) if is_table => {
            Some(Part::Things(Things::Items))
        }
        (Format::MovieLens | Format::Events, "users", _) if is_table => {
            Some(Part::Things(Things::Users))
        }
        (Format::MovieLens, "ratings", _) if is_table => Some(Part::Events),
        (Format::Events, "category_tree", "csv") => Some(Part::Tree),
        // Behind the events by name, which are read by then.
        (Format::Events, stem, "csv") if stem.starts_with("item_properties") => {
            Some(Part::Properties)
        }
        (Format::Events, stem, _) if is_table && EVENTS.contains(&stem) => Some(Part::Events),
        (Format::RecBole, _, "inter") => Some(Part::Events),
        (Format::RecBole, _, "item") => Some(Part::Things(Things::Items)),
        (Format::RecBole, _, "user") => Some(Part::Things(Things::Users)),
        (Format::Sequences, "sequences", _) => Some(Part::Sequences),
        _ => None,
    }
}

/// Says which files of `folder` are none of `parts`.
pub(super) fn name_unread(folder: &Path, parts: &[(PathBuf, Part)]) -> Result<()> {
    let unread = unread(folder, parts)?;
    let listed = unread.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match unread.len() {
        0 => {}
        1..=LISTED => tracing::info!("not read in `{}`: {listed}", folder.display()),
        count => {
            let more = count - LISTED;
            tracing::info!("not read in `{}`: {listed} and {more} more", folder.display());
        }
    }
    Ok(())
}

/// The names of the files of `folder` that are none of `parts`; those that are hidden nobody means.
fn unread(folder: &Path, parts: &[(PathBuf, Part)]) -> Result<Vec<String>> {
    let is_read = |file: &PathBuf| parts.iter().any(|(read, _)| read == file);
    let others = files(folder)?.into_iter().filter(|file| file.is_file() && !is_read(file));
    let names = others.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

/// The files of a folder, by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The name up to its first dot, in lower case: `ratings` of `ratings.csv.gz`.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    name.as_deref().and_then(|name| name.split('.').next()).unwrap_or_default().to_owned()
}

/// The `input.txt` of a folder, or of its folder `train`.
pub(super) fn sequence_lines(folder: &Path) -> Result<Option<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_a_log_that_are_not_read_are_named() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for name in
            ["events.csv", "items.csv", "category_tree.csv", "prices.csv", "README", ".hidden"]
        {
            fs_err::write(folder.path().join(name), "")?;
        }
        fs_err::create_dir(folder.path().join("more"))?;
        let found = parts(Format::Events, folder.path())?;
        let read: Vec<Part> = found.iter().map(|(_, part)| *part).collect();
        assert_eq!(read, [Part::Tree, Part::Events, Part::Things(Things::Items)]);
        assert_eq!(unread(folder.path(), &found)?, ["README", "prices.csv"]);
        Ok(())
    }
}
