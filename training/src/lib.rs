//! The training crate.

mod error;
pub mod metrics;
pub mod evaluate;

pub use error::{Error, Result};
