//! Weights that stay in their files until they are used.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use candle::{DType, Device, Shape, Tensor};
use fs_err as fs;
use half::{bf16, f16};
use safetensors::tensor::Metadata;

use super::quantised::Bits;
use crate::{Error, Result};

/// Where a safetensors file lies.
#[derive(Debug, Clone)]
pub enum Container {
    /// On disk; it is not kept open.
    File(PathBuf),
    /// Inside the binary.
    Memory(&'static [u8]),
}

/// A tensor of a safetensors file, read when it is used.
#[derive(Debug, Clone)]
pub struct Stored {
    container: Arc<Container>,
    dtype: DType,
    shape: Shape,
    /// Where its values begin in the container, in bytes.
    offset: usize,
    /// How many bytes they are.
    len: usize,
    /// Integers, and where the scales of their rows are.
    quantised: Option<(Bits, Box<Stored>)>,
}

impl Stored {
    /// The tensors of `container`, which is `size` bytes long, by name; `head` holds its header at
    /// least.
    ///
    /// # Errors
    /// Fails when this is no safetensors file, or one that is not whole.
    pub fn index(container: Container, head: &[u8], size: usize) -> Result<BTreeMap<String, Self>> {
        let invalid = |error: &dyn std::fmt::Display| {
            Error::Invalid(format!("is not a safetensors file: {error}"))
        };
        let header = header_len(head).and_then(|length| head.get(PREFIX..PREFIX + length));
        let header = header.ok_or_else(|| invalid(&"its header is not whole"))?;
        let metadata: Metadata = serde_json::from_slice(header).map_err(|e| invalid(&e))?;
        let start = PREFIX + header.len();
        let container = Arc::new(container);
        let mut stored = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let (from, to) = info.data_offsets;
            let shape = Shape::from(info.shape.clone());
            let dtype = DType::try_from(info.dtype)?;
            let len = shape.elem_count() * dtype.size_in_bytes();
            if from.checked_add(len) != Some(to) || to > size.saturating_sub(start) {
                return Err(invalid(&format_args!("`{name}` is not as long as its shape says")));
            }
            let container = Arc::clone(&container);
            let (offset, quantised) = (start + from, None);
            stored.insert(name, Self { container, dtype, shape, offset, len, quantised });
        }
        Self::join_scales(stored)
    }

    /// Integers together with their scales, under the name of the matrix they stand for.
    fn join_scales(mut stored: BTreeMap<String, Self>) -> Result<BTreeMap<String, Self>> {
        for bits in [Bits::Eight, Bits::Four] {
            let names = stored.keys().filter_map(|name| name.strip_suffix(bits.suffix()));
            for name in names.map(String::from).collect::<Vec<_>>() {
                let parts = [format!("{name}{}", bits.suffix()), format!("{name}.scale")];
                let [Some(numbers), Some(scales)] = parts.map(|part| stored.remove(&part)) else {
                    return Err(Error::Invalid(format!("`{name}` has numbers without a scale")));
                };
                let (rows, columns) = numbers.shape.dims2()?;
                let shape = Shape::from((rows, columns * bits.in_a_byte()));
                let quantised = Some((bits, Box::new(scales)));
                stored.insert(name, Self { shape, quantised, ..numbers });
            }
        }
        Ok(stored)
    }

    /// Shape of the tensor.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether it is stored as integers with a scale for each row.
    pub(super) fn is_in_integers(&self) -> bool {
        self.quantised.is_some()
    }

    /// Bytes that its values take where they are stored; inside the binary none of their own.
    pub(super) fn len(&self) -> usize {
        match &*self.container {
            Container::File(_) => self.len,
            Container::Memory(_) => 0,
        }
    }

    /// The tensor, in float32 on the CPU.
    ///
    /// # Errors
    /// Fails when the file is gone or has become shorter.
    pub fn read(&self) -> Result<Tensor> {
        let values = match &self.quantised {
            Some((bits, scales)) => {
                let (_, width) = self.shape.dims2()?;
                let scales = scales.read()?.to_vec1::<f32>()?;
                bits.values(&self.bytes(0..self.len)?, &scales, width)
            }
            None => floats(&self.bytes(0..self.len)?, self.dtype)?,
        };
        Ok(Tensor::from_vec(values, self.shape.clone(), &Device::Cpu)?)
    }

    /// Reads the matrix some rows at a time.
    ///
    /// # Errors
    /// As [`Stored::read`].
    pub(super) fn reader(&self) -> Result<RowReader<'_>> {
        Ok(RowReader { stored: self, scales: self.scales()? })
    }

    /// The matrix in memory, in the numbers in which it is stored.
    ///
    /// # Errors
    /// As [`Stored::read`].
    pub(super) fn hold(&self) -> Result<HeldRows> {
        let (rows, _) = self.shape.dims2()?;
        let bytes = self.bytes(0..self.len)?;
        Ok(HeldRows {
            row_bytes: self.len / rows.max(1),
            bytes,
            dtype: self.dtype,
            quantised: self.quantised.as_ref().map(|(bits, _)| *bits),
            scales: self.scales()?,
        })
    }

    /// The scales of the rows of whole numbers.
    fn scales(&self) -> Result<Vec<f32>> {
        match &self.quantised {
            Some((_, scales)) => Ok(scales.read()?.to_vec1()?),
            None => Ok(Vec::new()),
        }
    }

    /// A part of the bytes.
    fn bytes(&self, part: Range<usize>) -> Result<Cow<'static, [u8]>> {
        match &*self.container {
            Container::Memory(content) => {
                let content: &'static [u8] = content;
                Ok(Cow::Borrowed(&content[self.offset..][..self.len][part]))
            }
            Container::File(path) => {
                let mut file = fs::File::open(path)?;
                file.seek(SeekFrom::Start((self.offset + part.start) as u64))?;
                let mut bytes = vec![0; part.len()];
                file.read_exact(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Bytes that say how long the header is.
const PREFIX: usize = size_of::<u64>();

/// How long the header is of a safetensors file that begins with `head`.
fn header_len(head: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*head.first_chunk()?)).ok()
}

/// Bytes from the beginning of a safetensors file to the end of its header, given the first eight.
pub(crate) fn head_len(head: &[u8]) -> Option<usize> {
    header_len(head)?.checked_add(PREFIX)
}

/// Numbers of this type as floats.
fn floats(bytes: &[u8], dtype: DType) -> Result<Vec<f32>> {
    Ok(match dtype {
        DType::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        DType::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        DType::BF16 => {
            bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect()
        }
        other => {
            let count = bytes.len() / other.size_in_bytes();
            let tensor = Tensor::from_raw_buffer(bytes, other, &[count], &Device::Cpu)?;
            tensor.to_dtype(DType::F32)?.to_vec1()?
        }
    })
}

/// Reads a matrix some rows at a time.
pub(super) struct RowReader<'a> {
    stored: &'a Stored,
    scales: Vec<f32>,
}

impl RowReader<'_> {
    /// These rows.
    pub(super) fn rows(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        let (count, width) = self.stored.shape.dims2()?;
        let row_bytes = self.stored.len / count.max(1);
        let bytes = self.stored.bytes(rows.start * row_bytes..rows.end * row_bytes)?;
        match &self.stored.quantised {
            Some((bits, _)) => Ok(bits.values(&bytes, &self.scales[rows], width)),
            None => floats(&bytes, self.stored.dtype),
        }
    }
}

/// A matrix in memory, in the numbers in which it was stored.
#[derive(Debug)]
pub(super) struct HeldRows {
    bytes: Cow<'static, [u8]>,
    row_bytes: usize,
    dtype: DType,
    quantised: Option<Bits>,
    scales: Vec<f32>,
}

impl HeldRows {
    /// Row `i` as floats.
    pub(super) fn row(&self, i: usize) -> Result<Vec<f32>> {
        let bytes = &self.bytes[i * self.row_bytes..][..self.row_bytes];
        match self.quantised {
            Some(bits) => {
                Ok(bits.values(bytes, &self.scales[i..=i], self.row_bytes * bits.in_a_byte()))
            }
            None => floats(bytes, self.dtype),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_read_from_its_place() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("w.safetensors");
        let first = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((2, 3))?;
        let second = Tensor::arange(6f32, 10.0, &Device::Cpu)?.to_dtype(DType::F16)?;
        let tensors = [("a".to_string(), first), ("b".to_string(), second)].into_iter().collect();
        candle::safetensors::save(&tensors, &path)?;
        let content = fs::read(&path)?;
        let stored = Stored::index(Container::File(path.clone()), &content, content.len())?;
        assert_eq!(stored["a"].shape().dims(), [2, 3]);
        assert_eq!(stored["a"].reader()?.rows(1..2)?, [3.0, 4.0, 5.0]);
        assert_eq!(stored["a"].hold()?.row(1)?, [3.0, 4.0, 5.0]);
        assert_eq!(stored["b"].read()?.to_vec1::<f32>()?, [6.0, 7.0, 8.0, 9.0]);

        fs::write(&path, b"short")?;
        assert!(stored["a"].read().is_err());
        Ok(())
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused() {
        let error = Stored::index(Container::Memory(b"{}"), b"{}", 2).expect_err("two bytes");
        assert!(error.to_string().starts_with("is not a safetensors file"), "{error}");
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let head = [&(header.len() as u64).to_le_bytes()[..], header].concat();
        let container = || Container::File("w.safetensors".into());
        assert!(Stored::index(container(), &head, head.len() + 8).is_ok());
        let error = Stored::index(container(), &head, head.len() + 7).expect_err("cut");
        assert!(error.to_string().contains("`a` is not as long"), "{error}");
    }
}
