//! From hidden states to sentences: caches, greedy and beam search.

pub mod cache;
pub mod search;
