//! `dragoman glossary`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use dragoman_store::{NewDictionary, Store, StoredGlossary};
use dragoman_text::entries::to_tsv;

use crate::glossary_file;
use crate::recalled::StorePlace;

/// Handle glossaries: terms and how they are to be translated
#[derive(Debug, Args)]
pub(crate) struct GlossaryCommand {
    #[command(flatten)]
    place: StorePlace,

    /// API key that the glossaries belong to; without one they belong to all who need none
    #[arg(long, value_name = "KEY", global = true)]
    key: Option<String>,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read terms from a file; a glossary that is there takes them besides its own
    Import {
        /// File of terms and their translations: TSV, CSV or TBX, by its ending
        file: PathBuf,

        /// Name of the glossary [default: that of the file]
        #[arg(long)]
        name: Option<String>,

        /// Language of the terms
        #[arg(long, value_name = "LANG")]
        from: String,

        /// Language of their translations
        #[arg(long, value_name = "LANG")]
        to: String,

        /// Forget what the glossary had for these languages
        #[arg(long)]
        replace: bool,
    },
    /// List the glossaries
    List,
    /// Write the terms of a glossary as TSV
    Show {
        /// Its name or identifier
        glossary: String,
    },
    /// Remove a glossary
    Remove {
        /// Its name or identifier
        glossary: String,
    },
}

impl GlossaryCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = self.place.or_default()?;
        let store = Store::open(&folder).context(
            "opening the store; while a server has it open, use its API under `/v3/glossaries`",
        )?;
        let owner = self.key.as_deref().map(dragoman_store::fingerprint).unwrap_or_default();
        match self.what {
            What::Import { file, name, from, to, replace } => {
                let name = match name {
                    Some(name) => name,
                    None => stem(&file)?,
                };
                let entries = glossary_file::read(&file, &from, &to)?;
                let new = NewDictionary { source: from, target: to, entries };
                let glossary = import(&store, &owner, &name, new, replace)?;
                println!("{}", described(&glossary));
            }
            What::List => {
                for glossary in store.glossaries(&owner)? {
                    println!("{}", described(&glossary));
                }
            }
            What::Show { glossary } => {
                let glossary = find(&store, &owner, &glossary)?;
                for pair in &glossary.dictionaries {
                    println!("# {} to {}", pair.source, pair.target);
                    let entries =
                        store.glossary_entries(&glossary.id, &pair.source, &pair.target)?;
                    println!("{}", to_tsv(&entries));
                }
            }
            What::Remove { glossary } => {
                let glossary = find(&store, &owner, &glossary)?;
                store.remove_glossary(&owner, &glossary.id)?;
                println!("removed `{}`", glossary.name);
            }
        }
        Ok(())
    }
}

fn import(
    store: &Store,
    owner: &str,
    name: &str,
    new: NewDictionary,
    replace: bool,
) -> anyhow::Result<StoredGlossary> {
    let known = store.glossaries(owner)?;
    match known.iter().find(|glossary| glossary.name == name || glossary.id == name) {
        None => Ok(store.create_glossary(owner, name, &[new])?),
        Some(glossary) => {
            let changed = store.put_dictionary(owner, &glossary.id, &new, replace)?;
            changed.context("the glossary was removed meanwhile")
        }
    }
}

fn find(store: &Store, owner: &str, name: &str) -> anyhow::Result<StoredGlossary> {
    let known = store.glossaries(owner)?;
    let found = known.iter().find(|glossary| glossary.id == name || glossary.name == name);
    if let Some(found) = found {
        return Ok(found.clone());
    }
    let names: Vec<&str> = known.iter().map(|glossary| glossary.name.as_str()).collect();
    match names.is_empty() {
        true => bail!("there is no glossary `{name}`, nor any other; `glossary import` makes one"),
        false => bail!("there is no glossary `{name}`; there are {}", names.join(", ")),
    }
}

/// One line about a glossary.
fn described(glossary: &StoredGlossary) -> String {
    let pairs = glossary.dictionaries.iter();
    let pairs = pairs.map(|one| format!("{}-{}: {} terms", one.source, one.target, one.entries));
    let pairs: Vec<String> = pairs.collect();
    format!("{}  {}  {}", glossary.id, glossary.name, pairs.join(", "))
}

fn stem(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    ensure!(stem.as_deref().is_some_and(|stem| !stem.is_empty()), "give it a name with `--name`");
    stem.context("the file has no name")
}
