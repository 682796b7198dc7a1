//! `dragoman model check`

use std::path::PathBuf;

use anyhow::Context as _;
use candle::Device;
use clap::Args;
use dragoman_core::{
    config::ModelConfig,
    context::Context,
    directory::{Files, Loaded},
    kernels::packed::Packing,
    memory::ExpertMemory,
    models::translation::{Example, TranslationBatch},
    translator::{Translator, TranslatorOptions},
    vocabulary::Side,
};
use dragoman_pipeline::{TextRequest, translate};
use dragoman_training::{
    evaluate::{LanguagePair, TestSet},
    metrics::{Chrf, Metric},
};

use crate::models::ModelArgs;

/// Sentences whose logits are compared: as many as are quickly run through the model four times.
const COMPARED: usize = 64;

/// Load a model and check every file of it; with `--dev`, say what its precision costs
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Folder of the model [default: the one that `--model` names, or the bundled model]
    dir: Option<PathBuf>,

    /// Sentences with their translations, `source<TAB>target` a line: translated in float32, bfloat16
    /// and int8, with chrF++ and how far the logits are apart
    #[arg(long, value_name = "TSV")]
    dev: Option<PathBuf>,

    /// Direction of the sentences [default: that of the model]
    #[arg(long, value_name = "FROM-TO")]
    direction: Option<String>,

    #[command(flatten)]
    model: ModelArgs,
}

impl Check {
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        if let Some(dir) = self.dir.take() {
            self.model.folder.model = Some(dir);
        }
        let files = self.model.files()?;
        let register = match files.config()? {
            ModelConfig::Translation(_) => self.model.open()?.register().clone(),
            ModelConfig::Recommendation(_) => {
                files.load_recommendation(&Device::Cpu)?;
                let register = files.register()?;
                for name in register.catalogues() {
                    files.load_recommendation_of(name, &Device::Cpu)?;
                }
                register
            }
        };
        let (experts, routes) = (register.experts.len(), register.routes.len());
        println!("every file is whole: {experts} experts, {routes} routes");
        let Some(dev) = &self.dev else { return Ok(()) };
        let direction = match &self.direction {
            Some(direction) => direction.clone(),
            None => match register.routes.first() {
                Some(route) if route.between.is_empty() => {
                    format!("{}-{}", route.source, route.target)
                }
                _ => anyhow::bail!("say with `--direction en-de` what the sentences are"),
            },
        };
        let (source, target) =
            direction.split_once('-').context("a direction is of the form `en-de`")?;
        let pair = LanguagePair { source: source.into(), target: target.into() };
        let set = TestSet::load_tsv("dev", dev, &pair)?;
        self.compare(&files, &set)
    }

    fn compare(&self, files: &Files, set: &TestSet) -> anyhow::Result<()> {
        let default = self.model.open()?.packing();
        let mut single = None;
        println!("{} sentences", set.sources.len());
        println!("precision  chrF++  difference  largest difference of a logit");
        for (name, packing) in
            [("f32", Packing::F32), ("bf16", Packing::Bf16), ("int8", Packing::Int8)]
        {
            let score = self.score(files, set, packing)?;
            let single = *single.get_or_insert(score);
            let (most, largest) = difference(files, set, packing)?;
            let mark = if packing == default { "  (default of this model)" } else { "" };
            let change = score - single;
            println!("{name:<9} {score:>7.2} {change:>+11.2}  {most:.4} of {largest:.1}{mark}");
        }
        Ok(())
    }

    fn score(&self, files: &Files, set: &TestSet, packing: Packing) -> anyhow::Result<f64> {
        let options = TranslatorOptions { packing: Some(packing), ..self.model.options() };
        let translator = Translator::open(files, options)?;
        let request = TextRequest::new(set.pair.source.clone(), set.pair.target.clone());
        let texts: Vec<&str> = set.sources.iter().map(String::as_str).collect();
        let translated = translate(&translator, &texts, &request)?;
        let best: Vec<String> =
            translated.into_iter().map(|mut t| t.texts.swap_remove(0)).collect();
        Ok(Chrf::plus_plus().corpus_score(&best, &set.references)?)
    }
}

/// The largest difference of a logit in `packing` from that in float32, where the decoder is given the
/// first references, and the largest logit.
fn difference(files: &Files, set: &TestSet, packing: Packing) -> anyhow::Result<(f32, f32)> {
    let memory = || ExpertMemory::new(None);
    let exact = files.open_translation(&memory())?;
    let other = files.open_translation(&memory())?;
    let path = exact.register.path(&set.pair.source, &set.pair.target)?;
    let step = path.first().context("a language is not translated into itself")?;
    let frame = exact.vocabulary.frame(&step.source, &step.target)?;
    let route = exact.register.row_route(step.route, &[]);
    let longest = exact.model.config().max_positions / 2 - 2;
    let (mut most, mut largest) = (0f32, 0f32);
    for (source, target) in set.sources.iter().zip(&set.references).take(COMPARED) {
        let mut source = exact.vocabulary.encode(Side::Source, source);
        let mut target = exact.vocabulary.encode(Side::Target, target);
        source.truncate(longest);
        target.truncate(longest);
        let outputs = exact.vocabulary.outputs();
        let example = Example::new(route, [&source, &target], &frame, outputs);
        let batch = TranslationBatch::new(&[example], None);
        let rows = logits(&exact, &batch, Packing::F32)?;
        for (a, b) in rows.iter().zip(&logits(&other, &batch, packing)?) {
            // What only stands before the first token has a logit that nothing is compared with.
            for (a, b) in a.iter().zip(b).skip(outputs.first as usize).filter(|(a, _)| **a > -1e4) {
                most = most.max((a - b).abs());
                largest = largest.max(a.abs());
            }
        }
    }
    Ok((most, largest))
}

/// Logits of every token of a batch.
fn logits(
    loaded: &Loaded,
    batch: &TranslationBatch,
    packing: Packing,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let context = Context::inference(packing);
    let output = loaded.model.forward(batch, &context)?;
    Ok(loaded.model.logits(&output.hidden, &context)?.to_vec2()?)
}
