//! The translation model: an encoder-decoder transformer with experts.

mod batch;
mod decode;

use std::collections::BTreeMap;

use candle::Tensor;

use crate::{
    Error, Result,
    cache::{DecoderCache, StepRows},
    config::{DistanceKind, NormPlacement, TranslationConfig},
    context::Context,
    decoding::{Encoded, Output},
    layers::{
        block::{DecoderLayer, EncoderLayer},
        embedding::Embedding,
        norm::LayerNorm,
        rows::{Rows, Source},
    },
    moe::{Gating, Load, MoeLayer, Revival},
    ops::{self, Attention},
    params::{Init, Param, ParamStore},
    ragged::Ragged,
    register::{Register, RowRoute},
};

pub use batch::{Example, TranslationBatch};

/// Label of rows that teach nothing: those between sentences, and where the next token is given.
pub const IGNORED: u32 = u32::MAX;

/// An encoder-decoder transformer with experts.
#[derive(Debug, Clone)]
pub struct TranslationModel {
    config: TranslationConfig,
    embedding: Embedding,
    /// Where sources have embeddings of their own.
    source_embedding: Option<Embedding>,
    /// Norms after the embeddings of both sides.
    embedding_norms: Option<[LayerNorm; 2]>,
    encoder: Vec<EncoderLayer>,
    encoder_norm: Option<LayerNorm>,
    decoder: Vec<DecoderLayer>,
    decoder_norm: Option<LayerNorm>,
    /// Where the output layer is not the embedding.
    output: Option<Param>,
    output_bias: Option<Param>,
}

/// An expert that started again as a noisy copy of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevivedExpert {
    /// Its layer.
    pub layer: String,
    /// Its name.
    pub expert: String,
    /// The expert it was copied from.
    pub parent: String,
    /// Names of the weights that changed.
    pub weights: Vec<String>,
}

impl TranslationModel {
    /// Makes the model with the experts and routes of `register`, its weights in `params`.
    pub fn new(
        config: &TranslationConfig,
        register: &Register,
        params: &ParamStore,
    ) -> Result<Self> {
        config.check().map_err(Error::Invalid)?;
        let root = params.root();
        let architecture = &config.architecture;
        let norm = |name: &str| LayerNorm::of(architecture, config.d_model, &root.pp(name));
        let last_norm = |name: &str| match config.norm {
            NormPlacement::Pre => norm(name).map(Some),
            NormPlacement::Post => Ok(None),
        };
        let layers = |side: &'static str, count| (0..count).map(move |i| format!("{side}.{i}"));
        let encoder = layers("encoder", config.encoder_layers)
            .map(|name| EncoderLayer::new(&name, config, register, &root))
            .collect::<Result<_>>()?;
        let decoder = layers("decoder", config.decoder_layers)
            .map(|name| DecoderLayer::new(&name, config, register, &root))
            .collect::<Result<_>>()?;
        let output_bias = match config.output_bias {
            true => Some(root.get(config.vocab_size, "output_bias", Init::Zeros)?),
            false => None,
        };
        let TranslationConfig { vocab_size, d_model, max_positions, .. } = *config;
        let tags =
            register.experts.iter().filter_map(|expert| Some((expert, expert.tag.as_ref()?)));
        let tags = tags.map(|(expert, tag)| {
            let vb = root.pp("experts").pp(&expert.name).pp("tag");
            Ok((tag.id, vb.get((1, d_model), "weight", Init::Normal((d_model as f32).powf(-0.5)))?))
        });
        let tags = tags.collect::<Result<_>>()?;
        let embedding = |size: usize, name: &str| {
            let embedding = Embedding::new(size, d_model, max_positions, &root.pp(name))?;
            embedding.styled(architecture, &root.pp("embedding"))
        };
        let (own, [source_places, target_places]) = (
            embedding(vocab_size, "embedding")?.replacing(tags),
            [&architecture.source_distances, &architecture.target_distances]
                .map(|distances| *distances == DistanceKind::None),
        );
        let source_embedding = match architecture.source_vocab_size {
            Some(size) => Some(embedding(size, "source_embedding")?),
            None => (source_places != target_places).then(|| own.clone()),
        };
        let source_embedding = match (source_embedding, source_places) {
            (Some(embedding), false) => Some(embedding.without_positions()?),
            (embedding, _) => embedding,
        };
        let own = if target_places { own } else { own.without_positions()? };
        let embedding_norms = match architecture.embedding_norm {
            true => Some([norm("source_embedding_norm")?, norm("embedding_norm")?]),
            false => None,
        };
        let output = match architecture.separate_output {
            true => {
                let init = Init::Normal((d_model as f32).powf(-0.5));
                Some(root.get((vocab_size, d_model), "output.weight", init)?)
            }
            false => None,
        };
        Ok(Self {
            config: config.clone(),
            embedding: own,
            source_embedding,
            embedding_norms,
            encoder,
            encoder_norm: last_norm("encoder_norm")?,
            decoder,
            decoder_norm: last_norm("decoder_norm")?,
            output,
            output_bias,
        })
    }

    /// Shape of the model.
    pub fn config(&self) -> &TranslationConfig {
        &self.config
    }

    /// The output layer, `(V, D)`: the embedding, unless the architecture has another.
    pub fn output_weight(&self) -> &Param {
        self.output.as_ref().unwrap_or(self.embedding.weight())
    }

    /// What the output layer adds to the logits, `(V,)`, in a model whose config asks for it.
    pub fn output_bias(&self) -> Option<&Param> {
        self.output_bias.as_ref()
    }

    /// Hidden states of whole targets given their sources, for training.
    pub fn forward(&self, batch: &TranslationBatch, context: &Context) -> Result<Output> {
        let encoded = self.encode(&batch.source, &batch.source_layout, &batch.routes, context)?;
        let mut routing = encoded.routing;
        let layout = &batch.target_layout;
        let routes = layout.spread(&batch.routes);
        let rows = Rows { routes: &routes, ids: &batch.target };
        let xs = self.embed_target(&batch.target, layout, 0, context)?;
        let mut xs = ops::dropped(&xs, context)?; // (N, D)
        for layer in &self.decoder {
            let source = Source { states: &encoded.memory, layout: &encoded.layout };
            let (ys, went) = layer.forward(&xs, layout, source, rows, context)?;
            xs = ys;
            routing.extend(went);
        }
        Ok(Output { hidden: self.last_norm(&self.decoder_norm, xs, context)?, routing })
    }

    /// Encodes sources; `routes` says where each sentence goes.
    pub fn encode(
        &self,
        source: &[u32],
        layout: &Ragged,
        routes: &[RowRoute],
        context: &Context,
    ) -> Result<Encoded> {
        let routes = layout.spread(routes);
        let rows = Rows { routes: &routes, ids: source };
        let embedding = self.source_embedding.as_ref().unwrap_or(&self.embedding);
        let xs = embedding.forward(source, layout, 0, context)?;
        let xs = self.embedding_norm(0, xs, context)?;
        let mut xs = ops::dropped(&xs, context)?; // (S, D)
        let mut routing = Vec::new();
        for layer in &self.encoder {
            let (ys, went) = layer.forward(&xs, layout, rows, context)?;
            xs = ys;
            routing.extend(went);
        }
        let memory = self.last_norm(&self.encoder_norm, xs, context)?;
        Ok(Encoded { memory, layout: layout.clone(), routing })
    }

    /// The matrices of all experts that sentences of these `routes` may visit, in the order in which a
    /// pass wants them.
    pub fn expert_matrices(&self, routes: &[RowRoute]) -> Vec<Param> {
        self.expert_layers().flat_map(|layer| layer.matrices(routes)).collect()
    }

    /// The feed-forward networks of all layers, in the order of the flow.
    fn expert_layers(&self) -> impl Iterator<Item = &MoeLayer> {
        let encoder = self.encoder.iter().map(EncoderLayer::experts);
        encoder.chain(self.decoder.iter().map(DecoderLayer::experts))
    }

    /// Moves the biases that correct the choices of DeepSeek-V3 by `speed`, after a step in which the
    /// experts of each layer had so many visits; layers of other rules have none.
    pub fn update_corrections(
        &self,
        load: &BTreeMap<String, BTreeMap<String, f64>>,
        speed: f64,
    ) -> Result<()> {
        for layer in self.expert_layers() {
            let correcting = layer.router().filter(|router| router.correction().is_some());
            let (Some(router), Some(load)) = (correcting, load.get(layer.name())) else { continue };
            let visits = |name: &String| load.get(name).map_or(0, |&visits| visits as u64);
            let visits = layer.expert_names().map(visits).collect();
            router.update_correction(&Load::of_visits(visits), speed)?;
        }
        Ok(())
    }

    /// Restarts experts that were hardly visited, in all layers whose rule has a gate of its own.
    pub fn revive_experts(
        &self,
        load: &BTreeMap<String, BTreeMap<String, f64>>,
        revival: &Revival,
    ) -> Result<Vec<RevivedExpert>> {
        let mut all = Vec::new();
        for (i, layer) in self.expert_layers().enumerate() {
            let gate = layer.router().and_then(Gating::gate);
            let (Some(gate), Some(load)) = (gate, load.get(layer.name())) else { continue };
            let names: Vec<&String> = layer.expert_names().collect();
            let visits = names.iter().map(|name| load.get(*name).map_or(0, |&n| n as u64));
            let load = Load::of_visits(visits.collect());
            let seed = revival.seed.wrapping_add(i as u64);
            for mut revived in layer.revive(&load, &Revival { seed, ..*revival })? {
                revived.weights.push(gate.name().into());
                all.push(RevivedExpert {
                    layer: layer.name().into(),
                    expert: names[revived.expert].clone(),
                    parent: names[revived.parent].clone(),
                    weights: revived.weights,
                });
            }
        }
        Ok(all)
    }

    /// Rows that each added expert has computed in all its layers, by name.
    pub fn added(&self) -> BTreeMap<String, u64> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (name, rows) in self.expert_layers().flat_map(MoeLayer::added) {
            *sums.entry(name.into()).or_default() += rows;
        }
        sums
    }

    /// The cache from which [`TranslationModel::step`] starts, before the first token.
    pub fn start(&self, encoded: &Encoded, context: &Context) -> Result<DecoderCache> {
        let memories: Result<Vec<Tensor>> =
            self.decoder.iter().map(|layer| layer.memory(&encoded.memory, context)).collect();
        let TranslationConfig { num_heads, .. } = self.config;
        let scale = self.config.architecture.attention_scale;
        let rule = Attention { num_heads, causal: true, scale };
        DecoderCache::new(
            rule.heads(self.config.attention_width()),
            memories?,
            encoded.layout.clone(),
        )
    }

    /// Hidden states `(R, D)` after one more token on each of the `R` rows of `cache`.
    pub fn step(
        &self,
        ids: &[u32],
        rows: &StepRows<'_>,
        cache: &mut DecoderCache,
        context: &Context,
    ) -> Result<Output> {
        let layout = Ragged::contiguous(&vec![1; ids.len()]);
        let mut xs = self.embed_target(ids, &layout, cache.length(), context)?; // (R, D)
        let of_rows = Rows { routes: rows.routes, ids };
        let mut routing = Vec::new();
        for (layer, cache) in self.decoder.iter().zip(cache.layers_mut()) {
            let (ys, went) = layer.step(&xs, cache, rows, of_rows, context)?;
            xs = ys;
            routing.extend(went);
        }
        Ok(Output { hidden: self.last_norm(&self.decoder_norm, xs, context)?, routing })
    }

    /// Logits `(N, V)` of hidden states `(N, D)`.
    pub fn logits(&self, hidden: &Tensor, context: &Context) -> Result<Tensor> {
        ops::linear(hidden, self.output_weight(), self.output_bias.as_ref(), context)
    }

    fn embed_target(
        &self,
        ids: &[u32],
        layout: &Ragged,
        first: usize,
        context: &Context,
    ) -> Result<Tensor> {
        let xs = self.embedding.forward(ids, layout, first, context)?;
        self.embedding_norm(1, xs, context)
    }

    fn embedding_norm(&self, side: usize, xs: Tensor, context: &Context) -> Result<Tensor> {
        match &self.embedding_norms {
            Some(norms) => norms[side].forward(&xs, context),
            None => Ok(xs),
        }
    }

    fn last_norm(&self, norm: &Option<LayerNorm>, xs: Tensor, context: &Context) -> Result<Tensor> {
        match norm {
            Some(norm) => norm.forward(&xs, context),
            None => Ok(xs),
        }
    }
}
