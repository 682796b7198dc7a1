//! Corpora in, batches out.
//!
//! A [`corpus`] is a file of sentence pairs, in any of four formats. [`clean`] decides which pairs
//! are worth learning from, [`tokenize`] learns the vocabulary, [`pack`] turns the pairs into one
//! memory-mapped file of ids, as a [`recipe`] says, and [`batch`] draws endless batches from it, mixed from all
//! directions, that a later run continues exactly where an earlier one stopped. [`fetch`] downloads
//! public corpora; [`stats`] describes one. [`interactions`] are what people did with items: logs in
//! many formats, and how they are split for an honest evaluation.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dragoman_data::{
//!     batch::{BatchConfig, Batcher, Cursor},
//!     corpus::Corpus,
//!     pack::{PackConfig, PackedCorpus, pack},
//!     tokenize::{TokenizerConfig, read_texts, train_tokenizer},
//! };
//!
//! # fn main() -> anyhow::Result<()> {
//! # let dir = tempfile::tempdir()?;
//! let corpora = vec![
//!     Corpus::from_name("samples/en-de.tsv")?, // serves both directions
//!     Corpus::from_name("samples/en-fr.tsv")?.one_way(),
//! ];
//! let languages = ["de", "en", "fr"].map(String::from).to_vec();
//! let config = TokenizerConfig { vocab_size: 600, languages, ..Default::default() };
//! let tokenizer = train_tokenizer(&config, &read_texts(&corpora)?)?;
//!
//! let path = dir.path().join("corpus.bin");
//! pack(&PackConfig { corpora, ..Default::default() }, &tokenizer, &path)?;
//!
//! let corpus = Arc::new(PackedCorpus::open(&path)?);
//! let mut batches = Batcher::new(Arc::clone(&corpus), BatchConfig::default(), Cursor::start(1))?;
//! let batch = batches.next().expect("batches never end");
//! let (source, target) = &corpus.routes()[batch[0].route as usize];
//! println!("{source} to {target}: {}", tokenizer.decode(&batch[0].source));
//! # Ok(())
//! # }
//! ```

pub mod error;
pub mod lang;
pub mod corpus;
pub mod split;
pub mod clean;
pub mod sample;
pub mod tokenize;
pub mod pack;
pub mod recipe;
pub mod shuffle;
pub mod batch;
pub mod fetch;
pub mod stats;
pub mod interactions;
pub mod shop;

pub use error::{Error, Result};
