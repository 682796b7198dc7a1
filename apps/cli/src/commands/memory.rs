//! `dragoman memory`

mod bench;
mod tmx;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use dragoman_data::corpus::Corpus;
use dragoman_store::{MemoryOf, Store};

use crate::recalled::StorePlace;

/// Units that are written at once.
const BATCH: usize = 10_000;

/// Handle the translation memory: texts that were translated before
#[derive(Debug, Args)]
pub(crate) struct MemoryCommand {
    #[command(flatten)]
    place: StorePlace,

    /// API key that the memory belongs to; without one it is the memory that all share
    #[arg(long, value_name = "KEY", global = true)]
    key: Option<String>,

    #[command(subcommand)]
    what: What,
}

/// Two languages.
#[derive(Debug, Args)]
struct Languages {
    /// Language of the texts
    #[arg(long, value_name = "LANG")]
    from: String,

    /// Language of their translations
    #[arg(long, value_name = "LANG")]
    to: String,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read units from a file: TMX, or any other format of sentence pairs
    Import {
        /// File that ends in .tmx, .tsv or .jsonl, perhaps packed as .gz or .zst
        file: PathBuf,

        #[command(flatten)]
        languages: Languages,
    },
    /// Write all units as TMX to the standard output
    Export {
        #[command(flatten)]
        languages: Languages,
    },
    /// Show what is like a text, with how much of it is the same in percent
    Search {
        /// The text
        text: String,

        #[command(flatten)]
        languages: Languages,

        /// The least that has to be the same
        #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
        threshold: u8,
    },
    /// Say how many units there are
    List,
    /// Forget all units of two languages
    Remove {
        #[command(flatten)]
        languages: Languages,
    },
    /// Measure how long a search takes in memories of several sizes, made of a corpus
    Bench {
        /// Corpus of sentence pairs
        file: PathBuf,

        /// Sizes, in units; of a corpus with fewer the texts are taken again, with a number behind
        /// them
        #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
        units: Vec<usize>,
    },
}

impl MemoryCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let What::Bench { file, units } = &self.what {
            return bench::run(file, units);
        }
        let folder = self.place.or_default()?;
        let store = Store::open(&folder).context(
            "opening the store; while a server has it open, use its API under `/memory`",
        )?;
        let owner = self.key.as_deref().map(dragoman_store::fingerprint).unwrap_or_default();
        let of = |languages: &Languages| -> (String, String) {
            (languages.from.clone(), languages.to.clone())
        };
        match &self.what {
            What::Import { file, languages } => {
                let (source, target) = of(languages);
                let of = MemoryOf { owner: &owner, source: &source, target: &target };
                let (read, passed) = import(&store, of, file)?;
                println!("{read} units read, {passed} lines passed over");
            }
            What::Export { languages } => {
                let (source, target) = of(languages);
                let of = MemoryOf { owner: &owner, source: &source, target: &target };
                let mut writer = BufWriter::new(io::stdout().lock());
                tmx::write(&mut writer, &source, &target, store.memory_units(of)?)?;
                writer.flush()?;
            }
            What::Search { text, languages, threshold } => {
                let (source, target) = of(languages);
                let of = MemoryOf { owner: &owner, source: &source, target: &target };
                for found in store.recall(of, text, *threshold, 10)? {
                    println!("{:>3} %  {}\n       {}", found.score, found.source, found.target);
                }
            }
            What::List => {
                for (source, target, units) in store.memory_counts(&owner)? {
                    println!("{source}-{target}  {units} units");
                }
            }
            What::Remove { languages } => {
                let (source, target) = of(languages);
                let of = MemoryOf { owner: &owner, source: &source, target: &target };
                println!("{} units forgotten", store.forget_all(of)?);
            }
            What::Bench { .. } => {}
        }
        Ok(())
    }
}

/// Reads the pairs of a file, and says how many there were and how many lines are none.
fn import(
    store: &Store,
    of: MemoryOf<'_>,
    file: &std::path::Path,
) -> anyhow::Result<(usize, usize)> {
    let corpus = Corpus::new(file, of.source, of.target);
    let (mut units, mut read, mut passed) = (Vec::with_capacity(BATCH), 0, 0);
    for line in corpus.lines()? {
        match line?.pair {
            Ok(pair) if !pair.source.trim().is_empty() && !pair.target.trim().is_empty() => {
                units.push((pair.source, pair.target));
            }
            _ => passed += 1,
        }
        if units.len() == BATCH {
            read += store.remember(of, &units)?;
            units.clear();
        }
    }
    read += store.remember(of, &units)?;
    ensure!(read > 0, "{} has no pairs of {} and {}", file.display(), of.source, of.target);
    Ok((read, passed))
}
