//! Word alignment: IBM model 2 with a prior for the diagonal, as `fast_align` has it (Dyer, Chahuneau and
//! Smith 2013, "A simple, fast, and effective reparameterization of IBM model 2", section 2), and with
//! variational Bayes: a Dirichlet prior of translations keeps rare words from being aligned to whatever
//! is left of a sentence.

use rayon::prelude::*;

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 5;
/// Probability that a word comes from no word of the source.
const NULL: f64 = 0.08;
/// How much a place near the diagonal is preferred, `λ` there.
const TENSION: f64 = 4.0;
/// Parameter of the Dirichlet prior, `α` there: the smaller, the fewer translations a word has.
const CONCENTRATION: f64 = 0.01;
/// No probability is below this one.
const LEAST: f64 = 1e-6;

/// For each word of the second side of a pair, which word of the first it comes from.
pub(super) type Links = Vec<Option<u16>>;

/// Aligns the words of the second side of each pair to those of the first.
///
/// It takes 8 bytes for each word of one side beside each word of the other, in all pairs.
pub(super) fn align(pairs: &[(&[u32], &[u32])]) -> Vec<Links> {
    let mut table = Table::new(pairs);
    let places = table.places(pairs);
    let mut posteriors = Vec::new();
    for round in 0..ROUNDS {
        let mut counts = vec![0.0f32; table.targets.len()];
        let mut rest = &places[..];
        for (source, target) in pairs {
            for place in 0..target.len() {
                let own = rest.split_off(..=source.len()).unwrap_or_default();
                table.posteriors(own, place, target.len(), round == 0, &mut posteriors);
                let sum: f64 = posteriors.iter().sum();
                for (&at, posterior) in own.iter().zip(&posteriors) {
                    counts[at as usize] += (posterior / sum) as f32;
                }
            }
        }
        table.learn(&counts);
    }
    let mut rest = &places[..];
    let links = pairs.iter().map(|(source, target)| {
        let link = |place: usize| {
            let own = rest.split_off(..=source.len()).unwrap_or_default();
            table.posteriors(own, place, target.len(), false, &mut posteriors);
            let best = posteriors.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.and_then(|(i, _)| i.checked_sub(1)).map(|i| i as u16) // the first is the NULL word
        };
        (0..target.len()).map(link).collect()
    });
    links.collect()
}

/// `p(target | source)` of all words that stand in one pair.
struct Table {
    /// Where the words beside each word of the source begin, those beside the NULL word first.
    starts: Vec<usize>,
    /// These words, sorted by the word of the source and by themselves.
    targets: Vec<u32>,
    probabilities: Vec<f32>,
}

/// The number of a word of the source in [`Table`], where the first one is the NULL word.
fn row(word: u32) -> usize {
    word as usize + 1
}

impl Table {
    fn new(pairs: &[(&[u32], &[u32])]) -> Self {
        let rows = |source: &[u32]| -> Vec<usize> {
            std::iter::once(0).chain(source.iter().map(|&word| row(word))).collect()
        };
        let words = pairs.iter().flat_map(|(source, _)| source.iter().copied());
        let mut ends = vec![0usize; words.max().map_or(1, |word| row(word) + 1)];
        for (source, target) in pairs {
            rows(source).into_iter().for_each(|row| ends[row] += target.len());
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum - *end; // where the row begins, and ends once it is filled
        }
        let mut all = vec![0u32; sum];
        for (source, target) in pairs {
            for row in rows(source) {
                all[ends[row]..][..target.len()].copy_from_slice(target);
                ends[row] += target.len();
            }
        }
        let (mut starts, mut length, mut begin) = (vec![0], 0, 0);
        for end in ends {
            all[begin..end].sort_unstable();
            for i in begin..end {
                if i == begin || all[i] != all[length - 1] {
                    all[length] = all[i];
                    length += 1;
                }
            }
            begin = end;
            starts.push(length);
        }
        all.truncate(length);
        all.shrink_to_fit();
        Self { starts, probabilities: vec![0.0; length], targets: all }
    }

    /// For each word of the second sides, where it stands in the table beside the NULL word and beside each word
    /// of the source.
    fn places(&self, pairs: &[(&[u32], &[u32])]) -> Vec<u32> {
        let place = |row: usize, word: u32| {
            let begin = self.starts[row];
            let beside = &self.targets[begin..self.starts[row + 1]];
            (begin + beside.partition_point(|&other| other < word)) as u32
        };
        let of = |(source, target): &(&[u32], &[u32])| -> Vec<u32> {
            let rows = || std::iter::once(0).chain(source.iter().map(|&word| row(word)));
            target
                .iter()
                .flat_map(|&word| rows().map(move |row| (row, word)))
                .map(|(row, word)| place(row, word))
                .collect()
        };
        pairs.par_chunks(4096).flat_map_iter(|pairs| pairs.iter().flat_map(of)).collect()
    }

    /// The posteriors, not normalised, of the NULL word and of each word of the source at a place of the target; `all_alike`
    /// leaves out what was learned.
    fn posteriors(
        &self,
        own: &[u32],
        place: usize,
        length: usize,
        all_alike: bool,
        posteriors: &mut Vec<f64>,
    ) {
        let probability = |at: u32| match all_alike {
            true => 1.0,
            false => f64::from(self.probabilities[at as usize]),
        };
        posteriors.clear();
        let Some((&null, words)) = own.split_first() else { return };
        let here = (place as f64 + 0.5) / length as f64;
        let prior =
            |i: usize| (-TENSION * ((i as f64 + 0.5) / words.len() as f64 - here).abs()).exp();
        posteriors.push(0.0);
        posteriors.extend((0..words.len()).map(prior));
        let sum: f64 = posteriors.iter().sum();
        for (posterior, &at) in posteriors[1..].iter_mut().zip(words) {
            *posterior *= (1.0 - NULL) / sum * probability(at);
        }
        posteriors[0] = NULL * probability(null);
    }

    /// Takes the geometric means of the probabilities that `counts` leave open.
    fn learn(&mut self, counts: &[f32]) {
        for ends in self.starts.windows(2) {
            let counts = &counts[ends[0]..ends[1]];
            let total: f64 = counts.iter().map(|&count| f64::from(count) + CONCENTRATION).sum();
            let total = digamma(total);
            for (p, &count) in self.probabilities[ends[0]..ends[1]].iter_mut().zip(counts) {
                *p = (digamma(f64::from(count) + CONCENTRATION) - total).exp().max(LEAST) as f32;
            }
        }
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
