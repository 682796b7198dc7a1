//! The binary: one command for each thing that can be done.

mod commands;
mod detect;
mod models;
#[cfg(feature = "server")]
mod stored;
mod texts;

use std::io::IsTerminal;

use clap::Parser;
use tracing_subscriber::EnvFilter;

// Training and serving allocate large buffers all the time; this one gives them back their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long candle's threads look for work before they sleep, in turns; its own choice, 25,000, takes
/// the cores from the threads of our kernels, and a fifth of the speed of training.
const SPIN_LIMIT: (&str, &str) = ("CANDLE_BARRIER_POOL_SPIN_LIMIT", "10");

fn main() -> std::process::ExitCode {
    if std::env::var_os(SPIN_LIMIT.0).is_none() {
        #[expect(unsafe_code, reason = "candle reads its setting from the environment alone")]
        // SAFETY: no other thread has been started yet that could read the environment.
        unsafe {
            std::env::set_var(SPIN_LIMIT.0, SPIN_LIMIT.1);
        }
    }
    let filter = EnvFilter::try_from_env("DRAGOMAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match commands::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
