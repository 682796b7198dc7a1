//! Damaged and foreign sources: each is refused by name, and nothing is left behind.

mod tiny;
mod zip;

use std::path::Path;

use anyhow::Result;
use dragoman_core::{
    directory::Files,
    translate::{Translate, TranslationJob},
    translator::{Translator, TranslatorOptions},
};
use dragoman_import::{Request, import};
use zip::zipped;

fn english_to_german() -> Request {
    Request { from: Some("en".into()), to: Some("de".into()) }
}

/// The message with which `source` is refused; the folder beside it stays empty.
fn refused(source: &Path) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let error = import(source, &english_to_german(), &folder.path().join("model"));
    let left: Vec<_> = fs_err::read_dir(folder.path())?.collect();
    assert!(left.is_empty(), "{left:?} is left behind");
    Ok(error.expect_err("it is damaged").to_string())
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_whole_model_is_imported_and_translates() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source");
    tiny::write(&source)?;
    let out = folder.path().join("model");
    import(&source, &english_to_german(), &out)?;
    let translator = Translator::open(&Files::Folder(out.clone()), TranslatorOptions::default())?;
    assert_eq!(translator.languages(), ["de", "en"]);
    let job = TranslationJob {
        source: "en".into(),
        target: "de".into(),
        domains: Vec::new(),
        text: "a b".into(),
        num_hypotheses: 1,
        trace: true,
        wanted: Default::default(),
    };
    let found = translator.translate(&[job])?;
    assert_eq!(found[0].legs[0].route, "en-de");
    assert_eq!(found[0].legs[0].source.len(), 2, "two pieces: {:?}", found[0].legs[0].source);
    // A second import does not write over the first.
    let error = import(&source, &english_to_german(), &out).expect_err("it is there");
    assert_says(&error.to_string(), &["not empty"]);
    Ok(())
}

#[test]
fn a_model_of_one_direction_needs_its_languages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    tiny::write(&folder.path().join("source"))?;
    let out = folder.path().join("model");
    let error = import(&folder.path().join("source"), &Request::default(), &out);
    assert_says(&error.expect_err("en or de?").to_string(), &["--from", "--to"]);
    Ok(())
}

#[test]
fn a_zip_whose_paths_climb_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["../outside.txt", "/etc/outside.txt", "a/../../outside.txt", "a\\..\\b"] {
        let path = folder.path().join("package.argosmodel");
        zipped(&path, &[("en_de/metadata.json", b"{}"), (name, b"x")])?;
        assert_says(&refused(&path)?, &["package.argosmodel", name, "leads out"]);
    }
    zipped(&folder.path().join("none.argosmodel"), &[("readme.md", b"x")])?;
    assert_says(&refused(&folder.path().join("none.argosmodel"))?, &["metadata.json"]);
    fs_err::write(folder.path().join("text.argosmodel"), "no zip")?;
    assert_says(&refused(&folder.path().join("text.argosmodel"))?, &["is no zip archive"]);
    Ok(())
}

#[test]
fn a_truncated_model_is_refused_wherever_it_ends() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source");
    tiny::write(&source)?;
    let path = source.join("model.bin");
    let whole = fs_err::read(&path)?;
    for length in [0, 3, 5, 20, 60, whole.len() / 2, whole.len() - 1] {
        fs_err::write(&path, &whole[..length])?;
        assert_says(&refused(&source)?, &["model.bin", "truncated"]);
    }
    let mut future = whole.clone();
    future[0] = 9;
    fs_err::write(&path, &future)?;
    assert_says(&refused(&source)?, &["its version is 9", "2 to 6"]);
    Ok(())
}

#[test]
fn a_vocabulary_of_another_length_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source");
    tiny::write(&source)?;
    fs_err::write(source.join("shared_vocabulary.json"), r#"["<unk>", "<s>", "</s>", "a"]"#)?;
    assert_says(&refused(&source)?, &["has 4 tokens", "the model has 8", "another model"]);
    fs_err::remove_file(source.join("shared_vocabulary.json"))?;
    assert_says(&refused(&source)?, &["no vocabulary", "shared_vocabulary"]);
    Ok(())
}

const MARIAN: &str = r#"{ "model_type": "marian", "d_model": 8, "encoder_layers": 1,
    "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "vocab_size": 8, "pad_token_id": 7,
    "eos_token_id": 0, "decoder_start_token_id": 7 }"#;

#[test]
fn a_missing_shard_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("config.json"), MARIAN)?;
    assert_says(&refused(folder.path())?, &["holds no weights", "pytorch_model.bin"]);
    let index = folder.path().join("model.safetensors.index.json");
    let map = r#"{ "weight_map": { "model.shared.weight": "model-00002-of-00002.safetensors" } }"#;
    fs_err::write(&index, map)?;
    assert_says(
        &refused(folder.path())?,
        &["model-00002-of-00002.safetensors", "not in the folder"],
    );
    fs_err::write(&index, r#"{ "weight_map": { "a": "../b.safetensors" } }"#)?;
    assert_says(&refused(folder.path())?, &["../b.safetensors"]);
    Ok(())
}

#[test]
fn a_pickle_that_is_no_state_dict_is_refused_and_not_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pytorch_model.bin");
    fs_err::write(folder.path().join("config.json"), MARIAN)?;
    // Would make a file if it were run: `os.system("touch …")`.
    let made = folder.path().join("made");
    let command = format!("touch {}", made.display());
    let mut pickle = b"\x80\x02cos\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    zipped(&path, &[("archive/data.pkl", &pickle), ("archive/version", b"3\n")])?;
    assert_says(&refused(folder.path())?, &["pytorch_model.bin", "is no state dict"]);
    assert!(!made.exists(), "the pickle was run");
    fs_err::write(&path, "not a zip")?;
    assert_says(&refused(folder.path())?, &["pytorch_model.bin", "is no state dict"]);
    Ok(())
}

#[test]
fn an_unknown_architecture_is_named_with_those_that_are_known() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("config.json"), r#"{ "model_type": "t5" }"#)?;
    assert_says(&refused(folder.path())?, &["`t5`", "marian", "m2m_100", "nllb-moe"]);
    fs_err::write(folder.path().join("config.json"), r#"{ "model_type": "marian" }"#)?;
    assert_says(&refused(folder.path())?, &["config.json", "d_model"]);
    let empty = tempfile::tempdir()?;
    assert_says(&refused(empty.path())?, &["no kind that is known", "Argos", "Hugging Face"]);
    assert_says(&refused(&empty.path().join("none"))?, &["is not there"]);
    Ok(())
}
