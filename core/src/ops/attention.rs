//! Multi-head attention of ragged sentences.

use std::sync::OnceLock;

use candle::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Shape, Tensor};
use candle_nn::ops::softmax;

use super::slices;
use crate::{
    Error, Result,
    context::Context,
    kernels::{
        attention::{self, Heads, Qkv, QkvGrads},
        columns::{Columns, ColumnsMut},
        random::Dropout,
    },
    ragged::Ragged,
};

/// The kind of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads side by side in `D`, `H`.
    pub num_heads: usize,
    /// Whether no row sees those after it in its sentence.
    pub causal: bool,
    /// Factor of the scores; none for `1 / √(D/H)`.
    pub scale: Option<f32>,
}

impl Attention {
    pub(crate) fn heads(self, d_model: usize) -> Heads {
        let width = d_model / self.num_heads;
        let scale = self.scale.unwrap_or((width as f32).powf(-0.5));
        Heads { count: self.num_heads, width, scale }
    }
}

/// Attention (Vaswani et al. 2017, eq. 1, for every head) of the sentences of `layout` to those
/// of `source`: `(N, D)`.
///
/// To itself: `xs` holds queries, keys and values side by side, `(N, 3D)`, and `kv` is none. To
/// another side: `xs` holds queries, `(N, D)`, and `kv` keys and values, `(S, 2D)`.
pub fn attention(
    xs: &Tensor,
    kv: Option<&Tensor>,
    layout: &Ragged,
    source: &Ragged,
    attention: Attention,
    context: &Context,
) -> Result<Tensor> {
    if !context.uses_kernels(xs.device()) || layout.is_padded() || source.is_padded() {
        return composite(xs, kv, layout, source, attention);
    }
    let d_model = match kv {
        Some(_) => xs.dim(1)?,
        None => xs.dim(1)? / 3,
    };
    let op = Attend {
        attention,
        heads: attention.heads(d_model),
        layout: layout.clone(),
        source: source.clone(),
        log_sums: OnceLock::new(),
    };
    let xs = xs.contiguous()?;
    match kv {
        Some(kv) => Ok(xs.apply_op2(&kv.contiguous()?, op)?),
        None => Ok(xs.apply_op1(op)?),
    }
}

/// The composite form, on a rectangle `(B, T)`.
fn composite(
    xs: &Tensor,
    kv: Option<&Tensor>,
    layout: &Ragged,
    source: &Ragged,
    attention: Attention,
) -> Result<Tensor> {
    let (q, k, v) = match kv {
        Some(kv) => (xs.clone(), part(kv, 0, 2)?, part(kv, 1, 2)?),
        None => (part(xs, 0, 3)?, part(xs, 1, 3)?, part(xs, 2, 3)?),
    };
    let scale = attention.heads(q.dim(1)?).scale;
    let [q, k, v] = [(q, layout), (k, source), (v, source)]
        .map(|(xs, layout)| to_heads(&xs, layout, attention.num_heads));
    let (q, k, v) = (q?, k?, v?); // (B, H, T, D/H)
    let scores = (q.matmul(&k.t()?)? * f64::from(scale))?; // (B, H, T, S)
    let scores = masked(&scores, layout, source, attention.causal)?;
    let probs = softmax(&scores, D::Minus1)?;
    from_heads(&probs.matmul(&v)?, layout)
}

/// Columns of part `i` of `n` side by side.
pub(super) fn part(xs: &Tensor, i: usize, n: usize) -> candle::Result<Tensor> {
    let width = xs.dim(1)? / n;
    xs.narrow(1, i * width, width)
}

/// `(N, D)` to `(B, H, T, D/H)`.
pub(super) fn to_heads(xs: &Tensor, layout: &Ragged, num_heads: usize) -> Result<Tensor> {
    let width = xs.dim(1)?;
    let xs = match layout.to_rectangle(xs.device())? {
        Some((there, _)) => xs.contiguous()?.index_select(&there, 0)?,
        None => xs.contiguous()?,
    };
    let xs = xs.reshape((layout.len(), (), num_heads, width / num_heads))?;
    Ok(xs.transpose(1, 2)?.contiguous()?)
}

/// `(B, H, T, D/H)` to `(N, D)`.
pub(super) fn from_heads(xs: &Tensor, layout: &Ragged) -> Result<Tensor> {
    let (batch, num_heads, time, width) = xs.dims4()?;
    let xs = xs.transpose(1, 2)?.reshape((batch * time, num_heads * width))?;
    match layout.to_rectangle(xs.device())? {
        Some((_, back)) => Ok(xs.index_select(&back, 0)?),
        None => Ok(xs),
    }
}

/// Scores `(B, H, T, S)`, very low where a row may not look: behind the end of its source and, if
/// `causal`, behind itself.
///
/// Both masks are small and are spread on the device: the whole one, `(B, 1, T, S)`, would take
/// longer to fill on the host than all else.
pub(super) fn masked(
    scores: &Tensor,
    layout: &Ragged,
    source: &Ragged,
    causal: bool,
) -> Result<Tensor> {
    const NEVER: f32 = -1e9;
    let (batch, _, time, keys) = scores.dims4()?;
    let device = scores.device();
    let mut scores = scores.clone();
    if source.lengths().iter().any(|&length| length != keys) {
        let mut mask = vec![NEVER; batch * keys];
        for (mask, &length) in mask.chunks_mut(keys).zip(source.lengths()) {
            mask[..length].fill(0.0);
        }
        let mask = Tensor::from_vec(mask, (batch, 1, 1, keys), device)?;
        scores = scores.broadcast_add(&mask)?;
    }
    if causal {
        if layout != source {
            let reason = "causal attention is that of a sentence to itself";
            return Err(Error::Invalid(reason.into()));
        }
        let mut mask = vec![NEVER; time * keys];
        for (t, mask) in mask.chunks_mut(keys).enumerate() {
            mask[..=t].fill(0.0);
        }
        let mask = Tensor::from_vec(mask, (1, 1, time, keys), device)?;
        scores = scores.broadcast_add(&mask)?;
    }
    Ok(scores)
}

/// The kernel form.
struct Attend {
    attention: Attention,
    heads: Heads,
    layout: Ragged,
    source: Ragged,
    /// Log-sum-exp of every row and head of the forward pass.
    log_sums: OnceLock<Vec<f32>>,
}

impl Attend {
    fn kernel(&self) -> attention::Attention<'_> {
        attention::Attention {
            heads: self.heads,
            q_offsets: self.layout.offsets(),
            k_offsets: self.source.offsets(),
            causal: self.attention.causal,
            dropout: Dropout::default(),
        }
    }

    fn forward(&self, inputs: Qkv<'_>) -> (CpuStorage, Shape) {
        let (rows, width) = (self.layout.rows(), self.heads.d_model());
        let mut ys = vec![0.0; rows * width];
        let log_sums = self.kernel().forward(inputs, &mut ys);
        self.log_sums.get_or_init(|| log_sums);
        (CpuStorage::F32(ys), (rows, width).into())
    }

    fn backward(
        &self,
        inputs: Qkv<'_>,
        dys: &Tensor,
        mut grads: QkvGrads<'_>,
    ) -> candle::Result<()> {
        let Some(log_sums) = self.log_sums.get() else {
            candle::bail!("attention: backward before forward");
        };
        slices::with_values(dys, |dys| {
            let dys = Columns::new(dys, self.heads.d_model());
            self.kernel().backward(inputs, log_sums, dys, &mut grads);
        })
    }

    /// Queries, keys and values side by side, `(N, 3D)`.
    fn qkv<'a>(&self, xs: &'a [f32]) -> Qkv<'a> {
        let width = self.heads.d_model();
        let [q, k, v] = Columns::split(xs, [width; 3]);
        Qkv { q, k, v }
    }

    /// Queries `(N, D)`, and keys and values side by side, `(S, 2D)`.
    fn q_kv<'a>(&self, xs: &'a [f32], kv: &'a [f32]) -> Qkv<'a> {
        let width = self.heads.d_model();
        let [k, v] = Columns::split(kv, [width; 2]);
        Qkv { q: Columns::new(xs, width), k, v }
    }
}

impl CustomOp1 for Attend {
    fn name(&self) -> &'static str {
        "self-attention"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        Ok(self.forward(self.qkv(slices::values(xs, layout)?)))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let width = self.heads.d_model();
        let mut dxs = vec![0.0; xs.elem_count()];
        slices::with_values(xs, |xs| {
            let [dq, dk, dv] = ColumnsMut::split(&mut dxs, [width; 3]);
            self.backward(self.qkv(xs), dys, QkvGrads { dq, dk, dv })
        })??;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

impl CustomOp2 for Attend {
    fn name(&self) -> &'static str {
        "cross-attention"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        kv: &CpuStorage,
        kv_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let (xs, kv) = (slices::values(xs, layout)?, slices::values(kv, kv_layout)?);
        Ok(self.forward(self.q_kv(xs, kv)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        kv: &Tensor,
        _: &Tensor,
        dys: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let width = self.heads.d_model();
        let mut dxs = vec![0.0; xs.elem_count()];
        let mut dkv = vec![0.0; kv.elem_count()];
        slices::with_values(xs, |xs| {
            slices::with_values(kv, |kv| {
                let dq = ColumnsMut::new(&mut dxs, width);
                let [dk, dv] = ColumnsMut::split(&mut dkv, [width; 2]);
                self.backward(self.q_kv(xs, kv), dys, QkvGrads { dq, dk, dv })
            })
        })???;
        let (dxs, dkv) = (slices::tensor(dxs, xs.shape())?, slices::tensor(dkv, kv.shape())?);
        Ok((Some(dxs), Some(dkv)))
    }
}
