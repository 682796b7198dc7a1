//! Layers of a transformer: structs of weights and smaller layers, from the inside out.

pub mod linear;
pub mod norm;
pub mod embedding;
pub mod attention;
pub mod ssru;
pub mod rows;
pub mod block;
