//! Sentences a second of a translation model, with targets of a forced length: our half of
//! `beside-ctranslate2`.
//!
//! `MODEL PACKING SOURCE TARGET SECONDS CASES…`, where a case is `BATCHxBEAM`; prints a JSON object for each case.
//! Without cases it reads them from its input, a line each, so that a caller can take turns with another program.

use std::{io::Write as _, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, bail};
use dragoman_core::{
    context::Context,
    decoding::search::{SearchConfig, Sentences, search},
    directory::{Files, Loaded},
    kernels::packed::Packing,
    memory::ExpertMemory,
    ragged::Ragged,
    vocabulary::Outputs,
};
use rayon::prelude::*;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sentences that are searched together at least, as by the translator.
const MIN_TOGETHER: usize = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [model, packing, source, target, seconds, cases @ ..] = &arguments[..] else {
        return Ok(()); // run by `cargo bench` as one of all
    };
    let packing = match packing.as_str() {
        "int8" => Packing::Int8,
        "bf16" => Packing::Bf16,
        "f32" => Packing::F32,
        other => bail!("`{other}` is no packing"),
    };
    let files = Files::Folder(PathBuf::from(model));
    let loaded = files.open_translation(&ExpertMemory::new(None))?;
    let (source, target): (usize, usize) = (source.parse()?, target.parse()?);
    let lengths = (source, target);
    let seconds: f64 = seconds.parse()?;
    for case in cases {
        time(&loaded, packing, case, lengths, seconds)?;
    }
    if cases.is_empty() {
        for case in std::io::stdin().lines() {
            time(&loaded, packing, case?.trim(), lengths, seconds)?;
        }
    }
    Ok(())
}

/// Runs a case for so many seconds, at least once, and prints the figures.
fn time(
    loaded: &Loaded,
    packing: Packing,
    case: &str,
    (source, target): (usize, usize),
    seconds: f64,
) -> Result<()> {
    let (batch, beam) = case.split_once('x').context("a case is of the form 32x4")?;
    let (batch, beam_size): (usize, usize) = (batch.parse()?, beam.parse()?);
    let run = || rayon::scope(|_| batch_of(loaded, packing, (batch, source, target), beam_size));
    let (start, used, mut times) = (Instant::now(), cpu_seconds(), Vec::new());
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let used = (cpu_seconds() - used) / times.len() as f64;
    println!(
        "{}",
        json!({
            "case": case,
            "sentences_a_second": batch as f64 / median,
            "sentences_a_cpu_second": batch as f64 / used,
        })
    );
    Ok(std::io::stdout().flush()?)
}

/// Time that all threads of this process have had of the processors.
fn cpu_seconds() -> f64 {
    let nanoseconds = |task: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(nanoseconds).sum::<f64>() / 1e9
}

/// Translates a batch of sentences of `source` tokens into as many of `target` tokens, shared among the
/// threads as the translator does.
fn batch_of(
    loaded: &Loaded,
    packing: Packing,
    (batch, source, target): (usize, usize, usize),
    beam_size: usize,
) -> Result<()> {
    let hands = rayon::current_num_threads().min(batch / MIN_TOGETHER).max(1);
    let shares: Vec<usize> =
        (0..hands).map(|hand| (batch + hand) / hands).filter(|&share| share > 0).collect();
    let run = |share: usize| -> Result<()> {
        let context = Context::inference(packing);
        let size = loaded.model.config().vocab_size as u32 - 16;
        let ids: Vec<u32> = (0..(share * source) as u32).map(|i| 8 + i * 7919 % size).collect();
        let layout = Ragged::contiguous(&vec![source; share]);
        let routes = vec![0.into(); share];
        let encoded = loaded.model.encode(&ids, &layout, &routes, &context)?;
        let route = &loaded.register.routes[0];
        let frame = loaded.vocabulary.frame(&route.source, &route.target)?;
        let own = loaded.vocabulary.outputs();
        let outputs = Outputs { banned: vec![own.end], ..own.clone() };
        let starts = vec![frame.start; share];
        let sentences = Sentences { routes: &routes, starts: &starts, outputs: &outputs };
        let config =
            SearchConfig { beam_size, max_ratio: 0.0, max_extra: target, ..SearchConfig::greedy() };
        let found = search(&loaded.model, &encoded, &sentences, &config, &context)?;
        match found.iter().all(|found| found[0].tokens.len() == target) {
            true => Ok(()),
            false => bail!("a target is not as long as was asked for"),
        }
    };
    shares.into_par_iter().map(run).collect()
}
