//! A language model that translates some pairs in place of a model here.

use std::{sync::Arc, time::Duration};

use clap::Args;
use dragoman_core::translate::Translate;
use dragoman_llm::{Endpoint, LlmTranslator, Pair};

/// Which language model, and for which pairs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LlmArgs {
    /// Address of an API like OpenAI's whose language model translates the pairs of `--llm-pairs`, such as
    /// `http://127.0.0.1:11434/v1` for Ollama
    #[arg(long, value_name = "URL", env = "DRAGOMAN_LLM", requires_all = ["llm_model", "llm_pairs"],
        value_parser = address)]
    llm: Option<String>,

    /// Name of the model there, such as `qwen3:8b`
    #[arg(long, value_name = "NAME", env = "DRAGOMAN_LLM_MODEL", requires = "llm")]
    llm_model: Option<String>,

    /// Pairs that it translates, such as `en-ja,ja-en`; it comes before every other model
    #[arg(
        long,
        value_name = "PAIR",
        env = "DRAGOMAN_LLM_PAIRS",
        value_delimiter = ',',
        requires = "llm"
    )]
    llm_pairs: Vec<Pair>,

    /// Key for that address
    #[arg(
        long,
        value_name = "KEY",
        env = "DRAGOMAN_LLM_KEY",
        hide_env_values = true,
        requires = "llm"
    )]
    llm_key: Option<String>,

    /// Seconds that a sentence may take there
    #[arg(long, value_name = "SECONDS", env = "DRAGOMAN_LLM_TIMEOUT", default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    llm_timeout: u32,
}

impl LlmArgs {
    /// The language model, if one is named.
    pub(crate) fn translator(&self) -> Option<Arc<dyn Translate>> {
        let endpoint = Endpoint {
            url: self.llm.clone()?,
            model: self.llm_model.clone()?,
            key: self.llm_key.clone(),
            timeout: Duration::from_secs(self.llm_timeout.into()),
        };
        Some(Arc::new(LlmTranslator::new(endpoint, self.llm_pairs.clone())))
    }
}

/// An address of HTTP: anything else would start, and then fail each call.
fn address(text: &str) -> Result<String, String> {
    let uri = text.parse::<ureq::http::Uri>().ok();
    match uri.as_ref().and_then(|uri| uri.scheme_str()) {
        Some("http" | "https") => Ok(text.to_owned()),
        _ => Err("it is no address; write it as `http://127.0.0.1:11434/v1`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["x", "localhost:11434/v1", "ftp://host/v1", "http://", ""] {
            let error = address(text).expect_err(text);
            assert!(error.contains("`http://127.0.0.1:11434/v1`"), "{error}");
        }
        assert_eq!(address("https://host/v1").as_deref(), Ok("https://host/v1"));
    }
}
