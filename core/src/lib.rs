//! The engine of Dragoman: sparse experts, trained and served on a CPU or a GPU.

pub mod error;
pub mod text;
pub mod config;
pub mod register;
pub mod kernels;
pub mod params;
pub mod context;
pub mod ragged;
pub mod ops;
pub mod layers;
pub mod models;
pub mod decoding;
pub mod tokenizer;
pub mod directory;
pub mod translate;
pub mod translator;

pub use error::{Error, Result};
