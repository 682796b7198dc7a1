//! `model.bin` of CTranslate2, of every binary version since 2021.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use fs_err::File;

use super::{Checkpoint, Info, Kind, Values, read_floats, read_values};
use crate::{Error, Result};

/// The versions that are known.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=6;
/// More variables, dimensions or characters in a name than any model has.
const MANY: u32 = 1 << 20;

/// A `model.bin`, open for reading.
#[derive(Debug)]
pub struct Ct2File {
    path: PathBuf,
    /// Name of the specification, such as `TransformerSpec`.
    pub spec: String,
    /// Revision of the specification.
    pub revision: u32,
    variables: BTreeMap<String, Variable>,
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Variable {
    shape: Vec<usize>,
    kind: VariableKind,
    offset: u64,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VariableKind {
    F32,
    I8,
    I16,
    I32,
    F16,
    Bf16,
}

impl VariableKind {
    const BY_ID: [Self; 6] = [Self::F32, Self::I8, Self::I16, Self::I32, Self::F16, Self::Bf16];

    fn size(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

/// Reads numbers and text, and knows the place.
struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    size: u64,
}

impl Reader {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| self.error("it is truncated"))?;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = u16::from_le_bytes(self.bytes()?);
        let mut bytes = vec![0; usize::from(length)];
        self.file.read_exact(&mut bytes).map_err(|_| self.error("it is truncated"))?;
        if bytes.pop().is_some_and(|last| last != 0) {
            return Err(self.error("a name in it does not end"));
        }
        String::from_utf8(bytes).map_err(|_| self.error("a name in it is not UTF-8 text"))
    }

    fn count(&mut self) -> Result<u32> {
        match self.u32()? {
            count if count <= MANY => Ok(count),
            count => Err(self.error(&format!("it claims {count} entries"))),
        }
    }

    fn error(&self, reason: &str) -> Error {
        Error::file(&self.path, format!("is no `model.bin` of CTranslate2: {reason}"))
    }

    fn variable(&mut self, version: u32) -> Result<(String, Variable)> {
        let name = self.text()?;
        let rank = self.u8()?;
        let shape = (0..rank).map(|_| Ok(self.u32()? as usize)).collect::<Result<Vec<_>>>()?;
        let kind = self.u8()?;
        let (kind, bytes) = match version >= 4 {
            true => {
                let known = VariableKind::BY_ID.get(usize::from(kind)).copied();
                (known, self.u32()? as usize)
            }
            false => {
                let known = match kind {
                    4 => Some(VariableKind::F32),
                    2 => Some(VariableKind::I16),
                    1 => Some(VariableKind::I8),
                    _ => None,
                };
                (known, (self.u32()? as usize).saturating_mul(usize::from(kind)))
            }
        };
        let Some(kind) = kind else {
            return Err(self.error(&format!("`{name}` is of a type that is not known")));
        };
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if count.and_then(|count| count.checked_mul(kind.size())) != Some(bytes) {
            return Err(self.error(&format!("`{name}` is not as long as its shape says")));
        }
        let offset = self.file.stream_position()?;
        if offset + bytes as u64 > self.size {
            return Err(self.error(&format!("it ends before `{name}` does: it is truncated")));
        }
        self.file.seek(SeekFrom::Current(bytes as i64))?;
        Ok((name, Variable { shape, kind, offset, bytes }))
    }
}

impl Ct2File {
    /// Reads what is in the file at `path`, but no values.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut reader = Reader { file: BufReader::new(file), path: path.into(), size };
        let version = reader.u32()?;
        if !VERSIONS.contains(&version) {
            let (first, last) = VERSIONS.into_inner();
            let reason = format!("its version is {version}; {first} to {last} are known");
            return Err(reader.error(&reason));
        }
        let (spec, revision) = (reader.text()?, reader.u32()?);
        let mut variables = BTreeMap::new();
        for _ in 0..reader.count()? {
            let (name, variable) = reader.variable(version)?;
            variables.insert(name, variable);
        }
        let mut aliases = BTreeMap::new();
        if version >= 3 {
            for _ in 0..reader.count()? {
                let (alias, name) = (reader.text()?, reader.text()?);
                if !variables.contains_key(&name) {
                    let reason = format!("`{alias}` stands for `{name}`, which is missing");
                    return Err(reader.error(&reason));
                }
                aliases.insert(alias, name);
            }
        }
        Ok(Self { path: path.into(), spec, revision, variables, aliases })
    }

    /// The name under which the values of `name` are in the file.
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// A number without dimensions, if it is there.
    pub fn scalar(&self, name: &str) -> Result<Option<f32>> {
        let Some(variable) = self.variables.get(self.canonical(name)) else { return Ok(None) };
        Ok(self.raw(variable)?.first().copied())
    }

    /// Whether a number is an integer: some are flags in one version, factors in another.
    pub fn is_integer(&self, name: &str) -> bool {
        let variable = self.variables.get(self.canonical(name));
        variable.is_some_and(|v| {
            matches!(v.kind, VariableKind::I8 | VariableKind::I16 | VariableKind::I32)
        })
    }

    /// The values as they are in the file, as floats.
    fn raw(&self, variable: &Variable) -> Result<Vec<f32>> {
        let mut file = self.at(variable)?;
        let count = variable.bytes / variable.kind.size();
        Ok(match variable.kind {
            VariableKind::F32 => read_values(&mut file, count, f32::from_le_bytes)?,
            VariableKind::F16 => {
                read_values(&mut file, count, |b| half::f16::from_le_bytes(b).to_f32())?
            }
            VariableKind::Bf16 => {
                read_values(&mut file, count, |b| half::bf16::from_le_bytes(b).to_f32())?
            }
            VariableKind::I8 => {
                read_values(&mut file, count, |b| f32::from(i8::from_le_bytes(b)))?
            }
            VariableKind::I16 => {
                read_values(&mut file, count, |b| f32::from(i16::from_le_bytes(b)))?
            }
            VariableKind::I32 => {
                read_values(&mut file, count, |b| i32::from_le_bytes(b) as f32)?
            }
        })
    }

    /// The file from where the values of a variable begin.
    fn at(&self, variable: &Variable) -> Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(variable.offset))?;
        Ok(file)
    }

    fn scales(&self, name: &str) -> Result<Vec<f32>> {
        let scale = format!("{name}_scale");
        match self.variables.get(self.canonical(&scale)) {
            Some(variable) => self.raw(variable),
            None => Err(Error::file(&self.path, format!("has integers in `{name}`, but no scale"))),
        }
    }
}

impl Checkpoint for Ct2File {
    fn names(&self) -> Vec<String> {
        self.variables.keys().chain(self.aliases.keys()).cloned().collect()
    }

    fn info(&self, name: &str) -> Option<Info> {
        let variable = self.variables.get(self.canonical(name))?;
        let kind = match variable.kind {
            VariableKind::I8 if variable.shape.len() == 2 => Kind::Int8,
            VariableKind::F16 => Kind::F16,
            VariableKind::Bf16 => Kind::Bf16,
            _ => Kind::F32,
        };
        Some(Info { shape: variable.shape.clone(), kind })
    }

    /// Integers of eight bits stay such, those of sixteen become floats.
    fn read(&self, name: &str) -> Result<Values> {
        let name = self.canonical(name);
        let variable = self
            .variables
            .get(name)
            .ok_or_else(|| Error::file(&self.path, format!("has no variable `{name}`")))?;
        match variable.kind {
            VariableKind::I8 if variable.shape.len() == 2 => {
                let scales: Vec<f32> = self.scales(name)?.iter().map(|scale| 1.0 / scale).collect();
                if scales.len() != variable.shape[0] {
                    let reason = format!("has {} scales for `{name}`", scales.len());
                    return Err(Error::file(&self.path, reason));
                }
                let mut file = self.at(variable)?;
                let values = read_values(&mut file, variable.bytes, i8::from_le_bytes)?;
                Ok(Values::Int8 { values, scales })
            }
            VariableKind::I16 if !variable.shape.is_empty() => {
                let scale = self.scales(name)?.first().copied().unwrap_or(1.0);
                let mut values = self.raw(variable)?;
                values.iter_mut().for_each(|value| *value /= scale);
                Ok(Values::F32(values))
            }
            VariableKind::F16 | VariableKind::Bf16 => {
                let count = variable.bytes / variable.kind.size();
                let kind = if variable.kind == VariableKind::F16 { Kind::F16 } else { Kind::Bf16 };
                Ok(read_floats(&mut self.at(variable)?, count, kind)?)
            }
            _ => Ok(Values::F32(self.raw(variable)?)),
        }
    }
}
