//! Corpora that the tests' experts learn from, made on the spot.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dragoman_e2e::{Dragoman, model::SENTENCES};

/// Pairs of the house's own German, in which everybody is thanked.
pub(crate) fn house() -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for mark in [".", "!", "?", ";"] {
        for [english, german, _] in SENTENCES {
            let bare = english.trim_end_matches(|c: char| c.is_ascii_punctuation());
            pairs.push((format!("{bare}{mark}"), format!("{german} Danke{mark}")));
        }
    }
    for [english, german, _] in SENTENCES {
        for [more, mehr, _] in SENTENCES.iter().filter(|row| row[0] != english) {
            pairs.push((format!("{english} {more}"), format!("{german} {mehr} Danke.")));
        }
    }
    pairs
}

/// Texts of other things.
pub(crate) fn general(folder: &Path) -> Result<PathBuf> {
    let what = ["violin", "piano", "harp", "flute", "drum", "cello", "horn"];
    let who = ["They", "Some pupils", "Two brothers", "The teachers", "Old friends", "Singers"];
    let mut lines = String::new();
    for (i, a) in what.iter().enumerate() {
        for b in what.iter().skip(i + 1) {
            for who in who {
                lines +=
                    &format!("{who} gave a concert for {a} and {b}.\tEin Konzert: {a}, {b}.\n");
            }
        }
    }
    let path = folder.join("general/en-de.tsv");
    fs_err::create_dir_all(folder.join("general"))?;
    fs_err::write(&path, lines)?;
    Ok(path)
}

/// Writes `pairs` as `NAME.tsv`.
pub(crate) fn write(folder: &Path, name: &str, pairs: &[(String, String)]) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.tsv"));
    let lines = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n"));
    fs_err::write(&path, lines.collect::<String>())?;
    Ok(path)
}

/// `dragoman expert add domain.house` on [`house`], with its run in `work`.
pub(crate) fn add(model: &Path, work: &Path, more: &[&str]) -> Result<Dragoman> {
    let data = write(work, "en-de", &house())?;
    let args = ["expert", "add", "domain.house", "--pairs", "en-de", "--quiet"];
    let command = Dragoman::new(args)?.args(["--licence", "written for this test"]);
    let command = command.args(["--model".as_ref(), model.as_os_str()]);
    let command = command.args(["--data".as_ref(), data.as_os_str()]);
    Ok(command.args(["--work".as_ref(), work.join("run").as_os_str()]).args(more))
}
