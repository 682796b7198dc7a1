//! What can be trained: a file for each task.

pub(crate) mod date;

pub mod recommendation;
pub mod translation;
