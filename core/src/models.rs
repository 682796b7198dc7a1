//! Whole models.

pub mod translation;
pub mod recommendation;
