//! The kernels of the engine: plain slices in, plain slices out, no tensors.
//!
//! | module | holds |
//! |---|---|
//! | [`cpu`] | which instructions this machine has, and which variant is used |
//! | [`parallel`] | the loop over tasks that all kernels share |
//! | `vectorised` | plain loops, compiled for each variant |
//! | `scratch` | aligned buffers that outlive a call |
//! | [`counters`] | counts of work, for tests |
//! | [`activation`] | ReLU, GELU, SiLU and their slopes |
//! | `gemm` | the packed matrix product, in f32 and bfloat16 |
//! | [`matmul`] | `a·bᵀ`, `a·b`, `aᵀ·b` on row-major slices |
//! | [`visits`] | which token visits which expert, sorted by expert |
//! | [`ffn`] | the experts' feed-forward networks, forward and backward |
//!
//! **One order of sums.** Every kernel adds the terms of an output element in one order, whatever the number of rows,
//! the position of the row, and the number of threads: a row's bits depend on that row alone. The bits do differ
//! between variants ([`cpu::Variant`]), which round differently.

pub mod cpu;
pub mod parallel;
mod vectorised;
mod scratch;
pub mod counters;
pub mod activation;
mod gemm;
pub mod matmul;
pub mod visits;
pub mod ffn;
