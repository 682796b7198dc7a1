//! Scores of translations: BLEU, chrF and chrF++ as sacreBLEU 2.6.0 computes them, and what they miss.
//!
//! Every score here is a function of [`Counts`] that add up over sentences, so a corpus is scored
//! in parallel, and resampled ([`significance`]) without looking at a text twice.

mod counts;
mod ngrams;
mod text;

pub mod bleu;
pub mod chrf;
pub mod correlation;
pub mod language;
pub mod significance;
pub mod tokenize;

use rayon::prelude::*;

pub use bleu::Bleu;
pub use chrf::Chrf;
pub use counts::Counts;

use crate::{Error, Result};

/// The release of sacreBLEU whose numbers these metrics reproduce, as it stands in signatures.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// A score of translations against one reference each, between 0 and 100, higher is better.
pub trait Metric: Sync {
    /// Name as sacreBLEU prints it, such as `chrF2++`.
    fn name(&self) -> &'static str;

    /// The settings behind a score, in sacreBLEU's notation.
    fn signature(&self) -> String;

    /// Counts what one sentence adds to the corpus.
    fn count(&self, hypothesis: &str, reference: &str) -> Counts;

    /// Turns summed counts into a score.
    fn score(&self, counts: &Counts) -> f64;

    /// Counts every sentence of a corpus, in order.
    fn count_corpus<H, R>(&self, hypotheses: &[H], references: &[R]) -> Result<Vec<Counts>>
    where
        H: AsRef<str> + Sync,
        R: AsRef<str> + Sync,
        Self: Sized,
    {
        if hypotheses.len() != references.len() {
            let (hypotheses, references) = (hypotheses.len(), references.len());
            return Err(Error::UnequalLengths { hypotheses, references });
        }
        if hypotheses.is_empty() {
            return Err(Error::NothingToScore("the corpus".into()));
        }
        let pairs = hypotheses.par_iter().zip(references);
        Ok(pairs.map(|(hyp, reference)| self.count(hyp.as_ref(), reference.as_ref())).collect())
    }

    /// Scores a corpus; this is not the mean of its sentences' scores.
    fn corpus_score<H, R>(&self, hypotheses: &[H], references: &[R]) -> Result<f64>
    where
        H: AsRef<str> + Sync,
        R: AsRef<str> + Sync,
        Self: Sized,
    {
        Ok(self.score(&self.count_corpus(hypotheses, references)?.iter().sum()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{tokenize::Tokenizer, *};

    proptest! {
        #[test]
        fn scores_of_any_two_texts_lie_between_0_and_100(ours in "\\PC{0,40}", theirs in ".{0,40}") {
            for tokenizer in [Tokenizer::V13a, Tokenizer::Zh, Tokenizer::Char, Tokenizer::Intl] {
                let score = Bleu { tokenizer, ..Bleu::default() }.sentence_score(&ours, &theirs);
                prop_assert!((0.0..=100.0 + 1e-9).contains(&score), "BLEU {score}");
            }
            for chrf in [Chrf::plain(), Chrf::plus_plus()] {
                let score = chrf.sentence_score(&ours, &theirs);
                prop_assert!((0.0..=100.0 + 1e-9).contains(&score), "chrF {score}");
            }
        }

        #[test]
        fn a_text_is_its_own_best_translation(words in prop::collection::vec("[a-zäß]{1,9}", 1..9)) {
            let text = words.join(" ");
            for score in [
                Bleu::default().sentence_score(&text, &text),
                Chrf::plain().sentence_score(&text, &text),
                Chrf::plus_plus().sentence_score(&text, &text),
            ] {
                prop_assert!((score - 100.0).abs() < 1e-9, "{score}");
            }
        }
    }
}
