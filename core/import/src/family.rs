//! Families of models: how each names its tensors, cuts its text and begins its sentences.

pub(crate) mod bergamot;
pub(crate) mod ctranslate2;
pub(crate) mod huggingface;
pub(crate) mod languages;
pub(crate) mod m2m100;
pub(crate) mod marian;

use std::{collections::BTreeMap, path::Path};

use dragoman_core::{
    config::Activation,
    register::{Register, Route},
    sentencepiece::SentencePiece,
    vocabulary::{Pieces, PiecesConfig},
};

use crate::{Error, Result};

/// What is added to the logit of a row that only stands before the first token: its probability is 0,
/// in half precision as well.
pub(crate) const NEVER: f32 = -60_000.0;

/// The register of a model of one direction.
pub(crate) fn one_direction((source, target): (String, String)) -> Register {
    let route = Route { name: format!("{source}-{target}"), source, target, ..Route::default() };
    Register { routes: vec![route], ..Register::default() }
}

/// The register of a model that translates each of `languages` into each other.
pub(crate) fn between(languages: Vec<String>) -> Register {
    let route = Route { name: "any".into(), between: languages, ..Route::default() };
    Register { routes: vec![route], ..Register::default() }
}

/// The non-linearity that a configuration names.
pub(crate) fn activation(name: &str) -> Result<Activation> {
    match name {
        "relu" => Ok(Activation::Relu),
        "gelu" => Ok(Activation::Gelu),
        "swish" | "silu" => Ok(Activation::Silu),
        other => Err(Error::Unsupported(format!(
            "the activation `{other}` is not known; relu, gelu and swish are"
        ))),
    }
}

/// Reads a SentencePiece model, and names the file in errors.
pub(crate) fn sentencepiece(path: &Path, content: &[u8]) -> Result<SentencePiece> {
    SentencePiece::parse(content).map_err(|reason| {
        Error::file(path, format!("cannot be read as a SentencePiece model: {reason}"))
    })
}

/// A list of tokens as a file.
pub(crate) fn token_list(tokens: &[String]) -> Vec<u8> {
    serde_json::to_vec(tokens).unwrap_or_default() // strings can always be written
}

/// A vocabulary of files in memory.
pub(crate) fn vocabulary(config: PiecesConfig, files: BTreeMap<String, Vec<u8>>) -> Result<Pieces> {
    Ok(Pieces::new(config, |name| {
        files.get(name).cloned().ok_or_else(|| {
            dragoman_core::Error::Invalid(format!("the vocabulary has no file `{name}`"))
        })
    })?)
}

/// Refuses a list of tokens that is not as long as the model says.
pub(crate) fn check_length(path: &Path, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => {
            let reason =
                format!("has {found} tokens, but the model has {expected}: it is of another model");
            Err(Error::file(path, reason))
        }
    }
}
