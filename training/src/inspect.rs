//! Where the tokens of test sets go: what each expert of a model is there for.
//!
//! The model reads and says the reference translations (teacher forcing), as in training, so the
//! answer does not depend on how well it translates.

use std::collections::BTreeMap;

use dragoman_core::{
    context::Context,
    directory::Loaded,
    kernels::matmul::Precision,
    models::translation::{Example, TranslationBatch},
    moe::LayerRouting,
    vocabulary::Side,
};
use serde::Serialize;

use crate::{Error, Result, evaluate::TestSet};

/// Sentence pairs that the model reads at once.
const BATCH: usize = 32;

/// What became of the tokens of some test sets.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// One for each test set and layer, in the order of the sets and then of the flow.
    pub layers: Vec<LayerUse>,
}

/// What became of the tokens of one test set in one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerUse {
    /// The test set and its direction, such as `general en-de`.
    pub set: String,
    /// Name of the layer, such as `encoder.1`.
    pub layer: String,
    /// Tokens that came through.
    pub tokens: usize,
    /// Visits by expert; those within reach without visits are there with 0.
    pub visits: BTreeMap<String, usize>,
    /// Sum of the weights of an expert's visits.
    pub weight: BTreeMap<String, f64>,
    /// Visits that found no room, by all that were wanted, 0 to 1; 0 where layers drop nothing.
    pub overflow: f64,
    /// Visits that found no room.
    pub dropped: usize,
}

impl LayerUse {
    /// Share of each expert in all visits.
    pub fn shares(&self) -> Vec<(String, f64)> {
        let total = self.visits.values().sum::<usize>().max(1) as f64;
        self.visits.iter().map(|(name, n)| (name.clone(), *n as f64 / total)).collect()
    }

    /// Entropy of the visits over the experts, by the logarithm of their number: 1 where all are
    /// visited alike, 0 where one gets all.
    pub fn entropy(&self) -> f64 {
        let shares = self.shares();
        let entropy: f64 = shares.iter().filter(|(_, p)| *p > 0.0).map(|(_, p)| -p * p.ln()).sum();
        if shares.len() > 1 { entropy / (shares.len() as f64).ln() } else { 0.0 }
    }

    fn add(&mut self, routing: &LayerRouting) {
        for name in &routing.experts {
            self.visits.entry(name.clone()).or_default();
            self.weight.entry(name.clone()).or_default();
        }
        self.tokens += routing.visits.len();
        self.dropped += routing.dropped;
        for &(expert, weight) in routing.visits.iter().flatten() {
            let name = &routing.experts[expert];
            *self.visits.entry(name.clone()).or_default() += 1;
            *self.weight.entry(name.clone()).or_default() += f64::from(weight);
        }
        let visits = self.visits.values().sum::<usize>();
        self.overflow = self.dropped as f64 / (visits + self.dropped).max(1) as f64;
    }
}

impl Inspection {
    /// For every expert the sets that visit it, heaviest first, with the share of their tokens'
    /// visits that it gets, as a mean over the layers.
    pub fn served(&self) -> BTreeMap<String, Vec<(String, f64)>> {
        let mut sums: BTreeMap<(String, String), (f64, usize)> = BTreeMap::new();
        for layer in &self.layers {
            for (expert, share) in layer.shares() {
                let sum = sums.entry((expert, layer.set.clone())).or_default();
                *sum = (sum.0 + share, sum.1 + 1);
            }
        }
        let mut served: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for ((expert, set), (sum, count)) in sums {
            served.entry(expert).or_default().push((set, sum / count as f64));
        }
        served.values_mut().for_each(|sets| sets.sort_by(|a, b| b.1.total_cmp(&a.1)));
        served
    }
}

/// Sends the pairs of `sets` through a model, with the domains of these short names on where a route
/// has them.
///
/// # Errors
/// Fails when the model has no route for a set's direction, or no layer of experts.
pub fn inspect(loaded: &Loaded, sets: &[TestSet], domains: &[String]) -> Result<Inspection> {
    if loaded.model.config().moe.is_none() {
        return Err(Error::Inspect("this model has no experts to inspect: it is dense".into()));
    }
    let names: Vec<String> = domains.iter().map(|name| format!("domain.{name}")).collect();
    if let Some(name) = names.iter().find(|name| loaded.register.expert(name).is_none()) {
        return Err(Error::Inspect(format!("the model has no expert `{name}`")));
    }
    let mut inspection = Inspection::default();
    for set in sets {
        let pairs = examples(loaded, set, &names)?;
        let mut layers: BTreeMap<usize, LayerUse> = BTreeMap::new();
        for examples in pairs.chunks(BATCH) {
            let mut context = Context::inference(Precision::F32);
            context.trace = true;
            let output = loaded.model.forward(&TranslationBatch::new(examples, None), &context)?;
            for (place, routing) in output.routing.iter().enumerate() {
                let layer = layers.entry(place).or_insert_with(|| LayerUse {
                    set: format!("{} {}", set.name, set.pair).trim().into(),
                    layer: routing.layer.clone(),
                    tokens: 0,
                    visits: BTreeMap::new(),
                    weight: BTreeMap::new(),
                    overflow: 0.0,
                    dropped: 0,
                });
                layer.add(routing);
            }
        }
        inspection.layers.extend(layers.into_values());
    }
    Ok(inspection)
}

/// The pairs of `set` as the model sees them; those that are too long are passed over.
fn examples(loaded: &Loaded, set: &TestSet, domains: &[String]) -> Result<Vec<Example>> {
    let pair = &set.pair;
    let Some(route) = loaded.register.route(&pair.source, &pair.target) else {
        let routes: Vec<&str> = loaded.register.routes.iter().map(|r| r.name.as_str()).collect();
        let known = routes.join(", ");
        return Err(Error::Inspect(format!("the model has no route `{pair}`; it has {known}")));
    };
    let vocabulary = &loaded.vocabulary;
    let frame = vocabulary.frame(&pair.source, &pair.target)?;
    let encode = |side, texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        vocabulary.encode_batch(side, &texts)
    };
    let sources = encode(Side::Source, &set.sources);
    let targets = encode(Side::Target, &set.references);
    let limit = loaded.model.config().max_positions;
    let row_route = loaded.register.row_route(route, domains);
    let example = |(source, target): (Vec<u32>, Vec<u32>)| {
        Example::new(row_route, [&source, &target], &frame, vocabulary.outputs())
    };
    let examples = sources.into_iter().zip(targets).map(example);
    Ok(examples.filter(|e| e.source.len() <= limit && e.target.len() <= limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(set: &str, visits: &[(&str, usize)]) -> LayerUse {
        let visits = visits.iter().map(|&(name, n)| (name.to_string(), n)).collect();
        LayerUse {
            set: set.into(),
            layer: "encoder.1".into(),
            tokens: 4,
            visits,
            weight: BTreeMap::new(),
            overflow: 0.0,
            dropped: 0,
        }
    }

    #[test]
    fn entropy_is_one_for_even_loads_and_zero_for_one_expert() {
        assert!((layer("a", &[("x", 4), ("y", 4)]).entropy() - 1.0).abs() < 1e-12);
        assert_eq!(layer("a", &[("x", 8), ("y", 0)]).entropy(), 0.0);
    }

    #[test]
    fn an_expert_names_those_it_serves_heaviest_first() {
        let layers = vec![layer("a", &[("x", 2), ("y", 6)]), layer("b", &[("x", 8)])];
        let served = Inspection { layers }.served();
        assert_eq!(served["x"], [("b".to_string(), 1.0), ("a".to_string(), 0.25)]);
    }

    #[test]
    fn what_found_no_room_is_counted() {
        let mut layer = LayerUse { visits: BTreeMap::new(), tokens: 0, ..layer("a", &[]) };
        let routing = LayerRouting {
            layer: "encoder.1".into(),
            experts: vec!["x".into(), "y".into()],
            load: vec![2, 1],
            dropped: 1,
            visits: vec![vec![(0, 0.75), (1, 0.25)], vec![(0, 1.0)]],
            ..LayerRouting::default()
        };
        layer.add(&routing);
        assert_eq!((layer.tokens, layer.overflow), (2, 0.25));
        assert_eq!(layer.weight["x"], 1.75);
    }
}
