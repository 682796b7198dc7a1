//! The core crate.
pub mod tokenizer;
