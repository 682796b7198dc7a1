//! The core crate.

pub mod kernels;
