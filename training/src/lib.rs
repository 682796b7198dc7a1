//! The training crate.

mod error;
pub mod metrics;

pub use error::{Error, Result};
