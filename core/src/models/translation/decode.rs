//! The translation model as search sees it.

use std::collections::BTreeMap;

use candle::Tensor;

use super::TranslationModel;
use crate::{
    Result,
    cache::{DecoderCache, StepRows},
    config::SearchDefaults,
    context::Context,
    decoding::{Decoder, Encoded, EncoderDecoder, Output},
    kernels::packed::Packing,
    ops,
    params::Param,
    ragged::Ragged,
    register::RowRoute,
};

impl EncoderDecoder for TranslationModel {
    fn max_positions(&self) -> usize {
        self.config.max_positions
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn encode(
        &self,
        source: &[u32],
        layout: &Ragged,
        routes: &[RowRoute],
        context: &Context,
    ) -> Result<Encoded> {
        TranslationModel::encode(self, source, layout, routes, context)
    }

    fn decoder<'a>(
        &'a self,
        encoded: &Encoded,
        context: &Context,
    ) -> Result<Box<dyn Decoder + 'a>> {
        Ok(Box::new(Decoding { model: self, cache: self.start(encoded, context)? }))
    }

    fn search_defaults(&self) -> SearchDefaults {
        self.config.architecture.search.unwrap_or_default()
    }

    fn default_packing(&self) -> Packing {
        let is_of_another_suite = self.config.architecture.search.is_some();
        match is_of_another_suite || self.output_weight().is_stored_in_integers() {
            true => Packing::Int8,
            false => Packing::Bf16,
        }
    }

    fn mixes_sentences(&self) -> bool {
        self.config.moe.as_ref().is_some_and(|moe| moe.routing.is_some())
    }

    fn expert_matrices(&self, routes: &[RowRoute]) -> Vec<Param> {
        TranslationModel::expert_matrices(self, routes)
    }

    fn added(&self) -> BTreeMap<String, u64> {
        TranslationModel::added(self)
    }
}

/// The decoder with its caches.
struct Decoding<'a> {
    model: &'a TranslationModel,
    cache: DecoderCache,
}

impl Decoder for Decoding<'_> {
    fn step(&mut self, ids: &[u32], rows: &StepRows<'_>, context: &Context) -> Result<Output> {
        self.model.step(ids, rows, &mut self.cache, context)
    }

    fn logits(&self, hidden: &Tensor, context: &Context) -> Result<Tensor> {
        self.model.logits(hidden, context)
    }

    fn with_logits(
        &self,
        hidden: &Tensor,
        context: &Context,
        f: &mut dyn FnMut(&[f32]),
    ) -> Result<()> {
        let (weight, bias) = (self.model.output_weight(), self.model.output_bias());
        ops::with_product(hidden, weight, bias, context, f)
    }

    fn reorder(&mut self, parents: &[usize]) {
        self.cache.select(parents);
    }
}
