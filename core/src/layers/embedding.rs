//! Token embeddings with sinusoidal positions.

use candle::{Device, Tensor};

use crate::{
    Error, Result,
    config::{Architecture, Positions},
    context::Context,
    ops::{self, Table},
    params::{Builder, Init, Param},
    ragged::Ragged,
};

/// Embeddings of tokens, `(V, D)`, used at both inputs and, transposed, at the output
/// (Press & Wolf 2017).
#[derive(Debug, Clone)]
pub struct Embedding {
    table: Table,
    sinusoids: Tensor,
    max_positions: usize,
}

impl Embedding {
    /// Creates the layer, with its weight named `weight`.
    pub fn new(
        vocab_size: usize,
        d_model: usize,
        max_positions: usize,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let init = Init::Normal((d_model as f32).powf(-0.5));
        let weight = vb.get((vocab_size, d_model), "weight", init)?;
        let sinusoids = sinusoids(max_positions, d_model, vb.device())?;
        let table = Table { weight, replaced: Vec::new(), scale: (d_model as f64).sqrt() };
        Ok(Self { table, sinusoids, max_positions })
    }

    /// The same with the scale and the positions of another architecture; a table of positions is
    /// the weight `positions` of `vb`.
    pub fn styled(mut self, architecture: &Architecture, vb: &Builder<'_>) -> Result<Self> {
        if let Some(scale) = architecture.embedding_scale {
            self.table.scale = scale.into();
        }
        let (positions, d_model) = (self.max_positions, self.sinusoids.dim(1)?);
        match architecture.positions {
            Positions::Sinusoid => {}
            Positions::Fairseq { first } => {
                self.sinusoids = fairseq_sinusoids(first, positions, d_model, vb.device())?;
            }
            Positions::Table => {
                self.sinusoids =
                    vb.get((positions, d_model), "positions", Init::Zeros)?.tensor()?.detach();
            }
        }
        Ok(self)
    }

    /// Lets rows `(1, D)` stand in for those of the weight that have these ids.
    #[must_use]
    pub fn replacing(mut self, rows: Vec<(u32, Param)>) -> Self {
        self.table.replaced = rows;
        self
    }

    /// The same without anything that depends on the place of a token.
    pub fn without_positions(self) -> Result<Self> {
        Ok(Self { sinusoids: self.sinusoids.zeros_like()?, ..self })
    }

    /// The weight, `(V, D)`.
    pub fn weight(&self) -> &Param {
        &self.table.weight
    }

    /// Embeds `ids`, one for each row of `layout`, from position `first` on: `(N, D)`.
    ///
    /// # Errors
    /// Fails when an id is not in the vocabulary or a sentence is too long.
    pub fn forward(
        &self,
        ids: &[u32],
        layout: &Ragged,
        first: usize,
        context: &Context,
    ) -> Result<Tensor> {
        let mut positions = layout.positions();
        positions.iter_mut().for_each(|position| *position += first as u32);
        let vocab_size = self.table.weight.shape().dims()[0];
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            let reason = format!("token {id} is not in the vocabulary of {vocab_size}");
            return Err(Error::Invalid(reason));
        }
        if positions.iter().any(|&position| position as usize >= self.max_positions) {
            let reason = format!("a sentence has more than {} tokens", self.max_positions);
            return Err(Error::Invalid(reason));
        }
        ops::embed(ids, &positions, &self.table, &self.sinusoids, context)
    }
}

/// The table of computed `positions`, `(P, D)`.
///
/// # Errors
/// Fails for those that are weights of a model.
pub fn position_table(
    positions: Positions,
    count: usize,
    d_model: usize,
    device: &Device,
) -> Result<Tensor> {
    match positions {
        Positions::Sinusoid => sinusoids(count, d_model, device),
        Positions::Fairseq { first } => fairseq_sinusoids(first, count, d_model, device),
        Positions::Table => Err(Error::Invalid("these positions are weights of the model".into())),
    }
}

/// Vaswani et al. 2017, section 3.5, with all sines before all cosines as in Marian: `(P, D)`.
fn sinusoids(positions: usize, d_model: usize, device: &Device) -> Result<Tensor> {
    let half = d_model / 2;
    let mut values = vec![0f32; positions * d_model];
    for (position, row) in values.chunks_exact_mut(d_model).enumerate() {
        for i in 0..half {
            let angle = position as f64 / 10_000f64.powf(2.0 * i as f64 / d_model as f64);
            row[i] = angle.sin() as f32;
            row[half + i] = angle.cos() as f32;
        }
    }
    Ok(Tensor::from_vec(values, (positions, d_model), device)?)
}

/// Angles `(p + first) · 10000^(−i / (D/2 − 1))` in single precision, as Marian and fairseq compute
/// them, with all sines before all cosines: `(P, D)`.
fn fairseq_sinusoids(
    first: usize,
    positions: usize,
    d_model: usize,
    device: &Device,
) -> Result<Tensor> {
    let half = d_model / 2;
    let step = (10_000f64.ln() / (half as f64 - 1.0)) as f32;
    let mut values = vec![0f32; positions * d_model];
    for (position, row) in values.chunks_exact_mut(d_model).enumerate() {
        for i in 0..half {
            let angle = (position + first) as f32 * (i as f32 * -step).exp();
            row[i] = angle.sin();
            row[half + i] = angle.cos();
        }
    }
    Ok(Tensor::from_vec(values, (positions, d_model), device)?)
}
