//! The recommendation model: a causal transformer over events, with segment experts.

mod batch;

use candle::Tensor;

pub use batch::{History, HistoryBatch};

use crate::{
    Error, Result,
    config::{NormPlacement, RecommendationConfig},
    context::Context,
    kernels::matmul::{Epilogue, Precision, matmul_nt},
    layers::{attention::SelfAttention, block::Residual, norm::LayerNorm},
    moe::{MoeLayer, Place, Tokens},
    ops::{self, Lookup},
    params::{Builder, Init, Param, ParamStore},
    recommend::Bags,
    register::{ExpertKind, Register, RowRoute},
};

/// A causal transformer over the events of users.
///
/// A row is the sum of the item's vector (its embedding and its content), the place in the
/// history, the kind and value of the event, and the time until the next one. Items are scored by
/// the dot product of their vectors with the last hidden state (SASRec, Kang & McAuley 2018).
#[derive(Debug, Clone)]
pub struct RecommendationModel {
    config: RecommendationConfig,
    content: Bags,
    items: Param,
    features: Option<Param>,
    user_features: Option<Param>,
    positions: Param,
    kinds: Param,
    values: Option<Param>,
    gaps: Option<Param>,
    statistics: Option<Param>,
    layers: Vec<Layer>,
    norm: LayerNorm,
}

#[derive(Debug, Clone)]
struct Layer {
    attention: SelfAttention,
    attention_residual: Residual,
    feed_forward: MoeLayer,
    feed_forward_residual: Residual,
}

/// What the model makes of a [`HistoryBatch`].
#[derive(Debug, Clone)]
pub struct Output {
    /// Last hidden state of every row, `(N, D)`.
    pub hidden: Tensor,
    /// Logits of the gate of each layer by slot of the row's group, `(N, G)`; none where no gate
    /// decides.
    pub gates: Vec<Tensor>,
}

impl RecommendationModel {
    /// Makes the model of items with the features `content`, of which the first
    /// `config.num_items` have embeddings, its weights in `params`.
    pub fn new(
        config: &RecommendationConfig,
        register: &Register,
        content: Bags,
        params: &ParamStore,
    ) -> Result<Self> {
        config.check().map_err(Error::Invalid)?;
        let RecommendationConfig { num_items, num_features, d_model, .. } = *config;
        if content.len() < num_items || content.max_id().is_some_and(|id| id >= num_features) {
            let reason = "the catalogue of items is not the one of the model";
            return Err(Error::Invalid(reason.into()));
        }
        let root = params.root();
        // A catalogue that came later has its tables with its expert.
        let of_catalogue = register.experts.iter().find(|e| e.kind == ExpertKind::Catalogue);
        let tables = match of_catalogue {
            Some(expert) => root.pp("experts").pp(&expert.name),
            None => params.root(),
        };
        let table = |name: &str, rows: usize, spread: f32| {
            tables.pp(name).get((rows, d_model), "weight", Init::Normal(spread))
        };
        let position = root.pp("position_embedding");
        let positions =
            position.get((config.max_history + 1, d_model), "weight", Init::Normal(SMALL))?;
        let optional = |name: &str, rows: usize, spread: f32| match rows {
            0 => Ok(None),
            rows => table(name, rows, spread).map(Some),
        };
        let item_spread = (d_model as f32).powf(-0.5);
        let values = match config.value_edges.len() {
            0 => 0,
            edges => edges + 1,
        };
        let statistics = if config.statistics_in_tokens { config.num_statistics } else { 0 };
        let layer = |name: &String| Layer::new(name, config, register, &root);
        Ok(Self {
            content,
            items: table("item_embedding", num_items, item_spread)?,
            features: optional("feature_embedding", num_features, 0.5 * item_spread)?,
            user_features: optional("user_embedding", config.num_user_features, SMALL)?,
            positions,
            kinds: table("kind_embedding", config.num_kinds + 1, SMALL)?,
            values: optional("value_embedding", values, SMALL)?,
            gaps: optional("gap_embedding", config.num_gaps, SMALL)?,
            statistics: optional("statistics_embedding", statistics, SMALL)?,
            layers: config.layers().iter().map(layer).collect::<Result<_>>()?,
            norm: LayerNorm::new(d_model, &root.pp("norm"))?,
            config: config.clone(),
        })
    }

    /// Shape of the model.
    pub fn config(&self) -> &RecommendationConfig {
        &self.config
    }

    /// Items of the catalogue, those without an embedding included, `V`.
    pub fn num_items(&self) -> usize {
        self.content.len()
    }

    /// The same model with another catalogue, which begins with the items that it knows.
    pub fn with_content(&self, content: Bags) -> Self {
        Self { content, ..self.clone() }
    }

    /// Vectors of all items, `(V, D)`: the embedding, if there is one, and the content, the mean
    /// of the features times the root of their number. In training each embedding is left out with
    /// probability `dropout`, so that content learns to stand for it (DropoutNet, Volkovs et al.
    /// 2017).
    pub fn item_vectors(&self, dropout: f32, context: &Context) -> Result<Tensor> {
        let with_embedding = self.config.num_items;
        let kept = context.uniform(with_embedding);
        let is_kept = |i: &u32| kept.as_ref().is_none_or(|numbers| numbers[*i as usize] >= dropout);
        let ids: Vec<u32> = (0..with_embedding as u32).filter(is_kept).collect();
        let weights = vec![1.0; ids.len()];
        let mut lookups =
            vec![Lookup { table: self.items.clone(), rows: ids.clone(), ids, weights }];
        if let Some(features) = &self.features {
            lookups.push(self.content.lookup(features));
        }
        let shape = (self.content.len(), self.config.d_model);
        ops::sum_lookups(shape, lookups, self.items.tensor()?.device(), context)
    }

    /// Hidden states of every row of `batch`, given the vectors of all items.
    pub fn forward(
        &self,
        batch: &HistoryBatch,
        vectors: &Tensor,
        context: &Context,
    ) -> Result<Output> {
        let RecommendationConfig { d_model, num_statistics, .. } = self.config;
        let scale = (d_model as f32).sqrt();
        let xs = ops::pick(vectors, &batch.items, scale, context)?; // (N, D)
        let xs = ops::add_lookups(&xs, self.lookups(batch), context)?;
        let mut xs = ops::dropped(&xs, context)?;
        let rows = batch.layout.rows();
        let statistics = match num_statistics {
            0 => None,
            count => Some(Tensor::from_slice(&batch.statistics, (rows, count), xs.device())?),
        };
        let routes: Vec<RowRoute> = batch.routes.iter().copied().map(RowRoute::from).collect();
        let mut gates = Vec::new();
        for layer in &self.layers {
            let (ys, gate) = layer.forward(&xs, statistics.as_ref(), &routes, batch, context)?;
            xs = ys;
            gates.extend(gate);
        }
        Ok(Output { hidden: self.norm.forward(&xs, context)?, gates })
    }

    /// Scores of all items after the last row of every history, `(B, V)`, one row after another.
    pub fn logits(
        &self,
        hidden: &Tensor,
        batch: &HistoryBatch,
        vectors: &Tensor,
    ) -> Result<Vec<f32>> {
        let last: Vec<u32> =
            batch.layout.offsets()[1..].iter().map(|&end| end as u32 - 1).collect();
        let hidden = hidden.index_select(&Tensor::new(last, hidden.device())?, 0)?; // (B, D)
        let dims = (hidden.dim(0)?, vectors.dim(0)?, vectors.dim(1)?);
        let mut logits = vec![0.0; dims.0 * dims.1];
        ops::with_values(&hidden, |hidden| {
            ops::with_values(vectors, |vectors| {
                matmul_nt(Precision::F32, hidden, vectors, &mut logits, dims, &Epilogue::NONE);
            })
        })??;
        Ok(logits)
    }

    /// All that is added to the items' vectors.
    fn lookups(&self, batch: &HistoryBatch) -> Vec<Lookup> {
        let mut lookups = vec![
            Lookup::each(&self.positions, batch.layout.positions()),
            Lookup::each(&self.kinds, batch.kinds.clone()),
        ];
        let events: Vec<u32> =
            (0..).zip(&batch.kinds).filter(|(_, kind)| **kind > 0).map(|(row, _)| row).collect();
        let of_events = |table: &Param, all: &[u32]| Lookup {
            table: table.clone(),
            ids: events.iter().map(|&row| all[row as usize]).collect(),
            weights: vec![1.0; events.len()],
            rows: events.clone(),
        };
        lookups.extend(self.values.as_ref().map(|table| of_events(table, &batch.values)));
        lookups.extend(self.gaps.as_ref().map(|table| of_events(table, &batch.gaps)));
        if let Some(table) = &self.statistics {
            let (count, values) = (self.config.num_statistics as u32, &batch.statistics);
            let all = 0..values.len() as u32;
            lookups.push(Lookup {
                table: table.clone(),
                rows: all.clone().map(|place| place / count).collect(),
                ids: all.map(|place| place % count).collect(),
                weights: values.clone(),
            });
        }
        if let Some(table) = &self.user_features {
            let users = Bags::from_iter(batch.features.iter().map(Vec::as_slice));
            let mut lookup = users.lookup(table);
            let starts = batch.layout.offsets();
            lookup.rows.iter_mut().for_each(|row| *row = starts[*row as usize] as u32);
            lookups.push(lookup);
        }
        lookups
    }
}

/// Spread of the embeddings that say something about an event besides its item.
const SMALL: f32 = 0.1;

impl Layer {
    fn new(
        name: &str,
        config: &RecommendationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let vb = root.pp(name);
        let RecommendationConfig { d_model, num_heads, activation, .. } = *config;
        let place = Place { name, d_model, activation, gated: false, register, root };
        let (d_ff, statistics, gate) = (config.d_ff, config.num_statistics, config.gate);
        let residual = |name: &str| Residual::new(d_model, NormPlacement::Pre, &vb.pp(name));
        Ok(Self {
            attention: SelfAttention::new(d_model, num_heads, true, &vb.pp("attention"))?,
            attention_residual: residual("attention_norm")?,
            feed_forward: MoeLayer::of_segments(place, d_ff, statistics, gate)?,
            feed_forward_residual: residual("feed_forward_norm")?,
        })
    }

    fn forward(
        &self,
        xs: &Tensor,
        statistics: Option<&Tensor>,
        routes: &[RowRoute],
        batch: &HistoryBatch,
        context: &Context,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let attend = |xs: &Tensor| self.attention.forward(xs, &batch.layout, context);
        let xs = self.attention_residual.around(xs, context, attend)?;
        let mut gate = None;
        let ys = self.feed_forward_residual.around(&xs, context, |xs| {
            let tokens = Tokens {
                routes: Some(routes),
                features: statistics,
                ..Tokens::new(xs, &batch.layout)
            };
            let (ys, routing) = self.feed_forward.forward(&tokens, context)?;
            gate = routing.and_then(|routing| routing.gate);
            Ok(ys)
        })?;
        Ok((ys, gate))
    }
}
