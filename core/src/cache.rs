//! What the decoder keeps between steps: keys and values of what was said and of the source.

use candle::Tensor;

use crate::{
    Error, Result,
    kernels::{
        attention::{Cached, Heads},
        columns::Columns,
    },
    ops::Distances,
    ragged::Ragged,
    register::RowRoute,
};

/// Rows of one step: hypotheses, all of the same length.
#[derive(Debug, Clone, Copy)]
pub struct StepRows<'a> {
    /// Sentence of each row.
    pub sentences: &'a [usize],
    /// Where each row goes.
    pub routes: &'a [RowRoute],
}

/// Caches of all layers.
#[derive(Debug)]
pub struct DecoderCache {
    layers: Vec<LayerCache>,
    length: usize,
}

/// Cache of one layer, on the CPU.
#[derive(Debug)]
pub struct LayerCache {
    heads: Heads,
    /// Of every row the keys and values `(T, 2D)` of the tokens so far, or a recurrent cell `(D,)`.
    rows: Vec<Vec<f32>>,
    /// Buffers of rows that are no more, for those that come: fresh memory costs more than a copy.
    spare: Vec<Vec<f32>>,
    /// Keys and values of all sources, `(S, 2D)`.
    memory: Tensor,
    source: Ragged,
}

impl DecoderCache {
    /// Caches for layers with these `memories`, `(S, 2D)` each, whose rows lie as in `source`.
    pub(crate) fn new(heads: Heads, memories: Vec<Tensor>, source: Ragged) -> Result<Self> {
        if memories.iter().any(|memory| !memory.device().is_cpu()) {
            let reason = "decoding runs on the CPU: load the model there to translate";
            return Err(Error::Invalid(reason.into()));
        }
        let layer = |memory| LayerCache {
            heads,
            rows: Vec::new(),
            spare: Vec::new(),
            memory,
            source: source.clone(),
        };
        Ok(Self { layers: memories.into_iter().map(layer).collect(), length: 0 })
    }

    /// Tokens on every row so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The layers, for a step that adds one token to every row.
    pub(crate) fn layers_mut(&mut self) -> impl Iterator<Item = &mut LayerCache> {
        self.length += 1;
        self.layers.iter_mut()
    }

    /// Keeps `parents` as the new rows; one may become several, or none.
    pub(crate) fn select(&mut self, parents: &[usize]) {
        for layer in &mut self.layers {
            layer.select(parents);
        }
    }
}

/// Tokens that a row has room for from the start.
const ROOM: usize = 32;

impl LayerCache {
    fn select(&mut self, parents: &[usize]) {
        let mut uses = vec![0usize; self.rows.len()];
        parents.iter().for_each(|&parent| uses[parent] += 1);
        let mut old: Vec<Option<Vec<f32>>> =
            std::mem::take(&mut self.rows).into_iter().map(Some).collect();
        for (row, _) in old.iter_mut().zip(&uses).filter(|(_, uses)| **uses == 0) {
            self.spare.extend(row.take());
        }
        let mut new: Vec<Vec<f32>> = Vec::with_capacity(parents.len());
        for &parent in parents {
            uses[parent] -= 1;
            // The last use takes the buffer, those before copy it.
            let row = match uses[parent] {
                0 => old[parent].take(),
                _ => old[parent].as_ref().map(|row| {
                    let mut copy = self.spare.pop().unwrap_or_default();
                    copy.clear();
                    copy.reserve(row.capacity());
                    copy.extend_from_slice(row);
                    copy
                }),
            };
            new.push(row.expect("a parent's buffer is taken at its last use"));
        }
        self.rows = new;
    }

    /// Tokens of every row whose keys and values are here.
    pub(crate) fn length(&self) -> usize {
        self.rows.first().map_or(0, |row| row.len() / (2 * self.heads.d_model()))
    }

    /// Adds the keys and values of `qkv` `(R, 3D)`, and attends to all so far: `(R, D)`.
    pub(crate) fn attend_to_target(
        &mut self,
        qkv: &Tensor,
        distances: Option<&Distances>,
    ) -> Result<Tensor> {
        let (rows, width) = (qkv.dim(0)?, self.heads.d_model());
        self.rows.resize_with(rows, Vec::new);
        with_values(qkv, |qkv| {
            for (cache, qkv) in self.rows.iter_mut().zip(qkv.chunks_exact(3 * width)) {
                if cache.capacity() == 0 {
                    cache.reserve(ROOM * 2 * width);
                }
                cache.extend_from_slice(&qkv[width..]);
            }
            let [q, _, _] = Columns::split(qkv, [width; 3]);
            self.attend(q, self.rows.iter().map(Vec::as_slice), distances)
        })?
    }

    /// Moves the recurrent cells on by `gates` `(R, 2D)`, and gives what comes out of them: `(R, D)`.
    pub(crate) fn recur(
        &mut self,
        gates: &Tensor,
        advance: impl Fn(&mut [f32], &[f32], &mut [f32]),
    ) -> Result<Tensor> {
        let (rows, width) = (gates.dim(0)?, self.heads.d_model());
        self.rows.resize_with(rows, Vec::new);
        let mut out = vec![0.0; rows * width];
        with_values(gates, |gates| {
            let pairs = self.rows.iter_mut().zip(gates.chunks_exact(2 * width));
            for ((cell, gates), out) in pairs.zip(out.chunks_exact_mut(width)) {
                cell.resize(width, 0.0); // before the first token it is empty
                advance(cell, gates, out);
            }
        })?;
        Ok(Tensor::from_vec(out, (rows, width), &candle::Device::Cpu)?)
    }

    /// Attends from queries `(R, D)` to the sources of their sentences: `(R, D)`.
    pub(crate) fn attend_to_source(&self, query: &Tensor, rows: &StepRows<'_>) -> Result<Tensor> {
        let width = self.heads.d_model();
        with_values(&self.memory, |memory| {
            with_values(query, |query| {
                let sources = rows.sentences.iter().map(|&sentence| {
                    let start = self.source.offsets()[sentence];
                    let end = start + self.source.lengths()[sentence];
                    &memory[start * 2 * width..end * 2 * width]
                });
                self.attend(Columns::new(query, width), sources, None)
            })
        })??
    }

    fn attend<'a>(
        &self,
        query: Columns<'_>,
        keys_and_values: impl Iterator<Item = &'a [f32]>,
        distances: Option<&Distances>,
    ) -> Result<Tensor> {
        let width = self.heads.d_model();
        let cached: Vec<Cached<'_>> = keys_and_values
            .map(|rows| {
                let [keys, values] = Columns::split(rows, [width; 2]);
                Cached { keys, values }
            })
            .collect();
        let mut out = vec![0.0; cached.len() * width];
        match distances {
            None => self.heads.step(query, &cached, &mut out, None),
            Some(distances) => distances.with_kernel(|distances| {
                self.heads.step_with_distances(query, &cached, distances, &mut out);
            })?,
        }
        Ok(Tensor::from_vec(out, (cached.len(), width), &candle::Device::Cpu)?)
    }
}

fn with_values<R>(xs: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    crate::ops::with_values(xs, f).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use candle::Device;

    use super::*;

    #[test]
    fn rows_follow_their_parents() -> Result<()> {
        let memory = Tensor::zeros((1, 4), candle::DType::F32, &Device::Cpu)?;
        let heads = Heads { count: 1, width: 2, scale: 1.0 };
        let mut cache = DecoderCache::new(heads, vec![memory], Ragged::contiguous(&[1]))?;
        let qkv =
            Tensor::new(&[[0f32, 0., 1., 1., 1., 1.], [0., 0., 2., 2., 2., 2.]], &Device::Cpu)?;
        for layer in cache.layers_mut() {
            layer.attend_to_target(&qkv, None)?;
        }
        cache.select(&[1, 1, 0]);
        let first = |row: &Vec<f32>| row[0];
        assert_eq!(cache.layers[0].rows.iter().map(first).collect::<Vec<_>>(), [2.0, 2.0, 1.0]);
        assert_eq!(cache.length(), 1);
        Ok(())
    }
}
