//! Makes a section from states and the tokens that followed them.

use rayon::prelude::*;

use super::section::{Parts, Section};
use crate::kernels::matmul::{Epilogue, Precision, matmul_nt};

/// Entries up to which all are looked through for each query.
const EXACT: usize = 8192;
/// Entries for each centroid that it is made from, at most.
const SAMPLES: usize = 32;
/// Rounds of k-means.
const ROUNDS: usize = 6;
/// Standard deviations that the int8 range covers to each side.
const SPREAD: f32 = 5.0;
/// Entries whose cells are looked for at once.
const BLOCK: usize = 4096;

/// A section in the making.
#[derive(Debug)]
pub struct Builder {
    centre: Vec<f32>,
    scale: Vec<f32>,
    keys: Vec<u8>,
    norms: Vec<f32>,
    tokens: Vec<u32>,
    /// The sentence of each entry.
    sentences: Vec<u32>,
}

impl Builder {
    /// Starts a section whose states are distributed as those of `sample`, `(N, width)`.
    pub fn new(sample: &[f32], width: usize) -> Self {
        let count = (sample.len() / width).max(1) as f64;
        let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        for row in sample.chunks_exact(width) {
            for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(*x);
                *square += f64::from(*x) * f64::from(*x);
            }
        }
        let centre: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        let deviation = |(sum, square): (&f64, &f64)| {
            let mean = sum / count;
            (square / count - mean * mean).max(1e-12).sqrt() as f32
        };
        let scale =
            sums.iter().zip(&squares).map(|both| SPREAD * deviation(both) / 127.0).collect();
        let (keys, norms, tokens, sentences) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { centre, scale, keys, norms, tokens, sentences }
    }

    /// Adds the state `hidden`, which `token` followed in the sentence of this number.
    pub fn push(&mut self, hidden: &[f32], token: u32, sentence: u32) {
        let mut norm = 0.0;
        for ((x, centre), scale) in hidden.iter().zip(&self.centre).zip(&self.scale) {
            let unit = ((x - centre) / scale).round().clamp(-127.0, 127.0);
            norm += (unit * scale) * (unit * scale);
            self.keys.push(unit as i8 as u8);
        }
        self.norms.push(norm);
        self.tokens.push(token);
        self.sentences.push(sentence);
    }

    /// The section, and the sentence that each of its entries is of.
    pub fn finish(self) -> (Section, Vec<u32>) {
        let (width, count) = (self.centre.len(), self.tokens.len());
        let centroids = match count <= EXACT {
            true => vec![0.0; width],
            false => self.centroids((2.5 * (count as f64).sqrt()) as usize),
        };
        let num_cells = centroids.len() / width;
        let cell_of = match num_cells {
            1 => vec![0; count],
            _ => self.assign(&(0..count).collect::<Vec<_>>(), &centroids),
        };
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&place| (cell_of[place], place));
        let mut cells = vec![0u32; num_cells + 1];
        cell_of.iter().for_each(|&cell| cells[cell as usize + 1] += 1);
        for cell in 0..num_cells {
            cells[cell + 1] += cells[cell];
        }
        let row = |&place: &usize| &self.keys[place * width..(place + 1) * width];
        let keys = order.iter().flat_map(row).copied().collect();
        // Centroids are compared with queries as entries are.
        let mut rounded = Self { keys: Vec::new(), norms: Vec::new(), ..self.empty() };
        for centroid in centroids.chunks_exact(width) {
            let state: Vec<f32> =
                centroid.iter().zip(&self.centre).map(|(x, centre)| x + centre).collect();
            rounded.push(&state, 0, 0);
        }
        let parts = Parts {
            keys,
            norms: order.iter().map(|&place| self.norms[place]).collect(),
            tokens: order.iter().map(|&place| self.tokens[place]).collect(),
            centroids: rounded.keys,
            centroid_norms: rounded.norms,
            cells,
            centre: self.centre,
            scale: self.scale,
        };
        (Section::of_parts(parts), order.iter().map(|&place| self.sentences[place]).collect())
    }

    fn empty(&self) -> Self {
        let (centre, scale) = (self.centre.clone(), self.scale.clone());
        let (keys, norms, tokens, sentences) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { centre, scale, keys, norms, tokens, sentences }
    }

    /// The key of an entry, relative to the centre.
    fn key(&self, place: usize) -> impl Iterator<Item = f32> {
        let width = self.centre.len();
        let key = &self.keys[place * width..(place + 1) * width];
        key.iter().zip(&self.scale).map(|(&unit, scale)| f32::from(unit as i8) * scale)
    }

    /// The centroids of `count` cells, `(count, D)`: k-means over some of the entries, from entries
    /// that lie evenly in the corpus.
    fn centroids(&self, count: usize) -> Vec<f32> {
        let all = self.tokens.len();
        let evenly = |wanted: usize| -> Vec<usize> {
            (0..wanted.min(all)).map(|i| i * all / wanted.min(all)).collect()
        };
        let sample = evenly(count * SAMPLES);
        let mut centroids: Vec<f32> =
            evenly(count).into_iter().flat_map(|place| self.key(place)).collect();
        let width = self.centre.len();
        for _ in 0..ROUNDS {
            let cells = self.assign(&sample, &centroids);
            let mut sums = vec![0.0f64; centroids.len()];
            let mut counts = vec![0u32; count];
            for (&place, &cell) in sample.iter().zip(&cells) {
                counts[cell as usize] += 1;
                let sum = &mut sums[cell as usize * width..(cell as usize + 1) * width];
                sum.iter_mut().zip(self.key(place)).for_each(|(sum, x)| *sum += f64::from(x));
            }
            // A cell without entries stays where it is.
            for (cell, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                let range = cell * width..(cell + 1) * width;
                for (centroid, sum) in centroids[range.clone()].iter_mut().zip(&sums[range]) {
                    *centroid = (sum / f64::from(n)) as f32;
                }
            }
        }
        centroids
    }

    /// The nearest of `centroids` for each of the entries `places`.
    fn assign(&self, places: &[usize], centroids: &[f32]) -> Vec<u32> {
        let width = self.centre.len();
        let count = centroids.len() / width;
        let norms: Vec<f32> =
            centroids.chunks_exact(width).map(|row| row.iter().map(|x| x * x).sum()).collect();
        let mut cells = Vec::with_capacity(places.len());
        for places in places.chunks(BLOCK) {
            let keys: Vec<f32> = places.iter().flat_map(|&place| self.key(place)).collect();
            let mut products = vec![0.0; places.len() * count];
            let dims = (places.len(), count, width);
            matmul_nt(Precision::F32, &keys, centroids, &mut products, dims, &Epilogue::NONE);
            let nearest = |products: &[f32]| {
                let mut best = (f32::INFINITY, 0);
                for (cell, (product, norm)) in products.iter().zip(&norms).enumerate() {
                    let distance = norm - 2.0 * product;
                    if distance < best.0 {
                        best = (distance, cell as u32);
                    }
                }
                best.1
            };
            let found: Vec<u32> = products.par_chunks_exact(count).map(nearest).collect();
            cells.extend(found);
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn states(count: usize, width: usize) -> Vec<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let cores: Vec<f32> = (0..40 * width).map(|_| rng.random_range(-3.0..3.0f32)).collect();
        let core = |i: usize| i * 17 % 40 * width;
        let state = |i: usize| -> Vec<f32> {
            let core = &cores[core(i)..core(i) + width];
            core.iter().map(|x| x + rng.random_range(-1.0..1.0f32)).collect()
        };
        (0..count).flat_map(state).collect()
    }

    fn built(states: &[f32], width: usize) -> Section {
        let mut builder = Builder::new(states, width);
        for (i, state) in states.chunks_exact(width).enumerate() {
            builder.push(state, i as u32, i as u32);
        }
        builder.finish().0
    }

    #[test]
    fn every_state_finds_itself_and_then_the_nearest_others() {
        let width = 8;
        let states = states(300, width);
        let section = built(&states, width);
        let row = |i: usize| &states[i * width..(i + 1) * width];
        let distance = |a: usize, b: usize| -> f32 {
            row(a).iter().zip(row(b)).map(|(x, y)| (x - y) * (x - y)).sum()
        };
        for i in (0..300).step_by(7) {
            let found = section.nearest(row(i), 4, |_| false);
            assert_eq!(found[0].token, i as u32);
            assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
            let mut exact: Vec<f32> = (0..300).map(|other| distance(i, other)).collect();
            exact.sort_by(f32::total_cmp);
            for (found, exact) in found.iter().zip(exact) {
                assert!((found.distance - exact).abs() < 0.15 + 0.1 * exact, "{found:?} {exact}");
            }
        }
        let others = section.nearest(row(0), 4, |place| place == 0);
        assert!(others.iter().all(|other| other.token != 0));
    }

    #[test]
    fn cells_hold_nearly_all_that_a_look_through_everything_finds() {
        let width = 16;
        let states = states(EXACT + 3000, width);
        let section = built(&states, width);
        let (mut same, mut all) = (0, 0);
        for i in (0..states.len() / width).step_by(331) {
            let query = &states[i * width..(i + 1) * width];
            let found = section.nearest(query, 8, |_| false);
            assert_eq!(found[0].token, i as u32);
            let mut exact: Vec<(f32, u32)> = (states.chunks_exact(width).enumerate())
                .map(|(j, row)| {
                    let distance = row.iter().zip(query).map(|(x, y)| (x - y) * (x - y)).sum();
                    (distance, j as u32)
                })
                .collect();
            exact.sort_by(|a, b| a.0.total_cmp(&b.0));
            all += 8;
            same += exact[..8].iter().filter(|(_, j)| found.iter().any(|f| f.token == *j)).count();
        }
        assert!(same * 100 > all * 80, "{same} of {all}");
    }

    #[test]
    fn what_is_written_is_read_again() -> crate::Result<()> {
        use crate::retrieval::section::Bytes;
        let width = 8;
        let states = states(200, width);
        let section = built(&states, width);
        let bytes = safetensors::serialize(&section.tensors("en-de")?, None)
            .map_err(|error| crate::Error::Invalid(error.to_string()))?;
        let bytes = std::sync::Arc::new(Bytes::Owned(bytes));
        let again = Section::parse(&bytes, "en-de", width, 200).map_err(crate::Error::Invalid)?;
        let query = &states[..width];
        assert_eq!(again.nearest(query, 9, |_| false), section.nearest(query, 9, |_| false));
        for (name, width, vocab_size) in [("en-fr", 8, 200), ("en-de", 9, 200), ("en-de", 8, 100)] {
            assert!(Section::parse(&bytes, name, width, vocab_size).is_err());
        }
        Ok(())
    }
}
