//! `dragoman data`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dragoman_data::{
    clean::CleanConfig,
    corpus::Corpus,
    fetch::{Fetcher, SOURCES},
    recipe::Recipe,
    stats::Stats,
};

/// Get, look at and pack corpora
#[derive(Debug, Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the public sources that `fetch` knows, with their licences
    Sources,
    Fetch(Fetch),
    Stats(StatsCommand),
    Pack(Pack),
}

/// Download a public source; a stopped download goes on where it was
#[derive(Debug, Args)]
struct Fetch {
    /// Name of the source, such as `tatoeba/de-en` or `ml-latest-small`
    name: String,

    /// Where it goes
    #[arg(long, value_name = "DIR", default_value = "corpora")]
    out: PathBuf,

    /// Download from here instead of the source's own host
    #[arg(long, value_name = "URL")]
    base: Option<String>,
}

/// Count what is in a corpus, and what cleaning would drop
#[derive(Debug, Args)]
struct StatsCommand {
    /// The corpus; its name says the languages (`en-de.train.tsv.gz`)
    file: PathBuf,

    /// The translations, line by line, of a plain text
    #[arg(long, value_name = "FILE")]
    target_file: Option<PathBuf>,

    /// Languages, such as `en-de`, where the name does not say them
    #[arg(long)]
    pair: Option<String>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Train a tokenizer and pack corpora for training, as a recipe says
#[derive(Debug, Args)]
struct Pack {
    /// The recipe, such as `training/recipes/bundled-corpora.toml`
    recipe: PathBuf,

    /// Where the paths of the recipe start from
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,

    /// Folder for `tokenizer.json`, `corpus.bin` and `corpus.json`
    #[arg(long, value_name = "DIR", default_value = "corpus")]
    out: PathBuf,
}

impl Data {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Sources => {
                for source in SOURCES {
                    println!("{:<24} {}", source.name, source.licence);
                }
                Ok(())
            }
            What::Fetch(command) => command.run().context("fetching"),
            What::Stats(command) => command.run(),
            What::Pack(command) => command.run().context("packing"),
        }
    }
}

impl Fetch {
    fn run(self) -> anyhow::Result<()> {
        let fetcher = Fetcher { dir: self.out, base: self.base, progress: true };
        println!("{}", fetcher.fetch(&self.name)?.display());
        Ok(())
    }
}

impl StatsCommand {
    fn run(self) -> anyhow::Result<()> {
        let corpus = match (self.pair, self.target_file) {
            (None, None) => Corpus::from_name(&self.file)?,
            (None, Some(_)) => bail!("say the languages of a plain text with `--pair en-de`"),
            (Some(pair), target_path) => {
                let Some((source, target)) = pair.split_once('-') else {
                    bail!("`{pair}` is no pair of languages such as `en-de`");
                };
                let label = String::new();
                Corpus { target_path, label, ..Corpus::new(self.file, source, target) }
            }
        };
        let stats = Stats::of(&corpus, &CleanConfig::default())?;
        match self.json {
            true => println!("{}", serde_json::to_string(&stats)?),
            false => println!("{stats}"),
        }
        Ok(())
    }
}

impl Pack {
    fn run(self) -> anyhow::Result<()> {
        let header = Recipe::load(&self.recipe)?.run(&self.base, &self.out)?;
        println!("{} pairs, {} tokens in {}", header.pairs, header.tokens, self.out.display());
        Ok(())
    }
}
