//! Weights of experts in int8 or int4, with a scale for each row.
//!
//! In a file the matrix `up.weight` `(N, K)` becomes `up.weight.q8` `(N, K)` of bytes, or
//! `up.weight.q4` `(N, K / 2)` with two numbers a byte, and `up.weight.scale` `(N,)`. A number `q`
//! stands for `(q − z) · scale` with `z` = 128 or 8. A reader of the model sees the matrix.

use std::collections::BTreeMap;

use candle::{DType, Tensor};
use half::f16;

use crate::{Error, Result};

/// How many bits a number takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// From −127 to 127.
    Eight,
    /// From −7 to 7.
    Four,
}

impl Bits {
    const BOTH: [Self; 2] = [Self::Eight, Self::Four];

    /// What stands behind the name of a matrix of such numbers.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Eight => ".q8",
            Self::Four => ".q4",
        }
    }

    /// The largest number.
    fn most(self) -> f32 {
        match self {
            Self::Eight => 127.0,
            Self::Four => 7.0,
        }
    }

    fn zero(self) -> f32 {
        self.most() + 1.0
    }

    /// Numbers in a byte.
    pub(crate) fn in_a_byte(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Four => 2,
        }
    }

    /// The values of rows of `width` numbers from their bytes, given a scale for each row.
    pub(crate) fn values(self, bytes: &[u8], scales: &[f32], width: usize) -> Vec<f32> {
        let zero = self.zero();
        let mut values = Vec::with_capacity(scales.len() * width);
        for (row, scale) in bytes.chunks_exact(width / self.in_a_byte()).zip(scales) {
            for &byte in row {
                match self {
                    Self::Eight => values.push((f32::from(byte) - zero) * scale),
                    Self::Four => {
                        let halves = [byte & 15, byte >> 4];
                        values.extend(halves.map(|half| (f32::from(half) - zero) * scale));
                    }
                }
            }
        }
        values
    }

    /// The bytes and scales of rows of `width` values.
    fn quantise(self, values: &[f32], width: usize) -> (Vec<u8>, Vec<f32>) {
        let (mut bytes, mut scales) = (Vec::new(), Vec::new());
        for row in values.chunks_exact(width) {
            let largest = row.iter().fold(0f32, |max, value| max.max(value.abs()));
            // As it is stored, so that the numbers fit the scale that will be read.
            let scale = f16::from_f32(largest / self.most()).to_f32();
            let number = |value: &f32| {
                let whole = if scale > 0.0 { (value / scale).round() } else { 0.0 };
                (whole.clamp(-self.most(), self.most()) + self.zero()) as u8
            };
            match self {
                Self::Eight => bytes.extend(row.iter().map(number)),
                Self::Four => {
                    bytes.extend(
                        row.chunks_exact(2).map(|two| number(&two[0]) | number(&two[1]) << 4),
                    );
                }
            }
            scales.push(scale);
        }
        (bytes, scales)
    }
}

/// The weights of an expert's file with its matrices in `bits`; gates, biases and detectors stay.
pub fn quantise(
    tensors: &BTreeMap<String, Tensor>,
    bits: Bits,
) -> Result<BTreeMap<String, Tensor>> {
    let mut quantised = BTreeMap::new();
    for (name, value) in tensors {
        let is_matrix = value.rank() == 2 && value.dtype().is_float() && !name.starts_with("tag.");
        if !is_matrix || value.dim(1)? % 2 != 0 {
            quantised.insert(name.clone(), value.clone());
            continue;
        }
        let (rows, width) = value.dims2()?;
        let values = value.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let (bytes, scales) = bits.quantise(&values, width);
        let bytes = Tensor::from_vec(bytes, (rows, width / bits.in_a_byte()), value.device())?;
        quantised.insert(format!("{name}{}", bits.suffix()), bytes);
        quantised.insert(format!("{name}.scale"), Tensor::from_vec(scales, rows, value.device())?);
    }
    Ok(quantised)
}

/// The weights with matrices in place of integers and scales.
pub(crate) fn restored(mut tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    for bits in Bits::BOTH {
        let names: Vec<String> = tensors
            .keys()
            .filter_map(|name| name.strip_suffix(bits.suffix()).map(String::from))
            .collect();
        for name in names {
            let parts = [format!("{name}{}", bits.suffix()), format!("{name}.scale")];
            let [bytes, scales] = parts.map(|part| tensors.remove(&part));
            let (Some(bytes), Some(scales)) = (bytes, scales) else {
                let reason = "has numbers without a scale".into();
                return Err(Error::Weight { name, reason });
            };
            let (rows, columns) = bytes.dims2()?;
            let width = columns * bits.in_a_byte();
            let scales = scales.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            let bytes = bytes.flatten_all()?.to_vec1::<u8>()?;
            let values = bits.values(&bytes, &scales, width);
            tensors.insert(name, Tensor::from_vec(values, (rows, width), &candle::Device::Cpu)?);
        }
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use candle::Device;

    use super::*;

    #[test]
    fn what_was_quantised_is_read_nearly_as_it_was() -> Result<()> {
        let values: Vec<f32> = (0..48).map(|i| (i as f32 * 0.7).sin()).collect();
        let matrix = Tensor::from_vec(values.clone(), (6, 8), &Device::Cpu)?;
        let bias = Tensor::ones(8, DType::F32, &Device::Cpu)?;
        let names = ["encoder.1.up.weight", "encoder.1.up.bias"].map(String::from);
        let tensors: BTreeMap<_, _> = names.into_iter().zip([matrix, bias]).collect();
        for (bits, error) in [(Bits::Eight, 0.5 / 127.0), (Bits::Four, 0.5 / 7.0)] {
            let quantised = quantise(&tensors, bits)?;
            let file = format!("encoder.1.up.weight{}", bits.suffix());
            assert_eq!(quantised[&file].elem_count() * bits.in_a_byte(), 48);
            let back = restored(quantised)?;
            assert_eq!(back.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
            let read = back["encoder.1.up.weight"].flatten_all()?.to_vec1::<f32>()?;
            for (a, b) in read.iter().zip(&values) {
                assert!((a - b).abs() <= error * 1.01, "{bits:?}: {a} {b}");
            }
            // Once more, and nothing moves.
            let again = restored(quantise(&back, bits)?)?;
            let again = again["encoder.1.up.weight"].flatten_all()?.to_vec1::<f32>()?;
            assert!(again.iter().zip(&read).all(|(a, b)| (a - b).abs() < 1e-6), "{bits:?}");
        }
        Ok(())
    }
}
