//! Asks a language model behind an API like OpenAI's: Ollama, vLLM, llama.cpp, or a service.
//!
//! A [`LlmTranslator`] is a [`Translate`](dragoman_core::translate::Translate) like any other model, so
//! markup, placeholders, addresses, glossaries and memories are those of this suite: the language model sees one
//! sentence at a time, and its answer is verified like everybody's. A [`Chat`] asks it anything else.
//!
//! | module | holds |
//! |---|---|
//! | `pairs` | the pairs of languages that are asked for |
//! | `client` | requests, what is tried again, and errors |
//! | `prompt` | what the language model is told |
//! | `answer` | the translation within what it says |
//! | `translator` | all of it behind `Translate` |

mod pairs;
mod prompt;
mod answer;
mod client;
mod translator;

pub use answer::without_thoughts;
pub use client::{Chat, Endpoint, Said};
pub use pairs::{Pair, PairError};
pub use translator::LlmTranslator;
