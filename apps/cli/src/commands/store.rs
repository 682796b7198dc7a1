//! `dragoman store`

use std::{
    io::{self, BufReader, BufWriter},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dragoman_store::{DEFAULT_TENANT, KeyLimits, Store};

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
    Export {
        /// One tenant of recommendation alone
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Read what `export` wrote, or users, items and feedback that Gorse exported; what is there
    /// already stays once
    Import {
        /// File to read, or `-` for the standard input
        file: PathBuf,

        /// Tenant for rows that name none
        #[arg(long, value_name = "NAME", default_value = DEFAULT_TENANT)]
        tenant: String,
    },
    /// Make a new API key
    AddKey {
        /// Tenant of recommendation that it opens; without one it is a key of translation
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Make a tenant, with users, items, feedback and keys of its own, served under `/t/NAME/api`
    AddTenant {
        /// Lower-case letters, digits, `-` and `_`
        name: String,
    },
    /// List the tenants
    Tenants,
    /// Remove a tenant with everything in it
    RemoveTenant {
        /// Its name
        name: String,
    },
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
            What::Export { tenant } => {
                let writer = BufWriter::new(io::stdout().lock());
                let counts = match tenant {
                    None => store.export(writer)?,
                    Some(name) => store.export_one(&name, writer)?,
                };
                eprintln!("{counts}");
            }
            What::Import { file, tenant } => {
                let counts = match file.as_os_str() == "-" {
                    true => store.import_into(&tenant, io::stdin().lock())?,
                    false => {
                        let file = BufReader::new(fs_err::File::open(file)?);
                        store.import_into(&tenant, file)?
                    }
                };
                eprintln!("{counts}");
            }
            What::AddKey { tenant } => {
                println!("{}", store.create_key_for(tenant.as_deref(), KeyLimits::default())?);
            }
            What::AddTenant { name } => {
                anyhow::ensure!(store.create_tenant(&name)?, "there is a tenant `{name}` already");
            }
            What::Tenants => store.tenants()?.iter().for_each(|name| println!("{name}")),
            What::RemoveTenant { name } => {
                anyhow::ensure!(store.remove_tenant(&name)?, "there is no tenant `{name}`");
            }
            What::RemoveKey { key } => {
                anyhow::ensure!(store.remove_key(&key)?, "the store does not know this key");
            }
        }
        Ok(())
    }
}
