//! The binary: one command for each thing that can be done.

mod interrupt;
mod log;
mod ranks;
mod models;
mod detect;
mod glossary_file;
mod recalled;
#[cfg(feature = "server")]
mod stored;
#[cfg(feature = "server")]
mod suggested;
mod commands;

use clap::Parser;

// Training and serving allocate large buffers all the time; this one gives them back their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match commands::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            std::process::ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
