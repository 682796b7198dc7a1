//! The engine of Dragoman: sparse experts, trained and served on a CPU or a GPU.

pub mod error;
pub mod text;
pub mod translate;
pub mod config;
pub mod register;
pub mod params;

pub use error::{Error, Result};
