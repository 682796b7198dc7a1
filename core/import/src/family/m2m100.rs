//! The vocabularies of M2M100, SMaLL-100 and NLLB, whose tokens name the languages.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dragoman_core::{
    register::Register,
    vocabulary::{FramePart, LanguageOf, Outputs, Pieces, PiecesConfig, SideConfig},
};
use serde::Deserialize;

use super::{between, huggingface::Config, languages, sentencepiece, token_list};
use crate::{Error, Result, files};

const MODEL: &str = "sentencepiece.bpe.model";

#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    added_tokens_decoder: BTreeMap<u32, AddedToken>,
    #[serde(default)]
    tokenizer_class: String,
    #[serde(default)]
    legacy_behaviour: bool,
}

#[derive(Debug, Deserialize)]
struct AddedToken {
    #[serde(default)]
    id: u32,
    content: String,
}

#[derive(Debug, Default, Deserialize)]
struct SpecialTokens {
    #[serde(default)]
    additional_special_tokens: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Tokenizer {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

/// The vocabulary and the route of the model in `folder`.
pub(super) fn vocabulary(folder: &Path, config: &Config) -> Result<(Pieces, Register)> {
    let model = fs_err::read(folder.join(MODEL))?;
    let tokenizer: TokenizerConfig = optional(&folder.join("tokenizer_config.json"))?;
    let mut tokens = match folder.join("vocab.json") {
        path if path.is_file() => listed(&path)?,
        _ => of_model(&folder.join(MODEL), &model)?,
    };
    let plain = tokens.len();
    tokens.resize(config.vocab_size.max(plain), String::new());
    for (id, token) in added(folder, &tokenizer, plain)? {
        match tokens.get_mut(id as usize) {
            Some(place) => *place = token,
            None => {
                let reason = format!(
                    "the token `{token}` has the id {id}, but the model has {} tokens: its \
                     vocabulary is of another model",
                    config.vocab_size
                );
                return Err(Error::Unsupported(reason));
            }
        }
    }
    super::check_length(&folder.join(MODEL), tokens.len(), config.vocab_size)?;
    let languages = language_tokens(&tokens);
    if languages.is_empty() {
        let reason = "has no tokens of languages, such as `__de__` or `deu_Latn`";
        return Err(Error::file(folder, reason));
    }
    let unknown = tokens.iter().position(|token| token == "<unk>").unwrap_or(3) as u32;
    let mut special: BTreeSet<u32> = languages.values().copied().collect();
    special.extend([unknown, config.eos_token_id, config.pad_token_id, 0]);
    let (own, source) = (FramePart::Id, FramePart::Language(LanguageOf::Source));
    let target = FramePart::Language(LanguageOf::Target);
    let (end, first) = (own(config.eos_token_id), own(config.decoder_start_token_id));
    let is_small100 = tokenizer.tokenizer_class.to_lowercase().contains("small100");
    let (before, after, start) = match (is_small100, tokenizer.legacy_behaviour) {
        (true, _) => (vec![target], vec![end], vec![first]),
        (false, true) => (Vec::new(), vec![end, source], vec![first, target]),
        (false, false) => (vec![source], vec![end], vec![first, target]),
    };
    let pieces = PiecesConfig {
        source: SideConfig::sentencepiece(MODEL, "tokens.json"),
        target: None,
        unknown,
        special: special.into_iter().collect(),
        outputs: Outputs { end: config.eos_token_id, first: 0, banned: Vec::new() },
        before,
        after,
        start,
        languages: languages.clone(),
    };
    let own = BTreeMap::from([
        (MODEL.to_string(), model),
        ("tokens.json".to_string(), token_list(&tokens)),
    ]);
    Ok((super::vocabulary(pieces, own)?, between(languages.into_keys().collect())))
}

fn optional<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    if path.is_file() { files::json(path) } else { Ok(T::default()) }
}

/// M2M100's tokens: those of `vocab.json`.
fn listed(path: &Path) -> Result<Vec<String>> {
    let ids: BTreeMap<String, u32> = files::json(path)?;
    super::marian::tokens(path, ids.len())
}

/// NLLB's tokens: four special ones, then the pieces of the model behind its own three.
fn of_model(path: &Path, content: &[u8]) -> Result<Vec<String>> {
    let model = sentencepiece(path, content)?;
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(String::from);
    let pieces = (3..model.len() as u32).filter_map(|id| model.piece(id).map(String::from));
    Ok(special.into_iter().chain(pieces).collect())
}

/// Tokens that came to the list: as one of the files names their ids, else behind the others.
fn added(folder: &Path, tokenizer: &TokenizerConfig, plain: usize) -> Result<Vec<(u32, String)>> {
    let named = &tokenizer.added_tokens_decoder;
    if !named.is_empty() {
        return Ok(named.iter().map(|(&id, token)| (id, token.content.clone())).collect());
    }
    let whole: Tokenizer = optional(&folder.join("tokenizer.json"))?;
    if !whole.added_tokens.is_empty() {
        let token = |token: AddedToken| (token.id, token.content);
        return Ok(whole.added_tokens.into_iter().map(token).collect());
    }
    let special: SpecialTokens = optional(&folder.join("special_tokens_map.json"))?;
    Ok((plain as u32..).zip(special.additional_special_tokens).collect())
}

/// The tokens `__de__` and `deu_Latn`, by the code of the language.
pub(super) fn language_tokens(tokens: &[String]) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for (token, id) in tokens.iter().zip(0..) {
        let code = match token.strip_prefix("__").and_then(|rest| rest.strip_suffix("__")) {
            Some(code) if is_code(code) => languages::short(code),
            _ if is_nllb(token) => languages::short(token),
            _ => continue,
        };
        found.entry(code).or_insert(id);
    }
    found
}

fn is_code(code: &str) -> bool {
    (2..=4).contains(&code.len()) && code.chars().all(|c| c.is_ascii_lowercase())
}

/// Whether a token is a language of NLLB, such as `deu_Latn`.
fn is_nllb(token: &str) -> bool {
    let Some((language, script)) = token.split_once('_') else { return false };
    language.len() == 3
        && language.chars().all(|c| c.is_ascii_lowercase())
        && script.len() == 4
        && script.starts_with(|c: char| c.is_ascii_uppercase())
        && script[1..].chars().all(|c| c.is_ascii_lowercase())
}
