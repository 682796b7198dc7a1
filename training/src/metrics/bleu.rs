//! BLEU (Papineni et al., 2002), as sacreBLEU computes it with one reference.

use super::{
    Counts, Metric, SACREBLEU_VERSION,
    ngrams::{ngrams, number, shared},
    text::{is_space, words},
    tokenize::Tokenizer,
};

/// The longest n-gram, in words.
const MAX_ORDER: usize = 4;
/// Where the numbers stand in [`Counts`].
const HYPOTHESIS_LENGTH: usize = 0;
const REFERENCE_LENGTH: usize = 1;
const MATCHES: usize = 2;
const TOTALS: usize = MATCHES + MAX_ORDER;

/// BLEU with exponential smoothing (the NIST method, number 3 of Chen and Cherry, 2014).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bleu {
    /// How sentences are cut into words.
    pub tokenizer: Tokenizer,
    /// Compares in lower case.
    pub lowercase: bool,
    /// Leaves out orders longer than the translation, for scores of single sentences.
    pub effective_order: bool,
}

/// A BLEU score and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BleuScore {
    /// The score, 0 to 100.
    pub score: f64,
    /// Precision of the n-grams of one to four words, 0 to 100, smoothed.
    pub precisions: [f64; MAX_ORDER],
    /// Factor of at most one for translations that are too short.
    pub brevity_penalty: f64,
    /// Words of the translations.
    pub hypothesis_length: u64,
    /// Words of the references.
    pub reference_length: u64,
}

impl Bleu {
    /// BLEU with the tokenizer for text in `language`, an ISO 639-1 code.
    pub fn for_language(language: &str) -> Self {
        Self { tokenizer: Tokenizer::for_language(language), ..Self::default() }
    }

    /// Scores one sentence by the orders that it is long enough for.
    pub fn sentence_score(self, hypothesis: &str, reference: &str) -> f64 {
        let bleu = Self { effective_order: true, ..self };
        bleu.score(&bleu.count(hypothesis, reference))
    }

    /// Turns summed counts into the score and its parts.
    pub fn breakdown(&self, counts: &Counts) -> BleuScore {
        let hypothesis_length = counts.0[HYPOTHESIS_LENGTH];
        let reference_length = counts.0[REFERENCE_LENGTH];
        let brevity_penalty = brevity_penalty(hypothesis_length, reference_length);
        let (precisions, order) = self.precisions(counts);
        let log_precisions: f64 = precisions[..order].iter().map(|p| p.ln()).sum();
        // An order without precision makes the sum minus infinity, and the score zero.
        let score = brevity_penalty * (log_precisions / order as f64).exp();
        BleuScore { score, precisions, brevity_penalty, hypothesis_length, reference_length }
    }

    /// The smoothed precisions, and how many of them count.
    fn precisions(&self, counts: &Counts) -> ([f64; MAX_ORDER], usize) {
        let (matches, totals) = (&counts.0[MATCHES..TOTALS], &counts.0[TOTALS..]);
        let mut precisions = [0.0; MAX_ORDER];
        let mut order = MAX_ORDER;
        if matches.iter().all(|&count| count == 0) {
            return (precisions, order);
        }
        let mut smoothing = 1.0;
        for n in 0..MAX_ORDER {
            let (matches, total) = (matches[n] as f64, totals[n] as f64);
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                order = n + 1;
            }
            precisions[n] = if matches > 0.0 {
                100.0 * matches / total
            } else {
                smoothing *= 2.0;
                100.0 / (smoothing * total)
            };
        }
        (precisions, order)
    }

    fn prepare(&self, sentence: &str) -> String {
        match self.lowercase {
            true => self.tokenizer.tokenize(sentence.to_lowercase().trim_end_matches(is_space)),
            false => self.tokenizer.tokenize(sentence.trim_end_matches(is_space)),
        }
    }
}

impl Metric for Bleu {
    fn name(&self) -> &'static str {
        "BLEU"
    }

    fn signature(&self) -> String {
        let case = if self.lowercase { "lc" } else { "mixed" };
        let effective = if self.effective_order { "yes" } else { "no" };
        let tokenizer = self.tokenizer;
        format!(
            "nrefs:1|case:{case}|eff:{effective}|tok:{tokenizer}|smooth:exp|\
             version:{SACREBLEU_VERSION}"
        )
    }

    fn count(&self, hypothesis: &str, reference: &str) -> Counts {
        let (hypothesis, reference) = (self.prepare(hypothesis), self.prepare(reference));
        let (hypothesis, reference) = number(words(&hypothesis), words(&reference));

        let mut counts = Counts::default();
        counts.0[HYPOTHESIS_LENGTH] = hypothesis.len() as u64;
        counts.0[REFERENCE_LENGTH] = reference.len() as u64;
        for n in 1..=MAX_ORDER {
            let ours = ngrams(&hypothesis, n);
            counts.0[TOTALS + n - 1] = ours.len() as u64;
            counts.0[MATCHES + n - 1] = shared(ours, ngrams(&reference, n));
        }
        counts
    }

    fn score(&self, counts: &Counts) -> f64 {
        self.breakdown(counts).score
    }
}

fn brevity_penalty(hypothesis_length: u64, reference_length: u64) -> f64 {
    match (hypothesis_length, reference_length) {
        (0, 1..) => 0.0,
        (ours, theirs) if ours < theirs => (1.0 - theirs as f64 / ours as f64).exp(),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
    }

    #[test]
    fn a_translation_equal_to_its_reference_scores_100() {
        let bleu = Bleu::default();
        assert_close(bleu.sentence_score("The cat sat.", "The cat sat."), 100.0);
        assert_close(bleu.sentence_score("Yes", "Yes"), 100.0);
    }

    #[test]
    fn sentences_score_as_in_sacrebleu() {
        use Tokenizer::{Char, Intl, V13a, Zh};
        let cases = [
            (
                V13a,
                "It costs $3.50, I said (twice)...",
                "It cost 3.50 dollars, I said twice.",
                14.211672443220438,
            ),
            (Zh, "“你好”，他在2024年说。", "“你们好”，他2024年说了。", 35.45320601683871),
            (Char, "東京は晴れです。", "東京は今日晴れです。", 53.849523560640876),
            (Intl, "«Да», — сказал он в 5.", "«Нет», — сказал он в 5.", 75.06238537503395),
            (V13a, "no", "no, not at all", 1.8315638888734187),
            (V13a, "a\x1cb\u{a0}c", "a b c d", 71.65313105737896),
        ];
        for (tokenizer, hypothesis, reference, score) in cases {
            let bleu = Bleu { tokenizer, ..Bleu::default() };
            assert_close(bleu.sentence_score(hypothesis, reference), score);
        }
    }

    #[test]
    fn a_corpus_of_single_words_scores_zero_without_effective_order() -> crate::Result<()> {
        assert_close(Bleu::default().corpus_score(&["Yes", "No"], &["Yes", "No"])?, 0.0);
        Ok(())
    }

    #[test]
    fn empty_sentences_are_counted_and_empty_corpora_refused() {
        let bleu = Bleu::default();
        assert_close(bleu.sentence_score("", "The cat sat."), 0.0);
        assert_close(bleu.sentence_score("The cat sat.", ""), 0.0);
        assert_close(bleu.sentence_score("", ""), 0.0);
        assert!(bleu.corpus_score::<&str, &str>(&[], &[]).is_err());
        assert!(bleu.corpus_score(&["a"], &["a", "b"]).is_err());
    }

    #[test]
    fn lower_case_forgives_capitals() {
        let bleu = Bleu { lowercase: true, ..Bleu::default() };
        assert_close(bleu.sentence_score("THE CAT SAT ON IT.", "the cat sat on it."), 100.0);
        assert_eq!(bleu.signature(), "nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0");
    }

    #[test]
    fn short_translations_pay_the_brevity_penalty() {
        let bleu = Bleu::default();
        let counts = bleu.count("the cat sat on", "the cat sat on the mat");
        let score = bleu.breakdown(&counts);
        assert_close(score.brevity_penalty, (1.0f64 - 6.0 / 4.0).exp());
        assert_close(score.score, 100.0 * score.brevity_penalty);
        assert_eq!((score.hypothesis_length, score.reference_length), (4, 6));
    }
}
