//! `dragoman data`

mod distil;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dragoman_data::{
    clean::CleanConfig,
    corpus::Corpus,
    fetch::{Fetcher, SOURCES},
    pack::PackedCorpus,
    recipe::{HELD_OUT, Recipe, Source},
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
    Distil(distil::Distil),
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

/// Count what is in corpora, and what cleaning would drop
#[derive(Debug, Args)]
struct StatsCommand {
    /// Corpora, whose names say the languages (`en-de.train.tsv.gz`); or a packed one (`corpus.bin`,
    /// or its folder), which is verified
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The translations, line by line, of a plain text
    #[arg(long, value_name = "FILE")]
    target_file: Option<PathBuf>,

    /// Languages, such as `en-de`, where the name does not say them
    #[arg(long)]
    pair: Option<String>,

    /// One JSON object, a line for each of several files
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

    /// Take the tokenizer of this model, as `train --start-from` needs it, or this `tokenizer.json`,
    /// instead of learning one
    #[arg(long, value_name = "MODEL")]
    tokenizer: Option<PathBuf>,

    /// Corpora beside those of the recipe that serve one direction, such as what `data distil` writes
    /// (`mine/{en-de,de-en}.tsv`); paths start from `--base`. May be repeated
    #[arg(long, value_name = "FILES")]
    one_way: Vec<String>,
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
            What::Distil(command) => command.run().context("distilling"),
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
        if self.target_file.is_some() && self.files.len() > 1 {
            bail!("`--target-file` holds the translations of one file");
        }
        let many = self.files.len() > 1;
        for (number, file) in self.files.iter().enumerate() {
            if !self.json && many {
                println!("{}{}:", if number > 0 { "\n" } else { "" }, file.display());
            }
            match packed(file) {
                Some(path) => self.show_packed(&path)?,
                None => self.show(file, many)?,
            }
        }
        Ok(())
    }

    fn show(&self, file: &Path, many: bool) -> anyhow::Result<()> {
        let stats = Stats::of(&self.corpus(file)?, &CleanConfig::default())?;
        if !self.json {
            println!("{stats}");
            return Ok(());
        }
        let mut object = serde_json::to_value(&stats)?;
        if many {
            object["file"] = file.display().to_string().into();
        }
        println!("{object}");
        Ok(())
    }

    fn corpus(&self, file: &Path) -> anyhow::Result<Corpus> {
        let Some(pair) = &self.pair else {
            if self.target_file.is_some() {
                bail!("say the languages of a plain text with `--pair en-de`");
            }
            return Ok(Corpus::from_name(file)?);
        };
        let Some((source, target)) = pair.split_once('-') else {
            bail!("`{pair}` is no pair of languages such as `en-de`");
        };
        let (label, target_path) = (String::new(), self.target_file.clone());
        Ok(Corpus { target_path, label, ..Corpus::new(file, source, target) })
    }

    fn show_packed(&self, path: &Path) -> anyhow::Result<()> {
        let corpus = PackedCorpus::open(path)?;
        corpus.verify()?;
        let header = corpus.header();
        if self.json {
            println!("{}", serde_json::to_string(header)?);
            return Ok(());
        }
        println!(
            "{} pairs, {} tokens of a vocabulary of {}; its checksum is right",
            header.pairs, header.tokens, header.vocab_size
        );
        for segment in &header.segments {
            let dropped: u64 = segment.rejected.values().sum();
            let direction = if segment.one_way { "to" } else { "and" };
            println!(
                "  {} ({} {direction} {}): {} pairs, {dropped} dropped",
                segment.name, segment.source, segment.target, segment.pairs
            );
        }
        Ok(())
    }
}

/// The `corpus.bin` that `file` is, or that lies in it.
fn packed(file: &Path) -> Option<PathBuf> {
    if file.extension().is_some_and(|extension| extension == "bin") {
        return Some(file.into());
    }
    Some(file.join("corpus.bin")).filter(|path| path.exists())
}

impl Pack {
    fn run(self) -> anyhow::Result<()> {
        let mut recipe = Recipe::load(&self.recipe)?;
        recipe.one_way.extend(self.one_way.into_iter().map(Source::Files));
        let header = recipe.run_with(&self.base, &self.out, self.tokenizer.as_deref())?;
        println!("{} pairs, {} tokens in {}", header.pairs, header.tokens, self.out.display());
        let held_out = self.out.join(HELD_OUT);
        if held_out.exists() {
            println!(
                "some sentences are held out, to choose the best weights: {}",
                held_out.display()
            );
        }
        Ok(())
    }
}
