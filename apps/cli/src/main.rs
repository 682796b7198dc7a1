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
    end_with_the_reader();
    match commands::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            std::process::ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            if !error.is::<ranks::Printed>() {
                eprintln!("error: {error:#}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}

/// Ends the command when whoever reads its output has gone, as `head` goes: `println!` panics then.
fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let reason = panic.payload_as_str().unwrap_or_default();
        if reason.starts_with("failed printing to stdout: Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}
