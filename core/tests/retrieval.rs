//! Retrieval experts: what was stored comes out, and rows that do not ask keep their bits.

use std::collections::BTreeMap;

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::Context,
    directory::{Files, Loaded, TranslationParts, WeightFormat, save_translation},
    kernels::packed::Packing,
    models::translation::{Example, IGNORED, TranslationBatch, TranslationModel},
    params::ParamStore,
    register::{ExpertEntry, ExpertKind, Register, RowRoute},
    retrieval::{Builder, Section},
    tokenizer::Tokenizer,
    translate::{Translate, Translation, TranslationJob},
    translator::{Translator, TranslatorOptions},
    vocabulary::Side,
};

const STORED: [[&str; 2]; 3] =
    [["good day", "guten Tag"], ["the cat", "die Katze"], ["two words", "zwei Worte"]];

/// A model with random weights, from English to German and French, on disk.
fn base(folder: &std::path::Path) -> Result<Files> {
    let tokenizer = Tokenizer::from_pieces(&["en", "de", "fr"], &[" ".into()], Vec::new())?;
    let config = TranslationConfig {
        vocab_size: tokenizer.vocab_size(),
        d_model: 16,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 2,
        d_ff: 24,
        max_positions: 60,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 2,
            top_k: 2,
            shared_d_ff: 12,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let pairs = [("en", "de"), ("en", "fr")].map(|(a, b)| (a.into(), b.into()));
    let register = Register::for_pairs(&pairs, 4, 12, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 5);
    TranslationModel::new(&config, &register, &params)?;
    let parts = TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
    save_translation(folder, parts, &params, WeightFormat::F32)?;
    Ok(Files::Folder(folder.into()))
}

/// The states of [`STORED`] and the tokens that follow.
fn section(files: &Files) -> Result<Section> {
    let Loaded { model, params, vocabulary, .. } = files.load_translation(&Device::Cpu)?;
    params.iter().for_each(|param| param.set_trainable(false));
    let frame = vocabulary.frame("en", "de")?;
    let example = |[source, target]: [&str; 2]| {
        let source = vocabulary.encode(Side::Source, source);
        let target = vocabulary.encode(Side::Target, target);
        Example::new(RowRoute::from(0), [&source, &target], &frame, vocabulary.outputs())
    };
    let batch = TranslationBatch::new(&STORED.map(example), None);
    let output = model.forward(&batch, &Context::inference(Packing::Bf16))?;
    let hidden = output.hidden.flatten_all()?.to_vec1::<f32>()?;
    let mut builder = Builder::new(&hidden, 16);
    for (state, &label) in hidden.chunks_exact(16).zip(&batch.labels) {
        if label != IGNORED {
            builder.push(state, label, 0);
        }
    }
    Ok(builder.finish().0)
}

fn translator(files: &Files, beam_size: usize) -> Result<Translator> {
    let options = TranslatorOptions { beam_size, ..TranslatorOptions::default() };
    let entry = ExpertEntry::new("memory.desk".into(), ExpertKind::Retrieval, &[], 0);
    let entry = ExpertEntry { routes: vec!["en-de".into()], ..entry };
    let sections = BTreeMap::from([(0, section(files)?)]);
    Ok(Translator::open(files, options)?.with_retrieval(entry, sections)?)
}

fn job(text: &str, target: &str, domain: Option<&str>) -> TranslationJob {
    TranslationJob {
        source: "en".into(),
        target: target.into(),
        domains: domain.into_iter().map(String::from).collect(),
        text: text.into(),
        num_hypotheses: 1,
        trace: false,
        wanted: Default::default(),
    }
}

#[test]
fn what_was_stored_comes_out_and_rows_that_do_not_ask_keep_their_bits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = base(folder.path())?;
    for beam_size in [1, 3] {
        let options = TranslatorOptions { beam_size, ..TranslatorOptions::default() };
        let (plain, with) = (Translator::open(&files, options)?, translator(&files, beam_size)?);
        let mut jobs: Vec<TranslationJob> =
            STORED.iter().map(|[source, _]| job(source, "de", Some("desk"))).collect();
        let others = [job("good day", "de", None), job("the dog", "fr", None)];
        jobs.extend(others.clone());
        let found = with.translate(&jobs)?;
        for ([_, target], found) in STORED.iter().zip(&found) {
            assert_eq!(found.hypotheses[0].text, *target, "beam {beam_size}");
        }
        assert_eq!(&found[STORED.len()..], plain.translate(&others)?, "rows that do not ask");
        let alone: Vec<Translation> = (jobs.iter())
            .map(|job| Ok(with.translate(std::slice::from_ref(job))?.swap_remove(0)))
            .collect::<Result<_>>()?;
        assert_eq!(found, alone, "what stands beside a row changes nothing");
        assert!(with.added()["memory.desk"] > 0);
    }
    Ok(())
}

#[test]
fn it_covers_its_routes_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let with = translator(&base(folder.path())?, 1)?;
    assert_eq!(with.domains(), ["desk"]);
    assert!(with.covers("desk", "en", "de") && !with.covers("desk", "en", "fr"));
    let error = with.translate(&[job("the cat", "fr", Some("desk"))]).map(drop);
    assert!(error.is_err_and(|error| error.to_string().contains("en-de")));
    Ok(())
}
