//! What can be trained: a file for each task.

pub mod translation;
