//! `.npz`: Marian's original models, arrays of numpy in a zip.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Checkpoint, Info, Kind, Values, bergamot::transposed, floats, halves};
use crate::{Error, Result, archive::Archive};

/// Arrays by name.
#[derive(Debug)]
pub struct NpzFile {
    path: PathBuf,
    arrays: BTreeMap<String, Array>,
}

#[derive(Debug)]
struct Array {
    shape: Vec<usize>,
    kind: ArrayKind,
    /// Where its values begin in its file.
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrayKind {
    F32,
    F16,
    Bytes,
}

impl NpzFile {
    /// Reads what is in the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let archive = Archive::open(path)?;
        let mut arrays = BTreeMap::new();
        for name in archive.names() {
            let Some(own) = name.strip_suffix(".npy") else { continue };
            let array = header(&archive.read(name)?).ok_or_else(|| {
                Error::file(path, format!("its array `{own}` is none that is known"))
            })?;
            arrays.insert(own.to_string(), array);
        }
        Ok(Self { path: path.into(), arrays })
    }

    /// The settings that the model was trained with, YAML, if it has them.
    pub fn settings(&self) -> Result<Option<String>> {
        let name = "special:model.yml";
        let Some(array) = self.arrays.get(name) else { return Ok(None) };
        let bytes = Archive::open(&self.path)?.read(&format!("{name}.npy"))?;
        let bytes = &bytes[array.start..];
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Ok(Some(String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }
}

/// The header of an array: `\x93NUMPY`, a version, and a Python literal.
fn header(content: &[u8]) -> Option<Array> {
    let rest = content.strip_prefix(b"\x93NUMPY")?;
    let (length, begin) = match rest.first()? {
        1 => (usize::from(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?)), 10),
        _ => (u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?) as usize, 12),
    };
    let text = std::str::from_utf8(content.get(begin..begin + length)?).ok()?;
    let after = |key: &str| Some(text.split_once(key)?.1.trim_start());
    let kind = match after("'descr':")?.trim_start_matches(['\'', '<', '|', '=']) {
        kind if kind.starts_with("f4") => ArrayKind::F32,
        kind if kind.starts_with("f2") => ArrayKind::F16,
        kind if kind.starts_with("i1") || kind.starts_with("u1") => ArrayKind::Bytes,
        _ => return None,
    };
    if after("'fortran_order':")?.starts_with("True") {
        return None;
    }
    let shape = after("'shape':")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?;
    Some(Array { shape, kind, start: begin + length })
}

impl Array {
    fn is_matrix(&self) -> bool {
        self.shape.len() == 2 && self.shape[0] > 1
    }
}

impl Checkpoint for NpzFile {
    fn names(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    /// Matrices are `(out, in)`, embeddings `(V, D)`, and vectors have one dimension.
    fn info(&self, name: &str) -> Option<Info> {
        let array = self.arrays.get(name)?;
        let shape = match array.is_matrix() {
            true if name.ends_with("Wemb") => array.shape.clone(),
            true => array.shape.iter().rev().copied().collect(),
            false => vec![array.shape.iter().product()],
        };
        Some(Info { shape, kind: Kind::F32 })
    }

    fn read(&self, name: &str) -> Result<Values> {
        let missing = || Error::file(&self.path, format!("has no array `{name}`"));
        let array = self.arrays.get(name).ok_or_else(missing)?;
        let content = Archive::open(&self.path)?.read(&format!("{name}.npy"))?;
        let bytes = &content[array.start..];
        let values = match array.kind {
            ArrayKind::F32 => floats(bytes),
            ArrayKind::F16 => Values::F16(halves(bytes)).into_f32(),
            ArrayKind::Bytes => {
                return Err(Error::file(&self.path, format!("`{name}` is no array of floats")));
            }
        };
        if values.len() != array.shape.iter().product::<usize>() {
            return Err(Error::file(&self.path, format!("its array `{name}` is truncated")));
        }
        let plain = name.ends_with("Wemb") || !array.is_matrix();
        Ok(Values::F32(if plain { values } else { transposed(&values, array.shape[0]) }))
    }
}
