//! Vectors as a graph of neighbours, for catalogues that are too large to compare all of them: HNSW
//! (Malkov and Yashunin, 2018).

use std::{sync::Arc, thread};

use rayon::prelude::*;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::Distance;

/// Neighbours that a search finds.
pub(crate) const FOUND: usize = 256;

/// Neighbours in view while the graph is made.
const CONSTRUCTION: usize = 128;

/// Neighbours of a vector that the graph knows.
const CONNECTIONS: usize = 16;

/// The vectors of one label, of one length, compared in one way.
pub(crate) struct Graph {
    index: Index,
    /// The changes of the items when it was made.
    pub(crate) at: u64,
}

impl Graph {
    /// Makes the graph of `vectors`, each with the number of its item, on half of the processors. Takes
    /// minutes for a million.
    pub(crate) fn new(
        distance: Distance,
        vectors: &[(u32, Arc<[f32]>)],
        at: u64,
    ) -> Result<Self, String> {
        let options = IndexOptions {
            dimensions: vectors.first().map_or(1, |(_, vector)| vector.len()),
            metric: match distance {
                Distance::Euclidean => MetricKind::L2sq,
                Distance::Cosine => MetricKind::Cos,
            },
            quantization: ScalarKind::F32,
            connectivity: CONNECTIONS,
            expansion_add: CONSTRUCTION,
            expansion_search: FOUND,
            multi: false,
        };
        let index = Index::new(&options).map_err(|error| error.to_string())?;
        let processors = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let threads = (processors / 2).max(1);
        // Searches come from as many threads as requests do.
        let most = threads + SEARCHES;
        let reserved = index.reserve_capacity_and_threads(vectors.len(), most);
        reserved.map_err(|error| error.to_string())?;
        let has_direction = |vector: &[f32]| {
            distance == Distance::Euclidean || distance.between(vector, vector).is_some()
        };
        let add = |(number, vector): &(u32, Arc<[f32]>)| match has_direction(vector) {
            true => index.add(u64::from(*number), &vector[..]).map_err(|error| error.to_string()),
            false => Ok(()),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| error.to_string())?;
        pool.install(|| vectors.par_iter().try_for_each(add))?;
        Ok(Self { index, at })
    }

    /// Numbers of items near `vector`, as they were when the graph was made, at most [`FOUND`]; a few of
    /// the nearest may be missing.
    pub(crate) fn near(&self, vector: &[f32]) -> Vec<u32> {
        match self.index.search(vector, FOUND) {
            Ok(found) => found.keys.into_iter().filter_map(|key| u32::try_from(key).ok()).collect(),
            Err(error) => {
                tracing::error!(%error, "a graph of vectors was not searched");
                Vec::new()
            }
        }
    }

    /// How many vectors it has.
    pub(crate) fn len(&self) -> usize {
        self.index.size()
    }
}

/// Searches at once for which there is memory.
const SEARCHES: usize = 64;

/// The sum of `term` over the numbers of both, in sixteen sums that the compiler computes at once.
pub(super) fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_nearest_are_found_but_for_a_few() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut vectors: Vec<(u32, Arc<[f32]>)> = Vec::new();
        for number in 0..4000 {
            let vector: Vec<f32> = (0..20).map(|_| rng.random_range(-1.0..1.0)).collect();
            vectors.push((number, vector.into()));
        }
        for distance in [Distance::Euclidean, Distance::Cosine] {
            let graph = Graph::new(distance, &vectors, 7).expect("the vectors are good");
            assert_eq!((graph.len(), graph.at), (4000, 7));
            let mut hits = 0;
            for (_, vector) in vectors.iter().step_by(200) {
                let mut exact: Vec<(f32, u32)> = vectors
                    .iter()
                    .filter_map(|(number, other)| Some((distance.between(vector, other)?, *number)))
                    .collect();
                exact.sort_by(|a, b| a.0.total_cmp(&b.0));
                let found = graph.near(vector);
                assert_eq!(found.len(), FOUND);
                hits += exact[..10].iter().filter(|(_, number)| found.contains(number)).count();
            }
            assert!(hits >= 195, "{hits} of 200 with {distance:?}");
        }
    }

    #[test]
    fn lengths_that_are_no_multiple_of_the_lanes_are_summed_whole() {
        let numbers: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(sum(&numbers, &numbers, |a, _| a), 666.0);
    }
}
