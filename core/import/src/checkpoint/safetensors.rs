//! safetensors, one file or shards with an index.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use fs_err::File;
use safetensors::{Dtype, SafeTensors, tensor::Metadata};
use serde::Deserialize;

use super::{Checkpoint, Info, Kind, Values, read_floats};
use crate::{Error, Result};

/// The longest header that is read: its length stands in the file, and may be damaged.
const LONGEST_HEADER: u64 = 100 << 20;

/// Files of tensors.
#[derive(Debug)]
pub struct SafetensorsFiles {
    tensors: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    info: Info,
    dtype: Dtype,
    offset: u64,
}

/// The file that says which shard holds which tensor.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) weight_map: BTreeMap<String, String>,
}

impl SafetensorsFiles {
    /// Opens one file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_all(&[path.into()])
    }

    /// Opens the shards that the index at `path` names.
    pub fn open_index(path: &Path) -> Result<Self> {
        Self::open_all(&shards(path)?)
    }

    fn open_all(paths: &[PathBuf]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for path in paths {
            for (name, place) in read_header(path)? {
                tensors.insert(name, place);
            }
        }
        Ok(Self { tensors })
    }
}

/// The shards that the index at `path` names, all of which are there.
pub(crate) fn shards(path: &Path) -> Result<Vec<PathBuf>> {
    let text = fs_err::read_to_string(path)?;
    let index: Index = serde_json::from_str(&text)
        .map_err(|error| Error::file(path, format!("is no index of shards: {error}")))?;
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut shards = Vec::new();
    for name in names {
        let is_plain = Path::new(&name).file_name().is_some_and(|own| own == name.as_str());
        let shard = folder.join(&name);
        if !is_plain || !shard.is_file() {
            let reason = format!("names the shard `{name}`, which is not in the folder");
            return Err(Error::file(path, reason));
        }
        shards.push(shard);
    }
    Ok(shards)
}

fn read_header(path: &Path) -> Result<Vec<(String, Place)>> {
    let damaged = |reason: String| Error::file(path, format!("is no safetensors file: {reason}"));
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("it is truncated".into()))?;
    let header = u64::from_le_bytes(length);
    if header > LONGEST_HEADER.min(size) {
        return Err(damaged("it is truncated, or its header is damaged".into()));
    }
    let mut bytes = length.to_vec();
    bytes.resize(8 + header as usize, 0);
    file.read_exact(&mut bytes[8..]).map_err(|_| damaged("it is truncated".into()))?;
    let metadata = header_of(&bytes).map_err(damaged)?;
    let start = 8 + header;
    let mut places = Vec::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let count: usize = info.shape.iter().product();
        if to.checked_sub(from) != Some(count * info.dtype.bitsize() / 8) {
            return Err(damaged(format!("`{name}` is not as long as its shape says")));
        }
        if start + to as u64 > size {
            return Err(damaged(format!("it ends before its tensor `{name}` does")));
        }
        let kind = match info.dtype {
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            _ => Kind::F32,
        };
        let place = Place {
            path: path.into(),
            info: Info { shape: info.shape.clone(), kind },
            dtype: info.dtype,
            offset: start + from as u64,
        };
        places.push((name, place));
    }
    Ok(places)
}

/// The header alone: what is said of the data is checked against the size of the file.
fn header_of(bytes: &[u8]) -> Result<Metadata, String> {
    match SafeTensors::read_metadata(bytes) {
        Ok((_, metadata)) => Ok(metadata),
        Err(safetensors::SafeTensorError::MetadataIncompleteBuffer) => {
            serde_json::from_slice(&bytes[8..]).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

impl Checkpoint for SafetensorsFiles {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn info(&self, name: &str) -> Option<Info> {
        Some(self.tensors.get(name)?.info.clone())
    }

    fn read(&self, name: &str) -> Result<Values> {
        let place = self
            .tensors
            .get(name)
            .ok_or_else(|| Error::Unsupported(format!("the checkpoint has no tensor `{name}`")))?;
        let mut file = File::open(&place.path)?;
        file.seek(SeekFrom::Start(place.offset))?;
        let count: usize = place.info.shape.iter().product();
        match place.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => {
                Ok(read_floats(&mut file, count, place.info.kind)?)
            }
            other => {
                let reason =
                    format!("its tensor `{name}` is {other:?}: F32, F16 and BF16 are known");
                Err(Error::file(&place.path, reason))
            }
        }
    }
}
