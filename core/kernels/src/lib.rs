//! The kernels of Dragoman's engine: plain slices in, plain slices out, no tensors.
//!
//! Each kernel has one variant for every instruction set ([`cpu::Variant`]), chosen when the program
//! starts. All `unsafe` code of the workspace is here, except for memory-mapped files.
//!
//! ```
//! use dragoman_kernels::matmul::{Epilogue, Precision, matmul_nt};
//!
//! let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 1.0, 1.0]); // (2, 2) each
//! let mut c = [0.0; 4];
//! matmul_nt(Precision::F32, &a, &b, &mut c, (2, 2, 2), &Epilogue::NONE); // c = a·bᵀ
//! assert_eq!(c, [1.0, 3.0, 3.0, 7.0]);
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`cpu`] | which instructions this machine has, and which variant is used |
//! | [`parallel`] | the loop over tasks that the matrix kernels share |
//! | [`scratch`] | aligned buffers that outlive a call |
//! | `simd` | one source for every instruction set, and the choice among them |
//! | [`counters`] | counts of work, for tests |
//! | `math` | `exp` and its like, and sums in fixed lanes |
//! | [`random`] | random numbers by counter: dropout, initial weights |
//! | [`activation`] | ReLU, GELU, SiLU and their slopes |
//! | `gemm` | the packed matrix product, in f32, bfloat16 and int8 |
//! | [`matmul`] | `a·bᵀ`, `a·b`, `aᵀ·b` on row-major slices |
//! | [`inverse`] | the inverse of a positive definite matrix |
//! | [`visits`] | which token visits which expert, sorted by expert |
//! | [`packed`] | weights packed once, for inference |
//! | [`ffn`] | the experts' feed-forward networks, forward and backward |
//! | [`columns`] | some columns of a wider matrix |
//! | [`embedding`] | rows of a table by id |
//! | [`norm`] | layer norm |
//! | [`attention`] | attention of ragged sentences |
//! | [`softmax`], [`cross_entropy`] | over the vocabulary |
//! | [`nearest`] | dot products of a query with many int8 keys |
//! | [`adamw`] | the fused step of AdamW, and the norm for clipping |
//!
//! **One order of sums.** Every kernel adds the terms of an output element in one order, whatever
//! the number of rows, the position of the row, and the number of threads: a row's bits depend on
//! that row alone. The bits do differ between variants ([`cpu::Variant`]), which round differently.

pub mod cpu;
pub mod parallel;
pub mod scratch;
mod simd;
pub mod counters;
mod math;
pub mod random;
pub mod activation;
mod gemm;
pub mod matmul;
pub mod inverse;
pub mod visits;
pub mod packed;
pub mod ffn;
pub mod columns;
pub mod embedding;
pub mod norm;
pub mod attention;
pub mod softmax;
pub mod cross_entropy;
pub mod nearest;
pub mod adamw;
