//! The training crate.
