//! Loads the tokens of a model.

use std::sync::Arc;

use super::{CONFIG, Files, TOKENIZER};
use crate::{
    Result,
    config::TranslationConfig,
    register::Register,
    tokenizer::Tokenizer,
    vocabulary::{Pieces, VOCABULARY_FILE, Vocabulary},
};

impl Files {
    /// The vocabulary of a translation model, with the languages that came with its experts.
    pub(super) fn vocabulary(
        &self,
        config: &TranslationConfig,
        register: &Register,
    ) -> Result<Arc<dyn Vocabulary>> {
        if let Some(sha256) = register.files.get(VOCABULARY_FILE) {
            return self.pieces(config, register, sha256);
        }
        let content = self.read_checked(TOKENIZER, &register.tokenizer_sha256)?;
        let mut tokenizer = Tokenizer::from_bytes(&content)?;
        for tag in register.experts.iter().filter_map(|expert| expert.tag.as_ref()) {
            tokenizer.assign_language(&tag.language, tag.id)?;
        }
        if tokenizer.vocab_size() != config.vocab_size {
            let reason = format!(
                "has {} tokens, but `{CONFIG}` says {}: it is of another model",
                tokenizer.vocab_size(),
                config.vocab_size
            );
            return Err(self.error(TOKENIZER, reason));
        }
        Ok(Arc::new(tokenizer))
    }

    /// The vocabulary of another suite.
    fn pieces(
        &self,
        config: &TranslationConfig,
        register: &Register,
        sha256: &str,
    ) -> Result<Arc<dyn Vocabulary>> {
        let text = self.read_checked(VOCABULARY_FILE, sha256)?;
        let pieces = Pieces::parse(&text, |name| match register.files.get(name) {
            Some(sha256) => Ok(self.read_checked(name, sha256)?.into_owned()),
            None => Err(self.missing(name)),
        })?;
        let source_size = config.architecture.source_vocab_size.unwrap_or(config.vocab_size);
        let sizes = (pieces.source_size(), pieces.size());
        if sizes != (source_size, config.vocab_size) {
            let reason = format!(
                "has {} tokens of sources and {} of targets, but `{CONFIG}` says {source_size} and \
                 {}: it is of another model",
                sizes.0, sizes.1, config.vocab_size
            );
            return Err(self.error(VOCABULARY_FILE, reason));
        }
        Ok(Arc::new(pieces))
    }
}
