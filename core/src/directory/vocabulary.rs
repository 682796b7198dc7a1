//! Loads the tokens of a model.

use std::sync::Arc;

use super::{CONFIG, Files, TOKENIZER};
use crate::{
    Result, config::TranslationConfig, register::Register, tokenizer::Tokenizer,
    vocabulary::Vocabulary,
};

impl Files {
    /// The vocabulary of a translation model, with the languages that came with its experts.
    pub(super) fn vocabulary(
        &self,
        config: &TranslationConfig,
        register: &Register,
    ) -> Result<Arc<dyn Vocabulary>> {
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
}
