//! A loaded recommendation model behind [`Recommend`]: histories in, scores of all items out.

mod explain;
mod extend;

use std::{collections::HashMap, sync::Arc};

use candle::{D, Device, Tensor};
use candle_nn::ops::softmax;
use rayon::prelude::*;

use crate::{
    Error, Result,
    context::Context,
    directory::{Files, LoadedRecommendation},
    kernels::matmul::Precision,
    models::recommendation::{Batch, History, RecommendationModel},
    recommend::{
        Blend, Catalogue, Event, Explanation, Item, POPULARITY, Profiler, Query, Ranking,
        Recommend, Scorers, TRANSFORMER,
        behaviour::{Behaviour, Categories},
        standardise,
    },
    register::Register,
};

/// Recommends with a model that is in memory.
#[derive(Debug)]
pub struct Recommender {
    model: RecommendationModel,
    register: Register,
    catalogue: Catalogue,
    profiler: Profiler,
    scorers: Arc<Scorers>,
    blend: Blend,
    /// Vectors of all items, `(V, D)`.
    vectors: Tensor,
    /// Identifiers of the items, by index.
    ids: Vec<String>,
    /// Features of users by name.
    user_features: HashMap<String, u32>,
    /// Names of the segment experts, by slot.
    segments: Vec<String>,
}

/// What the blend is made of for one user.
#[derive(Debug, Clone)]
pub struct Components {
    /// Standardised scores of all items, by scorer in the order of [`Recommender::scorers`].
    pub scores: Vec<Vec<f32>>,
    /// What each scorer's scores were divided by.
    pub deviations: Vec<f32>,
    /// Weights of the segment experts, the mean over the layers; they sum to one.
    pub gates: Vec<f32>,
    /// How the user behaved until now.
    pub behaviour: Behaviour,
}

impl Files {
    /// Loads a recommendation model, to be asked.
    pub fn load_recommender(&self) -> Result<Arc<dyn Recommend>> {
        let loaded = self.load_recommendation(&Device::Cpu)?;
        Ok(Arc::new(Recommender::new(loaded)?))
    }
}

impl Recommender {
    /// Puts a recommender together; the weights of the model lie on the CPU.
    pub fn new(loaded: LoadedRecommendation) -> Result<Self> {
        let LoadedRecommendation { model, register, catalogue, blend, scorers, .. } = loaded;
        let segments = register.routes.first().map(|route| route.group.clone());
        let profiler = Profiler {
            categories: Categories::new(&catalogue.items),
            percentiles: scorers.percentiles(),
        };
        let index = catalogue.user_index().into_iter();
        let user_features = index.map(|(name, id)| (name.to_string(), id)).collect();
        let recommender = Self {
            vectors: model.item_vectors(0.0, &Context::inference(Precision::F32))?,
            ids: catalogue.items.iter().map(|item| item.id.clone()).collect(),
            segments: segments.unwrap_or_default(),
            scorers: Arc::new(scorers),
            model,
            register,
            catalogue,
            profiler,
            blend,
            user_features,
        };
        recommender.check_blend()?;
        Ok(recommender)
    }

    /// The same with another blend.
    ///
    /// # Errors
    /// Fails when it is of other scorers than [`Recommender::scorers`].
    pub fn with_blend(self, blend: Blend) -> Result<Self> {
        let recommender = Self { blend, ..self };
        recommender.check_blend()?;
        Ok(recommender)
    }

    fn check_blend(&self) -> Result<()> {
        let known = self.scorers();
        match self.blend.scorers.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(Error::Invalid(format!(
                "the blend weighs a scorer `{name}`; this model has {}",
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }

    /// Names of all scorers, the transformer first.
    pub fn scorers(&self) -> Vec<String> {
        let cheap = self.scorers.names();
        [TRANSFORMER, POPULARITY].into_iter().chain(cheap).map(String::from).collect()
    }

    /// How the scorers are mixed.
    pub fn blend(&self) -> &Blend {
        &self.blend
    }

    /// Items with the words that describe them.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What the blend of each query is made of.
    pub fn components(&self, queries: &[Query<'_>]) -> Result<Vec<Components>> {
        let known: Vec<Vec<Event>> = queries.iter().map(|query| self.known(query)).collect();
        let (logits, gates) = self.transform(queries, &known)?;
        let count = self.ids.len();
        let components = |i: usize| {
            let (query, history) = (&queries[i], &known[i]);
            let mut scores = vec![logits[i * count..][..count].to_vec()];
            scores.push(self.popularity(query));
            scores.extend(self.scorers.scores(history, query.now));
            let mut deviations = Vec::with_capacity(scores.len());
            for scores in &mut scores {
                deviations.push(standardise(scores));
                scores.resize(count, 0.0); // what a scorer never saw is like the mean to it
            }
            let behaviour = self.profiler.behaviours(history, query.now).pop();
            let behaviour = behaviour.unwrap_or_default();
            Components { scores, deviations, gates: gates[i].clone(), behaviour }
        };
        Ok((0..queries.len()).into_par_iter().map(components).collect())
    }

    /// The events whose item the catalogue knows.
    fn known(&self, query: &Query<'_>) -> Vec<Event> {
        let is_known = |event: &&Event| (event.item as usize) < self.ids.len();
        query.history.iter().filter(is_known).copied().collect()
    }

    /// The popularity of the moment. Not its logarithm: what everybody takes stands out.
    fn popularity(&self, query: &Query<'_>) -> Vec<f32> {
        let count = |&count: &f32| if count > 0.0 { count.min(1e9) } else { 0.0 };
        let mut scores: Vec<f32> = query.popularity.iter().map(count).collect();
        scores.resize(self.ids.len(), 0.0);
        scores
    }

    /// Logits of all items `(B, V)`, and the weights of the segment experts, for `histories`.
    fn transform(
        &self,
        queries: &[Query<'_>],
        histories: &[Vec<Event>],
    ) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
        let feature = |label: &String| self.user_features.get(label).copied();
        let features: Vec<Vec<u32>> = (queries.iter())
            .map(|query| query.labels.iter().filter_map(feature).collect())
            .collect();
        let statistics: Vec<Vec<f32>> = (queries.iter().zip(histories))
            .map(|(query, events)| self.profiler.statistics(events, query.now))
            .collect();
        let history = |i: usize| History {
            events: &histories[i],
            features: &features[i],
            now: queries[i].now,
            statistics: &statistics[i],
            route: 0,
        };
        let histories: Vec<History<'_>> = (0..queries.len()).map(history).collect();
        let context = Context::inference(Precision::F32);
        let batch = Batch::new(self.model.config(), &histories);
        let output = self.model.forward(&batch, &self.vectors, &context)?;
        let mut logits = self.model.logits(&output.hidden, &batch, &self.vectors)?;
        self.add_popularity(queries, &mut logits);
        Ok((logits, self.gates(&output.gates, &batch)?))
    }

    /// Adds what the popularity of the moment counts to the logits `(B, V)`.
    fn add_popularity(&self, queries: &[Query<'_>], logits: &mut [f32]) {
        let config = self.model.config();
        if config.popularity == 0.0 {
            return;
        }
        for (query, logits) in queries.iter().zip(logits.chunks_exact_mut(self.ids.len())) {
            for (logit, &count) in logits.iter_mut().zip(query.popularity) {
                *logit += config.popularity_logit(count);
            }
        }
    }

    /// Weights of the segment experts after the last row of every history: the mean over layers.
    fn gates(&self, logits: &[Tensor], batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let count = self.segments.len();
        if logits.is_empty() {
            let even = vec![1.0 / count.max(1) as f32; count];
            return Ok(vec![even; batch.layout.len()]);
        }
        let mut sums = vec![vec![0.0; count]; batch.layout.len()];
        for layer in logits {
            let shares = softmax(layer, D::Minus1)?.to_vec2::<f32>()?;
            for (sum, &end) in sums.iter_mut().zip(&batch.layout.offsets()[1..]) {
                let shares = shares[end - 1].iter().map(|share| share / logits.len() as f32);
                sum.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
            }
        }
        Ok(sums)
    }

    /// The blended scores.
    fn mix(&self, components: &Components) -> Ranking {
        let shares = self.blend.shares(&components.gates, &components.behaviour);
        let names = self.scorers();
        let mut scores = vec![0.0; self.ids.len()];
        for (name, share) in self.blend.scorers.iter().zip(&shares) {
            let Some(k) = names.iter().position(|known| known == name) else { continue };
            if *share > 0.0 {
                let standardised = components.scores[k].iter();
                scores.iter_mut().zip(standardised).for_each(|(sum, score)| *sum += share * score);
            }
        }
        let segments = self.segments.iter().cloned().zip(components.gates.iter().copied());
        Ranking {
            scores,
            segments: segments.collect(),
            blend: self.blend.scorers.iter().cloned().zip(shares).collect(),
        }
    }
}

impl Recommend for Recommender {
    fn items(&self) -> &[String] {
        &self.ids
    }

    fn kinds(&self) -> &[String] {
        &self.catalogue.kinds
    }

    fn segments(&self) -> &[String] {
        &self.segments
    }

    fn rank(&self, queries: &[Query<'_>]) -> Result<Vec<Ranking>> {
        let components = self.components(queries)?;
        Ok(components.par_iter().map(|components| self.mix(components)).collect())
    }

    fn explain(&self, query: &Query<'_>, item: u32) -> Result<Explanation> {
        self.explain_item(query, item)
    }

    fn similar(&self, item: u32) -> Result<Vec<f32>> {
        self.similar_items(item)
    }

    fn extend(&self, items: &[Item]) -> Result<Arc<dyn Recommend>> {
        Ok(Arc::new(self.extended(items)?))
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::to_value(&self.register.experts).unwrap_or_default()
    }
}
