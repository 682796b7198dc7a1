//! Weights that stay in their files until they are used.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use candle::{DType, Device, Shape, Tensor};
use fs_err as fs;
use safetensors::SafeTensors;

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
    /// The tensors of `container` by name, found in its `content`, which is not kept.
    ///
    /// # Errors
    /// Fails when the content is not a safetensors file.
    pub fn index(container: Container, content: &[u8]) -> Result<BTreeMap<String, Self>> {
        let invalid = |error| Error::Invalid(format!("is not a safetensors file: {error}"));
        let (header, metadata) = SafeTensors::read_metadata(content).map_err(invalid)?;
        let start = size_of::<u64>() + header; // the header's length stands before the header
        let container = Arc::new(container);
        let mut stored = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let (from, to) = info.data_offsets;
            let shape = Shape::from(info.shape.clone());
            let (container, dtype) = (Arc::clone(&container), DType::try_from(info.dtype)?);
            let (offset, len) = (start + from, to - from);
            let quantised = None;
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

    /// The tensor, in float32 on the CPU.
    ///
    /// # Errors
    /// Fails when the file is gone or has become shorter.
    pub fn read(&self) -> Result<Tensor> {
        let owned;
        let bytes = match &*self.container {
            Container::Memory(content) => &content[self.offset..][..self.len],
            Container::File(path) => {
                let mut file = fs::File::open(path)?;
                file.seek(SeekFrom::Start(self.offset as u64))?;
                let mut bytes = vec![0; self.len];
                file.read_exact(&mut bytes)?;
                owned = bytes;
                &owned
            }
        };
        if let Some((bits, scales)) = &self.quantised {
            let (rows, width) = self.shape.dims2()?;
            let values = bits.values(bytes, &scales.read()?.to_vec1::<f32>()?, width);
            return Ok(Tensor::from_vec(values, (rows, width), &Device::Cpu)?);
        }
        let tensor = Tensor::from_raw_buffer(bytes, self.dtype, self.shape.dims(), &Device::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?)
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
        let stored = Stored::index(Container::File(path.clone()), &fs::read(&path)?)?;
        assert_eq!(stored["a"].shape().dims(), [2, 3]);
        assert_eq!(stored["b"].read()?.to_vec1::<f32>()?, [6.0, 7.0, 8.0, 9.0]);

        fs::write(&path, b"short")?;
        assert!(stored["a"].read().is_err());
        Ok(())
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused() {
        let error = Stored::index(Container::Memory(b"{}"), b"{}").expect_err("two bytes");
        assert!(error.to_string().starts_with("is not a safetensors file"), "{error}");
    }
}
