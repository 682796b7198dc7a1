//! How well a model does on some sets: by translating them, and by the loss of their references.

use std::path::Path;

use dragoman_core::{
    context::Context,
    directory::Loaded,
    kernels::matmul::Precision,
    models::translation::{Batch, Example},
    tokenizer::END,
    translator::{Translator, TranslatorOptions},
};

use super::scores;
use crate::{
    Error, Result,
    control::Control,
    evaluate::TestSet,
    loss::OutputLoss,
    translation::{DevConfig, DevSet, load_test_sets},
};

/// Sentences that the model sees at once.
const TOGETHER: usize = 32;

/// Sets in all directions that a model is measured in.
#[derive(Debug)]
pub(super) struct Measure {
    sets: Vec<TestSet>,
}

impl Measure {
    /// Reads sets, as files with `{pair}` or folders, for all routes of `loaded`.
    pub(super) fn new(paths: &[String], loaded: &Loaded, sentences: usize) -> Result<Self> {
        if paths.is_empty() {
            let reason =
                "name sets to measure on with `--dev FILE`: what is changed is measured first";
            return Err(Error::Expert(reason.into()));
        }
        let set = |path: &String| DevSet { sentences, ..scores::general_set(path) };
        let config = DevConfig { sets: paths.iter().map(set).collect() };
        let routes = loaded.register.routes.iter();
        let directions: Vec<_> = routes.map(|r| (r.source.clone(), r.target.clone())).collect();
        Ok(Self { sets: load_test_sets(&config, Path::new(""), &directions)? })
    }

    /// Mean chrF++ of all sets and directions.
    pub(super) fn chrf(&self, loaded: Loaded) -> Result<f64> {
        let Loaded { model, register, tokenizer, .. } = loaded;
        let translator = Translator::new(model, register, tokenizer, TranslatorOptions::default())?;
        let control = Control::default();
        let mut sum = 0.0;
        for set in &self.sets {
            sum += scores::score(&translator, set, &[], &control)?.unwrap_or_default();
        }
        Ok(sum / self.sets.len().max(1) as f64)
    }

    /// Mean loss of the references, in nats a token.
    pub(super) fn loss(&self, loaded: &Loaded) -> Result<f64> {
        let (mut nll, mut labels) = (0.0, 0.0);
        self.each_batch(loaded, |batch, context| {
            let output = loaded.model.forward(batch, context)?;
            let rule = OutputLoss {
                weight: loaded.model.output_weight().clone(),
                bias: loaded.model.output_bias().cloned(),
                first_output: loaded.tokenizer.first_output(),
                label_smoothing: 0.0,
                scale: 1.0,
                precision: Precision::Bf16,
            };
            let (_, sums) = rule.forward(&output.hidden, &batch.labels)?;
            nll += sums.nll;
            labels += sums.labels;
            Ok(())
        })?;
        Ok(nll / f64::max(labels, 1.0))
    }

    /// Calls `f` with every batch of sentences and references, with frozen weights.
    pub(super) fn each_batch(
        &self,
        loaded: &Loaded,
        mut f: impl FnMut(&Batch, &Context) -> Result<()>,
    ) -> Result<()> {
        loaded.params.iter().for_each(|param| param.set_trainable(false));
        let context = Context::inference(Precision::Bf16);
        let limit = loaded.model.config().max_positions - 2;
        for set in &self.sets {
            let Some(route) = loaded.register.route(&set.pair.source, &set.pair.target) else {
                continue;
            };
            let Some(tag) = loaded.tokenizer.language_tag(&set.pair.target) else { continue };
            let encode = |text: &String| -> Vec<u32> {
                loaded.tokenizer.encode(text).into_iter().take(limit).collect()
            };
            let example = |(source, target): (&String, &String)| {
                let (source, target) = (encode(source), encode(target));
                let labels = target.iter().copied().chain([END]).collect();
                Example {
                    route: route as u32,
                    source: [tag].into_iter().chain(source).chain([END]).collect(),
                    target: [tag].into_iter().chain(target).collect(),
                    labels,
                }
            };
            let examples: Vec<Example> =
                set.sources.iter().zip(&set.references).map(example).collect();
            for examples in examples.chunks(TOGETHER) {
                f(&Batch::new(examples, None), &context)?;
            }
        }
        Ok(())
    }
}
