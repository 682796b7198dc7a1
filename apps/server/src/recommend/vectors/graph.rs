//! Vectors as a graph of neighbours, for catalogues that are too large to compare all of them: HNSW
//! (Malkov and Yashunin, 2018).

use std::{sync::Arc, thread};

use instant_distance::{Builder, Hnsw, Point, Search};

use super::Distance;

/// Neighbours that a search finds.
pub(crate) const FOUND: usize = 256;

/// Neighbours in view while the graph is made.
const CONSTRUCTION: usize = 50;

/// The vectors of one label, of one length, compared in one way.
pub(crate) struct Graph {
    points: Points,
    /// The items of the points.
    numbers: Vec<u32>,
    /// The changes of the items when it was made.
    pub(crate) at: u64,
}

enum Points {
    Euclidean(Hnsw<Euclidean>),
    Cosine(Hnsw<Cosine>),
}

#[derive(Clone)]
struct Euclidean(Arc<[f32]>);

#[derive(Clone)]
struct Cosine {
    vector: Arc<[f32]>,
    /// One over its length.
    scale: f32,
}

impl Point for Euclidean {
    /// The square, which has the same order.
    fn distance(&self, other: &Self) -> f32 {
        sum(&self.0, &other.0, |a, b| (a - b) * (a - b))
    }
}

impl Point for Cosine {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - sum(&self.vector, &other.vector, |a, b| a * b) * self.scale * other.scale
    }
}

impl Cosine {
    /// None for a vector without a direction.
    fn new(vector: &Arc<[f32]>) -> Option<Self> {
        let scale = 1.0 / sum(vector, vector, |a, _| a * a).sqrt();
        scale.is_finite().then(|| Self { vector: Arc::clone(vector), scale })
    }
}

impl Graph {
    /// Makes the graph of `vectors`, each with the number of its item, on half of the processors. Takes
    /// about a millisecond of one processor for each vector.
    pub(crate) fn new(
        distance: Distance,
        vectors: &[(u32, Arc<[f32]>)],
        at: u64,
    ) -> Result<Self, String> {
        let threads = thread::available_parallelism().map_or(1, |count| count.get() / 2).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| error.to_string())?;
        let (points, numbers) = pool.install(|| match distance {
            Distance::Euclidean => {
                let point =
                    |(number, vector): &(u32, Arc<[f32]>)| (*number, Euclidean(Arc::clone(vector)));
                let (graph, numbers) = graph(vectors.iter().map(point));
                (Points::Euclidean(graph), numbers)
            }
            Distance::Cosine => {
                let point =
                    |(number, vector): &(u32, Arc<[f32]>)| Some((*number, Cosine::new(vector)?));
                let (graph, numbers) = graph(vectors.iter().filter_map(point));
                (Points::Cosine(graph), numbers)
            }
        });
        Ok(Self { points, numbers, at })
    }

    /// Numbers of items near `vector`, as they were when the graph was made, at most [`FOUND`]; a few of
    /// the nearest may be missing.
    pub(crate) fn near(&self, vector: &Arc<[f32]>) -> Vec<u32> {
        let mut search = Search::default();
        let places: Vec<u32> = match &self.points {
            Points::Euclidean(graph) => {
                let point = Euclidean(Arc::clone(vector));
                graph.search(&point, &mut search).map(|item| item.pid.into_inner()).collect()
            }
            Points::Cosine(graph) => {
                let Some(point) = Cosine::new(vector) else { return Vec::new() };
                graph.search(&point, &mut search).map(|item| item.pid.into_inner()).collect()
            }
        };
        places.into_iter().map(|place| self.numbers[place as usize]).collect()
    }

    /// How many vectors it has.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// The graph of points, and the numbers of their items in its order.
fn graph<P: Point>(points: impl Iterator<Item = (u32, P)>) -> (Hnsw<P>, Vec<u32>) {
    let (numbers, points): (Vec<u32>, Vec<P>) = points.unzip();
    let builder = Builder::default().ef_construction(CONSTRUCTION).ef_search(FOUND).seed(1);
    let (graph, ids) = builder.build_hnsw(points);
    let mut ordered = vec![0; numbers.len()];
    for (id, number) in ids.iter().zip(numbers) {
        ordered[id.into_inner() as usize] = number;
    }
    (graph, ordered)
}

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
