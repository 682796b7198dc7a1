//! Whole models.

pub mod translation;
