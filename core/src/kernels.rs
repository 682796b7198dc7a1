//! The kernels of the engine: plain slices in, plain slices out, no tensors.
//!
//! | module | holds |
//! |---|---|
//! | [`cpu`] | which instructions this machine has, and which variant is used |
//! | [`parallel`] | the loop over tasks that the matrix kernels share |
//! | `scratch` | aligned buffers that outlive a call |
//! | `simd`, `vectorised` | one source for every instruction set |
//! | [`counters`] | counts of work, for tests |
//! | [`math`] | `exp` and its like, over slices |
//! | [`random`] | numbers by counter: dropout, weights |
//! | [`activation`] | ReLU, GELU, SiLU and their slopes |
//! | `gemm` | the packed matrix product, in f32, bfloat16 and int8 |
//! | [`matmul`] | `a·bᵀ`, `a·b`, `aᵀ·b` on row-major slices |
//! | [`inverse`] | of a positive definite matrix |
//! | [`visits`] | which token visits which expert, sorted by expert |
//! | [`ffn`] | the experts' feed-forward networks, forward and backward |
//! | [`packed`] | weights packed once, for inference |
//! | [`columns`] | some columns of a wider matrix |
//! | [`embedding`] | rows of a table by id |
//! | [`norm`] | layer norm and RMS norm |
//! | [`attention`] | attention of ragged sentences |
//! | [`softmax`], [`cross_entropy`] | over the vocabulary |
//! | [`adamw`] | the optimiser's step |
//!
//! **One order of sums.** Every kernel adds the terms of an output element in one order, whatever
//! the number of rows, the position of the row, and the number of threads: a row's bits depend on
//! that row alone. The bits do differ between variants ([`cpu::Variant`]), which round differently.

pub mod cpu;
pub mod parallel;
mod scratch;
mod simd;
mod vectorised;
pub mod counters;
pub mod math;
pub mod random;
pub mod activation;
mod gemm;
pub mod matmul;
pub mod inverse;
pub mod visits;
pub mod ffn;
pub mod packed;
pub mod columns;
pub mod embedding;
pub mod norm;
pub mod attention;
pub mod softmax;
pub mod cross_entropy;
pub mod adamw;
