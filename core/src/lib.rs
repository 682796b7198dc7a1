//! The engine of Dragoman: sparse experts, trained and served on a CPU or a GPU.
//!
//! | module | holds |
//! |---|---|
//! | [`config`], [`register`] | what a model is: its shape; its experts and routes |
//! | [`memory`] | packed experts under a budget of bytes |
//! | [`cache`] | what a decoder keeps between steps |
//! | [`params`], [`context`], [`ragged`] | weights, how a pass is run, sentences in one matrix |
//! | [`ops`], [`layers`], [`models`] | tensors with gradients, and what is made of them |
//! | [`moe`] | every published router as a preset, with its losses and a block of experts |
//! | [`vocabulary`], [`decoding`] | what search needs of tokens and of a model; greedy and beam search |
//! | [`detector`] | which domain a text is of |
//! | [`tokenizer`], [`sentencepiece`] | text to tokens: ours, and that of other suites |
//! | [`directory`] | models on disk |
//! | [`translate`], [`translator`], [`translators`] | what services ask of a model, the model that answers, and several as one |
//! | [`recommend`], [`recommender`] | the same of recommendations, with the cheap scorers |
//!
//! The kernels are a crate of their own, re-exported as [`kernels`]. This crate knows no corpus, no optimiser and no HTTP.

pub mod error;
pub mod config;
pub mod register;
pub mod memory;
pub mod params;
pub mod context;
pub mod ragged;
pub mod ops;
pub mod cache;
pub mod moe;
pub mod layers;
pub mod tokenizer;
pub mod sentencepiece;
pub mod vocabulary;
pub mod decoding;
pub mod models;
pub mod detector;
pub mod directory;
pub mod translate;
pub mod translator;
pub mod translators;
pub mod recommend;
pub mod recommender;

pub use dragoman_kernels as kernels;
pub use error::{Error, Result};
