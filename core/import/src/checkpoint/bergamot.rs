//! Marian's binary format as Bergamot and Firefox ship it, with or without eight-bit integers.

use std::{collections::BTreeMap, path::Path};

use super::{Checkpoint, Info, Kind, Values, floats, signed};
use crate::{Error, Result};

const VERSION: u64 = 1;
/// Types of values.
const F32: u64 = 0x404;
const INTGEMM8: u64 = 0x4101;
const I8: u64 = 0x101;
/// More tensors, or bytes of names and shapes, than any model has.
const MANY: u64 = 1 << 20;

/// A model in memory: these are small.
#[derive(Debug)]
pub struct MarianFile {
    content: Vec<u8>,
    items: BTreeMap<String, Item>,
}

#[derive(Debug)]
struct Item {
    shape: Vec<usize>,
    kind: u64,
    start: usize,
    len: usize,
}

/// Reads through the content, and never past its end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

impl MarianFile {
    /// Reads the file at `path`, unpacked if it is packed with gzip.
    pub fn open(path: &Path) -> Result<Self> {
        let content = crate::files::unpacked(path)?;
        let damaged = |reason: &str| {
            Error::file(path, format!("is no binary model of Marian or Bergamot: {reason}"))
        };
        if content.first_chunk().is_none_or(|&version| u64::from_le_bytes(version) != VERSION) {
            return Err(damaged("it does not begin as version 1 does"));
        }
        let items = items(&content).ok_or_else(|| damaged("it is truncated or damaged"))?;
        Ok(Self { content, items })
    }

    /// The settings that it was trained with, YAML, if it has them.
    pub fn settings(&self) -> Option<String> {
        let item = self.items.get("special:model.yml")?;
        let bytes = &self.content[item.start..item.start + item.len];
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}

fn items(content: &[u8]) -> Option<BTreeMap<String, Item>> {
    let mut reader = Reader { rest: content };
    reader.u64()?;
    let count = reader.u64().filter(|&count| count < MANY)?;
    let mut heads = Vec::new();
    for _ in 0..count {
        heads.push([reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?]);
    }
    let mut names = Vec::new();
    for [length, ..] in &heads {
        let name = reader.take(*length)?.strip_suffix(&[0])?;
        names.push(String::from_utf8(name.to_vec()).ok()?);
    }
    let mut shapes = Vec::new();
    for [_, _, rank, _] in &heads {
        let bytes = reader.take(rank.checked_mul(4)?)?;
        let size = |&chunk: &[u8; 4]| usize::try_from(i32::from_le_bytes(chunk)).ok();
        shapes.push(bytes.as_chunks().0.iter().map(size).collect::<Option<Vec<_>>>()?);
    }
    let padding = reader.u64()?;
    reader.take(padding)?;
    let mut items = BTreeMap::new();
    for (([_, kind, _, bytes], name), shape) in heads.iter().zip(names).zip(shapes) {
        let start = content.len() - reader.rest.len();
        let len = reader.take(*bytes)?.len();
        items.insert(name, Item { shape, kind: *kind, start, len });
    }
    Some(items)
}

/// Whether a matrix of integers lies as its shape says: embeddings do, all others are transposed.
fn is_embedding(name: &str) -> bool {
    name.ends_with("Wemb")
}

impl Item {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn is_matrix(&self) -> bool {
        self.shape.len() == 2 && self.shape[0] > 1
    }

    fn is_integer(&self) -> bool {
        matches!(self.kind, INTGEMM8 | I8)
    }
}

impl Checkpoint for MarianFile {
    fn names(&self) -> Vec<String> {
        self.items.keys().cloned().collect()
    }

    /// Matrices are `(out, in)`, embeddings `(V, D)`, and vectors have one dimension.
    fn info(&self, name: &str) -> Option<Info> {
        let item = self.items.get(name)?;
        let shape = match item.is_matrix() {
            true if is_embedding(name) => item.shape.clone(),
            true => item.shape.iter().rev().copied().collect(),
            false => vec![item.count()],
        };
        let kind = if item.is_integer() && item.is_matrix() { Kind::Int8 } else { Kind::F32 };
        Some(Info { shape, kind })
    }

    fn read(&self, name: &str) -> Result<Values> {
        let invalid = |reason: &str| Error::Unsupported(format!("the tensor `{name}` {reason}"));
        let item = self.items.get(name).ok_or_else(|| invalid("is not in the model"))?;
        let (bytes, count) = (&self.content[item.start..item.start + item.len], item.count());
        match item.kind {
            F32 => {
                let bytes = bytes.get(..4 * count).ok_or_else(|| invalid("is truncated"))?;
                let values = floats(bytes);
                let plain = is_embedding(name) || !item.is_matrix();
                Ok(Values::F32(if plain { values } else { transposed(&values, item.shape[0]) }))
            }
            INTGEMM8 | I8 => {
                let (values, rest) =
                    bytes.split_at_checked(count).ok_or_else(|| invalid("is truncated"))?;
                let factor = match rest.first_chunk() {
                    Some(&factor) => f32::from_le_bytes(factor),
                    None => return Err(invalid("has no scale")),
                };
                let values = signed(values);
                match item.is_matrix() {
                    true => {
                        let info = self.info(name).ok_or_else(|| invalid("is not in the model"))?;
                        Ok(Values::Int8 { values, scales: vec![1.0 / factor; info.shape[0]] })
                    }
                    false => {
                        let values = values.iter().map(|&value| f32::from(value) / factor);
                        Ok(Values::F32(values.collect()))
                    }
                }
            }
            other => Err(invalid(&format!(
                "is of type {other:#x}: float32 and eight-bit integers are known"
            ))),
        }
    }
}

/// The transpose of a matrix of `rows` rows.
pub(crate) fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
}
