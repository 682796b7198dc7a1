//! The vocabulary of Marian models as Hugging Face keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dragoman_core::{
    register::{Register, Route},
    vocabulary::{FramePart, LanguageOf, Outputs, Pieces, PiecesConfig, SideConfig},
};
use serde::Deserialize;

use super::{check_length, huggingface::Config, one_direction, token_list};
use crate::{Error, Result, files, plan::Request};

#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    source_lang: Option<String>,
    target_lang: Option<String>,
    #[serde(default)]
    separate_vocabs: bool,
}

/// The vocabulary and the routes of the model in `folder`.
pub(super) fn vocabulary(
    folder: &Path,
    config: &Config,
    request: &Request,
) -> Result<(Pieces, Register)> {
    let path = folder.join("tokenizer_config.json");
    let tokenizer: TokenizerConfig = match path.is_file() {
        true => files::json(&path)?,
        false => TokenizerConfig::default(),
    };
    let mut own = BTreeMap::new();
    for name in ["source.spm", "target.spm"] {
        own.insert(name.to_string(), fs_err::read(folder.join(name))?);
    }
    let tokens = tokens(&folder.join("vocab.json"), config.vocab_size)?;
    own.insert("tokens.json".into(), token_list(&tokens));
    let mut target_tokens = "tokens.json";
    let target_size = config.decoder_vocab_size.unwrap_or(config.vocab_size);
    if tokenizer.separate_vocabs {
        let targets = self::tokens(&folder.join("target_vocab.json"), target_size)?;
        own.insert("target-tokens.json".into(), token_list(&targets));
        target_tokens = "target-tokens.json";
    }
    let unknown = tokens.iter().position(|token| token == "<unk>").unwrap_or_default() as u32;
    let tags = tags(&tokens);
    let (languages, register) = match tags.is_empty() {
        true => {
            let (from, to) = (&tokenizer.source_lang, &tokenizer.target_lang);
            let pair = request.pair(from.as_deref(), to.as_deref())?;
            (BTreeMap::new(), one_direction(pair))
        }
        false => to_many(&tags, tokenizer.source_lang, request)?,
    };
    let mut before = Vec::new();
    if !tags.is_empty() {
        before.push(FramePart::Language(LanguageOf::Target));
    }
    let mut special: BTreeSet<u32> = tags.values().copied().collect();
    special.extend([unknown, config.eos_token_id, config.pad_token_id]);
    let banned = if config.pad_token_id as usize >= target_size {
        Vec::new()
    } else {
        vec![config.pad_token_id]
    };
    let side = SideConfig::sentencepiece;
    let pieces = PiecesConfig {
        source: side("source.spm", "tokens.json"),
        target: Some(side("target.spm", target_tokens)),
        unknown,
        special: special.into_iter().collect(),
        outputs: Outputs { end: config.eos_token_id, first: 0, banned },
        before,
        after: vec![FramePart::Id(config.eos_token_id)],
        start: vec![FramePart::Id(config.decoder_start_token_id)],
        languages,
    };
    Ok((super::vocabulary(pieces, own)?, register))
}

/// Tokens in the order of their ids, from a map of tokens to ids.
pub(super) fn tokens(path: &Path, size: usize) -> Result<Vec<String>> {
    let ids: BTreeMap<String, u32> = files::json(path)?;
    check_length(path, ids.len(), size)?;
    let mut tokens = vec![String::new(); size];
    for (token, id) in ids {
        match tokens.get_mut(id as usize) {
            Some(place) => *place = token,
            None => {
                let reason = format!("gives `{token}` the id {id}, but there are {size}");
                return Err(Error::file(path, reason));
            }
        }
    }
    Ok(tokens)
}

/// Tokens such as `>>deu<<`, which choose the language of the target.
fn tags(tokens: &[String]) -> BTreeMap<String, u32> {
    let tag = |(token, id): (&String, u32)| {
        let code = token.strip_prefix(">>")?.strip_suffix("<<")?;
        Some((super::languages::short(code), id))
    };
    tokens.iter().zip(0..).filter_map(tag).collect()
}

/// The routes of a model that chooses the target by a tag.
fn to_many(
    tags: &BTreeMap<String, u32>,
    source: Option<String>,
    request: &Request,
) -> Result<(BTreeMap<String, u32>, Register)> {
    let from = request.pair(source.as_deref(), Some("any"))?.0;
    let wanted = |code: &&String| request.to.as_ref().is_none_or(|to| to == *code);
    let route = |to: &String| Route {
        name: format!("{from}-{to}"),
        source: from.clone(),
        target: to.clone(),
        ..Route::default()
    };
    let routes: Vec<Route> = tags.keys().filter(wanted).map(route).collect();
    if routes.is_empty() {
        let known: Vec<&str> = tags.keys().map(String::as_str).collect();
        let reason = format!("the model has no tag for the target; it has {}", known.join(", "));
        return Err(Error::Unsupported(reason));
    }
    Ok((tags.clone(), Register { routes, ..Register::default() }))
}
