//! Learning to translate: sentence pairs in, an encoder-decoder with experts out.

mod augment;
mod config;
pub(crate) mod cost;
mod dev;
mod export;
mod bias;
mod learn;
mod warm_start;

use std::{path::PathBuf, sync::Arc};

use dragoman_core::{
    collective::{ExpertOwners, Ranks},
    directory::Loaded,
    models::translation::{Example, TranslationModel},
    params::{Param, ParamStore},
    register::{Register, RowRoute},
    tokenizer::Tokenizer,
    vocabulary::{Frame, Vocabulary},
};
use dragoman_data::{
    batch::{Batcher, Cursor, SentencePair},
    pack::PackedCorpus,
};
use serde_json::json;

pub use augment::AugmentConfig;
pub use config::{DevConfig, DevSet, ExpertsConfig, TrainConfig};
pub use dev::{load as load_test_sets, use_held_out};

use bias::LexiconBias;
use learn::seed_masks;

use crate::{
    Error, Result,
    control::Control,
    device,
    evaluate::TestSet,
    loss::{Bonuses, OutputLoss, Shortlist},
    recorder::RunInfo,
    task::Part,
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
    train_on(&Ranks::default(), config, paths, control)
}

/// [`train`] on all `ranks` together; see [`trainer::train_on`].
pub fn train_on(
    ranks: &Ranks,
    config: &TrainConfig,
    paths: &RunPaths,
    control: &Control,
) -> Result<Summary> {
    let invalid = |reason| Error::Config { path: paths.out.join("config.toml"), reason };
    let prepare = || -> Result<_> {
        config.check().map_err(invalid)?;
        fs_err::create_dir_all(&paths.out)?;
        let settings = toml::to_string(config).map_err(|error| invalid(error.to_string()))?;
        Ok((TranslationTask::on_ranks(ranks, config, paths)?, settings))
    };
    let (mut task, settings) = ranks.on_all(prepare())?;
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
    trainer::train_on(ranks, &mut task, run, control)
}

/// A model that learns from a packed corpus.
pub(crate) struct TranslationTask {
    config: TrainConfig,
    all: ParamStore,
    /// Those of the weights that learn.
    params: ParamStore,
    /// Where experts are, if they are sharded over ranks.
    owners: Option<ExpertOwners>,
    /// The expert that learns, if it is one alone.
    expert: Option<String>,
    register: Register,
    model: TranslationModel,
    vocabulary: Arc<dyn Vocabulary>,
    corpus: Arc<PackedCorpus>,
    batcher: Batcher,
    /// For each route of the corpus how the model takes it, if it is trained.
    directions: Vec<Option<Direction>>,
    /// The lexicon beside the model, if there is one.
    bias: Option<LexiconBias>,
    dev: Vec<TestSet>,
}

/// What there is to learn from.
struct Pairs<'a> {
    corpus: Arc<PackedCorpus>,
    /// Directions of the corpus that are trained.
    directions: &'a [(String, String)],
}

/// How sentences of one direction go through the model.
#[derive(Debug, Clone)]
struct Direction {
    /// Such as `en-de`.
    name: String,
    /// The route, with the domain that is trained.
    route: RowRoute,
    /// What stands around a text.
    frame: Frame,
}

impl TranslationTask {
    #[cfg(test)]
    fn new(config: &TrainConfig, paths: &RunPaths) -> Result<Self> {
        Self::on_ranks(&Ranks::default(), config, paths)
    }

    fn on_ranks(ranks: &Ranks, config: &TrainConfig, paths: &RunPaths) -> Result<Self> {
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
        let owners = match config.run.expert_parallel && !ranks.is_alone() {
            true => {
                let names = register.experts.iter().map(|expert| expert.name.as_str());
                Some(ExpertOwners::new(ranks, names)?.in_chunks(config.run.exchange_chunks))
            }
            false => None,
        };
        let mut params = ParamStore::new(&device, config.run.seed);
        if let Some(owners) = owners.as_ref().filter(|_| !ranks.is_first()) {
            params = params.without_others(owners);
        }
        let model = TranslationModel::new(&config.model, &register, &params)?;
        if let Some(dir) = &config.start_from {
            warm_start::warm_start(dir, &config, &tokenizer, &params.subset(Param::is_here))?;
        }

        let lexicon = config.lexicon_from.as_deref().map(bias::load_lexicon).transpose()?;
        let (vocabulary, detectors) = (Arc::new(tokenizer), Vec::new());
        let loaded = Loaded { model, params, register, vocabulary, detectors, lexicon };
        let pairs = Pairs { corpus, directions: &directions };
        let task = Self::assemble(&config, loaded, None, pairs, paths)?;
        if let Some(owners) = &owners {
            // The first rank has all weights, to write them, and trains its own.
            let others = task.params.iter().filter(|param| owners.is_away(param.name()));
            others.for_each(|param| param.set_trainable(false));
        }
        Ok(Self { owners, ..task })
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
        let pairs = Pairs { corpus: Arc::new(corpus), directions };
        Self::assemble(config, loaded, Some(expert.into()), pairs, paths)
    }

    fn assemble(
        config: &TrainConfig,
        loaded: Loaded,
        expert: Option<String>,
        pairs: Pairs<'_>,
        paths: &RunPaths,
    ) -> Result<Self> {
        let Pairs { corpus, directions } = pairs;
        let Loaded { model, params: all, register, vocabulary, lexicon, .. } = loaded;
        let bias = lexicon.map(|lexicon| LexiconBias::new(lexicon, &*vocabulary));
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
            owners: None,
            expert,
            register,
            model,
            vocabulary,
            corpus,
            batcher,
            directions: Vec::new(),
            bias,
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
        let name = format!("{source}-{target}");
        Ok(Some(Direction { name, route: self.register.row_route(route, &domain), frame }))
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
    fn example(&self, pair: &SentencePair) -> Option<Example> {
        let Direction { route, frame, .. } = self.directions[pair.route as usize].as_ref()?;
        let sides = [&pair.source[..], &pair.target[..]];
        Some(Example::new(*route, sides, frame, self.vocabulary.outputs()))
    }

    /// What the lexicon favours before each label; nothing without one.
    fn bonuses_of(&self, pair: &SentencePair, example: &Example) -> Vec<Vec<(u32, f32)>> {
        let direction = self.directions[pair.route as usize].as_ref();
        let name = direction.map_or("", |direction| &direction.name);
        self.bonuses_in(name, [&pair.source, &pair.target], example)
    }

    /// The same for `sides` of the direction called `name`.
    fn bonuses_in(
        &self,
        name: &str,
        sides: [&[u32]; 2],
        example: &Example,
    ) -> Vec<Vec<(u32, f32)>> {
        let of = |bias: &LexiconBias| bias.of(name, sides, example, &*self.vocabulary);
        self.bias.as_ref().map(of).unwrap_or_default()
    }

    /// The loss of the label tokens, and the gradient of the output layer.
    fn output_loss(&self, part: &Part<'_>, bonuses: &Arc<Bonuses>) -> OutputLoss {
        OutputLoss {
            weight: self.model.output_weight().clone(),
            bias: self.model.output_bias().cloned(),
            first_output: self.vocabulary.outputs().first,
            label_smoothing: part.config.loss.label_smoothing,
            scale: 1.0 / part.labels as f32,
            precision: self.config.precision,
            shortlist: (part.config.loss.shortlist > 0).then_some(Shortlist {
                size: part.config.loss.shortlist,
                seed: part.config.seed.wrapping_add(part.index << 20),
            }),
            bonuses: bonuses.clone(),
        }
    }
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
mod tests;
