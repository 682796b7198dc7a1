//! `dragoman store`

use std::{
    io::{self, BufReader, BufWriter},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dragoman_store::{KeyLimits, Store};

use super::serve::default_store;

/// Handle what the services remember
#[derive(Debug, Args)]
pub(crate) struct StoreCommand {
    /// Folder of the store [default: in the user's data directory]
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_STORE", global = true)]
    store: Option<PathBuf>,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write everything to the standard output, one JSON object a line
    Export,
    /// Read what `export` wrote; what is there already stays once
    Import {
        /// File to read, or `-` for the standard input
        file: PathBuf,
    },
    /// Make a new API key
    AddKey,
    /// Forget an API key
    RemoveKey {
        /// The key
        key: String,
    },
}

impl StoreCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = match self.store {
            Some(folder) => folder,
            None => default_store()?,
        };
        let store = Store::open(&folder).context("opening the store")?;
        match self.what {
            What::Export => {
                let counts = store.export(BufWriter::new(io::stdout().lock()))?;
                eprintln!("{counts}");
            }
            What::Import { file } if file.as_os_str() == "-" => {
                let counts = store.import(io::stdin().lock())?;
                eprintln!("{counts}");
            }
            What::Import { file } => {
                let counts = store.import(BufReader::new(fs_err::File::open(file)?))?;
                eprintln!("{counts}");
            }
            What::AddKey => println!("{}", store.create_key(KeyLimits::default())?),
            What::RemoveKey { key } => {
                anyhow::ensure!(store.remove_key(&key)?, "the store does not know this key");
            }
        }
        Ok(())
    }
}
