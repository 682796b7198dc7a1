//! The engine of Dragoman: sparse experts, trained and served on a CPU or a GPU.

pub mod error;
pub mod config;
pub mod register;
pub mod kernels;
pub mod params;
pub mod tokenizer;

pub use error::{Error, Result};
