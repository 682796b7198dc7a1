//! Measures searches of the memory.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use dragoman_data::corpus::Corpus;
use dragoman_store::{MemoryOf, Store};

/// Searches for each size.
const SEARCHES: usize = 500;

/// Prints how long searches take in memories of as many units as `sizes` say.
pub(super) fn run(file: &Path, sizes: &[usize]) -> anyhow::Result<()> {
    let corpus = Corpus::from_name(file).unwrap_or_else(|_| Corpus::new(file, "en", "de"));
    let mut pairs = Vec::new();
    for line in corpus.lines()? {
        if let Ok(pair) = line?.pair
            && !pair.source.trim().is_empty()
            && !pair.target.trim().is_empty()
        {
            pairs.push((pair.source, pair.target));
        }
    }
    ensure!(!pairs.is_empty(), "{} has no pairs", file.display());
    println!("{} pairs in {}; {SEARCHES} searches each", pairs.len(), file.display());
    println!("units      index s   exact us   fuzzy ms: median    p95    max   found");
    for &size in sizes {
        measure(&pairs, size)?;
    }
    Ok(())
}

fn measure(pairs: &[(String, String)], size: usize) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("dragoman-memory-{}", std::process::id()));
    let folder = Folder(folder);
    let store = Store::open(&folder.0).context("opening a store for the measurement")?;
    let of = MemoryOf { owner: "", source: "en", target: "de" };
    // A second round over the corpus differs by a number, so that no unit is there twice.
    let unit = |number: usize| {
        let (source, target) = &pairs[number % pairs.len()];
        match number / pairs.len() {
            0 => (source.clone(), target.clone()),
            round => (format!("{source} {round}"), format!("{target} {round}")),
        }
    };
    let mut number = 0;
    while number < size {
        let end = (number + 10_000).min(size);
        store.remember(of, &(number..end).map(unit).collect::<Vec<_>>())?;
        number = end;
    }
    let started = Instant::now();
    store.recall(of, "warm", 100, 1)?;
    let index = started.elapsed();

    let (mut fuzzy, mut exact, mut found) = (Vec::new(), Duration::ZERO, 0);
    for search in 0..SEARCHES {
        let (text, _) = unit(search * (size / SEARCHES).max(1) % size);
        let started = Instant::now();
        store.recall_exact(of, &text)?;
        exact += started.elapsed();
        let changed = changed(&text);
        let started = Instant::now();
        let matches = store.recall(of, &changed, 60, 5)?;
        fuzzy.push(started.elapsed());
        found += usize::from(!matches.is_empty());
    }
    fuzzy.sort_unstable();
    let at = |share: usize| fuzzy[(fuzzy.len() * share / 100).min(fuzzy.len() - 1)];
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{size:<9}  {:>7.2}   {:>8.1}   {:>16.2}   {:>4.2}   {:>4.2}   {:>4} %",
        index.as_secs_f64(),
        exact.as_secs_f64() * 1e6 / SEARCHES as f64,
        milliseconds(at(50)),
        milliseconds(at(95)),
        milliseconds(at(100)),
        100 * found / SEARCHES,
    );
    Ok(())
}

/// `text` with its middle word missing, as an editor might have left it.
fn changed(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    if words.len() > 2 {
        words.remove(words.len() / 2);
    }
    words.join(" ")
}

/// A folder that goes when the measurement ends.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.0); // what is left is in the system's folder for that
    }
}
