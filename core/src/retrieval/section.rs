//! The entries of one route, and how the nearest are found.
//!
//! Keys are int8, with a centre and a scale for each dimension. Squared distances are those to the
//! stored keys: `|q|² - 2 q·k + |k|²`, where `q·k` is a product of integers. From a few thousand
//! entries on they lie in cells around centroids, and only the nearest cells are looked through.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use candle::{Device, Tensor};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::gate::Gate;
use crate::{Result, kernels::nearest};

/// Keys that are looked through at once.
const BLOCK: usize = 512;
/// Cells that are looked through.
const PROBES: usize = 8;

/// Where the bytes of a datastore lie.
#[derive(Debug)]
pub enum Bytes {
    /// A file, mapped into memory.
    Map(Mmap),
    /// Inside the binary.
    Static(&'static [u8]),
    /// In memory.
    Owned(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// An entry that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Squared distance of its key from the query.
    pub distance: f32,
    /// The token that followed.
    pub token: u32,
}

/// Some rows of keys with their squared lengths.
#[derive(Debug, Clone)]
struct Keys {
    bytes: Arc<Bytes>,
    keys: Range<usize>,
    norms: Range<usize>,
}

impl Keys {
    fn norm(&self, place: usize) -> f32 {
        f32::from_le_bytes(four(&self.bytes[self.norms.clone()], place))
    }
}

fn four(bytes: &[u8], place: usize) -> [u8; 4] {
    let bytes = &bytes[4 * place..4 * place + 4];
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// The entries of one route.
#[derive(Debug, Clone)]
pub struct Section {
    /// What is subtracted from a state, `(D,)`.
    centre: Vec<f32>,
    /// What a unit of a key stands for in each dimension, `(D,)`.
    scale: Vec<f32>,
    entries: Keys,
    /// The tokens that followed, `u32`.
    tokens: Range<usize>,
    centroids: Keys,
    /// Where the entries of each cell begin, and the end of the last.
    cells: Vec<u32>,
    gate: Gate,
}

/// A query in the numbers of the keys.
struct Query {
    values: Vec<i16>,
    /// What a unit of a product stands for.
    unit: f32,
    norm: f32,
}

/// The nearest so far, nearest first.
struct Nearest {
    count: usize,
    found: Vec<(f32, u32)>,
}

impl Nearest {
    /// Of entries at one distance the first that comes stays first.
    fn offer(&mut self, distance: f32, place: u32) {
        if self.found.len() == self.count
            && self.found.last().is_some_and(|(worst, _)| distance >= *worst)
        {
            return;
        }
        let at = self.found.partition_point(|(other, _)| *other <= distance);
        self.found.insert(at, (distance, place));
        self.found.truncate(self.count);
    }
}

impl Section {
    /// The section called `name` in the safetensors file `bytes`, of a model `width` wide with
    /// `vocab_size` tokens.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(
        bytes: &Arc<Bytes>,
        name: &str,
        width: usize,
        vocab_size: usize,
    ) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let base = bytes.as_ptr() as usize;
        let part = |part: &str, dtype: Dtype, shape: &[usize]| -> Result<Range<usize>, String> {
            let full = format!("{name}.{part}");
            let tensor = file.tensor(&full).map_err(|error| error.to_string())?;
            let fits = tensor.shape().len() == shape.len()
                && tensor.shape().iter().zip(shape).all(|(a, b)| *b == ANY || a == b);
            if tensor.dtype() != dtype || !fits {
                return Err(format!(
                    "`{full}` is {:?} {:?}, of another shape than this model's",
                    tensor.dtype(),
                    tensor.shape()
                ));
            }
            let start = tensor.data().as_ptr() as usize - base;
            Ok(start..start + tensor.data().len())
        };
        let floats = |range: Range<usize>| -> Vec<f32> {
            bytes[range].as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        };
        let keys = part("keys", Dtype::U8, &[ANY, width])?;
        let count = keys.len() / width;
        let cells = part("cells", Dtype::U32, &[ANY])?;
        let cells: Vec<u32> =
            bytes[cells].as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        let num_cells = cells.len().saturating_sub(1);
        if cells.first() != Some(&0) || cells.last() != Some(&(count as u32)) || !cells.is_sorted()
        {
            return Err(format!("the cells of `{name}` do not cover its {count} entries"));
        }
        let entries =
            Keys { bytes: bytes.clone(), keys, norms: part("norms", Dtype::F32, &[count])? };
        let centroids = Keys {
            bytes: bytes.clone(),
            keys: part("centroids", Dtype::U8, &[num_cells, width])?,
            norms: part("centroid_norms", Dtype::F32, &[num_cells])?,
        };
        let tokens = part("tokens", Dtype::U32, &[count])?;
        let known =
            |place| (u32::from_le_bytes(four(&bytes[tokens.clone()], place)) as usize) < vocab_size;
        if !(0..count).all(known) {
            return Err(format!("`{name}.tokens` names tokens that the model does not have"));
        }
        Ok(Self {
            centre: floats(part("centre", Dtype::F32, &[width])?),
            scale: floats(part("scale", Dtype::F32, &[width])?),
            gate: Gate::from_numbers(&floats(part("gate", Dtype::F32, &[Gate::NUMBERS])?)),
            entries,
            tokens,
            centroids,
            cells,
        })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.tokens.len() / 4
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What decides how much neighbours count.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The `count` entries nearest to the state `hidden`, `(D,)`, in the cells that are looked
    /// through, nearest first, without those of the places that `skips` names.
    ///
    /// # Panics
    /// If `hidden` is not as wide as the keys.
    pub fn nearest(
        &self,
        hidden: &[f32],
        count: usize,
        skips: impl Fn(usize) -> bool,
    ) -> Vec<Neighbour> {
        assert_eq!(hidden.len(), self.centre.len(), "the width of a state");
        let query = self.query(hidden);
        let num_cells = self.cells.len() - 1;
        let mut cells = Nearest { count: PROBES.min(num_cells), found: Vec::new() };
        match num_cells {
            0 | 1 => cells.found.extend((0..num_cells as u32).map(|cell| (0.0, cell))),
            _ => self.scan(&query, &self.centroids, 0..num_cells, &mut cells, |_| false),
        }
        let mut nearest = Nearest { count, found: Vec::new() };
        for (_, cell) in cells.found {
            let cell = cell as usize;
            let places = self.cells[cell] as usize..self.cells[cell + 1] as usize;
            self.scan(&query, &self.entries, places, &mut nearest, &skips);
        }
        let tokens = &self.entries.bytes[self.tokens.clone()];
        let neighbour = |(distance, place): (f32, u32)| Neighbour {
            distance,
            token: u32::from_le_bytes(four(tokens, place as usize)),
        };
        nearest.found.into_iter().map(neighbour).collect()
    }

    fn scan(
        &self,
        query: &Query,
        keys: &Keys,
        places: Range<usize>,
        nearest: &mut Nearest,
        skips: impl Fn(usize) -> bool,
    ) {
        let width = self.centre.len();
        let rows = &keys.bytes[keys.keys.clone()];
        let mut dots = [0i32; BLOCK];
        for start in places.clone().step_by(BLOCK) {
            let end = places.end.min(start + BLOCK);
            let dots = &mut dots[..end - start];
            nearest::dots(&query.values, &rows[start * width..end * width], dots);
            for (place, dot) in (start..end).zip(dots) {
                let product = *dot as f32 * query.unit;
                let distance = (query.norm - 2.0 * product + keys.norm(place)).max(0.0);
                if !skips(place) {
                    nearest.offer(distance, place as u32);
                }
            }
        }
    }

    fn query(&self, hidden: &[f32]) -> Query {
        let centred = hidden.iter().zip(&self.centre).map(|(x, centre)| x - centre);
        let norm = centred.clone().map(|x| x * x).sum();
        let scaled: Vec<f32> = centred.zip(&self.scale).map(|(x, scale)| x * scale).collect();
        let largest = scaled.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let limit = f32::from(nearest::query_limit(hidden.len()));
        let unit = if largest > 0.0 { largest / limit } else { 1.0 };
        let values =
            scaled.iter().map(|x| (x / unit).round().clamp(-limit, limit) as i16).collect();
        Query { values, unit, norm }
    }

    /// The same entries with another gate.
    pub fn with_gate(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// Puts a section together from what [`Section::parse`] reads.
    pub(super) fn of_parts(parts: Parts) -> Self {
        let Parts { centre, scale, keys, norms, tokens, centroids, centroid_norms, cells } = parts;
        let mut bytes = Vec::new();
        let mut add = |part: &[u8]| {
            bytes.extend_from_slice(part);
            bytes.len() - part.len()..bytes.len()
        };
        let floats = |xs: &[f32]| xs.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let ids: Vec<u8> = tokens.iter().flat_map(|x| x.to_le_bytes()).collect();
        let entries = (add(&keys), add(&floats(&norms)));
        let cores = (add(&centroids), add(&floats(&centroid_norms)));
        let tokens = add(&ids);
        let bytes = Arc::new(Bytes::Owned(bytes));
        let of = |(keys, norms)| Keys { bytes: bytes.clone(), keys, norms };
        let (entries, centroids, gate) = (of(entries), of(cores), Gate::default());
        Self { centre, scale, entries, tokens, centroids, cells, gate }
    }

    /// The tensors of the section called `name`, for a safetensors file.
    pub fn tensors(&self, name: &str) -> Result<BTreeMap<String, Tensor>> {
        let device = &Device::Cpu;
        let width = self.centre.len();
        let bytes = |of: &Keys| -> Result<Tensor> {
            let keys = of.bytes[of.keys.clone()].to_vec();
            Ok(Tensor::from_vec(keys, (of.keys.len() / width, width), device)?)
        };
        let norms = |of: &Keys| -> Result<Tensor> {
            let count = of.norms.len() / 4;
            let norms: Vec<f32> = (0..count).map(|place| of.norm(place)).collect();
            Ok(Tensor::from_vec(norms, count, device)?)
        };
        let vector = |xs: Vec<f32>| -> Result<Tensor> {
            let count = xs.len();
            Ok(Tensor::from_vec(xs, count, device)?)
        };
        let token =
            |place| u32::from_le_bytes(four(&self.entries.bytes[self.tokens.clone()], place));
        let tokens: Vec<u32> = (0..self.len()).map(token).collect();
        let parts = [
            ("keys", bytes(&self.entries)?),
            ("norms", norms(&self.entries)?),
            ("tokens", Tensor::from_vec(tokens, self.len(), device)?),
            ("centroids", bytes(&self.centroids)?),
            ("centroid_norms", norms(&self.centroids)?),
            ("cells", Tensor::from_vec(self.cells.clone(), self.cells.len(), device)?),
            ("centre", vector(self.centre.clone())?),
            ("scale", vector(self.scale.clone())?),
            ("gate", vector(self.gate.numbers())?),
        ];
        Ok(parts.into_iter().map(|(part, tensor)| (format!("{name}.{part}"), tensor)).collect())
    }
}

/// A dimension of any size.
const ANY: usize = usize::MAX;

/// What a section is made of.
pub(super) struct Parts {
    pub(super) centre: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) keys: Vec<u8>,
    pub(super) norms: Vec<f32>,
    pub(super) tokens: Vec<u32>,
    pub(super) centroids: Vec<u8>,
    pub(super) centroid_norms: Vec<f32>,
    pub(super) cells: Vec<u32>,
}
