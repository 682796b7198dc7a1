//! Attention within a sentence that knows how far a key is from its query.

use std::sync::Arc;

use candle::{CpuStorage, CustomOp1, D, Device, Layout, Shape, Tensor};
use candle_nn::ops::softmax;

use super::{
    attention::{Attention, from_heads, masked, part, to_heads},
    slices,
};
use crate::{
    Result,
    context::Context,
    kernels::{
        attention::{self as kernel, Qkv, ScoreBias, VectorsByDistance},
        columns::Columns,
        random::Dropout,
    },
    params::Param,
    ragged::Ragged,
};

/// What depends on the distance `j − i` from a query at place `i` to a key at place `j`.
#[derive(Debug, Clone)]
pub enum Distances {
    /// Vectors that are added to keys and values, `(2M + 1, width)` each (Shaw et al. 2018); farther
    /// distances count as `M`.
    Vectors {
        /// Added to keys.
        keys: Param,
        /// Added to values.
        values: Param,
    },
    /// A bias of the score for each bucket of distances and each head (Raffel et al. 2020).
    Buckets {
        /// The bucket of each distance from `−M` to `M`.
        buckets: Arc<[u32]>,
        /// `(buckets, H)`.
        table: Param,
    },
    /// `slope · distance` is added to the score, with a slope for each head (Press et al. 2022).
    Slopes(Arc<[f32]>),
}

impl Distances {
    /// Runs `f` on the values that the kernel reads.
    pub(crate) fn with_kernel<R>(&self, f: impl FnOnce(kernel::Distances<'_>) -> R) -> Result<R> {
        match self {
            Self::Vectors { keys, values } => keys.with_value(|keys| {
                values.with_value(|values| {
                    f(kernel::Distances::Vectors(VectorsByDistance { keys, values }))
                })
            })?,
            Self::Buckets { buckets, table } => table.with_value(|table| {
                f(kernel::Distances::Bias(ScoreBias::Buckets { buckets, table }))
            }),
            Self::Slopes(slopes) => Ok(f(kernel::Distances::Bias(ScoreBias::Slopes(slopes)))),
        }
    }
}

/// Attention of the sentences of `layout` to themselves, where distances count: `qkv` holds queries, keys
/// and values side by side, `(N, 3D)`; gives `(N, D)`.
pub fn attention_with_distances(
    qkv: &Tensor,
    layout: &Ragged,
    attention: Attention,
    distances: &Distances,
    context: &Context,
) -> Result<Tensor> {
    let uses_kernel = context.uses_kernels(qkv.device()) && !context.is_training();
    if !uses_kernel || layout.is_padded() {
        return composite(qkv, layout, attention, distances);
    }
    let op = Attend { attention, layout: layout.clone(), distances: distances.clone() };
    Ok(qkv.contiguous()?.apply_op1_no_bwd(&op)?)
}

/// The kernel form, for inference.
struct Attend {
    attention: Attention,
    layout: Ragged,
    distances: Distances,
}

impl CustomOp1 for Attend {
    fn name(&self) -> &'static str {
        "self-attention with distances"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let xs = slices::values(xs, layout)?;
        let (rows, width) = (layout.dims()[0], layout.dims()[1] / 3);
        let [q, k, v] = Columns::split(xs, [width; 3]);
        let rule = kernel::Attention {
            heads: self.attention.heads(width),
            q_offsets: self.layout.offsets(),
            k_offsets: self.layout.offsets(),
            causal: self.attention.causal,
            dropout: Dropout::default(),
        };
        let mut ys = vec![0.0; rows * width];
        let done = self.distances.with_kernel(|distances| {
            rule.forward_with_distances(Qkv { q, k, v }, distances, &mut ys);
        });
        done.map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(ys), (rows, width).into()))
    }
}

/// The composite form, on a rectangle `(B, T)`.
fn composite(
    qkv: &Tensor,
    layout: &Ragged,
    attention: Attention,
    distances: &Distances,
) -> Result<Tensor> {
    let scale = f64::from(attention.heads(qkv.dim(1)? / 3).scale);
    let [q, k, v] = [0, 1, 2].map(|i| {
        to_heads(&part(qkv, i, 3)?, layout, attention.num_heads) // (B, H, T, D/H)
    });
    let (q, k, v) = (q?, k?, v?);
    let (time, device) = (q.dim(2)?, qkv.device());
    let mut scores = (q.matmul(&k.t()?)? * scale)?; // (B, H, T, T)
    match distances {
        Distances::Vectors { keys, .. } => {
            let vectors = by_distance(keys, time)?.transpose(1, 2)?; // (T, D/H, T)
            scores = (scores + (times(&q, &vectors)? * scale)?)?;
        }
        Distances::Buckets { buckets, table } => {
            let rows = distance_rows(time, buckets.len()).map(|row| buckets[row as usize]);
            let rows = Tensor::from_vec(rows.collect::<Vec<u32>>(), time * time, device)?;
            let bias = table.tensor()?.index_select(&rows, 0)?; // (T·T, H)
            let bias = bias.reshape((time, time, ()))?.permute((2, 0, 1))?; // (H, T, T)
            scores = scores.broadcast_add(&bias.unsqueeze(0)?)?;
        }
        Distances::Slopes(slopes) => {
            let bias = slopes.iter().flat_map(|slope| {
                let of = move |i: usize, j: usize| slope * (j as f32 - i as f32);
                (0..time).flat_map(move |i| (0..time).map(move |j| of(i, j)))
            });
            let bias = bias.collect::<Vec<f32>>();
            let bias = Tensor::from_vec(bias, (1, slopes.len(), time, time), device)?;
            scores = scores.broadcast_add(&bias)?;
        }
    }
    let probs = softmax(&masked(&scores, layout, layout, attention.causal)?, D::Minus1)?;
    let mut ys = probs.matmul(&v)?; // (B, H, T, D/H)
    if let Distances::Vectors { values, .. } = distances {
        ys = (ys + times(&probs, &by_distance(values, time)?)?)?;
    }
    from_heads(&ys, layout)
}

/// For each pair of places, the row of a table of `rows` distances: `T·T` numbers.
fn distance_rows(time: usize, rows: usize) -> impl Iterator<Item = u32> {
    let most = (rows / 2) as i64;
    let row = move |i: usize, j: usize| ((j as i64 - i as i64).clamp(-most, most) + most) as u32;
    (0..time).flat_map(move |i| (0..time).map(move |j| row(i, j)))
}

/// The vectors of each pair of places, `(T, T, D/H)`.
fn by_distance(table: &Param, time: usize) -> Result<Tensor> {
    let table = table.tensor()?;
    let rows = distance_rows(time, table.dim(0)?).collect::<Vec<u32>>();
    let rows = Tensor::from_vec(rows, time * time, table.device())?;
    Ok(table.index_select(&rows, 0)?.reshape((time, time, ()))?)
}

/// For each query, the product of its row of `xs` `(B, H, T, I)` with its own matrix of `ys` `(T, I, O)`:
/// `(B, H, T, O)`.
fn times(xs: &Tensor, ys: &Tensor) -> Result<Tensor> {
    let (batch, heads, time, inner) = xs.dims4()?;
    let xs = xs.permute((2, 0, 1, 3))?.reshape((time, batch * heads, inner))?;
    let products = xs.matmul(&ys.contiguous()?)?; // (T, B·H, O)
    let products = products.reshape((time, batch, heads, ()))?;
    Ok(products.permute((1, 2, 0, 3))?.contiguous()?)
}

/// The buckets of distances from `−most` to `most` (Raffel et al. 2020): half of them count single
/// distances, the others grow with the logarithm up to `most`. A causal side has no keys ahead; elsewhere
/// these have buckets of their own.
pub(crate) fn buckets(count: usize, most: usize, causal: bool) -> Arc<[u32]> {
    let each = if causal { count } else { count / 2 };
    let exact = (each / 2).max(1);
    let bucket = |distance: i64| {
        let (ahead, far) = match (causal, distance > 0) {
            (true, _) => (0, (-distance).max(0)),
            (false, true) => (each, distance),
            (false, false) => (0, -distance),
        };
        let far = far as usize;
        if far < exact {
            return (ahead + far) as u32;
        }
        // In single precision, as in the code that trained the models.
        let share = (far as f32 / exact as f32).ln() / (most as f32 / exact as f32).ln();
        let place = (exact as f32 + share * (each - exact) as f32) as usize;
        (ahead + place.min(each - 1)) as u32
    };
    (-(most as i64)..=most as i64).map(bucket).collect()
}

/// The slopes of `num_heads` heads (Press et al. 2022): a geometric series for a power of two, and every
/// second one of the next series for the heads beyond.
pub(crate) fn slopes(num_heads: usize) -> Arc<[f32]> {
    let power = 1 << num_heads.max(1).ilog2();
    let base = |heads: usize| 2f32.powf(-(2f32.powf(3.0 - (heads as f32).log2())));
    let own = (1..=power).map(|i| base(power).powi(i as i32));
    let beyond = (0..num_heads - power).map(|i| base(2 * power).powi(2 * i as i32 + 1));
    own.chain(beyond).collect()
}

/// Turns queries and keys by angles that grow with their places, so that a product knows their distance
/// (Su et al. 2021).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotary {
    /// Columns of each head that are turned, from the first; even.
    pub width: usize,
    /// Base of the angles: the column pair `i` turns by `p · base^(−2i / width)`.
    pub base: f32,
    /// Whether neighbouring columns are a pair, instead of one of the first and one of the second half.
    pub interleaved: bool,
}

impl Rotary {
    /// Turns the heads of queries and keys in `qkv` `(N, 3D)`, whose rows stand at `positions`.
    pub fn turn(&self, qkv: &Tensor, positions: &[u32], num_heads: usize) -> Result<Tensor> {
        let (rows, device) = (qkv.dim(0)?, qkv.device());
        let d_model = qkv.dim(1)? / 3;
        let head = d_model / num_heads;
        let turned = qkv.narrow(1, 0, 2 * d_model)?.reshape((rows, 2 * num_heads, head))?;
        let [cosines, sines] = self.angles(positions, head, device)?; // (N, 1, D/H)
        let partners = turned.contiguous()?.index_select(&self.partners(head, device)?, 2)?;
        let turned = (turned.broadcast_mul(&cosines)? + partners.broadcast_mul(&sines)?)?;
        let turned = turned.reshape((rows, 2 * d_model))?;
        Ok(Tensor::cat(&[&turned, &qkv.narrow(1, 2 * d_model, d_model)?], 1)?)
    }

    /// The pair that each column of the first `width` belongs to, and whether it is the second of it.
    fn pair(&self, column: usize) -> (usize, bool) {
        match self.interleaved {
            true => (column / 2, column % 2 == 1),
            false => (column % (self.width / 2), column >= self.width / 2),
        }
    }

    /// The other column of each pair; columns that are not turned are their own.
    fn partners(&self, head: usize, device: &Device) -> Result<Tensor> {
        let partner = |column: usize| match (column < self.width, self.interleaved) {
            (false, _) => column,
            (true, true) => column ^ 1,
            (true, false) => (column + self.width / 2) % self.width,
        };
        let partners = (0..head).map(|column| partner(column) as u32).collect();
        Ok(Tensor::from_vec(partners, head, device)?)
    }

    /// Cosines and signed sines for each row and column, `(N, 1, D/H)`.
    fn angles(&self, positions: &[u32], head: usize, device: &Device) -> Result<[Tensor; 2]> {
        let rate = |i: usize| 1.0 / self.base.powf((2 * i) as f32 / self.width as f32);
        let rates: Vec<f32> = (0..self.width / 2).map(rate).collect();
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for &position in positions {
            for column in 0..head {
                if column >= self.width {
                    cosines.push(1.0);
                    sines.push(0.0);
                    continue;
                }
                let (pair, is_second) = self.pair(column);
                let (sine, cosine) = (position as f32 * rates[pair]).sin_cos();
                cosines.push(cosine);
                sines.push(if is_second { sine } else { -sine });
            }
        }
        let shape = (positions.len(), 1, head);
        Ok([Tensor::from_vec(cosines, shape, device)?, Tensor::from_vec(sines, shape, device)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernels::matmul::Precision,
        params::{Init, ParamStore},
    };

    #[test]
    fn buckets_count_singly_and_then_by_logarithm() {
        // Four for each side: 0, 1, then 2 and 3 up to the farthest.
        assert_eq!(buckets(8, 6, false)[..], [3, 3, 3, 2, 2, 1, 0, 5, 6, 6, 7, 7, 7]);
        assert_eq!(buckets(4, 4, true)[..], [3, 3, 2, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn slopes_are_a_series_and_every_second_of_the_next() {
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&slopes(4), &[0.25, 0.0625, 0.015_625, 0.003_906_25]));
        assert!(close(&slopes(6)[4..], &[0.5, 0.125]), "{:?}", slopes(6));
    }

    #[test]
    fn both_forms_agree() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 5);
        let weight =
            |name: &str, rows, width| store.root().get((rows, width), name, Init::Normal(1.0));
        let xs = Tensor::randn(0f32, 1.0, (9, 24), &Device::Cpu)?;
        let all = [
            Distances::Vectors { keys: weight("k", 5, 4)?, values: weight("v", 5, 4)? },
            Distances::Buckets { buckets: buckets(8, 6, true), table: weight("b", 8, 2)? },
            Distances::Slopes(slopes(2)),
        ];
        let layout = Ragged::contiguous(&[2, 7]);
        for (distances, causal) in all.iter().flat_map(|one| [(one, false), (one, true)]) {
            let rule = Attention { num_heads: 2, causal, scale: Some(0.7) };
            let context = Context::inference(Precision::F32);
            let fused = attention_with_distances(&xs, &layout, rule, distances, &context)?;
            let mut plain = Context::inference(Precision::F32);
            plain.composite = true;
            let plain = attention_with_distances(&xs, &layout, rule, distances, &plain)?;
            let off = (fused - plain)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(off < 1e-5, "{distances:?}: {off}");
        }
        Ok(())
    }

    #[test]
    fn a_product_of_turned_rows_depends_on_their_distance() -> Result<()> {
        let xs = Tensor::randn(0f32, 1.0, (1, 36), &Device::Cpu)?;
        for interleaved in [false, true] {
            let rotary = Rotary { width: 4, base: 100.0, interleaved };
            let at = |position: u32| rotary.turn(&xs, &[position], 2);
            let product = |query: u32, key: u32| -> Result<f32> {
                let (query, key) = (at(query)?.narrow(1, 0, 12)?, at(key)?.narrow(1, 12, 12)?);
                Ok((query * key)?.sum_all()?.to_scalar::<f32>()?)
            };
            assert!((product(3, 5)? - product(10, 12)?).abs() < 1e-4);
            assert!((product(3, 5)? - product(10, 13)?).abs() > 1e-3);
            assert_eq!(at(0)?.to_vec2::<f32>()?, xs.to_vec2::<f32>()?);
        }
        Ok(())
    }
}
