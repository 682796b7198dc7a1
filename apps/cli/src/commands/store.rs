//! `dragoman store`

mod import;
mod stdin;

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dragoman_data::interactions::ColumnNames;
use dragoman_store::{DEFAULT_TENANT, EngineKind, KeyLimits, Migrated, Report, Store};

use self::import::Source;
use crate::recalled::StorePlace;

/// Handle what the services remember
#[derive(Debug, Args)]
pub(crate) struct StoreCommand {
    #[command(flatten)]
    place: StorePlace,

    /// Storage engine of a new store, sled or redb; a store that another one keeps is refused
    /// [default: the one that keeps the store, sled for a new one]
    #[arg(long, value_name = "NAME", env = "DRAGOMAN_STORE_ENGINE", global = true)]
    store_engine: Option<EngineKind>,

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
    /// Read what `export` wrote, users, items and feedback that Gorse exported or dumped, or a log of
    /// events; what is there already stays once
    Import {
        /// File of JSON Lines or of Gorse's `/api/dump`, perhaps packed as .gz or .zst; or a log as `train
        /// recommendation` reads it: a table, events as JSON Lines, or a folder of such files, of MovieLens or
        /// of RecBole. `-` is the standard input, which holds any of these but a folder
        file: PathBuf,

        /// Names of the columns of a table's events, such as `user=visitor,item=sku,time=seen_at`;
        /// usual names are known
        #[arg(long, value_name = "PART=NAME,…")]
        columns: Option<ColumnNames>,

        /// Type of the feedback of a log whose events have none
        #[arg(long, value_name = "NAME", default_value = "read")]
        feedback_type: String,

        /// Tenant for rows that name none
        #[arg(long, value_name = "NAME", default_value = DEFAULT_TENANT)]
        tenant: String,
    },
    /// Write a backup: all rows as JSON Lines, of the folder or of a running server; `import` reads it
    Backup {
        /// File to write; it appears when it is complete
        file: PathBuf,

        /// Address of the running server that has the store open, such as `http://127.0.0.1:5000`
        #[arg(long, value_name = "URL")]
        server: Option<String>,

        /// Key of the server's admin API
        #[arg(long, value_name = "KEY", env = "DRAGOMAN_ADMIN_KEY", hide_env_values = true)]
        admin_key: Option<String>,
    },
    /// Look at every row, and say which cannot be read
    Check,
    /// Save what can be read of a damaged store to a new one
    Salvage {
        /// Folder of the new store
        to: PathBuf,
    },
    /// Move the store to another storage engine; nobody may have it open
    Migrate {
        /// The engine, sled or redb
        #[arg(long, value_name = "NAME")]
        to: EngineKind,
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
    /// Let the default tenant answer without a key again, after its last one was removed
    Reopen,
    /// Forget an API key
    RemoveKey {
        /// The key
        key: String,
    },
}

impl StoreCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = self.place.or_default()?;
        let what = match self.what {
            What::Check => return say(&Store::check(&folder)?),
            What::Salvage { to } => return say(&Store::salvage(&folder, &to)?),
            What::Migrate { to } => {
                let Migrated { from, trees, rows } = Store::migrate(&folder, to)?;
                let what = if from == to { "keeps it already" } else { "keeps it now" };
                println!("{to} {what}: {rows} rows in {trees} trees, compared one by one");
                return Ok(());
            }
            What::Backup { file, server, admin_key } => {
                let server = server.as_deref().map(|url| (url, admin_key.as_deref()));
                return backup(&folder, &file, server);
            }
            what => what,
        };
        let store = Store::open_with(&folder, self.store_engine).context("opening the store")?;
        match what {
            What::Check | What::Salvage { .. } | What::Migrate { .. } | What::Backup { .. } => {}
            What::Export { tenant } => {
                let writer = BufWriter::new(io::stdout().lock());
                let counts = match tenant {
                    None => store.export(writer)?,
                    Some(name) => store.export_one(&name, writer)?,
                };
                eprintln!("{counts}");
            }
            What::Import { file, columns, feedback_type, tenant } => {
                let (columns, feedback_type) = (columns.as_ref(), feedback_type.as_str());
                let source = Source { path: &file, columns, feedback_type };
                let counts = match file.as_os_str() == "-" {
                    true => stdin::import(io::stdin(), &source, &store, &tenant)?,
                    false => source.import(&store, &tenant)?,
                };
                eprintln!("{counts}");
            }
            What::AddKey { tenant } => {
                println!("{}", store.create_key(tenant.as_deref(), KeyLimits::default())?);
            }
            What::AddTenant { name } => {
                anyhow::ensure!(store.create_tenant(&name)?, "there is a tenant `{name}` already");
            }
            What::Tenants => store.tenants()?.iter().for_each(|name| println!("{name}")),
            What::RemoveTenant { name } => {
                anyhow::ensure!(store.remove_tenant(&name)?, "there is no tenant `{name}`");
            }
            What::Reopen => {
                anyhow::ensure!(store.reopen_default()?, "the default tenant is open already");
            }
            What::RemoveKey { key } => {
                anyhow::ensure!(store.remove_key(&key)?, "the store does not know this key");
            }
        }
        Ok(())
    }
}

/// Says what is in a store, and fails if some rows cannot be read.
fn say(report: &Report) -> anyhow::Result<()> {
    println!("{}", report.counts);
    for reason in &report.first {
        println!("{reason}");
    }
    anyhow::ensure!(report.bad == 0, "{} rows cannot be read", report.bad);
    Ok(())
}

/// Writes a backup of the store in `folder`, or of the one that a server has open, into `file`.
fn backup(folder: &Path, file: &Path, server: Option<(&str, Option<&str>)>) -> anyhow::Result<()> {
    let mut name = file.file_name().context("the backup needs a file")?.to_owned();
    name.push(".partial");
    let partial = file.with_file_name(name);
    let mut writer = BufWriter::new(fs_err::File::create(&partial)?);
    let lines = match server {
        None => {
            let store = Store::open(folder).context(
                "opening the store; while a server has it open, name the server: `--server URL`",
            )?;
            eprintln!("{}", store.export(&mut writer)?);
            None
        }
        Some((url, admin_key)) => {
            Some(io::copy(&mut crate::stored::snapshot(url, None, admin_key)?, &mut writer)?)
        }
    };
    writer.flush()?;
    writer.get_ref().sync_all()?;
    fs_err::rename(&partial, file)?;
    if let Some(bytes) = lines {
        eprintln!("{bytes} bytes of JSON Lines");
    }
    Ok(())
}
