//! Checkpoints: tensors by name, read one at a time.

pub mod bergamot;
pub mod ctranslate2;
pub mod npz;
pub mod pickle;
pub mod safetensors;

use std::io::Read;

use half::{bf16, f16};

use crate::Result;

/// A source of tensors; each format implements it.
pub trait Checkpoint {
    /// Names of all tensors.
    fn names(&self) -> Vec<String>;

    /// What is known of a tensor without reading it.
    fn info(&self, name: &str) -> Option<Info>;

    /// The values of a tensor, row by row.
    ///
    /// # Errors
    /// Fails when there is no such tensor or the file is damaged.
    fn read(&self, name: &str) -> Result<Values>;
}

/// Shape and type of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its shape; a matrix is `(out, in)`.
    pub shape: Vec<usize>,
    /// In what its values are kept.
    pub kind: Kind,
}

/// In what values are kept. All but these become float32 when they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// Brain floats.
    Bf16,
    /// Eight-bit integers with a scale for each row.
    Int8,
}

/// The values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Single precision.
    F32(Vec<f32>),
    /// Half precision.
    F16(Vec<f16>),
    /// Brain floats.
    Bf16(Vec<bf16>),
    /// Eight-bit integers, each worth the scale of its row.
    Int8 {
        /// The integers.
        values: Vec<i8>,
        /// What one is worth, a scale for each row.
        scales: Vec<f32>,
    },
}

impl Values {
    /// In single precision.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            Self::F16(values) => values.into_iter().map(f16::to_f32).collect(),
            Self::Bf16(values) => values.into_iter().map(bf16::to_f32).collect(),
            Self::Int8 { values, scales } => {
                let width = values.len() / scales.len().max(1);
                let rows = values.chunks(width.max(1)).zip(scales);
                rows.flat_map(|(row, scale)| row.iter().map(move |&v| f32::from(v) * scale))
                    .collect()
            }
        }
    }
}

/// Values that are read and converted together: beside a tensor only so many are in memory twice.
pub(crate) const PIECE: usize = 1 << 18;

/// Reads `count` little-endian values, piece by piece.
pub(crate) fn read_values<const N: usize, T>(
    reader: &mut impl Read,
    count: usize,
    value: impl Fn([u8; N]) -> T,
) -> std::io::Result<Vec<T>> {
    let mut values = Vec::with_capacity(count);
    let mut buffer = vec![0; N * PIECE.min(count)];
    while values.len() < count {
        let bytes = &mut buffer[..N * PIECE.min(count - values.len())];
        reader.read_exact(bytes)?;
        values.extend(bytes.as_chunks().0.iter().map(|&chunk| value(chunk)));
    }
    Ok(values)
}

/// Reads `count` floats of a kind, which stay what they are.
pub(crate) fn read_floats(
    reader: &mut impl Read,
    count: usize,
    kind: Kind,
) -> std::io::Result<Values> {
    Ok(match kind {
        Kind::F16 => Values::F16(read_values(reader, count, f16::from_le_bytes)?),
        Kind::Bf16 => Values::Bf16(read_values(reader, count, bf16::from_le_bytes)?),
        Kind::F32 | Kind::Int8 => Values::F32(read_values(reader, count, f32::from_le_bytes)?),
    })
}

/// Little-endian numbers.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}

pub(crate) fn halves(bytes: &[u8]) -> Vec<f16> {
    bytes.as_chunks().0.iter().map(|&chunk| f16::from_le_bytes(chunk)).collect()
}

pub(crate) fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|&byte| byte.cast_signed()).collect()
}
