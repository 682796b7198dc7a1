//! Text to token ids and back, exactly: what goes in comes out, whatever the script.
//!
//! A tokenizer is a Hugging Face `tokenizer.json` with ids in a fixed layout:
//!
//! | ids | tokens |
//! |---|---|
//! | 0, 1, 2 | `<pad>`, `<s>`, `<unk>` |
//! | 3..67 | 64 language tags: `<2de>`, `<2en>`, … then `<reserved_0>`, … for languages to come |
//! | 67 | `</s>`; it and all after it are what a model may put out |
//! | 68..324 | the bytes `<0x00>` to `<0xFF>`, for characters outside the alphabet |
//! | 324.. | learned pieces |
//! | the last 16 | placeholders, in tokenizers that have them: [`placeholder`] |
//!
//! Pieces hold their leading space (` the`), and every text is encoded as if a space stood before
//! it, so that a word is the same piece at the start of a sentence as in its middle.

mod layout;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use layout::{
    END, NUM_PLACEHOLDERS, NUM_TAGS, PAD, START, UNKNOWN, normalizer, placeholder, pre_tokenizer,
};
use rayon::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use layout::{
    FIRST_PIECE, FIRST_TAG, assemble, byte_token, check_layout, is_language_code, rename_special,
    special_tokens, tag_language, tag_token,
};

/// An error of the tokenizer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum TokenizerError {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// The file is no tokenizer, or not one with the layout of this suite.
    #[error("`{path}` is not a tokenizer of this suite: {reason}")]
    Invalid { path: PathBuf, reason: String },

    /// A tokenizer cannot be put together from these parts.
    #[error("cannot build a tokenizer: {0}")]
    Build(String),

    /// A language cannot take this tag.
    #[error("cannot give the tag {id} to the language `{code}`: {reason}")]
    Tag { code: String, id: u32, reason: String },
}

/// Cuts text into pieces and puts it together again.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tags: BTreeMap<String, u32>,
    json: Arc<[u8]>,
    sha256: String,
}

impl Tokenizer {
    /// Loads the `tokenizer.json` at `path`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let path = path.as_ref();
        let json = fs_err::read(path)?;
        Self::parse(json).map_err(|reason| TokenizerError::Invalid { path: path.into(), reason })
    }

    /// Loads a tokenizer from the bytes of a `tokenizer.json`.
    pub fn from_bytes(json: &[u8]) -> Result<Self, TokenizerError> {
        Self::parse(json.to_vec())
            .map_err(|reason| TokenizerError::Invalid { path: "tokenizer.json".into(), reason })
    }

    /// Puts a tokenizer together from learned `pieces`, in the order of their ids, and the
    /// `merges` that make them, most frequent first.
    ///
    /// Every piece is a single character or the result of a merge. Without any pieces the
    /// tokenizer works on bytes, which is enough for tests.
    pub fn from_pieces(
        languages: &[&str],
        pieces: &[String],
        merges: Vec<(String, String)>,
    ) -> Result<Self, TokenizerError> {
        let special = special_tokens(languages).map_err(TokenizerError::Build)?;
        let vocab: BTreeMap<String, u32> = (special.iter().cloned())
            .chain((0..=255u8).map(byte_token))
            .chain(pieces.iter().cloned())
            .zip(0..)
            .collect();
        if vocab.len() != FIRST_PIECE as usize + pieces.len() {
            return Err(TokenizerError::Build("a piece occurs twice or is a special token".into()));
        }
        let json = assemble(vocab.into_iter().collect(), merges, special)
            .map_err(|error| TokenizerError::Build(error.to_string()))?;
        Self::parse(json.into_bytes()).map_err(TokenizerError::Build)
    }

    fn parse(json: Vec<u8>) -> Result<Self, String> {
        let mut inner =
            tokenizers::Tokenizer::from_bytes(&json).map_err(|error| error.to_string())?;
        check_layout(&inner)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| error.to_string())?;
        inner.set_encode_special_tokens(true); // special tokens in a text are text

        let tags = (FIRST_TAG..END)
            .filter_map(|id| Some((tag_language(&inner.id_to_token(id)?)?.to_owned(), id)))
            .collect();
        let sha256 = format!("{:x}", Sha256::digest(&json));
        Ok(Self { inner, tags, json: json.into(), sha256 })
    }

    /// Writes the `tokenizer.json` to `path`, byte for byte as it was loaded.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TokenizerError> {
        Ok(fs_err::write(path.as_ref(), &self.json)?)
    }

    /// Encodes a text, without a tag or an end token; a literal `</s>` or `<2de>` in it is text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false);
        encoding.expect("a checked tokenizer has a token for every byte").get_ids().to_vec()
    }

    /// Encodes many texts on all threads.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// Decodes `ids`, leaving out special tokens, tags and ids outside the vocabulary.
    ///
    /// `decode(encode(text))` is `text` in NFC. Bytes that are no valid UTF-8 become `�`.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, true).expect("the decoder takes any tokens")
    }

    /// Names the token `id`, for display: ` the`, `<0xE2>`, `</s>`, `<2de>`.
    pub fn token(&self, id: u32) -> Option<String> {
        match self.tags.iter().find(|&(_, &tag)| tag == id) {
            Some((code, _)) => Some(tag_token(code)),
            None => self.inner.id_to_token(id),
        }
    }

    /// Number of tokens, `V`.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether a model may put out `id`: pieces, bytes and `</s>`; no tags, no reserved tokens.
    pub fn is_output(&self, id: u32) -> bool {
        (END..self.vocab_size() as u32).contains(&id)
    }

    /// The first id after the special tokens and tags: from here on every id is text.
    pub fn first_output(&self) -> u32 {
        END
    }

    /// The tag that asks for a translation into the language `code`.
    pub fn language_tag(&self, code: &str) -> Option<u32> {
        self.tags.get(code).copied()
    }

    /// The languages that have a tag, in alphabetical order.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().map(String::as_str)
    }

    /// The reserved tags that no language has taken, lowest first.
    pub fn free_tags(&self) -> Vec<u32> {
        let taken: BTreeSet<u32> = self.tags.values().copied().collect();
        (FIRST_TAG..END).filter(|id| !taken.contains(id)).collect()
    }

    /// Gives the reserved tag `id` to the language `code`, in memory: the file stays as it is,
    /// and the register of experts remembers who took which tag.
    pub fn assign_language(&mut self, code: &str, id: u32) -> Result<(), TokenizerError> {
        let refuse = |reason: String| TokenizerError::Tag { code: code.into(), id, reason };
        if !is_language_code(code) {
            return Err(refuse("a code has letters, digits, `-` and `_`".into()));
        }
        if !(FIRST_TAG..END).contains(&id) {
            return Err(refuse(format!("tags are {FIRST_TAG} to {}", END - 1)));
        }
        if let Some((owner, _)) = self.tags.iter().find(|&(_, &tag)| tag == id) {
            return match owner == code {
                true => Ok(()),
                false => Err(refuse(format!("`{owner}` has it already"))),
            };
        }
        if let Some(&tag) = self.tags.get(code) {
            return Err(refuse(format!("the language has the tag {tag} already")));
        }
        self.tags.insert(code.to_owned(), id);
        Ok(())
    }

    /// Whether each placeholder is one token, as in models that were trained to copy them.
    ///
    /// Where they are not, a placeholder is spelled in bytes like any rare character.
    pub fn has_placeholders(&self) -> bool {
        (0..NUM_PLACEHOLDERS)
            .all(|i| self.inner.token_to_id(placeholder(i).encode_utf8(&mut [0; 4])).is_some())
    }

    /// The same tokenizer with a tag for each of `languages` and a token for each placeholder.
    ///
    /// Languages without a tag take the lowest reserved ones, placeholders the ids after the last.
    /// All other tokens keep their ids, so that the weights of a model can be taken over.
    pub fn extended(&self, languages: &[&str]) -> Result<Self, TokenizerError> {
        let mut grown = self.clone();
        for code in languages.iter().filter(|code| self.language_tag(code).is_none()) {
            let free = grown.free_tags().first().copied().unwrap_or(END);
            grown.assign_language(code, free)?;
        }
        let mut json: Value = serde_json::from_slice(&self.json).expect("a tokenizer is JSON");
        for (code, id) in grown.tags {
            let (old, new) = (self.token(id).unwrap_or_default(), tag_token(&code));
            if old != new {
                rename_special(&mut json, id, &old, new);
            }
        }
        if !self.has_placeholders() {
            let vocab = json["model"]["vocab"].as_object_mut();
            let vocab =
                vocab.ok_or_else(|| TokenizerError::Build("it has no vocabulary".into()))?;
            let tokens = (0..NUM_PLACEHOLDERS).map(|i| placeholder(i).to_string());
            vocab.extend(tokens.zip((self.vocab_size()..).map(Value::from)));
        }
        Self::parse(json.to_string().into_bytes()).map_err(TokenizerError::Build)
    }

    /// Whether all tokens of `old` that can be part of a text have the same ids here, and its
    /// languages the same tags: then a model that was trained with `old` can go on with this one.
    pub fn extends(&self, old: &Self) -> bool {
        let tags = old.tags.iter().all(|(code, id)| self.tags.get(code) == Some(id));
        tags && (END..old.vocab_size() as u32)
            .all(|id| old.inner.id_to_token(id) == self.inner.id_to_token(id))
    }

    /// SHA-256 of the `tokenizer.json`, in hexadecimal: the fingerprint that a model and a packed
    /// corpus must share.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The bytes of the `tokenizer.json`.
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};
    use proptest::prelude::*;

    use super::*;

    /// A tokenizer over bytes and the pieces ` `, `d`, `e`, `r`, ` d`, ` de`, ` der`.
    fn tiny() -> Result<Tokenizer> {
        let pieces = [" ", "d", "e", "r", " d", " de", " der"].map(String::from);
        let merges = [(" ", "d"), (" d", "e"), (" de", "r")];
        let merges = merges.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        Ok(Tokenizer::from_pieces(&["en", "de"], &pieces, merges)?)
    }

    #[test]
    fn ids_are_laid_out_as_documented() -> Result<()> {
        let tokenizer = tiny()?;
        let token = |id| tokenizer.token(id).unwrap_or_default();
        assert_eq!([0, 1, 2, 67].map(token), ["<pad>", "<s>", "<unk>", "</s>"]);
        assert_eq!([3, 4, 5, 66].map(token), ["<2de>", "<2en>", "<reserved_0>", "<reserved_61>"]);
        assert_eq!([68, 323, 324].map(token), ["<0x00>", "<0xFF>", " "]);
        assert_eq!(tokenizer.vocab_size(), 324 + 7);
        assert_eq!(tokenizer.token(331), None);
        assert_eq!(tokenizer.language_tag("en"), Some(4));
        assert_eq!(tokenizer.languages().collect::<Vec<_>>(), ["de", "en"]);
        Ok(())
    }

    #[test]
    fn only_text_and_the_end_are_output() -> Result<()> {
        let tokenizer = tiny()?;
        let output: Vec<u32> = (0..400).filter(|&id| tokenizer.is_output(id)).collect();
        assert_eq!(output, (67..331).collect::<Vec<_>>());
        assert_eq!(tokenizer.first_output(), 67);
        Ok(())
    }

    #[test]
    fn a_word_is_one_piece_wherever_it_stands() -> Result<()> {
        assert_eq!(tiny()?.encode("der der"), [330, 330]);
        Ok(())
    }

    #[test]
    fn special_tokens_in_a_text_are_text() -> Result<()> {
        let tokenizer = tiny()?;
        for text in ["</s>", "<2de>", "a <pad> b", "<0x41>", "<reserved_0>", "<unk>", "▁der ▁"]
        {
            let ids = tokenizer.encode(text);
            assert!(ids.iter().all(|&id| id >= 68), "{text} became {ids:?}");
            assert_eq!(tokenizer.decode(&ids), text);
        }
        Ok(())
    }

    #[test]
    fn decoding_leaves_out_specials_and_mends_broken_bytes() -> Result<()> {
        let tokenizer = tiny()?;
        let [first, second] = [0xC3u32, 0xA9].map(|byte| 68 + byte);
        assert_eq!(tokenizer.decode(&[5, 330, first, second, END, 0, 9999]), "deré");
        assert_eq!(tokenizer.decode(&[330, first]), "der�");
        assert_eq!(tokenizer.decode(&[]), "");
        Ok(())
    }

    #[test]
    fn a_new_language_takes_a_reserved_tag() -> Result<()> {
        let mut tokenizer = tiny()?;
        let id = *tokenizer.free_tags().first().context("62 tags are free")?;
        tokenizer.assign_language("fr", id)?;
        tokenizer.assign_language("fr", id)?; // the same again is no change
        assert_eq!(
            (tokenizer.language_tag("fr"), tokenizer.token(id)),
            (Some(5), Some("<2fr>".into()))
        );
        for (code, id) in [("it", 5), ("it", 70), ("fr", 7), ("<>", 7)] {
            assert!(tokenizer.assign_language(code, id).is_err(), "{code} must not get {id}");
        }
        Ok(())
    }

    #[test]
    fn an_extended_tokenizer_keeps_all_ids() -> Result<()> {
        let old = tiny()?;
        let new = old.extended(&["de", "it"])?;
        assert!(new.extends(&old) && !old.extends(&new));
        assert!(new.has_placeholders() && !old.has_placeholders());
        assert_eq!((new.language_tag("it"), new.language_tag("en")), (Some(5), Some(4)));
        assert_eq!(new.encode("der é"), old.encode("der é"));
        let text = format!("der {}, {}der", placeholder(0), placeholder(15));
        let ids = new.encode(&text);
        assert_eq!(ids.iter().filter(|&&id| id >= 331).count(), 2);
        assert_eq!(new.decode(&ids), text);
        assert_eq!(new.extended(&["it"])?.sha256(), new.sha256());
        Ok(())
    }

    #[test]
    fn a_saved_tokenizer_is_the_same() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("tokenizer.json");
        let tokenizer = tiny()?;
        tokenizer.save(&path)?;
        let loaded = Tokenizer::load(&path)?;
        assert_eq!(loaded.sha256(), tokenizer.sha256());
        assert_eq!(loaded.encode("der, äh, der"), tokenizer.encode("der, äh, der"));
        Ok(())
    }

    #[test]
    fn other_files_are_refused_by_name() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("mine.json");
        let altered = String::from_utf8(tiny()?.as_json().to_vec())?.replace("<0x41>", "<0xZZ>");
        for bad in ["", "{}", "[1]", altered.as_str()] {
            fs_err::write(&path, bad)?;
            let message = Tokenizer::load(&path).err().context("must be refused")?.to_string();
            assert!(message.contains("mine.json"), "{message}");
        }
        let message = Tokenizer::load(dir.path().join("none.json")).err().context("no file")?;
        assert!(message.to_string().contains("none.json"));
        Ok(())
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>(), spaced in "[ \t\nder<>s/2▁€]{0,12}") {
            let tokenizer = tiny().expect("the tiny tokenizer is valid");
            // NFC is a fixed point after one pass, so the text that went in once comes out.
            let composed = tokenizer.decode(&tokenizer.encode(&text));
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&composed)), composed);
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&spaced)), spaced);
        }
    }
}
