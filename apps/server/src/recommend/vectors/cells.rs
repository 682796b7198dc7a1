//! Vectors in cells around centres, for catalogues that are too large to compare all of them: an inverted file
//! (Jégou, Douze and Schmid, 2011) whose centres are found in two steps of k-means.
//!
//! A search compares the centres, and then the vectors of the nearest cells, of which it reads the differences from
//! the centre as int8: one after another in memory, and to be compared exactly by the caller. Of a million vectors
//! it is made in seconds where a graph of neighbours (HNSW) takes a quarter of an hour, so it can be made again
//! whenever many items have changed.

mod cell;

use std::sync::Arc;

use rand::{SeedableRng, rngs::StdRng, seq::index::sample};
use rayon::prelude::*;

use self::cell::Cell;
use super::Distance;

/// Neighbours that a search finds.
pub(crate) const FOUND: usize = 256;

/// Vectors for each centre that k-means looks at, and how often.
const SAMPLE: usize = 64;
const ROUNDS: usize = 6;

/// Groups of centres in which a vector looks for its cell.
const GROUPS: usize = 3;

/// A search compares so many vectors, times the root of their number.
const COMPARED: f32 = 64.0;

/// The vectors of one label, of one length, compared in one way.
pub(crate) struct Cells {
    distance: Distance,
    /// One centre after another.
    centres: Vec<f32>,
    cells: Vec<Cell>,
    /// How many vectors there are.
    count: usize,
    /// The changes of the items when it was made.
    pub(crate) at: u64,
}

#[derive(Clone)]
struct Entry {
    number: u32,
    /// One over the length where angles are compared, else one.
    scale: f32,
    vector: Arc<[f32]>,
}

impl Entry {
    /// None for a vector that has no direction where one is needed.
    fn of(distance: Distance, number: u32, vector: &Arc<[f32]>) -> Option<Self> {
        let scale = match distance {
            Distance::Euclidean => 1.0,
            Distance::Cosine => 1.0 / sum(vector, vector, |a, _| a * a).sqrt(),
        };
        scale.is_finite().then(|| Self { number, scale, vector: Arc::clone(vector) })
    }

    /// The square of the distance to `point`, of which `self` and `point` are scaled.
    fn squared(&self, point: &[f32]) -> f32 {
        let scale = self.scale;
        sum(&self.vector, point, |a, b| (a * scale - b) * (a * scale - b))
    }

    fn scaled(&self) -> Vec<f32> {
        self.vector.iter().map(|number| number * self.scale).collect()
    }
}

impl Cells {
    /// Puts `vectors`, each with the number of its item, into cells; on half of the processors.
    pub(crate) fn new(
        distance: Distance,
        vectors: &[(u32, Arc<[f32]>)],
        at: u64,
    ) -> Result<Self, String> {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get() / 2);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        let pool = pool.map_err(|error| error.to_string())?;
        Ok(pool.install(|| Self::build(distance, vectors, at)))
    }

    fn build(distance: Distance, vectors: &[(u32, Arc<[f32]>)], at: u64) -> Self {
        let entry = |(number, vector): &(u32, Arc<[f32]>)| Entry::of(distance, *number, vector);
        let entries: Vec<Entry> = vectors.iter().filter_map(entry).collect();
        let count = entries.len();
        let wanted = (2.0 * (count as f32).sqrt()) as usize + 1;
        let mut rng = StdRng::seed_from_u64(1);
        let drawn = sample(&mut rng, count, count.min(SAMPLE * wanted)).into_iter();
        let drawn: Vec<&Entry> = drawn.map(|place| &entries[place]).collect();

        // Centres of groups first, then those of cells within each group.
        let width = entries.first().map_or(1, |entry| entry.vector.len());
        let groups = means(&drawn, (wanted as f32).sqrt() as usize + 1, width);
        let mut members: Vec<Vec<&Entry>> = vec![Vec::new(); groups.len() / width];
        let nearest: Vec<usize> =
            drawn.par_iter().map(|entry| nearest(entry, &groups, width)).collect();
        for (&entry, group) in drawn.iter().zip(nearest) {
            members[group].push(entry);
        }
        let within = |members: &Vec<&Entry>| {
            means(members, (members.len() * wanted).div_ceil(drawn.len().max(1)), width)
        };
        let within: Vec<Vec<f32>> = members.par_iter().map(within).collect();

        let mut first = Vec::with_capacity(within.len());
        let mut centres: Vec<f32> = Vec::new();
        for centre in &within {
            first.push(centres.len() / width);
            centres.extend(centre);
        }
        let place = |entry: &Entry| {
            let mut near = distances(groups.chunks_exact(width), |group| entry.squared(group));
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.into_iter().take(GROUPS).flat_map(|(_, group)| {
                let cells = within[group].chunks_exact(width).zip(first[group]..);
                cells.map(|(centre, cell)| (entry.squared(centre), cell))
            });
            near.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, cell)| cell)
        };
        let places: Vec<usize> = entries.par_iter().map(place).collect();
        let mut sorted: Vec<Vec<&Entry>> = vec![Vec::new(); centres.len() / width];
        for (entry, cell) in entries.iter().zip(places) {
            sorted[cell].push(entry);
        }
        let around = centres.par_chunks_exact(width).zip(sorted.par_iter());
        let cells = around.map(|(centre, entries)| Cell::new(entries, centre)).collect();
        Self { distance, centres, cells, count, at }
    }

    /// Numbers of items near `vector`, as they were when the cells were made, at most [`FOUND`]; a few of
    /// the nearest may be missing.
    pub(crate) fn near(&self, vector: &Arc<[f32]>) -> Vec<u32> {
        let Some(own) = Entry::of(self.distance, 0, vector) else { return Vec::new() };
        let own = own.scaled();
        let width = own.len().max(1);
        let square = |other: &[f32]| sum(&own, other, |a, b| (a - b) * (a - b));
        let mut near = distances(self.centres.chunks_exact(width), square);
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let enough = (COMPARED * (self.count as f32).sqrt()) as usize;
        let mut found: Vec<(f32, u32)> = Vec::with_capacity(2 * enough);
        for (_, cell) in near {
            if found.len() >= enough {
                break;
            }
            let centre = &self.centres[cell * width..(cell + 1) * width];
            self.cells[cell].compare(&own, centre, &mut found);
        }
        if found.len() > FOUND {
            found.select_nth_unstable_by(FOUND, |a, b| a.0.total_cmp(&b.0));
            found.truncate(FOUND);
        }
        found.into_iter().map(|(_, number)| number).collect()
    }

    /// How many vectors it has.
    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// `count` centres of `entries` at most, one after another: k-means from centres that are drawn.
fn means(entries: &[&Entry], count: usize, width: usize) -> Vec<f32> {
    let count = count.min(entries.len());
    let step = entries.len().checked_div(count).unwrap_or(1);
    // They were drawn in no order.
    let mut centres: Vec<f32> =
        (0..count).flat_map(|centre| entries[centre * step].scaled()).collect();
    for _ in 0..ROUNDS {
        let places: Vec<usize> =
            entries.par_iter().map(|entry| nearest(entry, &centres, width)).collect();
        let mut sums = vec![0.0; centres.len()];
        let mut sizes = vec![0u32; count];
        for (entry, &place) in entries.iter().zip(&places) {
            sizes[place] += 1;
            let sum = &mut sums[place * width..(place + 1) * width];
            sum.iter_mut().zip(&*entry.vector).for_each(|(sum, a)| *sum += a * entry.scale);
        }
        for ((centre, sum), size) in
            centres.chunks_exact_mut(width).zip(sums.chunks_exact(width)).zip(sizes)
        {
            if size > 0 {
                centre.iter_mut().zip(sum).for_each(|(centre, sum)| *centre = sum / size as f32);
            }
        }
    }
    centres
}

/// Each place with the distance of its centre.
fn distances<'a>(
    centres: impl Iterator<Item = &'a [f32]>,
    distance: impl Fn(&[f32]) -> f32,
) -> Vec<(f32, usize)> {
    centres.zip(0..).map(|(centre, place)| (distance(centre), place)).collect()
}

/// The place of the centre that is nearest to `entry`.
fn nearest(entry: &Entry, centres: &[f32], width: usize) -> usize {
    let squares = centres.chunks_exact(width).map(|centre| entry.squared(centre));
    squares.zip(0..).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, place)| place)
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
            let cells = Cells::new(distance, &vectors, 7).expect("the vectors are good");
            assert_eq!((cells.len(), cells.at), (4000, 7));
            let mut hits = 0;
            for (_, vector) in vectors.iter().step_by(200) {
                let mut exact: Vec<(f32, u32)> = vectors
                    .iter()
                    .filter_map(|(number, other)| Some((distance.between(vector, other)?, *number)))
                    .collect();
                exact.sort_by(|a, b| a.0.total_cmp(&b.0));
                let found = cells.near(vector);
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
