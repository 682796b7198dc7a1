//! Dense models that are made sparse: by copying networks, and by joining copies that were trained apart.

use std::path::Path;

use candle::Device;
use dragoman_core::{
    Result,
    config::TranslationConfig,
    directory::{Files, TranslationParts, Upcycling, WeightFormat, join_copies, save_translation},
    kernels::packed::Packing,
    models::translation::TranslationModel,
    params::ParamStore,
    register::Register,
    tokenizer::Tokenizer,
    translate::{Translate, Translation, TranslationJob},
    translator::{Translator, TranslatorOptions},
};

/// Writes a small dense model.
fn dense(folder: &Path) -> Result<()> {
    let tokenizer = Tokenizer::from_pieces(&["en", "de"], &[" ".into()], Vec::new())?;
    let config = TranslationConfig {
        vocab_size: tokenizer.vocab_size(),
        d_model: 16,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 2,
        d_ff: 24,
        moe: None,
        ..TranslationConfig::default()
    };
    let pairs = [("en".to_string(), "de".to_string())];
    let register = Register::for_pairs(&pairs, 0, 8, &[]);
    let params = ParamStore::new(&Device::Cpu, 3);
    TranslationModel::new(&config, &register, &params)?;
    let parts = TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
    save_translation(folder, parts, &params, WeightFormat::F32)?;
    Ok(())
}

/// What the model in `files` answers to two texts, two hypotheses each.
fn answers(files: &Files) -> Result<Vec<Translation>> {
    let packing = Some(Packing::F32);
    let options = TranslatorOptions { packing, beam_size: 2, ..TranslatorOptions::default() };
    let job = |text: &str| TranslationJob {
        source: "en".into(),
        target: "de".into(),
        domains: Vec::new(),
        text: text.into(),
        num_hypotheses: 2,
        trace: false,
        wanted: Default::default(),
    };
    Translator::open(files, options)?.translate(&[job("a cat sleeps"), job("bread")])
}

fn assert_alike(before: &Files, after: &Files) -> Result<()> {
    for (before, after) in answers(before)?.iter().zip(&answers(after)?) {
        for (before, after) in before.hypotheses.iter().zip(&after.hypotheses) {
            assert_eq!(before.text, after.text);
            assert!((before.score - after.score).abs() < 1e-5, "{before:?} {after:?}");
        }
    }
    Ok(())
}

#[test]
fn a_model_that_was_made_sparse_translates_as_before() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (before, after) = (folder.path().join("dense"), folder.path().join("sparse"));
    dense(&before)?;
    let upcycling = Upcycling { experts: 4, ..Upcycling::default() };
    let before = Files::Folder(before);
    let register = upcycling.write(&before, &after)?;
    assert_eq!(register.experts.len(), 4);
    assert_eq!(register.experts[0].layers, ["encoder.1", "decoder.1"]);
    let after = Files::Folder(after);
    assert_alike(&before, &after)?;
    // A second time there is nothing left to make sparse.
    let again = upcycling.write(&after, &folder.path().join("again"));
    assert!(again.expect_err("it has experts").to_string().contains("experts already"));
    Ok(())
}

#[test]
fn equal_copies_make_a_model_that_translates_as_they_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (one, joined) = (folder.path().join("one"), folder.path().join("joined"));
    dense(&one)?;
    let files = Files::Folder(one);
    let register = join_copies(&[files.clone(), files.clone()], &joined, 5)?;
    assert_eq!(register.experts.len(), 2);
    assert_alike(&files, &Files::Folder(joined))?;
    let alone = join_copies(&[files], &folder.path().join("alone"), 5);
    assert!(alone.expect_err("one is none to join").to_string().contains("at least two"));
    Ok(())
}
