//! Training on several ranks, which are threads here: the run is the same on any number of them.

use std::path::Path;

use anyhow::Context;
use dragoman_core::{
    collective::{Ranks, Threads, threads},
    config::{MoeConfig, TranslationConfig},
    kernels::matmul::Precision,
    moe::{Capacity, Routing, routers::GshardConfig},
    tokenizer::Tokenizer,
};
use dragoman_data::{
    batch::BatchConfig,
    corpus::Corpus,
    pack::{PackConfig, pack},
};
use dragoman_training::{
    Error,
    config::{BalanceOver, Budget, CheckpointConfig, Every, MuonConfig, Rule, RunConfig},
    control::{Control, Ended},
    report::log::RunLog,
    schedule::Schedule,
    trainer::Summary,
    translation::{ExpertsConfig, RunPaths, TrainConfig, train_on},
};

/// Hand-written sentences.
const PAIRS: [(&str, &str); 8] = [
    ("The cat sleeps.", "Die Katze schläft."),
    ("I read a book.", "Ich lese ein Buch."),
    ("Where is the key?", "Wo ist der Schlüssel?"),
    ("It rains today.", "Heute regnet es."),
    ("We bake bread.", "Wir backen Brot."),
    ("Her coat is red.", "Ihr Mantel ist rot."),
    ("They sing loudly.", "Sie singen laut."),
    ("Open the window!", "Öffne das Fenster!"),
];

const STEPS: u64 = 8;

fn write_corpus(dir: &Path) -> anyhow::Result<()> {
    let lines: String = PAIRS.iter().map(|(en, de)| format!("{en}\t{de}\n")).collect();
    let path = dir.join("en-de.tsv");
    fs_err::write(&path, lines)?;
    let tokenizer = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new())?;
    tokenizer.save(dir.join("tokenizer.json"))?;
    let config = PackConfig { corpora: vec![Corpus::from_name(&path)?], ..PackConfig::default() };
    pack(&config, &tokenizer, dir.join("corpus.bin"))?;
    Ok(())
}

/// Four micro-batches a step, with all that is random.
fn config() -> TrainConfig {
    let model = TranslationConfig {
        d_model: 32,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 1,
        d_ff: 64,
        max_positions: 64,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 1,
            top_k: 2,
            shared_d_ff: 32,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let mut run = RunConfig {
        dropout: 0.1,
        expert_dropout: 0.1,
        log_every: 1,
        accumulation: 4,
        average_decay: 0.9,
        budget: Budget { steps: STEPS, minutes: 0.0 },
        schedule: Schedule::Linear { warmup: 4.0, hold: 0.5 },
        evaluate: Every { steps: STEPS / 2, minutes: 0.0 },
        checkpoints: CheckpointConfig { every: Every::default(), keep: 2, average: 0 },
        ..RunConfig::default()
    };
    run.optimizer.learning_rate = 5e-3;
    TrainConfig {
        precision: Precision::F32,
        model,
        experts: ExpertsConfig { free: 4, d_ff: 32 },
        batches: BatchConfig { max_tokens: 128, max_length: 60, window: 64, ..Default::default() },
        run,
        ..TrainConfig::default()
    }
}

/// A run's folder, and the corpus.
struct Place<'a> {
    corpus: &'a Path,
    out: &'a Path,
}

/// Trains on so many ranks, for at most `steps` steps, and returns what the first one says.
fn run(
    config: &TrainConfig,
    place: &Place<'_>,
    size: usize,
    steps: u64,
) -> anyhow::Result<Summary> {
    let paths = RunPaths {
        corpus: place.corpus.into(),
        dev: place.corpus.into(),
        out: place.out.into(),
        quiet: true,
    };
    let of_rank = |rank: Threads| {
        let control = Control::default().with_step_limit(steps);
        train_on(&Ranks::new(rank), config, &paths, &control)
    };
    let mut summaries: Vec<_> = std::thread::scope(|scope| {
        let of_rank = &of_rank;
        let handles: Vec<_> =
            threads(size).into_iter().map(|rank| scope.spawn(move || of_rank(rank))).collect();
        handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
    });
    // Of several errors that of the rank that failed, rather than of those that miss it.
    let is_cause = |summary: &Result<_, Error>| {
        summary.as_ref().is_err_and(|error| !error.to_string().contains("is gone"))
    };
    // What every rank knows leaves none waiting for another.
    let errors = summaries.iter().filter_map(|summary| summary.as_ref().err());
    if let [first, .., last] = &errors.collect::<Vec<_>>()[..] {
        let is_own = |error: &&Error| matches!(error, Error::Rank { .. });
        anyhow::ensure!(is_own(first) || first.to_string() == last.to_string(), "{first}; {last}");
    }
    match summaries.iter().position(is_cause) {
        Some(rank) => Ok(summaries.swap_remove(rank)?),
        None => Ok(summaries.swap_remove(0)?),
    }
}

/// The losses of a step, and the norm of its gradient.
type Figures = [f64; 5];

/// The tensors of the last checkpoint, byte by byte, and the figures of the log.
fn leavings(out: &Path) -> anyhow::Result<(Vec<Vec<u8>>, Vec<Figures>)> {
    let dir = out.join(format!("checkpoints/step-{STEPS:08}"));
    let files = ["weights", "optimizer", "average"]
        .map(|name| fs_err::read(dir.join(format!("{name}.safetensors"))));
    let log = RunLog::load(&out.join("log.jsonl"))?;
    let figures = log.steps.iter();
    let figures = figures.map(|s| [s.loss, s.nll, s.balance, s.z_loss, s.gradient_norm]);
    Ok((files.into_iter().collect::<std::io::Result<_>>()?, figures.collect()))
}

#[test]
fn two_and_four_ranks_are_as_one() -> anyhow::Result<()> {
    let (corpus, alone) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let config = config();
    run(&config, &Place { corpus: corpus.path(), out: alone.path() }, 1, STEPS)?;
    let (_, expected) = leavings(alone.path())?;
    assert!(expected[0][0] > expected[STEPS as usize - 1][0] + 0.1, "it learns: {expected:?}");
    for size in [2, 4] {
        let out = tempfile::tempdir()?;
        let summary = run(&config, &Place { corpus: corpus.path(), out: out.path() }, size, STEPS)?;
        assert_eq!((summary.ended, summary.step), (Ended::Finished, STEPS));
        assert!(summary.model.is_some_and(|model| model.join("experts.json").exists()));
        let (_, figures) = leavings(out.path())?;
        assert_eq!(figures.len(), expected.len());
        for (step, (ours, theirs)) in figures.iter().zip(&expected).enumerate() {
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() < 1e-5, "step {step} on {size} ranks: {ours:?} {theirs:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn sums_in_a_tree_have_the_same_bits_on_any_number_of_ranks() -> anyhow::Result<()> {
    let corpus = tempfile::tempdir()?;
    write_corpus(corpus.path())?;
    for rule in [Rule::AdamW, Rule::Muon(MuonConfig::default())] {
        let mut config = config();
        config.run.tree_sums = true;
        config.run.optimizer.rule = rule;
        config.run.optimizer.clip_norm = 0.5; // below what comes
        let mut expected = None;
        for size in [1, 2, 4] {
            let out = tempfile::tempdir()?;
            run(&config, &Place { corpus: corpus.path(), out: out.path() }, size, STEPS)?;
            let (tensors, figures) = leavings(out.path())?;
            assert!(figures.iter().all(|figures| figures[4] > 0.5), "clipped: {figures:?}");
            let bits: Vec<_> = figures.iter().map(|figures| figures.map(f64::to_bits)).collect();
            let leavings = (tensors, bits);
            assert!(*expected.get_or_insert_with(|| leavings.clone()) == leavings, "{size} ranks");
        }
    }
    Ok(())
}

#[test]
fn a_run_goes_on_with_the_same_bits_on_another_number_of_ranks() -> anyhow::Result<()> {
    let (corpus, straight, broken) =
        (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let of = |out| Place { corpus: corpus.path(), out };
    let mut config = config();
    config.run.tree_sums = true;
    run(&config, &of(straight.path()), 2, STEPS)?;
    for (size, steps) in [(4, 3), (1, 2), (2, STEPS)] {
        run(&config, &of(broken.path()), size, steps)?;
    }
    assert!(leavings(broken.path())? == leavings(straight.path())?);
    Ok(())
}

#[test]
fn what_no_rank_can_begin_is_refused_on_all_of_them_alike() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let place = Place { corpus: corpus.path(), out: out.path() };
    let error = run(&config(), &place, 3, STEPS).expect_err("4 micro-batches for 3 ranks");
    let said = error.to_string();
    assert!(said.contains("accumulation = 4") && said.contains("a multiple of 3"), "{said}");
    // To start the same command again would not mend it.
    assert!(!said.contains("failed") && !said.contains("again"), "{said}");

    let place = Place { corpus: out.path(), out: out.path() };
    let said = run(&config(), &place, 2, STEPS).expect_err("there is no corpus").to_string();
    assert!(said.contains("tokenizer.json: is missing") && !said.contains("failed"), "{said}");
    Ok(())
}

#[test]
fn a_rank_that_cannot_begin_is_named_on_all_of_them() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let place = Place { corpus: corpus.path(), out: out.path() };
    // A folder that is taken is a failure of the first rank, which the other hears of.
    let lock = fs_err::File::create(out.path().join("lock"))?;
    lock.file().try_lock()?;
    let said = run(&config(), &place, 2, STEPS).expect_err("the folder is taken").to_string();
    assert!(said.contains("rank 0 of 2 failed") && said.contains("another process"), "{said}");
    Ok(())
}

#[test]
fn experts_sharded_over_ranks_learn_as_in_one_place() -> anyhow::Result<()> {
    let (corpus, one) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let top_two = GshardConfig { eval_capacity: Capacity::Fraction(0.25), ..Default::default() };
    for routing in [None, Some(Routing::Gshard(top_two))] {
        let mut config = config();
        config.run.expert_parallel = true;
        let moe = config.model.moe.get_or_insert_default();
        (moe.shared_d_ff, moe.routing) = (if routing.is_some() { 0 } else { 32 }, routing);
        let alone = one.path().join(if moe.routing.is_some() { "rule" } else { "routes" });
        run(&config, &Place { corpus: corpus.path(), out: &alone }, 1, STEPS)?;
        let (_, expected) = leavings(&alone)?;
        // It stops in the middle, and goes on with another number of ranks.
        for [size, then, chunks] in [[4, 4, 2], [2, 4, 3], [4, 1, 1]] {
            let out = tempfile::tempdir()?;
            config.run.exchange_chunks = chunks;
            let place = Place { corpus: corpus.path(), out: out.path() };
            run(&config, &place, size, STEPS / 2 + 1)?;
            let summary = run(&config, &place, then, STEPS)?;
            assert_eq!((summary.ended, summary.step), (Ended::Finished, STEPS));
            let (_, figures) = leavings(out.path())?;
            assert_eq!(figures.len(), expected.len());
            for (step, (ours, theirs)) in figures.iter().zip(&expected).enumerate() {
                for (a, b) in ours.iter().zip(theirs) {
                    assert!((a - b).abs() < 1e-5, "step {step}, {size} ranks: {ours:?} {theirs:?}");
                }
            }
            let files =
                ["weights", "optimizer", "average"].map(|name| format!("{name}.safetensors"));
            for file in files {
                let tensors = |dir: &Path| {
                    let path = dir.join(format!("checkpoints/step-{STEPS:08}")).join(&file);
                    candle::safetensors::load(path, &candle::Device::Cpu)
                };
                let (ours, theirs) = (tensors(out.path())?, tensors(&alone)?);
                assert_eq!(ours.len(), theirs.len(), "{file}");
                // Weights whose gradient is nothing but rounding, as that of the keys' biases is, drift.
                for (name, theirs) in theirs {
                    let ours = ours.get(&name).with_context(|| format!("{file} has no {name}"))?;
                    let apart = (ours - theirs)?.abs()?.mean_all()?.to_scalar::<f32>()?;
                    let is_steady = name.starts_with("first.");
                    assert!(!is_steady || apart < 1e-5, "{name} on {size} ranks: {apart}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn balance_over_the_step_is_the_same_on_any_number_of_ranks() -> anyhow::Result<()> {
    let corpus = tempfile::tempdir()?;
    write_corpus(corpus.path())?;
    let mut config = config();
    config.model.moe.get_or_insert_default().routing =
        Some(Routing::Gshard(GshardConfig::default()));
    config.run.loss.balance = 0.1;
    let mut curves = Vec::new();
    for (size, balance_over) in [
        (1, BalanceOver::Step),
        (2, BalanceOver::Step),
        (4, BalanceOver::Step),
        (1, BalanceOver::MicroBatch),
    ] {
        let out = tempfile::tempdir()?;
        config.run.loss.balance_over = balance_over;
        run(&config, &Place { corpus: corpus.path(), out: out.path() }, size, STEPS)?;
        curves.push(leavings(out.path())?.1.concat());
    }
    let apart = |i: usize| {
        let pairs = curves[0].iter().zip(&curves[i]);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(apart(1) < 1e-5 && apart(2) < 1e-5, "{} {}", apart(1), apart(2));
    assert!(apart(3) > 1e-4, "shares of a micro-batch are not those of the step: {}", apart(3));
    Ok(())
}

#[test]
fn more_ranks_than_experts_are_refused() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config();
    (config.run.expert_parallel, config.run.accumulation) = (true, 8);
    let place = Place { corpus: corpus.path(), out: out.path() };
    let said = run(&config, &place, 8, STEPS).expect_err("6 experts").to_string();
    assert!(said.contains("6 experts") && said.contains("start at most 6"), "{said}");
    Ok(())
}

/// Several ranks on one GPU, whose gradients and weights travel through the host's memory.
#[cfg(feature = "cuda")]
#[test]
fn ranks_on_a_gpu_are_as_one() -> anyhow::Result<()> {
    if let Err(reason) = dragoman_training::device::open("cuda") {
        println!("skipped: no GPU: {reason}");
        return Ok(());
    }
    let corpus = tempfile::tempdir()?;
    write_corpus(corpus.path())?;
    for rule in [Rule::AdamW, Rule::Muon(MuonConfig::default())] {
        let mut config = config();
        config.device = "cuda".into();
        (config.run.dropout, config.run.expert_dropout) = (0.0, 0.0); // each rank has masks of its own
        config.run.optimizer.rule = rule;
        let mut expected: Option<Vec<Figures>> = None;
        for size in [1, 2, 4] {
            let out = tempfile::tempdir()?;
            run(&config, &Place { corpus: corpus.path(), out: out.path() }, size, STEPS)?;
            let (_, figures) = leavings(out.path())?;
            let expected = expected.get_or_insert_with(|| figures.clone());
            for (step, (ours, theirs)) in figures.iter().zip(expected.iter()).enumerate() {
                for (a, b) in ours.iter().zip(theirs) {
                    assert!((a - b).abs() < 1e-3, "step {step}, {size} ranks: {ours:?} {theirs:?}");
                }
            }
        }
    }
    Ok(())
}
