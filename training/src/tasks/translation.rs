//! Learning to translate: sentence pairs in, an encoder-decoder with experts out.

mod augment;
mod config;
pub(crate) mod cost;
mod dev;
mod export;
mod warm_start;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use candle::{Device, Tensor};
use dragoman_core::{
    context::{Context, Training},
    directory::Loaded,
    models::translation::{Batch, Example, TranslationModel},
    moe::LayerRouting,
    params::{Param, ParamStore},
    register::{Register, RowRoute},
    tokenizer::{PAD, Tokenizer},
    vocabulary::{Frame, Vocabulary},
};
use dragoman_data::{
    batch::{Batcher, Cursor, SentencePair},
    pack::PackedCorpus,
};
use serde_json::json;

pub use augment::AugmentConfig;
pub use config::{DevConfig, DevSet, ExpertsConfig, TrainConfig};
pub use dev::load as load_test_sets;

use augment::Augmenter;

use crate::{
    Error, Result,
    config::RunConfig,
    control::Control,
    device,
    evaluate::TestSet,
    loss::OutputLoss,
    recorder::RunInfo,
    task::{Evaluation, ExpertLoad, ExportNote, Figures, Losses, Part, Size, Task},
    tasks::EXPERT_FILE,
    trainer::{self, Run, Summary},
};

/// Where a run finds its data and leaves its results.
#[derive(Debug, Clone)]
pub struct RunPaths {
    /// The folder with `tokenizer.json`, `corpus.bin` and `corpus.json`.
    pub corpus: PathBuf,
    /// The folder that the paths of the development sets start from.
    pub dev: PathBuf,
    /// The run's folder: its checkpoints, log and report, and `model/` with the best weights.
    pub out: PathBuf,
    /// Shows nothing while training.
    pub quiet: bool,
}

/// Trains a translation model, or goes on with the run that is in `paths.out`.
pub fn train(config: &TrainConfig, paths: &RunPaths, control: &Control) -> Result<Summary> {
    let invalid = |reason| Error::Config { path: paths.out.join("config.toml"), reason };
    config.check().map_err(invalid)?;
    fs_err::create_dir_all(&paths.out)?;
    let mut task = TranslationTask::new(config, paths)?;
    let settings = toml::to_string(config).map_err(|error| invalid(error.to_string()))?;
    let run = Run {
        config: &config.run,
        dir: &paths.out,
        identity: task.identity(),
        settings,
        info: RunInfo {
            name: config.name.clone(),
            settings: serde_json::to_value(&task.config)?, // with the size of the vocabulary
            model: cost::model_size(&task.config.model, &config.experts, task.params.elem_count()),
            machine: device::machine(&config.device),
        },
        quiet: paths.quiet,
    };
    trainer::train(&mut task, run, control)
}

/// A model that learns from a packed corpus.
pub(crate) struct TranslationTask {
    config: TrainConfig,
    all: ParamStore,
    /// Those of the weights that learn.
    params: ParamStore,
    /// The expert that learns, if it is one alone.
    expert: Option<String>,
    register: Register,
    model: TranslationModel,
    vocabulary: Arc<dyn Vocabulary>,
    corpus: Arc<PackedCorpus>,
    batcher: Batcher,
    /// For each route of the corpus how the model takes it, if it is trained.
    directions: Vec<Option<Direction>>,
    dev: Vec<TestSet>,
}

/// How sentences of one direction go through the model.
#[derive(Debug, Clone)]
struct Direction {
    /// The route, with the domain that is trained.
    route: RowRoute,
    /// What stands around a text.
    frame: Frame,
}

impl TranslationTask {
    fn new(config: &TrainConfig, paths: &RunPaths) -> Result<Self> {
        let device = device::open(&config.device)?;
        for name in ["tokenizer.json", "corpus.bin", "corpus.json"] {
            let path = paths.corpus.join(name);
            if !path.exists() {
                let reason = "is missing: `dragoman data pack` makes a corpus to train on".into();
                return Err(Error::Config { path, reason });
            }
        }
        let tokenizer = Tokenizer::load(paths.corpus.join("tokenizer.json"))
            .map_err(dragoman_data::Error::from)?;
        let corpus = PackedCorpus::open(paths.corpus.join("corpus.bin"))?;
        corpus.check_tokenizer(tokenizer.sha256())?;
        let corpus = Arc::new(corpus);

        let directions = directions(config, &corpus)?;
        let mut config = config.clone();
        config.model.vocab_size = tokenizer.vocab_size();
        let layers = config.model.moe_layers();
        if layers.is_empty() {
            config.model.moe = None;
        }
        let ExpertsConfig { free, d_ff } = config.experts;
        let register = match config.model.moe.as_ref().and_then(|moe| moe.routing.as_ref()) {
            Some(_) => Register::for_all(&directions, free, d_ff, &layers),
            None => Register::for_pairs(&directions, free, d_ff, &layers),
        };
        let params = ParamStore::new(&device, config.run.seed);
        let model = TranslationModel::new(&config.model, &register, &params)?;
        if let Some(dir) = &config.start_from {
            warm_start::warm_start(dir, &config, &tokenizer, &params)?;
        }

        let detectors = Vec::new();
        let loaded = Loaded { model, params, register, vocabulary: Arc::new(tokenizer), detectors };
        Self::assemble(&config, loaded, None, (corpus, &directions), paths)
    }

    /// A task in which only the expert called `expert` learns, from the `directions` of a corpus
    /// that was packed with the model's tokenizer.
    pub(crate) fn of_expert(
        config: &TrainConfig,
        loaded: Loaded,
        expert: &str,
        directions: &[(String, String)],
        paths: &RunPaths,
    ) -> Result<Self> {
        let corpus = PackedCorpus::open(paths.corpus.join("corpus.bin"))?;
        corpus.check_tokenizer(loaded.vocabulary.sha256())?;
        let own = format!("experts.{expert}.");
        loaded.params.iter().for_each(|p| p.set_trainable(p.name().starts_with(&own)));
        Self::assemble(config, loaded, Some(expert.into()), (Arc::new(corpus), directions), paths)
    }

    fn assemble(
        config: &TrainConfig,
        loaded: Loaded,
        expert: Option<String>,
        (corpus, directions): (Arc<PackedCorpus>, &[(String, String)]),
        paths: &RunPaths,
    ) -> Result<Self> {
        let Loaded { model, params: all, register, vocabulary, .. } = loaded;
        let params = all.subset(Param::is_trainable);
        let dev = dev::load(&config.dev, &paths.dev, directions)?;
        let cursor = Cursor::start(config.run.seed);
        seed_masks(params.device(), &cursor)?;
        let batcher = Batcher::new(corpus.clone(), config.batches.clone(), cursor)?;
        let config = config.clone();
        let names = corpus.routes().to_vec();
        let mut task = Self {
            config,
            all,
            params,
            expert,
            register,
            model,
            vocabulary,
            corpus,
            batcher,
            directions: Vec::new(),
            dev,
        };
        for (source, target) in names {
            let trained = directions.iter().any(|d| (&d.0, &d.1) == (&source, &target));
            task.directions.push(if trained { task.direction(&source, &target)? } else { None });
        }
        Ok(task)
    }

    /// How sentences of a direction go, if the model has a route for it.
    fn direction(&self, source: &str, target: &str) -> Result<Option<Direction>> {
        let Some(route) = self.register.route(source, target) else { return Ok(None) };
        let domain: Vec<String> = self.expert.iter().cloned().collect();
        let frame = self.vocabulary.frame(source, target)?;
        Ok(Some(Direction { route: self.register.row_route(route, &domain), frame }))
    }

    /// What makes this run the run it is: with other values, its checkpoints are of no use.
    fn identity(&self) -> serde_json::Value {
        let routes: Vec<_> = self.register.routes.iter().map(|route| &route.name).collect();
        json!({
            "model": self.config.model,
            "experts": self.config.experts,
            "directions": routes,
            "tokenizer": self.vocabulary.sha256(),
        })
    }

    /// A pair as the model sees it; none if its direction is not trained.
    fn example(&self, pair: SentencePair) -> Option<Example> {
        let Direction { route, frame } = self.directions[pair.route as usize].as_ref()?;
        let sides = [&pair.source[..], &pair.target[..]];
        Some(Example::new(*route, sides, frame, self.vocabulary.outputs()))
    }

    /// The loss of the label tokens, and the gradient of the output layer.
    fn output_loss(&self, part: &Part<'_>) -> OutputLoss {
        OutputLoss {
            weight: self.model.output_weight().clone(),
            bias: self.model.output_bias().cloned(),
            first_output: self.vocabulary.outputs().first,
            label_smoothing: part.config.loss.label_smoothing,
            scale: 1.0 / part.labels as f32,
            precision: self.config.precision,
        }
    }
}

impl Task for TranslationTask {
    type Batch = Batch;
    type Cursor = Cursor;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn next_batch(&mut self) -> Result<Batch> {
        loop {
            let mut augment = Augmenter::new(&self.config.augment, self.batcher.cursor());
            let pairs = self.batcher.next().expect("the sequence of batches is endless");
            let longest = self.config.model.max_positions - 2; // beside the tag and the end
            let own = self.vocabulary.tokenizer();
            let examples: Vec<_> = (pairs.into_iter())
                .map(|pair| match own {
                    Some(tokenizer) => augment.apply(pair, tokenizer, longest),
                    None => pair, // pairs of other vocabularies are taken as they are
                })
                .filter_map(|pair| self.example(pair))
                .collect();
            if !examples.is_empty() {
                let padding = (!self.params.device().is_cpu()).then_some(PAD);
                return Ok(Batch::new(&examples, padding));
            }
        }
    }

    fn cursor(&self) -> Cursor {
        self.batcher.cursor()
    }

    fn seek(&mut self, cursor: Cursor) -> Result<()> {
        seed_masks(self.params.device(), &cursor)?;
        self.batcher = Batcher::new(self.corpus.clone(), self.config.batches.clone(), cursor)?;
        Ok(())
    }

    fn size(&self, batch: &Batch) -> Size {
        Size {
            inputs: batch.source_layout.lengths().iter().sum(),
            labels: batch.target_layout.lengths().iter().sum(),
        }
    }

    fn loss(&self, batch: &Batch, part: &Part<'_>) -> Result<Losses> {
        let config = part.config;
        let training = Training {
            seed: config.seed,
            step: part.index,
            dropout: config.dropout,
            expert_dropout: config.expert_dropout,
        };
        let mut context = Context::training(self.config.precision, training);
        context.only_experts = self.expert.is_some();
        let output = self.model.forward(batch, &context)?;
        let (mut total, sums) = self.output_loss(part).forward(&output.hidden, &batch.labels)?;

        let mut router: Option<Tensor> = None; // (2,): balance losses and z-losses, over all layers
        for routing in &output.routing {
            if let Some(losses) = &routing.losses {
                router = Some(match router {
                    Some(sum) => (sum + losses)?,
                    None => losses.clone(),
                });
            }
        }
        let mut figures = Figures {
            labels: sums.labels,
            total: sums.loss,
            loss: sums.loss,
            nll: sums.nll,
            correct: sums.correct,
            ..Figures::default()
        };
        if let Some(router) = router {
            let factors = [config.loss.balance, config.loss.router_z];
            let weights = factors.map(|factor| (factor * part.share) as f32);
            let weights = Tensor::new(&weights, router.device())?;
            total = (total + (&router * weights)?.sum_all()?)?;
            let values = router.to_device(&Device::Cpu)?.to_vec1::<f32>()?;
            figures.balance = f64::from(values[0]) * sums.labels;
            figures.router_z = f64::from(values[1]) * sums.labels;
            figures.total += factors[0] * figures.balance + factors[1] * figures.router_z;
        }
        Ok(Losses { total, figures, load: expert_load(&output.routing) })
    }

    fn after_step(&self, load: &ExpertLoad, config: &RunConfig) -> Result<()> {
        Ok(self.model.update_corrections(load, config.loss.correction_speed)?)
    }

    fn evaluate(&mut self, control: &Control) -> Result<Option<Evaluation>> {
        dev::evaluate(self, control)
    }

    fn export(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()> {
        match self.expert {
            Some(_) => {
                fs_err::create_dir_all(dir)?;
                Ok(self.params.save(&dir.join(EXPERT_FILE))?)
            }
            None => self.write_model(dir, note),
        }
    }
}

/// Lets a device that draws its own masks (not the CPU) draw others than before a resumption.
fn seed_masks(device: &Device, cursor: &Cursor) -> Result<()> {
    if !device.is_cpu() {
        let at = cursor.window.wrapping_mul(1 << 20).wrapping_add(cursor.batch);
        device.set_seed(cursor.seed.wrapping_add(at))?;
    }
    Ok(())
}

/// Visits by layer and expert.
fn expert_load(routing: &[LayerRouting]) -> ExpertLoad {
    let visits = |layer: &LayerRouting| {
        let visits = layer.load.iter().map(|&visits| visits as f64);
        (layer.layer.clone(), layer.experts.iter().cloned().zip(visits).collect())
    };
    routing.iter().map(visits).collect()
}

/// The directions to train: those asked for, or all of the corpus.
fn directions(config: &TrainConfig, corpus: &PackedCorpus) -> Result<Vec<(String, String)>> {
    let known = corpus.routes();
    if config.directions.is_empty() {
        return Ok(known.to_vec());
    }
    let name = |(source, target): &(String, String)| format!("{source}-{target}");
    let find = |wanted: &String| {
        known.iter().find(|route| name(route) == *wanted).cloned().ok_or_else(|| {
            let names: Vec<_> = known.iter().map(name).collect();
            Error::Data(dragoman_data::Error::Config(format!(
                "no direction `{wanted}` in the corpus, only {}",
                names.join(", ")
            )))
        })
    };
    config.directions.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use dragoman_core::{
        config::{MoeConfig, TranslationConfig},
        tokenizer::END,
    };
    use dragoman_data::{
        corpus::Corpus,
        pack::{PackConfig, pack},
    };

    use super::*;

    fn task(dir: &Path) -> anyhow::Result<TranslationTask> {
        let path = dir.join("en-de.tsv");
        fs_err::write(&path, "The dog runs fast.\tDer Hund rennt schnell.\n")?;
        let tokenizer = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new())?;
        tokenizer.save(dir.join("tokenizer.json"))?;
        let pack_config =
            PackConfig { corpora: vec![Corpus::from_name(&path)?], ..Default::default() };
        pack(&pack_config, &tokenizer, dir.join("corpus.bin"))?;
        let mut config = TrainConfig {
            precision: dragoman_core::kernels::matmul::Precision::F32,
            model: TranslationConfig {
                d_model: 16,
                num_heads: 2,
                encoder_layers: 2,
                decoder_layers: 2,
                d_ff: 32,
                moe: Some(MoeConfig {
                    encoder_freq: 2,
                    decoder_freq: 2,
                    top_k: 2,
                    shared_d_ff: 8,
                    routing: None,
                }),
                ..TranslationConfig::default()
            },
            experts: ExpertsConfig { free: 3, d_ff: 8 },
            ..TrainConfig::default()
        };
        config.run.dropout = 0.0;
        // The balance of a batch is not the mean of the balances of its halves.
        config.run.loss.balance = 0.0;
        let paths =
            RunPaths { corpus: dir.into(), dev: dir.into(), out: dir.join("run"), quiet: true };
        Ok(TranslationTask::new(&config, &paths)?)
    }

    #[test]
    fn a_run_can_start_from_a_model() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let first = task(dir.path())?;
        let model = dir.path().join("model");
        first.write_model(&model, &ExportNote { step: 1, evaluation: None })?;
        let mut config = first.config.clone();
        config.run.seed += 1;
        config.start_from = Some(model.clone());
        let paths = RunPaths {
            corpus: dir.path().into(),
            dev: dir.path().into(),
            out: dir.path().join("run"),
            quiet: true,
        };
        let second = TranslationTask::new(&config, &paths)?;
        for (a, b) in first.params.iter().zip(second.params.iter()) {
            let same = a.with_value(|a| b.with_value(|b| a == b))??;
            assert!(same, "{}", a.name());
        }
        config.model.d_ff += 1;
        let error = TranslationTask::new(&config, &paths).map(|_| ()).expect_err("another shape");
        assert!(error.to_string().contains("of another shape"), "{error}");
        Ok(())
    }

    #[test]
    fn the_copy_on_the_cpu_is_the_same_model_with_weights_of_its_own() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let task = task(dir.path())?;
        let copy = task.copy_on_cpu()?;
        let example = task.example(pair(0, "dog", "Hund")).expect("the direction is trained");
        let batch = Batch::new(&[example], None);
        let hidden = |model: &TranslationModel| -> anyhow::Result<Vec<f32>> {
            let context = Context::inference(task.config.precision);
            Ok(model.forward(&batch, &context)?.hidden.flatten_all()?.to_vec1()?)
        };
        let before = hidden(&copy)?;
        assert_eq!(before, hidden(&task.model)?);
        let weight = task.model.output_weight();
        weight.set(&(weight.tensor()? * 2.0)?)?;
        assert_ne!(before, hidden(&task.model)?);
        assert_eq!(before, hidden(&copy)?);
        Ok(())
    }

    fn pair(route: u32, source: &str, target: &str) -> SentencePair {
        let ids = |text: &str| text.bytes().map(|byte| 68 + u32::from(byte)).collect();
        SentencePair { route, source: ids(source), target: ids(target) }
    }

    /// The gradients of one step made of these micro-batches, by weight.
    fn gradients(task: &TranslationTask, batches: &[&[Example]]) -> Result<Vec<Vec<f32>>> {
        let config = &task.config.run;
        let batches: Vec<_> = batches.iter().map(|examples| Batch::new(examples, None)).collect();
        let labels = batches.iter().map(|batch| task.size(batch).labels).sum();
        for batch in &batches {
            let share = task.size(batch).labels as f64 / labels as f64;
            let losses = task.loss(batch, &Part { config, step: 1, index: 0, labels, share })?;
            task.params.collect(&losses.total.backward()?)?;
        }
        let grads = task.params.iter().map(|param| param.with_grad(|grad| grad.to_vec())).collect();
        task.params.zero_grads();
        Ok(grads)
    }

    #[test]
    fn two_half_batches_are_one_batch() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let task = task(dir.path())?;
        let pairs = [
            pair(0, "the dog", "der Hund"),
            pair(1, "ein alter Baum", "an old tree"),
            pair(0, "snow", "Schnee"),
            pair(1, "gut", "good"),
        ];
        let examples: Vec<_> = pairs.into_iter().filter_map(|pair| task.example(pair)).collect();
        let whole = gradients(&task, &[&examples])?;
        let halves = gradients(&task, &[&examples[..1], &examples[1..]])?;
        let largest = whole.iter().flatten().fold(0f32, |max, g| max.max(g.abs()));
        for ((param, whole), halves) in task.params.iter().zip(&whole).zip(&halves) {
            for (a, b) in whole.iter().zip(halves) {
                // The z-loss is a mean over all tokens, not over labels: it differs a little.
                assert!((a - b).abs() < 1e-3 * largest, "{}: {a} {b}", param.name());
            }
        }
        Ok(())
    }

    #[test]
    fn every_weight_learns() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let task = task(dir.path())?;
        let pairs = (0..40).map(|i| {
            let text: String =
                (0..12).map(|j| char::from(b'a' + ((i * 7 + j * 5) % 26) as u8)).collect();
            pair(i % 2, &text, &text)
        });
        let examples: Vec<_> = pairs.filter_map(|pair| task.example(pair)).collect();
        let grads = gradients(&task, &[&examples])?;
        for (param, grad) in task.params.iter().zip(grads) {
            let size = grad.iter().map(|g| g.abs()).sum::<f32>() / grad.len() as f32;
            assert!(size > 1e-9, "the gradient of `{}` is {size:e}", param.name());
        }
        Ok(())
    }

    #[test]
    fn a_pair_gets_its_tag_and_its_end() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let task = task(dir.path())?;
        let into_german = ("en".to_string(), "de".to_string());
        let route = task.corpus.routes().iter().position(|route| *route == into_german);
        let route = route.expect("the corpus serves both directions") as u32;
        let example = task.example(pair(route, "a", "b")).expect("the direction is trained");
        let german = task.vocabulary.frame("en", "de")?.start[0];
        let (a, b) = (68 + u32::from(b'a'), 68 + u32::from(b'b'));
        assert_eq!(example.source, [german, a, END]);
        assert_eq!(example.target, [german, b]);
        assert_eq!(example.labels, [b, END]);
        Ok(())
    }
}
