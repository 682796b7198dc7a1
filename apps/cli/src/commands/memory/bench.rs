//! Measures searches of the memory.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use dragoman_data::corpus::Corpus;
use dragoman_store::{MemoryOf, Store};

/// Searches for each size.
const SEARCHES: usize = 1000;

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
    println!("fuzzy: milliseconds by the clock, and by the time of this thread alone on a CPU");
    println!(
        "units      index s   exact us   median    p95    p99    max   CPU: p50    p95    p99   found"
    );
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
    let mut busy = Vec::new();
    for search in 0..SEARCHES {
        let (text, _) = unit(search * (size / SEARCHES).max(1) % size);
        let started = Instant::now();
        store.recall_exact(of, &text)?;
        exact += started.elapsed();
        let changed = changed(&text);
        let (started, worked) = (Instant::now(), cpu_time());
        let matches = store.recall(of, &changed, 60, 5)?;
        fuzzy.push(started.elapsed());
        busy.push(cpu_time().saturating_sub(worked));
        found += usize::from(!matches.is_empty());
    }
    fuzzy.sort_unstable();
    busy.sort_unstable();
    let at = |times: &[Duration], share: usize| {
        times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3
    };
    println!(
        "{size:<9}  {:>7.2}   {:>8.1}   {:>6.2}   {:>4.2}   {:>4.2}   {:>4.2}   {:>8.2}   {:>4.2}   {:>4.2}   {:>4} %",
        index.as_secs_f64(),
        exact.as_secs_f64() * 1e6 / SEARCHES as f64,
        at(&fuzzy, 50),
        at(&fuzzy, 95),
        at(&fuzzy, 99),
        at(&fuzzy, 100),
        at(&busy, 50),
        at(&busy, 95),
        at(&busy, 99),
        100 * found / SEARCHES,
    );
    Ok(())
}

/// How long this thread was on a CPU: other programs do not count. Only Linux says; elsewhere it is zero.
fn cpu_time() -> Duration {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = read.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
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
