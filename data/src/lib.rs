//! Corpora in, batches out.

pub mod error;
pub mod lang;
pub mod corpus;
pub mod clean;
pub mod split;
pub mod sample;
pub mod tokenize;
pub mod pack;
pub mod shuffle;
pub mod batch;

pub use error::{Error, Result};
