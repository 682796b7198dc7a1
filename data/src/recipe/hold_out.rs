//! Keeps sentences for development from corpora whose recipe names no development sets.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    clean::{CleanConfig, Cleaner},
    corpus::{Corpus, Pair},
    split::stable_hash,
};

/// Pairs of a pair of languages below which none is spared.
const LEAST: usize = 1000;
/// One pair of so many is held out, …
const ONE_OF: usize = 50;
/// … and so many at the most.
const MOST: usize = 200;

/// The pairs with the smallest hashes: the same whenever the corpora are read.
#[derive(Default)]
struct Candidates {
    count: usize,
    chosen: BTreeMap<(u64, String), Pair>,
}

/// Writes the pairs to hold out to `folder`, a file such as `en-de.tsv` for each pair of languages with
/// enough pairs, and returns the files.
///
/// Pairs made by a machine are not taken, nor what cleaning would drop.
pub(super) fn hold_out(
    corpora: &[Corpus],
    clean: &CleanConfig,
    folder: &Path,
) -> Result<Vec<Corpus>> {
    clear(folder)?;
    let mut all: BTreeMap<(String, String), Candidates> = BTreeMap::new();
    for corpus in corpora.iter().filter(|corpus| !corpus.one_way) {
        let languages = (corpus.source.clone(), corpus.target.clone());
        let candidates = all.entry(languages).or_default();
        let cleaner = Cleaner::new(clean, &corpus.source, &corpus.target)?;
        for line in corpus.lines()? {
            let Ok(pair) = line?.pair else { continue };
            if let Ok(pair) = cleaner.check(&pair) {
                candidates.add(pair);
            }
        }
    }
    let mut files = Vec::new();
    for ((source, target), Candidates { count, chosen }) in all {
        if count < LEAST {
            continue;
        }
        let mut text = String::new();
        for Pair { source, target, .. } in chosen.into_values().take(count / ONE_OF) {
            let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
            let _ = writeln!(text, "{}\t{}", cell(&source), cell(&target)); // strings take all
        }
        fs_err::create_dir_all(folder)?;
        let path = folder.join(format!("{source}-{target}.tsv"));
        fs_err::write(&path, text)?;
        files.push(Corpus::new(path, &source, &target));
    }
    Ok(files)
}

/// Takes away what an earlier run held out: with other corpora it may be learned from now.
pub(super) fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The folder of held-out sentences in that of a packed corpus.
pub(super) fn folder(out: &Path) -> PathBuf {
    out.join(super::HELD_OUT)
}

impl Candidates {
    fn add(&mut self, pair: Pair) {
        self.count += 1;
        let hash = stable_hash(&[&pair.source]);
        let largest = self.chosen.last_key_value().map(|((hash, _), _)| *hash);
        if self.chosen.len() < MOST || largest.is_some_and(|largest| hash < largest) {
            self.chosen.entry((hash, pair.source.clone())).or_insert(pair);
            if self.chosen.len() > MOST {
                self.chosen.pop_last();
            }
        }
    }
}
