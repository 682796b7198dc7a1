//! `dragoman suggestion`

use std::io::Write;

use anyhow::ensure;
use clap::{Args, Subcommand, ValueEnum};
use dragoman_store::Status;

use crate::recalled::default_store;
use crate::suggested::Suggestions;

/// Look through the translations that users suggested
#[derive(Debug, Args)]
pub(crate) struct SuggestionCommand {
    /// The store's folder, or the address of the running server that has it open [default: in the user's
    /// data directory]
    #[arg(
        long,
        value_name = "STORE",
        env = "DRAGOMAN_STORE",
        hide_env_values = true,
        global = true
    )]
    store: Option<String>,

    /// Key of the admin API of the server that `--store` names
    #[arg(
        long,
        value_name = "KEY",
        env = "DRAGOMAN_ADMIN_KEY",
        hide_env_values = true,
        global = true
    )]
    admin_key: Option<String>,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the suggestions, oldest first: number, status, languages, domain, text and suggestion, with
    /// tabs between them
    List {
        /// Those with this status alone
        #[arg(long)]
        status: Option<Decision>,
    },
    /// Say that suggestions are right
    Approve {
        /// Their numbers, as `list` shows them
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<u64>,
    },
    /// Say that suggestions are wrong: nothing learns from them
    Reject {
        /// Their numbers, as `list` shows them
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<u64>,
    },
    /// Forget suggestions
    Delete {
        /// Their numbers, as `list` shows them
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<u64>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Decision {
    Pending,
    Approved,
    Rejected,
}

impl SuggestionCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let place = match self.store {
            Some(place) => place,
            None => default_store()?.display().to_string(),
        };
        let suggestions = Suggestions::open(&place, self.admin_key.as_deref())?;
        match self.what {
            What::List { status } => list(&suggestions, status.map(Decision::status)),
            What::Approve { ids } => judge(&suggestions, &ids, Status::Approved),
            What::Reject { ids } => judge(&suggestions, &ids, Status::Rejected),
            What::Delete { ids } => {
                let mut missing = Vec::new();
                for id in ids {
                    if !suggestions.remove(id)? {
                        missing.push(id.to_string());
                    }
                }
                ensure!(missing.is_empty(), "there is no suggestion {}", missing.join(", "));
                Ok(())
            }
        }
    }
}

impl Decision {
    fn status(self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Approved => Status::Approved,
            Self::Rejected => Status::Rejected,
        }
    }
}

fn list(suggestions: &Suggestions, status: Option<Status>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for row in suggestions.list(status)? {
        let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let (domain, status) = (row.domain.as_deref().unwrap_or("-"), name(row.status));
        let (id, pair) = (row.at, format!("{}-{}", row.source, row.target));
        writeln!(out, "{id}\t{status}\t{pair}\t{domain}\t{}\t{}", cell(&row.q), cell(&row.s))?;
    }
    Ok(())
}

fn judge(suggestions: &Suggestions, ids: &[u64], status: Status) -> anyhow::Result<()> {
    for &id in ids {
        let judged = suggestions.judge(id, status)?;
        eprintln!("{}: {:?} for {:?}", name(status), judged.s, judged.q);
    }
    Ok(())
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Approved => "approved",
        Status::Rejected => "rejected",
    }
}
