//! Implicit alternating least squares (Hu, Koren and Volinsky, 2008): a baseline.

use dragoman_core::{
    kernels::matmul::{Precision, matmul_tn},
    recommend::{Event, scorer::Scorer, sparse::by_recency},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Settings of [`Ials`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IalsConfig {
    /// Width of the vectors.
    pub factors: usize,
    /// How much more a pair that happened counts than one that did not.
    pub alpha: f32,
    /// Regularisation.
    pub lambda: f32,
    /// Passes over users and items.
    pub iterations: usize,
    /// Seed of the first item vectors.
    pub seed: u64,
}

/// Vectors of items; a user's is solved for when asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ials {
    config: IalsConfig,
    /// `(N, F)`.
    items: Vec<f32>,
    /// `YᵀY + λ·I`, `(F, F)`.
    gram: Vec<f32>,
}

impl Default for IalsConfig {
    fn default() -> Self {
        Self { factors: 64, alpha: 10.0, lambda: 10.0, iterations: 15, seed: 1 }
    }
}

impl Ials {
    /// Learns from `histories` over a catalogue of `num_items`.
    pub fn fit(histories: &[Vec<Event>], num_items: usize, config: &IalsConfig) -> Self {
        let of_user: Vec<Vec<u32>> = histories.iter().map(|history| distinct(history)).collect();
        let mut of_item = vec![Vec::new(); num_items];
        for (user, items) in of_user.iter().enumerate() {
            items.iter().for_each(|&item| of_item[item as usize].push(user as u32));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let scale = 0.1 / (config.factors as f32).sqrt();
        let mut items: Vec<f32> =
            (0..num_items * config.factors).map(|_| rng.random_range(-scale..scale)).collect();
        for _ in 0..config.iterations {
            let users = solve_all(&of_user, &items, config);
            items = solve_all(&of_item, &users, config);
        }
        Self { config: *config, gram: gram(&items, config), items }
    }
}

impl Scorer for Ials {
    fn num_items(&self) -> usize {
        self.items.len() / self.config.factors
    }

    fn score(&self, history: &[Event], _now: i64, out: &mut [f32]) {
        assert_eq!(out.len(), self.num_items(), "a score for each item");
        let mut met = distinct(history);
        met.retain(|&item| (item as usize) < out.len());
        let user = solve(&met, &self.items, &self.gram, &self.config);
        for (score, item) in out.iter_mut().zip(self.items.chunks_exact(self.config.factors)) {
            *score = item.iter().zip(&user).map(|(x, y)| x * y).sum();
        }
    }
}

fn distinct(history: &[Event]) -> Vec<u32> {
    by_recency(history, 1.0).into_iter().map(|(item, _)| item).collect()
}

/// The vectors of one side, `(N, F)`, given those of the other.
fn solve_all(met: &[Vec<u32>], others: &[f32], config: &IalsConfig) -> Vec<f32> {
    let gram = gram(others, config);
    met.par_iter().flat_map_iter(|met| solve(met, others, &gram, config)).collect()
}

/// `YᵀY + λ·I`.
fn gram(ys: &[f32], config: &IalsConfig) -> Vec<f32> {
    let width = config.factors;
    let mut gram = vec![0.0f32; width * width];
    let dims = (width, width, ys.len() / width);
    matmul_tn(Precision::F32, ys, ys, &mut gram, dims, false);
    (0..width).for_each(|i| gram[i * width + i] += config.lambda);
    gram
}

/// Solves `(YᵀY + λ·I + α·Σ y·yᵀ)·x = (1 + α)·Σ y` over what was met.
fn solve(met: &[u32], ys: &[f32], gram: &[f32], config: &IalsConfig) -> Vec<f32> {
    let width = config.factors;
    let (mut a, mut x) = (gram.to_vec(), vec![0.0f32; width]);
    let mut chosen = Vec::with_capacity(met.len() * width); // (n, F), times √α
    for &other in met {
        let y = &ys[other as usize * width..][..width];
        chosen.extend(y.iter().map(|y| y * config.alpha.sqrt()));
        x.iter_mut().zip(y).for_each(|(x, y)| *x += (1.0 + config.alpha) * y);
    }
    matmul_tn(Precision::F32, &chosen, &chosen, &mut a, (width, width, met.len()), true);
    solve_positive_definite(&mut a, &mut x);
    x
}

/// Replaces `x` by `A⁻¹·x`, and the upper half of `A`, `(F, F)`, by `U` with `UᵀU = A` (Cholesky).
fn solve_positive_definite(a: &mut [f32], x: &mut [f32]) {
    let width = x.len();
    for k in 0..width {
        let (done, rest) = a.split_at_mut((k + 1) * width);
        let row = &mut done[k * width..];
        let scale = 1.0 / row[k].max(1e-12).sqrt();
        row[k..].iter_mut().for_each(|u| *u *= scale);
        for (i, other) in rest.chunks_exact_mut(width).enumerate() {
            let i = k + 1 + i;
            let factor = row[i];
            other[i..].iter_mut().zip(&row[i..]).for_each(|(a, u)| *a -= factor * u);
        }
        x[k] *= scale; // Uᵀ·y = x, as the rows of U become known
        let known = x[k];
        x[k + 1..].iter_mut().zip(&row[k + 1..]).for_each(|(x, u)| *x -= u * known);
    }
    for k in (0..width).rev() {
        let row = &a[k * width..(k + 1) * width];
        let dot: f32 = row[k + 1..].iter().zip(&x[k + 1..]).map(|(u, x)| u * x).sum();
        x[k] = (x[k] - dot) / row[k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(items: &[u32]) -> Vec<Event> {
        items.iter().map(|&item| Event { item, kind: 0, value: 1.0, time: 0 }).collect()
    }

    #[test]
    fn a_solution_satisfies_its_equation() {
        let config = IalsConfig { factors: 2, alpha: 3.0, lambda: 0.5, ..Default::default() };
        let ys = [1.0, 2.0, 0.5, -1.0, 2.0, 0.0];
        let x = solve(&[0, 2], &ys, &gram(&ys, &config), &config);
        // YᵀY + λ·I = [[5.75, 1.5], [1.5, 5.5]]; α·Σ y·yᵀ = 3·[[5, 2], [2, 4]]; 4·Σ y = [12, 8].
        let left = [20.75 * x[0] + 7.5 * x[1], 7.5 * x[0] + 17.5 * x[1]];
        assert!((left[0] - 12.0).abs() < 1e-4 && (left[1] - 8.0).abs() < 1e-4, "{x:?}");
    }

    #[test]
    fn two_tastes_are_told_apart_and_a_seed_repeats_itself() {
        let histories: Vec<_> =
            (0..20).map(|i| history(if i % 2 == 0 { &[0, 1, 2] } else { &[3, 4, 5] })).collect();
        let config = IalsConfig { factors: 4, lambda: 0.1, ..Default::default() };
        let model = Ials::fit(&histories, 6, &config);
        let mut scores = [0.0; 6];
        model.score(&history(&[0, 99]), 0, &mut scores);
        assert!(scores[1] > scores[4] + 0.3, "{scores:?}");
        model.score(&[], 0, &mut scores);
        assert_eq!(scores, [0.0; 6]);
        assert_eq!(Ials::fit(&histories, 6, &config), model);
    }
}
