//! The arithmetic: plain slices in, plain slices out, no tensors.

mod simd;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod columns;
pub mod cross_entropy;
pub mod embedding;
pub mod math;
pub mod norm;
pub mod random;
pub mod softmax;
