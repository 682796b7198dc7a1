//! How well a model does on some sets: by translating them, and by the loss of their references.

use std::path::Path;

use dragoman_core::{
    context::Context,
    directory::Loaded,
    kernels::matmul::Precision,
    models::translation::{Example, TranslationBatch},
    register::Register,
    translator::{Translator, TranslatorOptions},
    vocabulary::Side,
};

use super::scores;
use crate::{
    Error, Result,
    control::Control,
    evaluate::TestSet,
    loss::OutputLoss,
    translation::{DevConfig, DevSet, load_test_sets},
};

/// Sentences of each set and direction that a change is judged by.
pub(super) const SENTENCES: usize = 100;
/// Sentences that the model sees at once.
const TOGETHER: usize = 32;

/// Sets in all directions that a model is measured in.
#[derive(Debug)]
pub(super) struct Measure {
    sets: Vec<TestSet>,
    /// Short names of the domains that are on while measuring, where a route has them.
    domains: Vec<String>,
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
        let sets = load_test_sets(&config, Path::new(""), &directions)?;
        Ok(Self { sets, domains: Vec::new() })
    }

    /// The same with these domains on.
    ///
    /// # Errors
    /// Refuses a domain that `register` does not have.
    pub(super) fn with_domains(self, domains: &[String], register: &Register) -> Result<Self> {
        let known: Vec<&str> =
            register.domain_experts().map(|expert| expert.short_name()).collect();
        match domains.iter().find(|domain| !known.contains(&domain.as_str())) {
            Some(domain) => Err(Error::Expert(format!(
                "no domain `{domain}`; this model has {}",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            ))),
            None => Ok(Self { domains: domains.to_vec(), ..self }),
        }
    }

    /// Mean chrF++ of all sets and directions.
    pub(super) fn chrf(&self, loaded: Loaded) -> Result<f64> {
        Ok(mean(&self.scores(loaded)?))
    }

    /// chrF++ of each set and direction.
    pub(super) fn scores(&self, loaded: Loaded) -> Result<Vec<f64>> {
        let translator = Translator::of_loaded(loaded, TranslatorOptions::default())?;
        let control = Control::default();
        let mut found = Vec::new();
        for set in &self.sets {
            let route = translator.register().route(&set.pair.source, &set.pair.target);
            let has = |domain: &&String| {
                let mut known =
                    route.into_iter().flat_map(|route| translator.register().domains_of(route));
                known.any(|expert| expert.short_name() == **domain)
            };
            let domains: Vec<String> = self.domains.iter().filter(has).cloned().collect();
            let score = scores::score(&translator, set, &domains, &control)?;
            found.push(score.unwrap_or_default());
        }
        Ok(found)
    }

    /// Mean loss of the references, in nats a token.
    pub(super) fn loss(&self, loaded: &Loaded) -> Result<f64> {
        let (mut nll, mut labels) = (0.0, 0.0);
        self.each_batch(loaded, |batch, context| {
            let output = loaded.model.forward(batch, context)?;
            let rule = OutputLoss {
                weight: loaded.model.output_weight().clone(),
                bias: loaded.model.output_bias().cloned(),
                first_output: loaded.vocabulary.outputs().first,
                label_smoothing: 0.0,
                scale: 1.0,
                precision: Precision::Bf16,
                shortlist: None,
                bonuses: Default::default(),
            };
            let sums = rule.sums(&output.hidden, &batch.labels)?;
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
        mut f: impl FnMut(&TranslationBatch, &Context) -> Result<()>,
    ) -> Result<()> {
        loaded.params.iter().for_each(|param| param.set_trainable(false));
        let names: Vec<String> = self.domains.iter().map(|name| format!("domain.{name}")).collect();
        let context = Context::inference(Precision::Bf16);
        let limit = loaded.model.config().max_positions - 2;
        for set in &self.sets {
            let Some(route) = loaded.register.route(&set.pair.source, &set.pair.target) else {
                continue;
            };
            let vocabulary = &loaded.vocabulary;
            let Ok(frame) = vocabulary.frame(&set.pair.source, &set.pair.target) else { continue };
            let encode = |side, text: &str| -> Vec<u32> {
                vocabulary.encode(side, text).into_iter().take(limit).collect()
            };
            let row_route = loaded.register.row_route(route, &names);
            let example = |(source, target): (&String, &String)| {
                let (source, target) = (encode(Side::Source, source), encode(Side::Target, target));
                Example::new(row_route, [&source, &target], &frame, vocabulary.outputs())
            };
            let examples: Vec<Example> =
                set.sources.iter().zip(&set.references).map(example).collect();
            for examples in examples.chunks(TOGETHER) {
                f(&TranslationBatch::new(examples, None), &context)?;
            }
        }
        Ok(())
    }
}

/// The mean of some scores; zero of none.
pub(super) fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}
