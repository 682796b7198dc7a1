//! `pytorch_model.bin`: a zip with a pickle, of which only tensors are read; nothing is executed.

use std::{collections::BTreeMap, path::Path};

use candle::{DType, pickle::PthTensors};

use super::{Checkpoint, Info, Kind, Values, read_floats};
use crate::{Error, Result, archive::Archive};

/// State dicts of PyTorch.
#[derive(Debug)]
pub struct PickleFiles {
    files: Vec<Pickle>,
    tensors: BTreeMap<String, (usize, Info)>,
}

struct Pickle {
    tensors: PthTensors,
    archive: Archive,
    path: std::path::PathBuf,
}

impl std::fmt::Debug for Pickle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pickle({})", self.path.display())
    }
}

impl PickleFiles {
    /// Opens one file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_all(&[path.into()])
    }

    /// Opens the shards that the index at `path` names.
    pub fn open_index(path: &Path) -> Result<Self> {
        Self::open_all(&super::safetensors::shards(path)?)
    }

    fn open_all(paths: &[std::path::PathBuf]) -> Result<Self> {
        let (mut files, mut tensors) = (Vec::new(), BTreeMap::new());
        for (place, path) in paths.iter().enumerate() {
            let own = PthTensors::new(path, None).map_err(|error| {
                let reason = format!(
                    "is no state dict that PyTorch 1.6 or later saved: {error}; open it there and \
                     save it again, as safetensors"
                );
                Error::file(path, reason)
            })?;
            if own.tensor_infos().is_empty() {
                return Err(Error::file(path, "is no state dict: its pickle holds no tensors"));
            }
            for (name, info) in own.tensor_infos() {
                let kind = match info.dtype {
                    DType::F16 => Kind::F16,
                    DType::BF16 => Kind::Bf16,
                    _ => Kind::F32,
                };
                let info = Info { shape: info.layout.dims().to_vec(), kind };
                tensors.insert(name.clone(), (place, info));
            }
            let archive = Archive::open(path)?;
            files.push(Pickle { tensors: own, archive, path: path.clone() });
        }
        Ok(Self { files, tensors })
    }
}

impl PickleFiles {
    /// The values of a tensor whose rows follow one another in its storage, as nearly all do; they are
    /// read piece by piece.
    fn plain(&self, name: &str, place: usize, info: &Info) -> Result<Option<Values>> {
        let Pickle { tensors, archive, .. } = &self.files[place];
        let Some(own) = tensors.tensor_infos().get(name) else { return Ok(None) };
        let kind = match own.dtype {
            DType::F32 | DType::F16 | DType::BF16 => info.kind,
            _ => return Ok(None),
        };
        if !own.layout.is_contiguous() {
            return Ok(None);
        }
        let skipped = own.layout.start_offset(); // bytes, not numbers
        let count: usize = info.shape.iter().product();
        archive.part(&own.path, skipped as u64, |mut reader| read_floats(&mut reader, count, kind))
            .map(Some)
    }
}

impl Checkpoint for PickleFiles {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn info(&self, name: &str) -> Option<Info> {
        Some(self.tensors.get(name)?.1.clone())
    }

    fn read(&self, name: &str) -> Result<Values> {
        let missing = || Error::Unsupported(format!("the checkpoint has no tensor `{name}`"));
        let (place, info) = self.tensors.get(name).ok_or_else(missing)?;
        let Pickle { tensors, path, .. } = &self.files[*place];
        let damaged = |error: candle::Error| {
            Error::file(path, format!("its tensor `{name}` cannot be read: {error}"))
        };
        if let Some(values) = self.plain(name, *place, info)? {
            return Ok(values);
        }
        let tensor = tensors.get(name).map_err(damaged)?.ok_or_else(missing)?;
        let tensor = tensor.flatten_all().map_err(damaged)?;
        match info.kind {
            Kind::F16 => tensor.to_vec1().map(Values::F16),
            Kind::Bf16 => tensor.to_vec1().map(Values::Bf16),
            _ => tensor.to_dtype(DType::F32).and_then(|t| t.to_vec1()).map(Values::F32),
        }
        .map_err(damaged)
    }
}
