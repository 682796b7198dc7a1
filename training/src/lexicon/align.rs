//! Word alignment: IBM model 2 with a prior for the diagonal, as `fast_align` has it (Dyer, Chahuneau and
//! Smith 2013, "A simple, fast, and effective reparameterization of IBM model 2", section 2), and with
//! variational Bayes: a Dirichlet prior of translations keeps rare words from being aligned to whatever
//! is left of a sentence.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 5;
/// Probability that a word comes from no word of the source.
const NULL: f64 = 0.08;
/// How much a place near the diagonal is preferred, `λ` there.
const TENSION: f64 = 4.0;
/// Parameter of the Dirichlet prior, `α` there: the smaller, the fewer translations a word has.
const CONCENTRATION: f64 = 0.01;
/// Probabilities below this one are forgotten.
const LEAST: f32 = 1e-6;

/// The word of the source that stands for no word.
const NONE: u32 = u32::MAX;

/// For each word of the second side of a pair, which word of the first it comes from.
pub(super) type Links = Vec<Option<u16>>;

/// Aligns the words of the second side of each pair to those of the first.
pub(super) fn align(pairs: &[(&[u32], &[u32])]) -> Vec<Links> {
    let mut table = Table::default();
    for round in 0..ROUNDS {
        let mut counts = Table::default();
        for (source, target) in pairs {
            for (place, &word) in target.iter().enumerate() {
                let shares = shares(source, (place, target.len(), word), &table, round == 0);
                let sum: f64 = shares.iter().map(|(_, share)| share).sum();
                for (from, share) in shares {
                    let share = share / sum;
                    *counts.0.entry(key(from, word)).or_default() += share as f32;
                }
            }
        }
        table = counts.normalised();
    }
    let links = |(source, target): &(&[u32], &[u32])| -> Links {
        let link = |(place, &word): (usize, &u32)| {
            let shares = shares(source, (place, target.len(), word), &table, false);
            let best = shares.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
            best.and_then(|(i, _)| i.checked_sub(1)).map(|i| i as u16) // the first is none
        };
        target.iter().enumerate().map(link).collect()
    };
    pairs.iter().map(links).collect()
}

/// How much speaks for each word of the source, first for none of them, at a place of the target.
fn shares(
    source: &[u32],
    (place, length, word): (usize, usize, u32),
    table: &Table,
    all_alike: bool,
) -> Vec<(u32, f64)> {
    let probability = |from: u32| match all_alike {
        true => 1.0,
        false => f64::from(table.0.get(&key(from, word)).copied().unwrap_or(LEAST)),
    };
    let here = (place as f64 + 0.5) / length as f64;
    let prior = |i: usize| (-TENSION * ((i as f64 + 0.5) / source.len() as f64 - here).abs()).exp();
    let sum: f64 = (0..source.len()).map(prior).sum();
    let of = |(i, &from): (usize, &u32)| (from, (1.0 - NULL) * prior(i) / sum * probability(from));
    let none = (NONE, NULL * probability(NONE));
    std::iter::once(none).chain(source.iter().enumerate().map(of)).collect()
}

/// `p(target | source)` by [`key`].
#[derive(Default)]
struct Table(HashMap<u64, f32, Fast>);

impl Table {
    /// The geometric means of the probabilities that these counts leave open, by word of the source.
    fn normalised(mut self) -> Self {
        let mut totals: HashMap<u32, f64, Fast> = HashMap::default();
        for (key, count) in &self.0 {
            *totals.entry((*key >> 32) as u32).or_default() += f64::from(*count) + CONCENTRATION;
        }
        totals.values_mut().for_each(|total| *total = digamma(*total));
        self.0.retain(|key, count| {
            let total = totals[&((*key >> 32) as u32)];
            *count = (digamma(f64::from(*count) + CONCENTRATION) - total).exp() as f32;
            *count >= LEAST
        });
        self
    }
}

/// `ψ(x)` of `x > 0`, to 1e-8: by the recurrence up to 6, then by the asymptotic series (Abramowitz and
/// Stegun 1964, 6.3.5 and 6.3.18).
fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 6.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    x.ln() - 0.5 / x - y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0))) - below
}

fn key(source: u32, target: u32) -> u64 {
    (u64::from(source) << 32) | u64::from(target)
}

/// Hashes one number by a multiplication: the keys are numbers of words, which nobody chooses to collide.
type Fast = BuildHasherDefault<FastHasher>;

#[derive(Default)]
struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte) ^ self.0);
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
            .wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digamma_is_that_of_the_tables() {
        for (x, wanted) in [
            (1.0, -0.577_215_664_9),
            (0.5, -1.963_510_026_0),
            (10.0, 2.251_752_589_1),
            (0.01, -100.560_885_5),
        ] {
            assert!((digamma(x) - wanted).abs() < 1e-6, "{x} {}", digamma(x));
        }
    }

    #[test]
    fn words_that_stand_together_are_aligned() {
        // 1 is 11, 2 is 12, 3 is 13, in either order; 19 comes from nothing in particular.
        let pairs: [(&[u32], &[u32]); 5] = [
            (&[1, 2], &[11, 12]),
            (&[1, 3], &[11, 13]),
            (&[2, 3], &[13, 12]),
            (&[3, 1, 2], &[13, 11, 12]),
            (&[2], &[12]),
        ];
        let links = align(&pairs);
        assert_eq!(links[0], [Some(0), Some(1)]);
        assert_eq!(links[2], [Some(1), Some(0)]);
        assert_eq!(links[3], [Some(0), Some(1), Some(2)]);
        assert_eq!(align(&[(&[], &[4]), (&[4], &[])]), [vec![None], vec![]]);
    }
}
