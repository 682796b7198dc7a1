//! chrF (Popović, 2015) and chrF++ (Popović, 2017), as sacreBLEU computes them with one reference.

use super::{
    Counts, Metric, SACREBLEU_VERSION,
    ngrams::{ngrams, number, shared},
    text::words,
};

/// The longest n-gram of characters.
const CHAR_ORDER: usize = 6;
/// The longest n-gram of words that chrF++ adds.
const MAX_WORD_ORDER: usize = 2;
/// Recall counts β² times as much as precision.
const BETA: f64 = 2.0;

/// F-score of character n-grams, and for chrF++ of words and pairs of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chrf {
    word_order: usize,
}

impl Chrf {
    /// chrF: characters only.
    pub const fn plain() -> Self {
        Self { word_order: 0 }
    }

    /// chrF++: characters, words and pairs of words.
    pub const fn plus_plus() -> Self {
        Self { word_order: MAX_WORD_ORDER }
    }

    /// Scores one sentence.
    pub fn sentence_score(self, hypothesis: &str, reference: &str) -> f64 {
        self.score(&self.count(hypothesis, reference))
    }
}

impl Metric for Chrf {
    fn name(&self) -> &'static str {
        match self.word_order {
            0 => "chrF2",
            _ => "chrF2++",
        }
    }

    fn signature(&self) -> String {
        let word_order = self.word_order;
        format!(
            "nrefs:1|case:mixed|eff:yes|nc:{CHAR_ORDER}|nw:{word_order}|space:no|\
             version:{SACREBLEU_VERSION}"
        )
    }

    fn count(&self, hypothesis: &str, reference: &str) -> Counts {
        let mut counts = Counts::default();
        let (ours, theirs) = (characters(hypothesis), characters(reference));
        for (n, triple) in (1..=CHAR_ORDER).zip(counts.0.chunks_exact_mut(3)) {
            count_order(&ours, &theirs, n, triple);
        }
        if self.word_order > 0 {
            let (ours, theirs) = number(cut_words(hypothesis), cut_words(reference));
            for (n, triple) in (1..=MAX_WORD_ORDER).zip(counts.0[3 * CHAR_ORDER..].chunks_mut(3)) {
                count_order(&ours, &theirs, n, triple);
            }
        }
        counts
    }

    /// The Fᵦ-score of the mean precision and the mean recall over the orders that both sides have.
    ///
    /// Counts of chrF++ begin with those of chrF, and can be scored as either.
    fn score(&self, counts: &Counts) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        let triples = counts.0.chunks_exact(3).take(CHAR_ORDER + self.word_order);
        for triple in triples.filter(|triple| triple[0] > 0 && triple[1] > 0) {
            precision += triple[2] as f64 / triple[0] as f64;
            recall += triple[2] as f64 / triple[1] as f64;
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let factor = BETA * BETA;
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }
}

/// Counts one order into `[in the hypothesis, in the reference, in both]`.
fn count_order(ours: &[u32], theirs: &[u32], n: usize, triple: &mut [u64]) {
    let (ours, theirs) = (ngrams(ours, n), ngrams(theirs, n));
    // As in sacreBLEU, n-grams count for nothing where the reference has none of their length.
    triple[0] = if theirs.is_empty() { 0 } else { ours.len() as u64 };
    triple[1] = theirs.len() as u64;
    triple[2] = shared(ours, theirs);
}

/// The characters of a sentence, without white space.
fn characters(sentence: &str) -> Vec<u32> {
    words(sentence).flat_map(str::chars).map(u32::from).collect()
}

/// The words of a sentence, with one ASCII punctuation mark cut off at the end, or else the front.
fn cut_words(sentence: &str) -> impl Iterator<Item = &str> {
    words(sentence).flat_map(|word| {
        let (head, tail) = cut(word);
        [head, tail].into_iter().filter(|part| !part.is_empty())
    })
}

/// `(hi)` becomes `(hi` and `)`: only one side is cut, as in the original.
fn cut(word: &str) -> (&str, &str) {
    // ASCII marks are one byte long, so these are borders of characters.
    if word.ends_with(|c: char| c.is_ascii_punctuation()) {
        word.split_at(word.len() - 1)
    } else if word.starts_with(|c: char| c.is_ascii_punctuation()) {
        word.split_at(1)
    } else {
        (word, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
    }

    #[test]
    fn one_mark_is_cut_off_each_word() {
        let words: Vec<_> = cut_words("(hi) \"so, it's - fine!!").collect();
        assert_eq!(words, ["(hi", ")", "\"so", ",", "it's", "-", "fine!", "!"]);
        assert_eq!(cut_words("(hi „so…").collect::<Vec<_>>(), ["(", "hi", "„so…"]);
    }

    #[test]
    fn equal_sentences_score_100_and_strangers_nothing() {
        for chrf in [Chrf::plain(), Chrf::plus_plus()] {
            assert_close(chrf.sentence_score("Guten Tag!", "Guten Tag!"), 100.0);
            assert_close(chrf.sentence_score("x", "x"), 100.0);
            assert_close(chrf.sentence_score("abc", "xyz"), 0.0);
            assert_close(chrf.sentence_score("", "xyz"), 0.0);
            assert_close(chrf.sentence_score("abc", ""), 0.0);
            assert_close(chrf.sentence_score("", ""), 0.0);
        }
    }

    #[test]
    fn sentences_score_as_in_sacrebleu() {
        let cases = [
            ("no", "no, not at all", 17.01427003293085, 19.300801165331393),
            (
                "«Да», — сказал он в 5.",
                "«Нет», — сказал он в 5.",
                75.78413745993862,
                78.50087979157692,
            ),
            ("a\x1cb\u{a0}c", "a b c d", 68.86227544910179, 71.42857142857142),
        ];
        for (hypothesis, reference, chrf, plus_plus) in cases {
            assert_close(Chrf::plain().sentence_score(hypothesis, reference), chrf);
            let counts = Chrf::plus_plus().count(hypothesis, reference);
            assert_close(Chrf::plain().score(&counts), chrf);
            assert_close(Chrf::plus_plus().sentence_score(hypothesis, reference), plus_plus);
        }
    }

    #[test]
    fn white_space_does_not_matter_to_chrf_and_does_to_chrf_plus_plus() {
        assert_close(Chrf::plain().sentence_score("guten tag", "gutentag"), 100.0);
        assert!(Chrf::plus_plus().sentence_score("guten tag", "gutentag") < 100.0);
    }

    #[test]
    fn recall_weighs_four_times_precision() {
        // Orders 1 and 2 exist on both sides: precision (1 + 1) / 2, recall (2/3 + 1/2) / 2.
        let recall = 7.0 / 12.0;
        assert_close(
            Chrf::plain().sentence_score("ab", "abc"),
            100.0 * 5.0 * recall / (4.0 + recall),
        );
    }
}
