//! What search needs of an encoder-decoder; each architecture implements it.

use std::collections::BTreeMap;

use candle::Tensor;

use crate::{
    Result, cache::StepRows, config::SearchDefaults, context::Context, kernels::packed::Packing,
    moe::LayerRouting, ops, params::Param, ragged::Ragged, register::RowRoute,
};

/// A model that encodes sources once and decodes targets token by token.
pub trait EncoderDecoder: std::fmt::Debug + Send + Sync {
    /// Longest sentence in tokens, on either side.
    fn max_positions(&self) -> usize;

    /// Width of a row of logits, `V`.
    fn vocab_size(&self) -> usize;

    /// Encodes sources; `routes` says where each sentence goes.
    fn encode(
        &self,
        source: &[u32],
        layout: &Ragged,
        routes: &[RowRoute],
        context: &Context,
    ) -> Result<Encoded>;

    /// A decoder of the `encoded` sentences, before the first token.
    fn decoder<'a>(&'a self, encoded: &Encoded, context: &Context)
    -> Result<Box<dyn Decoder + 'a>>;

    /// How hypotheses are scored and when a beam ends, unless something else is asked for.
    fn search_defaults(&self) -> SearchDefaults {
        SearchDefaults::default()
    }

    /// In what weights are kept and multiplied, unless something else is asked for.
    fn default_packing(&self) -> Packing {
        Packing::Bf16
    }

    /// Whether what comes out for a sentence may depend on the sentences beside it, as where tokens
    /// compete for the places of an expert; such a batch is searched as one.
    fn mixes_sentences(&self) -> bool {
        false
    }

    /// The matrices of all experts that sentences of these `routes` may visit, in the order in which
    /// a pass wants them.
    fn expert_matrices(&self, routes: &[RowRoute]) -> Vec<Param> {
        let _ = routes;
        Vec::new()
    }

    /// Rows that each added expert has computed since the model was loaded, by name.
    fn added(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// The decoder with its state: the keys and values of every row so far, or whatever else it keeps.
pub trait Decoder {
    /// Adds one token to each of the `R` rows; the rows of the first step are new.
    fn step(&mut self, ids: &[u32], rows: &StepRows<'_>, context: &Context) -> Result<Output>;

    /// Logits `(R, V)` of the hidden states of a step.
    fn logits(&self, hidden: &Tensor, context: &Context) -> Result<Tensor>;

    /// Runs `f` on the logits, which need no tensor of their own: at every step they are many, and used
    /// once.
    fn with_logits(
        &self,
        hidden: &Tensor,
        context: &Context,
        f: &mut dyn FnMut(&[f32]),
    ) -> Result<()> {
        Ok(ops::with_values(&self.logits(hidden, context)?, f)?)
    }

    /// Keeps `parents` as the new rows; one may become several, or none.
    fn reorder(&mut self, parents: &[usize]);
}

/// What the encoder makes of sources.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Last hidden state of every source row, `(S, D)`.
    pub memory: Tensor,
    /// Where the sources lie.
    pub layout: Ragged,
    /// Where the tokens went, layer by layer.
    pub routing: Vec<LayerRouting>,
}

/// What the decoder makes of targets.
#[derive(Debug, Clone)]
pub struct Output {
    /// Last hidden state of every target row, `(N, D)`.
    pub hidden: Tensor,
    /// Where the tokens went, layer by layer.
    pub routing: Vec<LayerRouting>,
}
