//! The engine of Dragoman: sparse experts, trained and served on a CPU or a GPU.
//!
//! | module | holds |
//! |---|---|
//! | [`tokenizer`], [`sentencepiece`], [`subwords`] | text to tokens: our tokenizer, and those of other suites |
//! | [`collective`] | how the processes that train one model communicate |
//! | [`memory`], [`params`] | packed experts under a budget of bytes; the weights of a model |
//! | [`context`], [`ragged`] | how a pass is run; sentences of different lengths in one matrix |
//! | [`ops`] | operations on tensors with gradients |
//! | [`recommend`] | what services ask of recommendations, and the cheap scorers |
//! | [`register`] | the experts and routes of a model |
//! | [`moe`] | layers of experts: a file for each router, one layer that runs any of them |
//! | [`config`] | the shape of a model |
//! | [`cache`] | what a decoder keeps between steps |
//! | [`retrieval`] | states of a decoder and the tokens that followed, which vote at every token |
//! | [`vocabulary`], [`decoding`] | what search needs of tokens and of a model; greedy and beam search |
//! | [`layers`], [`models`] | the layers of a transformer, and the models made of them |
//! | [`lexicon`] | likely translations of single words, which get a bonus in the search |
//! | [`importance`] | which experts a model needs for some sentences |
//! | [`detector`] | classifies a text as of a domain |
//! | [`quality`] | how good a translation probably is |
//! | [`directory`] | models on disk |
//! | [`translate`], [`translator`] | what services ask of a translation model, the model that answers |
//! | [`on_demand`], [`translators`] | models that are loaded when they are asked for, and several as one |
//! | [`recommender`] | the model that answers for recommendations |
//!
//! The kernels are a crate of their own, re-exported as [`kernels`]. This crate knows no corpus, no
//! optimiser and no HTTP.
//!
//! ```
//! use dragoman_core::{
//!     config::TranslationConfig, context::Context, kernels::matmul::Precision,
//!     models::translation::TranslationModel, params::ParamStore, ragged::Ragged,
//!     register::Register,
//! };
//!
//! let config = TranslationConfig { vocab_size: 64, d_model: 16, d_ff: 32, ..Default::default() };
//! let pairs = [("en".to_string(), "de".to_string())];
//! let register = Register::for_pairs(&pairs, 4, 16, &config.moe_layers());
//! let params = ParamStore::new(&candle::Device::Cpu, 1);
//! let model = TranslationModel::new(&config, &register, &params)?;
//!
//! let (source, route) = ([9, 10, 11], register.row_route(0, &[]));
//! let context = Context::inference(Precision::F32);
//! let encoded = model.encode(&source, &Ragged::contiguous(&[3]), &[route], &context)?;
//! assert_eq!(encoded.memory.dims(), [3, 16]);
//! // Of the group's five experts each token visits two.
//! assert_eq!(encoded.routing[0].experts.len(), 5);
//! assert_eq!(encoded.routing[0].load.iter().sum::<usize>(), 3 * 2);
//! # Ok::<(), dragoman_core::Error>(())
//! ```

pub mod tokenizer;
pub mod error;
pub mod collective;
pub mod sentencepiece;
pub mod subwords;
pub mod memory;
pub mod params;
pub mod context;
pub mod ragged;
pub mod ops;
pub mod recommend;
pub mod register;
pub mod cache;
pub mod moe;
pub mod config;
pub mod retrieval;
pub mod vocabulary;
pub mod decoding;
pub mod lexicon;
pub mod layers;
pub mod models;
pub mod detector;
pub mod quality;
pub mod directory;
pub mod translate;
pub mod importance;
pub mod translator;
pub mod on_demand;
pub mod translators;
pub mod recommender;

pub use dragoman_kernels as kernels;
pub use error::{Error, Result};
