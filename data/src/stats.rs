//! Describes a corpus before it is used: sizes, lengths, sets, and what cleaning would drop.

use std::{collections::BTreeMap, fmt};

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    Result,
    clean::{CleanConfig, Cleaner, Reason, Rejected, Seen},
    corpus::{Corpus, Faults, Line, Pair},
    lang::Language,
};

/// Lines that are checked together.
const CHUNK: usize = 1 << 14;

/// What a corpus contains.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Lines or units.
    pub lines: u64,
    /// Pairs that cleaning keeps.
    pub pairs: u64,
    /// Pairs that it drops, by reason.
    pub rejected: Rejected,
    /// Malformed lines.
    pub faults: Faults,
    /// Kept pairs by set, where the corpus names sets.
    pub sets: BTreeMap<String, u64>,
    /// The source side of the kept pairs.
    pub source: SideStats,
    /// The target side.
    pub target: SideStats,
}

/// The texts of one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SideStats {
    /// Code of the language.
    pub language: String,
    /// Different texts.
    pub distinct: u64,
    /// Words, as blanks separate them.
    pub words: u64,
    /// Characters.
    pub chars: u64,
    /// Characters of the shortest text, of those at 50, 95 and 99 percent, and of the longest.
    pub lengths: [u32; 5],
}

impl Stats {
    /// Reads a corpus to its end.
    pub fn of(corpus: &Corpus, clean: &CleanConfig) -> Result<Self> {
        let cleaner = Cleaner::new(clean, &corpus.source, &corpus.target)?;
        let languages = [corpus.source.as_str(), corpus.target.as_str()];
        let mut stats = Self::default();
        let mut seen = Seen::default();
        let mut sides = languages.map(Side::new);
        let mut lines = corpus.lines()?;
        loop {
            let chunk = lines.by_ref().take(CHUNK).collect::<Result<Vec<Line>>>()?;
            if chunk.is_empty() {
                break;
            }
            let checked: Vec<Result<Pair, Reason>> = (chunk.par_iter())
                .map(|line| cleaner.check(line.pair.as_ref().map_err(|_| Reason::Malformed)?))
                .collect();
            for (line, checked) in chunk.iter().zip(checked) {
                stats.lines += 1;
                if let Err(fault) = &line.pair {
                    stats.faults.add(&corpus.path, line.number, fault);
                }
                match checked {
                    Ok(pair) if seen.insert(languages, &pair) => stats.add(pair, &mut sides),
                    Ok(_) => *stats.rejected.entry(Reason::Duplicate).or_default() += 1,
                    Err(reason) => *stats.rejected.entry(reason).or_default() += 1,
                }
            }
        }
        [stats.source, stats.target] = sides.map(Side::finish);
        Ok(stats)
    }

    fn add(&mut self, pair: Pair, sides: &mut [Side; 2]) {
        self.pairs += 1;
        sides[0].add(&pair.source);
        sides[1].add(&pair.target);
        if let Some(set) = pair.set {
            *self.sets.entry(set).or_default() += 1;
        }
    }
}

/// Counts the texts of one side.
struct Side {
    stats: SideStats,
    lengths: Vec<u32>,
    distinct: Seen,
}

impl Side {
    fn new(language: &str) -> Self {
        let stats = SideStats { language: language.to_owned(), ..Default::default() };
        Self { stats, lengths: Vec::new(), distinct: Seen::default() }
    }

    fn add(&mut self, text: &str) {
        let chars = text.chars().count();
        self.stats.chars += chars as u64;
        self.stats.words += text.split_whitespace().count() as u64;
        self.stats.distinct += u64::from(self.distinct.insert_text(text));
        self.lengths.push(chars as u32);
    }

    fn finish(mut self) -> SideStats {
        self.lengths.sort_unstable();
        let last = self.lengths.len().saturating_sub(1);
        let at = |percent: usize| self.lengths.get(last * percent / 100).copied().unwrap_or(0);
        SideStats { lengths: [0, 50, 95, 99, 100].map(at), ..self.stats }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, pairs, .. } = self;
        writeln!(f, "{lines} lines, {pairs} pairs kept")?;
        for (reason, count) in &self.rejected {
            writeln!(f, "  dropped as {}: {count}", reason.name())?;
        }
        for fault in &self.faults.first {
            writeln!(f, "    {fault}")?;
        }
        match self.faults.count.saturating_sub(self.faults.first.len() as u64) {
            0 => {}
            more => writeln!(f, "    and {more} more")?,
        }
        for side in [&self.source, &self.target] {
            let name = Language::find(&side.language).map_or("unknown language", |it| it.name);
            let SideStats { language, distinct, words, chars, lengths } = side;
            writeln!(
                f,
                "{language} ({name}): {distinct} different texts, {words} words, {chars} characters"
            )?;
            let [shortest, half, most, nearly_all, longest] = lengths;
            writeln!(
                f,
                "  characters a text: {shortest} to {longest}; 50 % up to {half}, \
                 95 % up to {most}, 99 % up to {nearly_all}"
            )?;
        }
        for (set, count) in &self.sets {
            writeln!(f, "set {set}: {count} pairs")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    #[test]
    fn a_corpus_is_described() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tsv");
        let lines = "Yes.\tJa.\tone\nYes.\tJa.\tone\nYes.\tDoch.\ttwo\nno tab\nHello\tHello\n";
        fs_err::write(&path, lines)?;
        let stats = Stats::of(&Corpus::from_name(&path)?, &CleanConfig::default())?;
        assert_eq!((stats.lines, stats.pairs, stats.faults.count), (5, 2, 1));
        assert_eq!((stats.source.distinct, stats.target.distinct), (1, 2));
        assert_eq!(stats.target.lengths, [3, 3, 3, 3, 5]);
        assert_eq!(stats.sets.values().copied().collect::<Vec<_>>(), [1, 1]);
        let text = stats.to_string();
        for part in ["dropped as duplicate: 1", "en-de.tsv:4: no tab", "de (German): 2 different"] {
            assert!(text.contains(part), "{text}");
        }
        Ok(())
    }

    #[test]
    fn an_empty_corpus_is_described_too() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tsv");
        fs_err::write(&path, "")?;
        let stats = Stats::of(&Corpus::from_name(&path)?, &CleanConfig::default())?;
        assert!(stats.to_string().starts_with("0 lines, 0 pairs kept"));
        Ok(())
    }
}
