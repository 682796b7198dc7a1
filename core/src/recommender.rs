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
    models::recommendation::{History, HistoryBatch, RecommendationModel},
    recommend::{
        Blend, Catalogue, Event, Explanation, Item, POPULARITY, Profiler, Query, Ranking,
        Recommend, Scorers, TRANSFORMER, behaviour::Behaviour, standardise,
    },
    register::{ExpertEntry, Register},
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
    /// Names of the segment experts of each route, by slot.
    groups: Vec<Vec<String>>,
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
    /// Index of the route that the user takes.
    pub route: usize,
}

/// What is known of a user when a query comes.
struct User {
    /// The events whose item the catalogue knows.
    events: Vec<Event>,
    /// Behaviour before the first of them, and after each.
    behaviours: Vec<Behaviour>,
    route: usize,
}

impl Files {
    /// Loads a recommendation model, to be asked.
    pub fn load_recommender(&self) -> Result<Arc<dyn Recommend>> {
        let loaded = self.load_recommendation(&Device::Cpu)?;
        Ok(Arc::new(Recommender::new(loaded)?))
    }

    /// The same with the catalogue `name`, one that came later.
    pub fn load_recommender_of(&self, name: &str) -> Result<Arc<dyn Recommend>> {
        let loaded = self.load_recommendation_of(name, &Device::Cpu)?;
        Ok(Arc::new(Recommender::new(loaded)?))
    }
}

impl Recommender {
    /// Puts a recommender together; the weights of the model lie on the CPU.
    pub fn new(loaded: LoadedRecommendation) -> Result<Self> {
        let profiler = loaded.profiler();
        let LoadedRecommendation { model, register, catalogue, blend, scorers, .. } = loaded;
        let index = catalogue.user_index().into_iter();
        let user_features = index.map(|(name, id)| (name.to_string(), id)).collect();
        let recommender = Self {
            vectors: model.item_vectors(0.0, &Context::inference(Precision::F32))?,
            ids: catalogue.items.iter().map(|item| item.id.clone()).collect(),
            groups: register.routes.iter().map(|route| route.group.clone()).collect(),
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
        let users: Vec<User> = queries.iter().map(|query| self.user(query)).collect();
        let (logits, gates) = self.transform(queries, &users)?;
        let count = self.ids.len();
        let components = |i: usize| {
            let (query, User { events, behaviours, route }) = (&queries[i], &users[i]);
            let mut scores = vec![logits[i * count..][..count].to_vec()];
            scores.push(self.popularity(query));
            scores.extend(self.scorers.scores(events, query.now));
            let mut deviations = Vec::with_capacity(scores.len());
            for scores in &mut scores {
                deviations.push(standardise(scores));
                scores.resize(count, 0.0); // what a scorer never saw is like the mean to it
            }
            let behaviour = behaviours.last().copied().unwrap_or_default();
            Components { scores, deviations, gates: gates[i].clone(), behaviour, route: *route }
        };
        Ok((0..queries.len()).into_par_iter().map(components).collect())
    }

    /// Who asks, and by which route.
    fn user(&self, query: &Query<'_>) -> User {
        let is_known = |event: &&Event| (event.item as usize) < self.ids.len();
        let events: Vec<Event> = query.history.iter().filter(is_known).copied().collect();
        let behaviours = self.profiler.behaviours(&events, query.now);
        let now = behaviours.last().copied().unwrap_or_default();
        let route = self.register.route_of_user(&now, query.labels);
        User { events, behaviours, route }
    }

    /// The popularity of the moment. Not its logarithm: what everybody takes stands out.
    fn popularity(&self, query: &Query<'_>) -> Vec<f32> {
        let count = |&count: &f32| if count > 0.0 { count.min(1e9) } else { 0.0 };
        let mut scores: Vec<f32> = query.popularity.iter().map(count).collect();
        scores.resize(self.ids.len(), 0.0);
        scores
    }

    /// Logits of all items `(B, V)`, and the weights of the segment experts, for `users`.
    fn transform(
        &self,
        queries: &[Query<'_>],
        users: &[User],
    ) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
        let feature = |label: &String| self.user_features.get(label).copied();
        let features: Vec<Vec<u32>> = (queries.iter())
            .map(|query| query.labels.iter().filter_map(feature).collect())
            .collect();
        let of_user = |user: &User| user.behaviours.iter().flat_map(Behaviour::features).collect();
        let statistics: Vec<Vec<f32>> = users.iter().map(of_user).collect();
        let history = |i: usize| History {
            events: &users[i].events,
            features: &features[i],
            now: queries[i].now,
            statistics: &statistics[i],
            route: users[i].route as u32,
        };
        let histories: Vec<History<'_>> = (0..queries.len()).map(history).collect();
        let context = Context::inference(Precision::F32);
        let batch = HistoryBatch::new(self.model.config(), &histories);
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
    fn gates(&self, logits: &[Tensor], batch: &HistoryBatch) -> Result<Vec<Vec<f32>>> {
        // All routes have as many slots.
        let count = self.groups.first().map_or(0, Vec::len);
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
        let group = self.groups.get(components.route).into_iter().flatten().cloned();
        Ranking {
            scores,
            segments: group.zip(components.gates.iter().copied()).collect(),
            blend: self.blend.scorers.iter().cloned().zip(shares).collect(),
            segment: Some(self.blend.rules.segment(&components.behaviour)),
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
        self.groups.first().map_or(&[], Vec::as_slice)
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
        let entry = |expert: &ExpertEntry| {
            let mut entry = serde_json::to_value(expert).unwrap_or_default();
            let host = self.register.routes.iter().find(|route| route.group.contains(&expert.name));
            let rule = host.and_then(|route| route.rule.as_ref());
            if let (Some(fields), Some(rule)) = (entry.as_object_mut(), rule) {
                fields.insert("rule".into(), rule.to_string().into());
            }
            entry
        };
        self.register.experts.iter().map(entry).collect()
    }
}
