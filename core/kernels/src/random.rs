//! Random numbers that depend on where they are used, not on when: Philox4x32-10.
//!
//! Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". A counter and a key go in, four
//! random words come out, so any thread can make any part of a mask, and the backward pass makes it
//! again instead of keeping it. The key is the seed; the counter is (index, stream). Each place that
//! draws numbers in each training step takes a stream of its own.

use rayon::prelude::*;

use super::simd::simd;

/// Words made at once: 16 counters side by side, four words each.
pub(super) const BLOCK: usize = 64;
/// Words per unit of parallel work.
const CHUNK: usize = 128 * BLOCK;

/// The function itself: ten rounds over `counter` with `key`.
#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [a, b] = [
            u64::from(counter[0]) * u64::from(0xd251_1f53u32),
            u64::from(counter[2]) * u64::from(0xcd9e_8d57u32),
        ];
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

/// Words of the counters `(first + i, rest)` for `i` in 0..16, all first words before all second ones.
#[inline(always)]
pub(super) fn block(seed: u64, first: u32, rest: [u32; 3]) -> [u32; BLOCK] {
    let key = [seed as u32, (seed >> 32) as u32];
    let mut words = [0; BLOCK];
    let (first_half, second_half) = words.split_at_mut(BLOCK / 2);
    let (a, b) = first_half.split_at_mut(BLOCK / 4);
    let (c, d) = second_half.split_at_mut(BLOCK / 4);
    for i in 0..BLOCK / 4 {
        let word = philox([first + i as u32, rest[0], rest[1], rest[2]], key);
        (a[i], b[i], c[i], d[i]) = (word[0], word[1], word[2], word[3]);
    }
    words
}

/// The words with index `64·number .. 64·(number + 1)` of a stream.
#[inline(always)]
fn stream_block(seed: u64, stream: u64, number: u64) -> [u32; BLOCK] {
    let first = number * (BLOCK as u64 / 4);
    block(seed, first as u32, [(first >> 32) as u32, stream as u32, (stream >> 32) as u32])
}

/// A number in [0, 1) with 24 random bits.
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

simd! {
    fn uniform_chunk<ISA>(seed: u64, stream: u64, first_block: u64, xs: &mut [f32]) {
        for (number, xs) in (first_block..).zip(xs.chunks_mut(BLOCK)) {
            let words = stream_block(seed, stream, number);
            for (x, word) in xs.iter_mut().zip(words) {
                *x = unit(word);
            }
        }
    }
}

/// Fills `xs` with numbers uniform in [0, 1); number `i` depends on `seed`, `stream` and `i` only.
pub fn uniform_fill(seed: u64, stream: u64, xs: &mut [f32]) {
    let chunks = (0u64..).step_by(CHUNK / BLOCK);
    if xs.len() <= CHUNK {
        return uniform_chunk(seed, stream, 0, xs);
    }
    let chunks: Vec<_> = chunks.zip(xs.chunks_mut(CHUNK)).collect();
    chunks.into_par_iter().for_each(|(first, xs)| uniform_chunk(seed, stream, first, xs));
}

/// Fills `xs` with numbers of a normal distribution of mean 0 and deviation `std` (Box–Muller).
pub fn normal_fill(seed: u64, stream: u64, xs: &mut [f32], std: f32) {
    uniform_fill(seed, stream, xs);
    let normal = |u: f32, v: f32| {
        let radius = std * (-2.0 * (1.0 - u).ln()).sqrt(); // 1 - u is never 0
        let (sine, cosine) = (std::f32::consts::TAU * v).sin_cos();
        (radius * cosine, radius * sine)
    };
    let after = xs.len();
    xs.par_chunks_mut(CHUNK).for_each(|xs| {
        let (pairs, rest) = xs.as_chunks_mut::<2>();
        for pair in pairs {
            (pair[0], pair[1]) = normal(pair[0], pair[1]);
        }
        if let [x] = rest {
            // The partner is the number behind the last one, so that a prefix stays a prefix.
            let words = stream_block(seed, stream, (after / BLOCK) as u64);
            *x = normal(*x, unit(words[after % BLOCK])).0;
        }
    });
}

/// Which elements are dropped: those whose random number is below `probability`.
///
/// What is kept is multiplied by `1 / (1 - probability)`, so that the mean stays.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dropout {
    /// Share of elements dropped, in [0, 1); at 0 nothing is done and nothing is drawn.
    pub probability: f32,
    /// The seed of the run.
    pub seed: u64,
    /// Number of this use: another one for each layer, place and step.
    pub stream: u64,
}

impl Dropout {
    /// The factor of a kept element.
    ///
    /// # Panics
    /// If the probability is not in [0, 1).
    pub(super) fn scale(&self) -> f32 {
        let probability = self.probability;
        assert!((0.0..1.0).contains(&probability), "dropout of {probability} is not in [0, 1)");
        1.0 / (1.0 - self.probability)
    }

    /// The word below which an element is dropped.
    pub(super) fn threshold(&self) -> u32 {
        (f64::from(self.probability) * 4_294_967_296.0) as u32
    }
}

simd! {
    fn dropout_chunk<ISA>(dropout: Dropout, first_block: u64, xs: &mut [f32]) {
        let (scale, threshold) = (dropout.scale(), dropout.threshold());
        for (number, xs) in (first_block..).zip(xs.chunks_mut(BLOCK)) {
            let words = stream_block(dropout.seed, dropout.stream, number);
            for (x, word) in xs.iter_mut().zip(words) {
                *x = if word < threshold { 0.0 } else { *x * scale };
            }
        }
    }
}

simd! {
    fn add_dropout_chunk<ISA>(dropout: Dropout, first_block: u64, xs: &[f32], ys: &mut [f32]) {
        let (scale, threshold) = (dropout.scale(), dropout.threshold());
        let blocks = xs.chunks(BLOCK).zip(ys.chunks_mut(BLOCK));
        for (number, (xs, ys)) in (first_block..).zip(blocks) {
            let words = stream_block(dropout.seed, dropout.stream, number);
            for ((y, x), word) in ys.iter_mut().zip(xs).zip(words) {
                *y += if word < threshold { 0.0 } else { *x * scale };
            }
        }
    }
}

simd! {
    fn add_chunk<ISA>(xs: &[f32], ys: &mut [f32]) {
        for (y, x) in ys.iter_mut().zip(xs) {
            *y += x;
        }
    }
}

/// Drops elements of `xs` in place: `xᵢ ← xᵢ · maskᵢ / (1 - p)`.
///
/// The gradient is the same function of the output's gradient, with the same `dropout`.
pub fn dropout(dropout: &Dropout, xs: &mut [f32]) {
    if dropout.probability == 0.0 {
        return;
    }
    let body = |(i, xs): (usize, &mut [f32])| {
        dropout_chunk(*dropout, (i * CHUNK / BLOCK) as u64, xs);
    };
    match xs.len() <= CHUNK {
        true => body((0, xs)),
        false => xs.par_chunks_mut(CHUNK).enumerate().for_each(body),
    }
}

/// Adds what dropout leaves of `xs` to the residual stream: `yᵢ ← yᵢ + xᵢ · maskᵢ / (1 - p)`.
///
/// The gradient to `ys` is the output's own; that to `xs` is [`fn@dropout`] of it.
///
/// # Panics
/// If the lengths differ.
pub fn add_dropout(dropout: &Dropout, xs: &[f32], ys: &mut [f32]) {
    assert_eq!(xs.len(), ys.len(), "the residual has the shape of what is added");
    let body = |(i, (xs, ys)): (usize, (&[f32], &mut [f32]))| match dropout.probability {
        0.0 => add_chunk(xs, ys),
        _ => add_dropout_chunk(*dropout, (i * CHUNK / BLOCK) as u64, xs, ys),
    };
    match xs.len() <= CHUNK {
        true => body((0, (xs, ys))),
        false => xs.par_chunks(CHUNK).zip(ys.par_chunks_mut(CHUNK)).enumerate().for_each(body),
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{everywhere_equal, numbers};
    use super::*;

    #[test]
    fn philox_gives_the_published_answers() {
        // kat_vectors of Random123, philox4x32 10.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_block_is_sixteen_counters_side_by_side() {
        let words = block(7, 32, [1, 2, 3]);
        for i in 0..16 {
            let alone = philox([32 + i as u32, 1, 2, 3], [7, 0]);
            assert_eq!([words[i], words[16 + i], words[32 + i], words[48 + i]], alone);
        }
    }

    #[test]
    fn a_number_depends_on_its_index_alone() {
        let fill = |len: usize| {
            let mut xs = vec![0.0; len];
            uniform_fill(3, 5, &mut xs);
            xs
        };
        let long = everywhere_equal(|| fill(3 * CHUNK + 7));
        for len in [0, 1, 63, 64, 65, CHUNK, CHUNK + 1] {
            assert_eq!(fill(len), long[..len]);
        }
        let mut other = vec![0.0; 64];
        uniform_fill(3, 6, &mut other);
        assert_ne!(other, long[..64]);
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let moments = |xs: &[f32]| {
            let mean = xs.iter().map(|&x| f64::from(x)).sum::<f64>() / xs.len() as f64;
            let square = |&x: &f32| (f64::from(x) - mean).powi(2);
            (mean, (xs.iter().map(square).sum::<f64>() / xs.len() as f64).sqrt())
        };
        let mut xs = vec![0.0; 100_001];
        uniform_fill(1, 2, &mut xs);
        let (mean, std) = moments(&xs);
        assert!((mean - 0.5).abs() < 5e-3 && (std - 12f64.sqrt().recip()).abs() < 3e-3);
        normal_fill(1, 2, &mut xs, 0.02);
        let (mean, std) = moments(&xs);
        assert!(mean.abs() < 3e-4 && (std - 0.02).abs() < 3e-4, "{mean} {std}");
        assert!(xs.iter().all(|x| x.is_finite()));
        for len in [0, 1, 64, 1001] {
            let mut start = vec![0.0; len];
            normal_fill(1, 2, &mut start, 0.02);
            assert_eq!(start, xs[..len]);
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_repeats_its_mask() {
        let rule = Dropout { probability: 0.3, seed: 11, stream: 4 };
        let masked = everywhere_equal(|| {
            let mut xs = vec![1.0; 2 * CHUNK + 5];
            dropout(&rule, &mut xs);
            xs
        });
        let kept = masked.iter().filter(|&&x| x != 0.0).count() as f64 / masked.len() as f64;
        assert!((kept - 0.7).abs() < 0.01, "kept {kept}");
        assert!(masked.iter().all(|&x| x == 0.0 || x == rule.scale()));
        let residual = numbers(masked.len(), 1);
        let mut ys = residual.clone();
        add_dropout(&rule, &vec![1.0; masked.len()], &mut ys);
        for ((y, r), m) in ys.iter().zip(&residual).zip(&masked) {
            assert_eq!(*y, r + m);
        }
    }

    #[test]
    fn no_dropout_changes_nothing() {
        let mut xs = numbers(100, 2);
        dropout(&Dropout::default(), &mut xs);
        assert_eq!(xs, numbers(100, 2));
        let mut ys = vec![1.0; 100];
        add_dropout(&Dropout::default(), &xs, &mut ys);
        assert!(ys.iter().zip(&xs).all(|(y, x)| *y == 1.0 + x));
        dropout(&Dropout { probability: 0.5, ..Dropout::default() }, &mut []);
    }
}
