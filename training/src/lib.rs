//! The training crate.

mod error;
pub mod metrics;
pub mod evaluate;
pub mod tensorboard;
pub mod report;

pub use error::{Error, Result};
