//! The command line: a file for each command.

mod data;
#[cfg(feature = "server")]
mod demo;
mod evaluate;
mod expert;
#[cfg(feature = "server")]
mod glossary;
mod inspect;
#[cfg(feature = "server")]
mod memory;
mod model;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "server")]
mod suggestion;
mod train;
mod translate;

use clap::{Parser, Subcommand};

use crate::log;

/// Translates and recommends with one mixture-of-experts engine
#[derive(Debug, Parser)]
#[command(name = "dragoman", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "server")]
    Serve(serve::Serve),
    Translate(translate::Translate),
    Train(train::Train),
    Evaluate(evaluate::Evaluate),
    Data(data::Data),
    Model(model::Model),
    Expert(expert::Expert),
    Inspect(inspect::Inspect),
    #[cfg(feature = "server")]
    Glossary(glossary::GlossaryCommand),
    #[cfg(feature = "server")]
    Memory(memory::MemoryCommand),
    #[cfg(feature = "server")]
    Store(store::StoreCommand),
    #[cfg(feature = "server")]
    Suggestion(suggestion::SuggestionCommand),
    #[cfg(feature = "server")]
    Demo(demo::Demo),
}

impl Cli {
    /// Does what the command says.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        #[cfg(feature = "server")]
        let is_server = matches!(self.command, Command::Serve(_));
        #[cfg(not(feature = "server"))]
        let is_server = false;
        if !is_server {
            log::start(); // a server's settings say what there is beside the log
        }
        match self.command {
            #[cfg(feature = "server")]
            Command::Serve(command) => command.run(),
            Command::Translate(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Evaluate(command) => command.run(),
            Command::Data(command) => command.run(),
            Command::Model(command) => command.run(),
            Command::Expert(command) => command.run(),
            Command::Inspect(command) => command.run(),
            #[cfg(feature = "server")]
            Command::Glossary(command) => command.run(),
            #[cfg(feature = "server")]
            Command::Memory(command) => command.run(),
            #[cfg(feature = "server")]
            Command::Store(command) => command.run(),
            #[cfg(feature = "server")]
            Command::Suggestion(command) => command.run(),
            #[cfg(feature = "server")]
            Command::Demo(command) => command.run(),
        }
    }
}
