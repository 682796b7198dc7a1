//! A model folder with something wrong in it: the message names the file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dragoman_core::tokenizer::Tokenizer;
use dragoman_e2e::{Dragoman, Options, model};
use serde_json::Value;

/// What `dragoman model check` says about the model after `change`.
fn check(change: impl Fn(&Path) -> Result<()>) -> Result<String> {
    let folder = tempfile::tempdir()?;
    model::copy(folder.path())?;
    change(folder.path())?;
    Dragoman::new(["model", "check", "--model"])?.args([folder.path()]).failure()
}

/// The file of an expert.
fn expert(dir: &Path) -> Result<PathBuf> {
    let register: Value = serde_json::from_slice(&fs_err::read(dir.join("experts.json"))?)?;
    let file = register["experts"][0]["file"].as_str().context("the first expert's file")?;
    Ok(dir.join(file))
}

fn change_config(dir: &Path, field: &str, value: Value) -> Result<()> {
    let path = dir.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs_err::read(&path)?)?;
    config[field] = value;
    Ok(fs_err::write(path, config.to_string())?)
}

#[test]
fn a_whole_folder_is_found_whole() -> Result<()> {
    let stdout = Dragoman::new(["model", "check", "--model"])?.args([model::dir()?]).stdout()?;
    assert_eq!(stdout, "every file is whole: 8 experts, 4 routes\n");
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    for name in ["config.json", "tokenizer.json", "shared.safetensors", "experts.json"] {
        let error = check(|dir| Ok(fs_err::remove_file(dir.join(name))?))?;
        assert!(error.contains(name) && error.contains("missing"), "{error}");
    }
    let error = check(|dir| Ok(fs_err::remove_file(expert(dir)?)?))?;
    assert!(error.contains("experts/") && error.contains("missing"), "{error}");
    Ok(())
}

#[test]
fn a_truncated_file_is_named() -> Result<()> {
    for name in ["config.json", "tokenizer.json", "shared.safetensors", "experts.json"] {
        let error = check(|dir| {
            let path = dir.join(name);
            let content = fs_err::read(&path)?;
            Ok(fs_err::write(path, &content[..content.len() / 2])?)
        })?;
        assert!(error.contains(name), "{error}");
    }
    Ok(())
}

#[test]
fn an_altered_file_is_named() -> Result<()> {
    let flip = |path: &Path| {
        let mut content = fs_err::read(path)?;
        let last = content.last_mut().context("a file with something in it")?;
        *last ^= 1;
        anyhow::Ok(fs_err::write(path, content)?)
    };
    let error = check(|dir| flip(&dir.join("shared.safetensors")))?;
    assert!(error.contains("shared.safetensors") && error.contains("sha256"), "{error}");
    let error = check(|dir| flip(&expert(dir)?))?;
    assert!(error.contains("experts/") && error.contains("sha256"), "{error}");
    Ok(())
}

#[test]
fn a_config_that_contradicts_itself_is_named() -> Result<()> {
    for (field, value, named) in [
        ("num_heads", serde_json::json!(3), "num_heads 3"),
        ("num_experts", 8.into(), "num_experts"),
        ("kind", "poetry".into(), "poetry"),
        ("vocab_size", 999.into(), "999"),
    ] {
        let error = check(|dir| change_config(dir, field, value.clone()))?;
        assert!(error.contains(named) && error.contains(".json"), "{error}");
    }
    // One that is consistent, but not what the weights are made for.
    let error = check(|dir| change_config(dir, "d_ff", 64.into()))?;
    assert!(error.contains("encoder.0.feed_forward"), "the weight is named: {error}");
    Ok(())
}

#[test]
fn a_tokenizer_of_another_model_is_named() -> Result<()> {
    let other = Tokenizer::from_pieces(&["de", "en", "fr"], &[], Vec::new())?;
    let error = check(|dir| Ok(other.save(dir.join("tokenizer.json"))?))?;
    assert!(error.contains("tokenizer.json") && error.contains("another model"), "{error}");
    Ok(())
}

#[test]
fn a_server_refuses_it_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("model");
    model::copy(&dir)?;
    fs_err::remove_file(dir.join("shared.safetensors"))?;
    let options = Options { model: Some(dir), ..Options::default() };
    let error = options.command(folder.path())?.failure()?;
    assert!(error.contains("shared.safetensors"), "{error}");
    let options = Options { model: Some("/no/such/folder".into()), ..Options::default() };
    let error = options.command(folder.path())?.failure()?;
    assert!(error.contains("/no/such/folder"), "{error}");
    Ok(())
}

#[test]
fn experts_are_listed_and_shown() -> Result<()> {
    let model = model::dir()?;
    let expert = |args: &[&str]| {
        anyhow::Ok(
            Dragoman::new(["expert"])?.args(args).args(["--model".as_ref(), model.as_os_str()]),
        )
    };
    let list = expert(&["list"])?.stdout()?;
    for name in ["free.3", "pair.de-en", "encoder.1, decoder.0"] {
        assert!(list.contains(name), "{list}");
    }
    let shown: Value = serde_json::from_str(&expert(&["show", "pair.en-de"])?.stdout()?)?;
    assert_eq!(shown["kind"], "pair");
    let error = expert(&["show", "pair.en-xx"])?.failure()?;
    assert!(error.contains("`pair.en-xx`") && error.contains("pair.en-de"), "{error}");
    Ok(())
}
