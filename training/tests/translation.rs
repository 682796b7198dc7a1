//! A tiny translation model, from sentences on disk to a model that knows them by heart.

use std::path::Path;

use candle::{Device, Tensor};
use dragoman_core::{
    config::{Activation, MoeConfig, TranslationConfig},
    directory::Files,
    kernels::matmul::Precision,
    moe::{Routing, routers::MixtralConfig},
    tokenizer::Tokenizer,
    translate::{Translate, TranslationJob},
    translator::{Translator, TranslatorOptions},
};
use dragoman_data::{
    batch::BatchConfig,
    corpus::Corpus,
    pack::{PackConfig, pack},
};
use dragoman_training::{
    config::{Budget, CheckpointConfig, Every, MuonConfig, Rule, RunConfig},
    control::{Control, Ended},
    report::log::RunLog,
    schedule::Schedule,
    trainer::Summary,
    translation::{AugmentConfig, DevConfig, DevSet, ExpertsConfig, RunPaths, TrainConfig, train},
};

/// Eight sentences, hand-written.
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

/// Writes the sentences as a packed corpus and as a development set.
fn write_corpus(dir: &Path) -> anyhow::Result<()> {
    let lines: String = PAIRS.iter().map(|(en, de)| format!("{en}\t{de}\n")).collect();
    let path = dir.join("en-de.tsv");
    fs_err::write(&path, lines)?;
    let tokenizer = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new())?;
    tokenizer.save(dir.join("tokenizer.json"))?;
    let config = PackConfig { corpora: vec![Corpus::from_name(&path)?], ..PackConfig::default() };
    let header = pack(&config, &tokenizer, dir.join("corpus.bin"))?;
    anyhow::ensure!(header.pairs == PAIRS.len(), "only {} pairs are left", header.pairs);
    Ok(())
}

fn config(steps: u64) -> TrainConfig {
    let model = TranslationConfig {
        d_model: 48,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 1,
        d_ff: 96,
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
        accumulation: 2,
        average_decay: 0.9,
        budget: Budget { steps, minutes: 0.0 },
        schedule: Schedule::Linear { warmup: 20.0, hold: 0.5 },
        evaluate: Every { steps, minutes: 0.0 },
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

fn paths(corpus: &Path, out: &Path) -> RunPaths {
    RunPaths { corpus: corpus.into(), dev: corpus.into(), out: out.into(), quiet: true }
}

fn run(config: &TrainConfig, corpus: &Path, out: &Path, steps: u64) -> anyhow::Result<Summary> {
    let control = Control::default().with_step_limit(steps);
    Ok(train(config, &paths(corpus, out), &control)?)
}

/// The tensors of a checkpoint, byte by byte, and the losses of the log, bit by bit.
fn leavings(out: &Path, step: u64) -> anyhow::Result<(Vec<Vec<u8>>, Vec<u64>)> {
    let dir = out.join(format!("checkpoints/step-{step:08}"));
    let files = ["weights", "optimizer", "average"]
        .map(|name| fs_err::read(dir.join(format!("{name}.safetensors"))));
    let log = RunLog::load(&out.join("log.jsonl"))?;
    let bits = log.steps.iter().flat_map(|step| {
        [step.loss, step.nll, step.balance, step.z_loss, step.gradient_norm].map(f64::to_bits)
    });
    Ok((files.into_iter().collect::<std::io::Result<_>>()?, bits.collect()))
}

#[test]
fn a_tiny_model_learns_eight_pairs_by_heart() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config(300);
    let set =
        DevSet { name: "heart".into(), pairs: Some("{pair}.tsv".into()), ..DevSet::default() };
    config.dev = DevConfig { sets: vec![set] };
    config.run.dropout = 0.0;
    config.run.loss.label_smoothing = 0.0;
    let summary = run(&config, corpus.path(), out.path(), u64::MAX)?;
    assert_eq!(summary.ended, Ended::Finished);
    let best = summary.best.expect("there is a development set");
    assert!(best.score > 95.0, "mean chrF++ is {}", best.score);
    // What it learned can be served.
    let model = summary.model.expect("a model was exported");
    let translator = Translator::open(&Files::Folder(model), TranslatorOptions::default())?;
    let (english, german) = PAIRS[0];
    let (source, target, text) = ("en".into(), "de".into(), english.into());
    let domains = Vec::new();
    let job = TranslationJob {
        source,
        target,
        domains,
        text,
        num_hypotheses: 1,
        trace: false,
        wanted: Default::default(),
    };
    let translations = translator.translate(&[job])?;
    assert_eq!(translations[0].hypotheses[0].text, german);

    let log = RunLog::load(&out.path().join("log.jsonl"))?;
    let labels: Vec<_> = log.devs[0].rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels.len(), 2, "both directions are scored: {labels:?}");
    assert!(!log.loads.is_empty(), "the log says where tokens went");
    Ok(())
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() -> anyhow::Result<()> {
    let corpus = tempfile::tempdir()?;
    write_corpus(corpus.path())?;
    let config = config(6);
    let (straight, broken) = (tempfile::tempdir()?, tempfile::tempdir()?);
    run(&config, corpus.path(), straight.path(), u64::MAX)?;
    assert_eq!(run(&config, corpus.path(), broken.path(), 3)?.ended, Ended::OutOfTime);
    assert_eq!(run(&config, corpus.path(), broken.path(), u64::MAX)?.ended, Ended::Finished);
    let (files, log) = leavings(broken.path(), 6)?;
    let (expected_files, expected_log) = leavings(straight.path(), 6)?;
    assert_eq!(log, expected_log);
    assert!(files == expected_files, "weights, moments or the average differ");
    Ok(())
}

#[test]
fn a_model_with_swiglu_learns_and_can_be_served() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config(40);
    config.model.activation = Activation::Silu;
    config.model.architecture.gated = true;
    let summary = run(&config, corpus.path(), out.path(), u64::MAX)?;
    let steps = RunLog::load(&out.path().join("log.jsonl"))?.steps;
    let (first, last) = (steps[0].nll, steps[steps.len() - 1].nll);
    assert!(last < 0.8 * first, "{first} became {last}");
    let model = summary.model.expect("a model was exported");
    let weights = Files::Folder(model.clone()).load_translation(&Device::Cpu)?.params.tensors()?;
    let gates = weights.keys().filter(|name| name.contains("up_gate.weight")).count();
    // A dense layer, and two layers with a shared expert and six others.
    assert_eq!(gates, 1 + 2 * (1 + 6), "{:?}", weights.keys());
    let translator = Translator::open(&Files::Folder(model), TranslatorOptions::default())?;
    let job = TranslationJob {
        source: "en".into(),
        target: "de".into(),
        domains: Vec::new(),
        text: PAIRS[0].0.into(),
        num_hypotheses: 1,
        trace: false,
        wanted: Default::default(),
    };
    assert_eq!(translator.translate(&[job])?.len(), 1);
    Ok(())
}

#[test]
fn experts_with_too_few_visits_start_again_and_a_run_goes_on_with_them_bit_for_bit()
-> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config(6);
    let set =
        DevSet { name: "heart".into(), pairs: Some("{pair}.tsv".into()), ..DevSet::default() };
    config.dev = DevConfig { sets: vec![set] };
    config.run.evaluate = Every { steps: 2, minutes: 0.0 };
    config.model.moe.as_mut().expect("it has experts").routing =
        Some(Routing::Mixtral(MixtralConfig::default()));
    let (plain, straight, halted) =
        (out.path().join("plain"), out.path().join("straight"), out.path().join("halted"));
    run(&config, corpus.path(), &plain, u64::MAX)?;
    config.run.revive_below = 0.9;
    run(&config, corpus.path(), &straight, u64::MAX)?;
    run(&config, corpus.path(), &halted, 3)?;
    run(&config, corpus.path(), &halted, u64::MAX)?;
    assert_eq!(leavings(&straight, 6)?, leavings(&halted, 6)?);
    assert_ne!(leavings(&straight, 6)?, leavings(&plain, 6)?, "no expert started again");
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> anyhow::Result<()> {
    let corpus = tempfile::tempdir()?;
    write_corpus(corpus.path())?;
    for precision in [Precision::F32, Precision::Bf16] {
        let config = TrainConfig { precision, ..config(3) };
        let mut runs = Vec::new();
        for threads in [1, 2, 4] {
            let out = tempfile::tempdir()?;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            pool.install(|| run(&config, corpus.path(), out.path(), u64::MAX))?;
            runs.push(leavings(out.path(), 3)?);
        }
        assert!(runs.iter().all(|run| *run == runs[0]), "{precision:?} differs between threads");
    }
    Ok(())
}

#[test]
fn a_direction_that_is_not_in_the_corpus_is_named() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let config = TrainConfig { directions: vec!["en-fr".into()], ..config(3) };
    let error = run(&config, corpus.path(), out.path(), 1).expect_err("there is no French");
    assert!(error.to_string().contains("`en-fr`"), "{error}");
    Ok(())
}

#[test]
fn a_missing_corpus_is_named_with_the_command_that_makes_one() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let error = run(&config(3), corpus.path(), out.path(), 1).expect_err("there is no corpus");
    let message = error.to_string();
    assert!(message.contains("tokenizer.json") && message.contains("data pack"), "{message}");
    Ok(())
}

#[test]
fn a_model_grows_by_a_language_and_placeholders_and_loses_nothing() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let small = run(&config(2), corpus.path(), &out.path().join("small"), u64::MAX)?;
    let small = small.model.expect("a model was exported");

    // The same sentences, and some in a language more.
    let grown = tempfile::tempdir()?;
    let tokenizer = Tokenizer::load(small.join("tokenizer.json"))?.extended(&["nl"])?;
    tokenizer.save(grown.path().join("tokenizer.json"))?;
    let dutch = grown.path().join("en-nl.tsv");
    fs_err::write(&dutch, "I read a book.\tIk lees een boek.\nIt rains today.\tHet regent.\n")?;
    let corpora = [corpus.path().join("en-de.tsv"), dutch].map(Corpus::from_name);
    let corpora = corpora.into_iter().collect::<Result<_, _>>()?;
    let packed = PackConfig { corpora, ..PackConfig::default() };
    pack(&packed, &tokenizer, grown.path().join("corpus.bin"))?;

    let mut config = config(1);
    config.run.optimizer.learning_rate = 0.0;
    config.run.average_decay = 0.0;
    config.start_from = Some(small.clone());
    let error = run(&config, grown.path(), &out.path().join("none"), 1).expect_err("no parents");
    assert!(error.to_string().contains("[parents]"), "{error}");
    config.parents = [("pair.en-nl", "pair.en-de"), ("pair.nl-en", "pair.de-en")]
        .map(|(expert, parent)| (expert.into(), parent.into()))
        .into();
    let large = run(&config, grown.path(), &out.path().join("large"), u64::MAX)?;
    let large = large.model.expect("a model was exported");

    let weights = |dir: &Path| -> anyhow::Result<_> {
        let loaded = Files::Folder(dir.into()).load_translation(&Device::Cpu)?;
        Ok(loaded.params.tensors()?)
    };
    let (small, large) = (weights(&small)?, weights(&large)?);
    let flat = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    for (name, old) in &small {
        let (old, new) = (flat(old)?, flat(&large[name])?);
        assert!(new.starts_with(&old), "`{name}` is not what it was");
    }
    for (name, copy) in large.iter().filter(|(name, _)| name.contains("pair.en-nl.")) {
        let parent = &small[&name.replace("pair.en-nl.", "pair.en-de.")];
        assert_eq!(flat(copy)?, flat(parent)?, "`{name}` is no copy");
    }
    Ok(())
}

#[test]
fn a_run_with_muon_and_changed_pairs_is_resumed_bit_for_bit() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config(6);
    config.run.optimizer.rule = Rule::Muon(MuonConfig::default());
    config.augment = AugmentConfig { placeholders: 0.3, typing_errors: 0.4, ..Default::default() };
    let (straight, halted) = (out.path().join("straight"), out.path().join("halted"));
    run(&config, corpus.path(), &straight, u64::MAX)?;
    run(&config, corpus.path(), &halted, 3)?;
    run(&config, corpus.path(), &halted, u64::MAX)?;
    assert_eq!(leavings(&straight, 6)?, leavings(&halted, 6)?);
    Ok(())
}

#[test]
fn a_pair_that_would_grow_beyond_the_positions_stays_as_it_is() -> anyhow::Result<()> {
    let (corpus, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_corpus(corpus.path())?;
    let mut config = config(60);
    // The longest sentence, its tag and its end just fit; a doubled letter is one token more.
    config.batches.max_length = 23;
    config.model.max_positions = 25;
    config.run.accumulation = 1;
    config.augment = AugmentConfig { typing_errors: 1.0, ..Default::default() };
    let summary = run(&config, corpus.path(), out.path(), u64::MAX)?;
    assert_eq!(summary.ended, Ended::Finished);
    Ok(())
}
