//! Layers of a transformer: structs of weights and smaller layers, from the inside out.

pub mod linear;
pub mod norm;
pub mod embedding;
pub mod attention;
pub mod ssru;
pub mod feed_forward;
pub mod ways;
mod low_rank;
pub mod moe;
mod added;
pub mod segments;
mod preset;
pub mod block;
