//! A model ten times larger than its budget answers with the same bits, and stays within it.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    directory::{Files, TranslationParts, WeightFormat, save_translation},
    memory::MemoryStats,
    models::translation::TranslationModel,
    params::ParamStore,
    register::Register,
    tokenizer::Tokenizer,
    translate::{Translate, Translation, TranslationJob},
    translator::{Translator, TranslatorOptions},
};

const LANGUAGES: [&str; 5] = ["de", "en", "es", "fr", "nl"];

/// A model of twenty routes, each with an expert of its own in two layers.
fn saved(folder: &Path) -> Result<()> {
    let letters = ('a'..='z').map(String::from).collect::<Vec<_>>();
    let tokenizer = Tokenizer::from_pieces(&LANGUAGES, &letters, Vec::new())?;
    let config = TranslationConfig {
        vocab_size: tokenizer.vocab_size(),
        d_model: 32,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 2,
        d_ff: 64,
        max_positions: 32,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 2,
            top_k: 2,
            shared_d_ff: 32,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let mut pairs = Vec::new();
    for source in LANGUAGES {
        let others = LANGUAGES.iter().filter(|&&target| target != source);
        pairs.extend(others.map(|target| (source.to_string(), (*target).to_string())));
    }
    let register = Register::for_pairs(&pairs, 4, 64, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 3);
    TranslationModel::new(&config, &register, &params)?;
    let parts = TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
    save_translation(folder, parts, &params, WeightFormat::F16)?;
    Ok(())
}

fn jobs() -> Vec<TranslationJob> {
    let job = |source: &str, target: &str| TranslationJob {
        source: source.into(),
        target: target.into(),
        domains: Vec::new(),
        text: "a word of a few".into(),
        num_hypotheses: 1,
        trace: true,
        wanted: Default::default(),
    };
    let targets = |source| LANGUAGES.into_iter().filter(move |target| *target != source);
    LANGUAGES.into_iter().flat_map(|s| targets(s).map(move |t| job(s, t))).collect()
}

fn open(folder: &Path, expert_memory: Option<usize>) -> Result<Translator> {
    let options = TranslatorOptions { expert_memory, ..TranslatorOptions::default() };
    Ok(Translator::open(&Files::Folder(folder.into()), options)?)
}

fn one_by_one(translator: &Translator) -> Result<Vec<Translation>> {
    let mut answers = Vec::new();
    for job in jobs() {
        answers.extend(translator.translate(&[job])?);
    }
    Ok(answers)
}

fn stats(translator: &Translator) -> MemoryStats {
    translator.memory().expect("a model that was opened has a memory")
}

#[test]
fn a_model_ten_times_its_budget_answers_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    saved(folder.path())?;
    let whole = open(folder.path(), None)?;
    let expected = one_by_one(&whole)?;
    let all = stats(&whole);
    assert_eq!((all.budget_bytes, all.evictions), (0, 0));

    let budget = all.resident_bytes as usize / 10;
    let unit = all.resident_bytes / all.resident_units;
    let small = open(folder.path(), Some(budget))?;
    for (i, job) in jobs().into_iter().enumerate() {
        assert_eq!(small.translate(&[job])?, expected[i..=i]);
        assert!(stats(&small).resident_bytes <= budget as u64 + unit);
    }
    let stats = stats(&small);
    assert!(stats.evictions > 20 && stats.misses + stats.prefetched > all.misses, "{stats:?}");
    Ok(())
}

#[test]
fn a_route_reads_no_experts_but_its_own() -> Result<()> {
    let folder = tempfile::tempdir()?;
    saved(folder.path())?;
    let translator = open(folder.path(), None)?;
    assert_eq!(stats(&translator).resident_units, 0);
    let job = jobs().remove(0);
    let own = format!("pair.{}-{}", job.source, job.target);
    let answer = &translator.translate(&[job])?[0];
    let tokens = answer.legs.iter().flat_map(|leg| leg.source.iter().chain(&leg.target));
    let visits = tokens.flat_map(|token| &token.layers).flat_map(|layer| &layer.experts);
    let visited: BTreeSet<&str> = visits.map(|visit| visit.name.as_str()).collect();
    assert!(visited.iter().all(|name| name.starts_with("free.") || *name == own), "{visited:?}");
    // Five experts in each of two layers is all that a route can reach.
    assert!((1..=10).contains(&stats(&translator).resident_units));
    Ok(())
}

#[test]
fn a_file_that_is_gone_is_an_error_that_names_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    saved(folder.path())?;
    let translator = open(folder.path(), None)?;
    std::fs::remove_dir_all(folder.path().join("experts"))?;
    let error = translator.translate(&jobs()[..1]).expect_err("no experts");
    assert!(error.to_string().contains("experts/"), "{error}");
    Ok(())
}
