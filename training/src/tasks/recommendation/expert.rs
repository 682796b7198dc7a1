//! One expert that learns in a model that is finished.

use candle::D;
use candle_nn::ops::softmax;
use dragoman_core::{
    context::Context, directory::LoadedRecommendation, kernels::matmul::Precision,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Cursor, Learner, Objective, PopularityBias, RecommendationTask, TrainConfig, dev::Validation,
    learners::TrainingBatch, members::Members, spread,
};
use crate::{Result, control::Control, recommendation::trial::Trial, task::Evaluation};

/// Users by whose gates a parent is chosen, at most.
const WEIGHED: usize = 256;

impl RecommendationTask {
    /// A task in which only the expert called `expert` learns, from the users of the last route of
    /// `loaded`.
    pub(crate) fn of_expert(
        config: &TrainConfig,
        loaded: LoadedRecommendation,
        expert: &str,
        members: &Members,
    ) -> Self {
        let Members { learners, trial, features } = members;
        let (learners, dev) = (learners.clone(), (trial.clone(), features.clone()));
        Self::of_one(config, loaded, expert, learners, dev)
    }

    /// The same of any one expert, of its `learners` and who judges it.
    pub(super) fn of_one(
        config: &TrainConfig,
        loaded: LoadedRecommendation,
        expert: &str,
        learners: Vec<Learner>,
        dev: (Trial, Vec<Vec<u32>>),
    ) -> Self {
        let profiler = loaded.profiler();
        let LoadedRecommendation { model, params, register, catalogue, blend, scorers } = loaded;
        let own = format!("experts.{expert}.");
        for param in params.iter().filter(|param| !param.name().starts_with(&own)) {
            param.set_trainable(false);
        }
        Self {
            config: config.clone(),
            params: params.subset(|param| param.name().starts_with(&own)),
            route: register.routes.len() - 1,
            expert: Some(expert.into()),
            register,
            popularity_bias: PopularityBias::new(&dev.0.train, model.config()),
            kind_weights: vec![1.0; catalogue.kinds.len()],
            model,
            catalogue,
            profiler,
            learners,
            scorers,
            blend,
            dev: Some(dev),
            cursor: Cursor::default(),
        }
    }

    /// Number of the weights that learn.
    pub(crate) fn parameters(&self) -> usize {
        self.params.elem_count()
    }
}

impl Members {
    /// How well `loaded`, without its other scorers, predicts what they did when they take `route`.
    /// None when `control` says stop.
    pub(crate) fn judge(
        &self,
        loaded: &LoadedRecommendation,
        route: usize,
        control: &Control,
    ) -> Result<Option<Evaluation>> {
        let profiler = loaded.profiler();
        let Self { trial, features, .. } = self;
        Validation { trial, features, profiler: &profiler, route }.evaluate(&loaded.model, control)
    }

    /// The weights that the gates of the first route of `loaded` give its experts at the moments
    /// that are learned from, by slot: the mean over layers and moments.
    pub(crate) fn shares(&self, loaded: &LoadedRecommendation, seed: u64) -> Result<Vec<f64>> {
        let slots = loaded.register.routes.first().map_or(0, |route| route.group.len());
        let mut learners: Vec<&Learner> = self.learners.iter().collect();
        spread(&mut learners, WEIGHED);
        let config = loaded.model.config();
        let context = Context::inference(Precision::F32);
        let vectors = loaded.model.item_vectors(0.0, &context)?;
        let (objective, kinds) = (Objective::default(), vec![1.0; loaded.catalogue.kinds.len()]);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sums = vec![0.0; slots];
        for learners in learners.chunks(64) {
            let mut batch = TrainingBatch::new(config, &objective, &kinds, learners, &mut rng);
            batch.inputs.routes.fill(0);
            for gate in loaded.model.forward(&batch.inputs, &vectors, &context)?.gates {
                let shares = softmax(&gate, D::Minus1)?.to_vec2::<f32>()?;
                let counted =
                    shares.iter().zip(&batch.weights).filter(|(_, weight)| **weight > 0.0);
                for (shares, _) in counted {
                    sums.iter_mut().zip(shares).for_each(|(sum, x)| *sum += f64::from(*x));
                }
            }
        }
        let total: f64 = sums.iter().sum();
        Ok(sums.into_iter().map(|sum| sum / total.max(f64::MIN_POSITIVE)).collect())
    }
}
