//! Corpora that the tests' experts learn from, made on the spot.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Result;
use dragoman_e2e::{Dragoman, model};
use tempfile::TempDir;

/// Things to put into [`FRAMES`], in English, and in German and Italian with their articles.
const THINGS: [[&str; 3]; 14] = [
    ["cat", "die Katze", "il gatto"],
    ["book", "das Buch", "il libro"],
    ["key", "den Schlüssel", "la chiave"],
    ["bread", "das Brot", "il pane"],
    ["coat", "den Mantel", "il cappotto"],
    ["window", "das Fenster", "la finestra"],
    ["soup", "die Suppe", "la zuppa"],
    ["train", "den Zug", "il treno"],
    ["moon", "den Mond", "la luna"],
    ["door", "die Tür", "la porta"],
    ["garden", "den Garten", "il giardino"],
    ["apple", "den Apfel", "la mela"],
    ["sister", "die Schwester", "la sorella"],
    ["house", "das Haus", "la casa"],
];

/// Sentences with a place for a thing, in English, in the house's own German, and in Italian.
const FRAMES: [[&str; 3]; 6] = [
    ["The {} is here.", "Hier gibt es {}.", "{} è qui."],
    ["I have the {}.", "Da habe ich {}.", "Ho {}."],
    ["Where is the {}?", "Wer sieht {}?", "Dov'è {}?"],
    ["We see the {} today.", "Heute sehen wir {}.", "Oggi vediamo {}."],
    ["The {} is too late.", "Wir warten auf {}.", "{} è troppo tardi."],
    ["My brother has the {}.", "Mein Bruder hat {}.", "Mio fratello ha {}."],
];

/// Every thing in every sentence, in English and in the language of this column.
fn pairs(column: usize) -> Vec<(String, String)> {
    let put = |frame: &str, thing: &str| {
        let text = frame.replace("{}", thing);
        let mut letters = text.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        first + letters.as_str()
    };
    let of = |frame: [&str; 3], thing: [&str; 3]| {
        (put(frame[0], thing[0]), put(frame[column], thing[column]))
    };
    FRAMES.iter().flat_map(|frame| THINGS.iter().map(move |thing| of(*frame, *thing))).collect()
}

/// English and the house's own German.
pub(crate) fn house() -> Vec<(String, String)> {
    pairs(1)
}

/// English and Italian.
pub(crate) fn italian() -> Vec<(String, String)> {
    pairs(2)
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

/// The folder with the tests' model as `model` and the run of its `domain.house` as `run`; the first
/// call trains it.
pub(crate) fn learned() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<TempDir, String>> = OnceLock::new();
    let learn = || -> Result<TempDir> {
        let folder = tempfile::tempdir()?;
        let model = folder.path().join("model");
        model::copy(&model)?;
        let general = general(folder.path())?.display().to_string();
        let args = ["--steps", "120", "--width", "128", "--general", &general];
        add(&model, folder.path(), &args)?.stdout()?;
        Ok(folder)
    };
    let folder = FOLDER.get_or_init(|| learn().map_err(|error| format!("{error:#}")));
    folder.as_ref().map(TempDir::path).map_err(|error| anyhow::anyhow!("{error}"))
}

/// `dragoman expert add domain.house` on [`house`], with its run in `work`.
pub(crate) fn add(model: &Path, work: &Path, more: &[&str]) -> Result<Dragoman> {
    let data = write(work, "en-de", &house())?;
    let args =
        ["expert", "add", "domain.house", "--pairs", "en-de", "--quiet", "--learning-rate", "1e-2"];
    let command = Dragoman::new(args)?.args(["--licence", "written for this test"]);
    let command = command.args(["--model".as_ref(), model.as_os_str()]);
    let command = command.args(["--data".as_ref(), data.as_os_str()]);
    Ok(command.args(["--work".as_ref(), work.join("run").as_os_str()]).args(more))
}
