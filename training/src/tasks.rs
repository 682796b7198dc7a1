//! What can be trained: a file for each task.

pub(crate) mod date;

pub mod recommendation;
pub mod translation;

/// In the folder of the best weights of a run that trains one expert: these weights.
pub(crate) const EXPERT_FILE: &str = "expert.safetensors";
