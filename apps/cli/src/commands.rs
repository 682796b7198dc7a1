//! The command line.

mod train;

use clap::{Parser, Subcommand};

/// Translates and recommends with one mixture-of-experts engine
#[derive(Debug, Parser)]
#[command(name = "dragoman", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Train),
}

impl Cli {
    /// Does what the command says.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Train(command) => command.run(),
        }
    }
}
