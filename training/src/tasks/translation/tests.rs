//! Batches, gradients and warm starts of a small task.

use std::path::Path;

use candle::Device;
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::Context,
    directory::{Edit, Files},
    lexicon::{Entry, Lexicon},
    models::translation::TranslationBatch,
    tokenizer::END,
};
use dragoman_data::{
    corpus::Corpus,
    pack::{PackConfig, pack},
};

use super::{bias::BiasedBatch, *};
use crate::{
    evaluate::TestSet,
    task::{ExpertLoad, ExportNote, Task},
};

fn task(dir: &Path) -> anyhow::Result<TranslationTask> {
    let path = dir.join("en-de.tsv");
    fs_err::write(&path, "The dog runs fast.\tDer Hund rennt schnell.\n")?;
    let tokenizer = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new())?;
    tokenizer.save(dir.join("tokenizer.json"))?;
    let pack_config = PackConfig { corpora: vec![Corpus::from_name(&path)?], ..Default::default() };
    pack(&pack_config, &tokenizer, dir.join("corpus.bin"))?;
    let mut config = TrainConfig {
        precision: dragoman_core::kernels::matmul::Precision::F32,
        model: TranslationConfig {
            d_model: 16,
            num_heads: 2,
            encoder_layers: 2,
            decoder_layers: 2,
            d_ff: 32,
            moe: Some(MoeConfig {
                encoder_freq: 2,
                decoder_freq: 2,
                top_k: 2,
                shared_d_ff: 8,
                routing: None,
            }),
            ..TranslationConfig::default()
        },
        experts: ExpertsConfig { free: 3, d_ff: 8 },
        ..TrainConfig::default()
    };
    config.run.dropout = 0.0;
    // The balance of a batch is not the mean of the balances of its halves.
    config.run.loss.balance = 0.0;
    let paths = RunPaths { corpus: dir.into(), dev: dir.into(), out: dir.join("run"), quiet: true };
    Ok(TranslationTask::new(&config, &paths)?)
}

#[test]
fn a_run_can_start_from_a_model() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let first = task(dir.path())?;
    let model = dir.path().join("model");
    first.write_model(&model, &ExportNote { step: 1, evaluation: None })?;
    let mut config = first.config.clone();
    config.run.seed += 1;
    config.start_from = Some(model.clone());
    let paths = RunPaths {
        corpus: dir.path().into(),
        dev: dir.path().into(),
        out: dir.path().join("run"),
        quiet: true,
    };
    let second = TranslationTask::new(&config, &paths)?;
    for (a, b) in first.params.iter().zip(second.params.iter()) {
        let same = a.with_value(|a| b.with_value(|b| a == b))??;
        assert!(same, "{}", a.name());
    }
    config.model.d_ff += 1;
    let error = TranslationTask::new(&config, &paths).map(|_| ()).expect_err("another shape");
    assert!(error.to_string().contains("of another shape"), "{error}");
    Ok(())
}

#[test]
fn the_copy_on_the_cpu_is_the_same_model_with_weights_of_its_own() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let task = task(dir.path())?;
    let copy = task.copy_on_cpu()?;
    let example = task.example(&pair(0, "dog", "Hund")).expect("the direction is trained");
    let batch = TranslationBatch::new(&[example], None);
    let hidden = |model: &TranslationModel| -> anyhow::Result<Vec<f32>> {
        let context = Context::inference(task.config.precision);
        Ok(model.forward(&batch, &context)?.hidden.flatten_all()?.to_vec1()?)
    };
    let before = hidden(&copy)?;
    assert_eq!(before, hidden(&task.model)?);
    let weight = task.model.output_weight();
    weight.set(&(weight.tensor()? * 2.0)?)?;
    assert_ne!(before, hidden(&task.model)?);
    assert_eq!(before, hidden(&copy)?);
    Ok(())
}

fn pair(route: u32, source: &str, target: &str) -> SentencePair {
    let ids = |text: &str| text.bytes().map(|byte| 68 + u32::from(byte)).collect();
    SentencePair { route, source: ids(source), target: ids(target) }
}

/// The gradients of one step made of these micro-batches, by weight.
fn gradients(task: &TranslationTask, batches: &[&[Example]]) -> Result<Vec<Vec<f32>>> {
    let config = &task.config.run;
    let batch =
        |examples: &&[Example]| BiasedBatch::new(TranslationBatch::new(examples, None), &[]);
    let batches: Vec<_> = batches.iter().map(batch).collect();
    let labels = batches.iter().map(|batch| task.size(batch).labels).sum();
    for batch in &batches {
        let share = task.size(batch).labels as f64 / labels as f64;
        let losses = task.loss(batch, &Part { config, step: 1, index: 0, labels, share })?;
        task.params.collect(&losses.total.backward()?)?;
    }
    let grads = task.params.iter().map(|param| param.with_grad(|grad| grad.to_vec())).collect();
    task.params.zero_grads();
    Ok(grads)
}

#[test]
fn two_half_batches_are_one_batch() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let task = task(dir.path())?;
    let pairs = [
        pair(0, "the dog", "der Hund"),
        pair(1, "ein alter Baum", "an old tree"),
        pair(0, "snow", "Schnee"),
        pair(1, "gut", "good"),
    ];
    let examples: Vec<_> = pairs.into_iter().filter_map(|pair| task.example(&pair)).collect();
    let whole = gradients(&task, &[&examples])?;
    let halves = gradients(&task, &[&examples[..1], &examples[1..]])?;
    let largest = whole.iter().flatten().fold(0f32, |max, g| max.max(g.abs()));
    for ((param, whole), halves) in task.params.iter().zip(&whole).zip(&halves) {
        for (a, b) in whole.iter().zip(halves) {
            // The z-loss is a mean over all tokens, not over labels: it differs a little.
            assert!((a - b).abs() < 1e-3 * largest, "{}: {a} {b}", param.name());
        }
    }
    Ok(())
}

#[test]
fn every_weight_learns() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let task = task(dir.path())?;
    let pairs = (0..40).map(|i| {
        let text: String =
            (0..12).map(|j| char::from(b'a' + ((i * 7 + j * 5) % 26) as u8)).collect();
        pair(i % 2, &text, &text)
    });
    let examples: Vec<_> = pairs.filter_map(|pair| task.example(&pair)).collect();
    let grads = gradients(&task, &[&examples])?;
    for (param, grad) in task.params.iter().zip(grads) {
        let size = grad.iter().map(|g| g.abs()).sum::<f32>() / grad.len() as f32;
        assert!(size > 1e-9, "the gradient of `{}` is {size:e}", param.name());
    }
    Ok(())
}

#[test]
fn a_pair_gets_its_tag_and_its_end() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let task = task(dir.path())?;
    let into_german = ("en".to_string(), "de".to_string());
    let route = task.corpus.routes().iter().position(|route| *route == into_german);
    let route = route.expect("the corpus serves both directions") as u32;
    let example = task.example(&pair(route, "a", "b")).expect("the direction is trained");
    let german = task.vocabulary.frame("en", "de")?.start[0];
    let (a, b) = (68 + u32::from(b'a'), 68 + u32::from(b'b'));
    assert_eq!(example.source, [german, a, END]);
    assert_eq!(example.target, [german, b]);
    assert_eq!(example.labels, [b, END]);
    Ok(())
}

#[test]
fn a_lexicon_favours_the_tokens_that_the_search_would() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut first = task(dir.path())?;
    let model = dir.path().join("model");
    first.write_model(&model, &ExportNote { step: 1, evaluation: None })?;
    first.config.lexicon_from = Some(model.clone());
    let paths = RunPaths {
        corpus: dir.path().into(),
        dev: dir.path().into(),
        out: dir.path().join("run"),
        quiet: true,
    };
    let error = TranslationTask::new(&first.config, &paths).map(|_| ()).expect_err("it has none");
    assert!(error.to_string().contains("`dragoman model lexicon`"), "{error}");

    let mut lexicon = Lexicon::default();
    let entry = Entry { is_common: false, forms: vec![("Hund".into(), 0.5)] };
    lexicon.insert("en-de", &[("dog".to_owned(), entry)].into());
    Edit::open(&model)?.commit_lexicon(Some(&lexicon))?;
    let mut task = TranslationTask::new(&first.config, &paths)?;
    let english = task.directions.iter().flatten().position(|d| d.name == "en-de");
    let route = english.expect("the corpus has this direction") as u32;
    let pair = SentencePair {
        route,
        source: task.vocabulary.encode(dragoman_core::vocabulary::Side::Source, "a dog"),
        target: task.vocabulary.encode(dragoman_core::vocabulary::Side::Target, "ein Hund da"),
    };
    let example = task.example(&pair).expect("the direction is trained");
    let bonuses = task.bonuses_of(&pair, &example);
    let word = task.vocabulary.encode(dragoman_core::vocabulary::Side::Target, "Hund");
    let begin = pair.target.windows(word.len()).position(|window| window == word);
    let begin = begin.expect("the word stands there");
    assert_eq!(bonuses.len(), example.labels.len());
    let tokens = |row: &Vec<(u32, f32)>| row.iter().map(|(token, _)| *token).collect::<Vec<_>>();
    assert_eq!(tokens(&bonuses[0]), [word[0]]);
    for (n, token) in word.iter().enumerate() {
        assert_eq!(tokens(&bonuses[begin + n]), [*token]);
    }
    // It stands there once another word has begun behind it.
    let behind = &bonuses[begin + word.len() + 1..];
    assert!(behind.iter().all(Vec::is_empty) && !behind.is_empty(), "{behind:?}");

    // The loss is that of the biased logits, and what is written has the lexicon.
    let batch = |bonuses: &[Vec<Vec<(u32, f32)>>]| {
        BiasedBatch::new(TranslationBatch::new(std::slice::from_ref(&example), None), bonuses)
    };
    let labels = example.labels.len();
    let config = task.config.run.clone();
    let part = Part { config: &config, step: 1, index: 0, labels, share: 1.0 };
    let nll = |batch: &BiasedBatch| -> Result<f64> { Ok(task.loss(batch, &part)?.figures.nll) };
    assert!(nll(&batch(&[bonuses]))? < nll(&batch(&[]))?);
    task.next_batch()?;
    let written = dir.path().join("written");
    task.write_model(&written, &ExportNote { step: 1, evaluation: None })?;
    let files = Files::Folder(written);
    assert_eq!(files.lexicon(&files.register()?)?, Some(lexicon));

    // Development sets are translated and weighed with it, and experts of the model learn with it.
    let texts = |text: &str| vec![text.to_owned()];
    let set = TestSet {
        name: "dev".into(),
        pair: "en-de".parse()?,
        sources: texts("a dog"),
        references: texts("Hund"),
    };
    let weight = task.model.output_weight();
    weight.set(&(weight.tensor()? * 0.0)?)?; // without a bonus, all tokens are alike
    let judged = |task: &TranslationTask| -> anyhow::Result<(bool, f64)> {
        let load = &mut ExpertLoad::default();
        let found = task.translate(&task.model, &set.sources, &set.pair, load)?;
        Ok((found[0].contains("Hund"), task.nats_per_character(&task.model, &set)?))
    };
    let (found, nats) = judged(&task)?;
    let loaded = files.load_translation(&Device::Cpu)?;
    let directions = [("en".to_owned(), "de".to_owned())];
    let expert =
        TranslationTask::of_expert(&task.config, loaded, "pair.en-de", &directions, &paths)?;
    assert!(expert.bias.is_some());
    task.bias = None;
    let (found_without, nats_without) = judged(&task)?;
    assert!(found && !found_without, "with: {found}, without: {found_without}");
    assert!(nats < nats_without, "{nats} with, {nats_without} without");
    Ok(())
}
