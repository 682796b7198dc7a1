//! The layout of a `tokenizer.json`: which ids its tokens have, and the parts it is made of.

use std::collections::BTreeSet;

use serde_json::Value;
use tokenizers::{
    AddedToken, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    decoders::{
        DecoderWrapper, byte_fallback::ByteFallback, fuse::Fuse,
        sequence::Sequence as DecoderSequence, strip::Strip,
    },
    models::bpe::{BPE, Vocab},
    normalizers::{Prepend, Sequence as NormalizerSequence, unicode::NFC},
    pre_tokenizers::split::{Split, SplitPattern},
};

/// Fills a batch; never part of a text.
pub const PAD: u32 = 0;
/// Starts a sequence.
pub const START: u32 = 1;
/// Stands for nothing that can occur: every byte has a token.
pub const UNKNOWN: u32 = 2;
/// How many language tags there are, assigned or reserved.
pub const NUM_TAGS: usize = 64;

/// Ends a sequence: the one special token that a model may put out, and so the last of them.
pub const END: u32 = FIRST_TAG + NUM_TAGS as u32;

/// How many placeholders there are.
pub const NUM_PLACEHOLDERS: usize = 16;

pub(super) const FIRST_TAG: u32 = 3;
pub(super) const FIRST_BYTE: u32 = END + 1;
pub(super) const FIRST_PIECE: u32 = FIRST_BYTE + 256;

/// Where text may be cut before pieces are learned or looked up.
///
/// A word with the space before it and the apostrophe behind it (`l'`, ` don'`), a single digit, a
/// single `<` (no piece can look like a special token), a run of other signs, a run of blanks.
/// Each alternative is a plain regular expression, so long input takes linear time.
const PIECE_PATTERN: &str = r" ?[\p{L}\p{M}]+['’]?| ?\p{N}| ?<| ?[^\s\p{L}\p{M}\p{N}<]+|\s+";

/// The character that stands for the piece number `i` of a text, such as an address, which a model
/// copies and which is put back afterwards: U+E000 to U+E00F, of the private use area.
///
/// # Panics
/// Panics if there is no such placeholder.
pub fn placeholder(i: usize) -> char {
    assert!(i < NUM_PLACEHOLDERS, "there are {NUM_PLACEHOLDERS} placeholders, not {i}");
    char::from_u32(0xE000 + i as u32).expect("the private use area is valid")
}

/// Gives the special token `id` another name in a `tokenizer.json`.
pub(super) fn rename_special(json: &mut Value, id: u32, old: &str, new: String) {
    if let Some(vocab) = json["model"]["vocab"].as_object_mut() {
        vocab.remove(old);
        vocab.insert(new.clone(), id.into());
    }
    let added = json["added_tokens"].as_array_mut().into_iter().flatten();
    for token in added.filter(|token| token["id"] == id) {
        token["content"] = new.clone().into();
    }
}

/// Cuts text into the words of which pieces are parts, for training and for looking up.
pub fn pre_tokenizer() -> PreTokenizerWrapper {
    let pattern = SplitPattern::Regex(PIECE_PATTERN.into());
    Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
        .expect("the pattern is a valid regular expression")
        .into()
}

/// Composes characters (NFC) and puts a space before the text.
pub fn normalizer() -> NormalizerWrapper {
    NormalizerSequence::new(vec![NFC.into(), Prepend::new(" ".into()).into()]).into()
}

fn decoder() -> DecoderWrapper {
    let first_space = Strip::new(' ', 1, 0);
    DecoderSequence::new(vec![ByteFallback::new().into(), Fuse::new().into(), first_space.into()])
        .into()
}

/// Writes the `tokenizer.json` of a vocabulary.
pub(super) fn assemble(
    vocab: Vocab,
    merges: Vec<(String, String)>,
    special: Vec<String>,
) -> tokenizers::Result<String> {
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .unk_token("<unk>".into())
        .byte_fallback(true)
        .build()?;
    let mut inner = tokenizers::Tokenizer::new(model);
    inner.with_normalizer(Some(normalizer()))?;
    inner.with_pre_tokenizer(Some(pre_tokenizer()));
    inner.with_decoder(Some(decoder()));
    inner.add_special_tokens(special.into_iter().map(|token| AddedToken::from(token, true)))?;
    inner.to_string(false)
}

/// The tokens below the bytes, in the order of their ids.
pub(super) fn special_tokens(languages: &[&str]) -> Result<Vec<String>, String> {
    let languages: BTreeSet<&str> = languages.iter().copied().collect();
    if languages.len() > NUM_TAGS {
        return Err(format!("{} languages, but {NUM_TAGS} tags", languages.len()));
    }
    if let Some(code) = languages.iter().find(|code| !is_language_code(code)) {
        return Err(format!("`{code}` is not a language code such as `de` or `zh-Hans`"));
    }
    let reserved = NUM_TAGS - languages.len();
    Ok(["<pad>", "<s>", "<unk>"]
        .map(String::from)
        .into_iter()
        .chain(languages.into_iter().map(tag_token))
        .chain((0..reserved).map(|i| format!("<reserved_{i}>")))
        .chain(["</s>".into()])
        .collect())
}

pub(super) fn is_language_code(code: &str) -> bool {
    (2..=16).contains(&code.len())
        && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

pub(super) fn tag_token(code: &str) -> String {
    format!("<2{code}>")
}

pub(super) fn tag_language(token: &str) -> Option<&str> {
    token.strip_prefix("<2")?.strip_suffix('>').filter(|code| is_language_code(code))
}

pub(super) fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Refuses a tokenizer whose ids are not where this suite looks for them.
pub(super) fn check_layout(inner: &tokenizers::Tokenizer) -> Result<(), String> {
    let ModelWrapper::BPE(model) = inner.get_model() else {
        return Err("its model is not BPE".into());
    };
    if !model.byte_fallback || model.dropout.is_some() {
        return Err("its BPE must have `byte_fallback` and no `dropout`".into());
    }
    let expect = |id: u32, expected: &str| match inner.id_to_token(id) {
        Some(token) if token == expected => Ok(()),
        found => Err(format!("token {id} is {found:?} instead of `{expected}`")),
    };
    for (id, token) in [(PAD, "<pad>"), (START, "<s>"), (UNKNOWN, "<unk>"), (END, "</s>")] {
        expect(id, token)?;
    }
    for byte in 0..=255u8 {
        expect(FIRST_BYTE + u32::from(byte), &byte_token(byte))?;
    }
    let special = inner.get_added_tokens_decoder();
    for id in 0..FIRST_BYTE {
        let token = inner.id_to_token(id).unwrap_or_default();
        let is_tag = (FIRST_TAG..END).contains(&id);
        if is_tag && tag_language(&token).is_none() && !token.starts_with("<reserved_") {
            return Err(format!("token {id} is `{token}`, which is no language tag"));
        }
        if !special.get(&id).is_some_and(|token| token.special) {
            return Err(format!("token {id}, `{token}`, is not marked as special"));
        }
    }
    let vocab_size = inner.get_vocab_size(true) as u32;
    match (0..vocab_size).find(|&id| inner.id_to_token(id).is_none()) {
        Some(id) => Err(format!("it has {vocab_size} tokens, but none with the id {id}")),
        None => Ok(()),
    }
}
