//! Changes sentence pairs when they are read, so that the model learns what corpora seldom hold:
//! to copy placeholders, and to translate capitals, lower case, missing full stops and typing errors.
//!
//! What happens to a pair follows from the place of its batch ([`Cursor`]), so that a resumed run
//! sees what an uninterrupted one would have seen.

mod mask;
mod noise;

use dragoman_core::tokenizer::Tokenizer;
use dragoman_data::batch::{Cursor, SentencePair};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How many of the pairs are changed, as shares between 0 and 1; a pair is changed in one of these
/// forms at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Pairs in which words that both sides share, or places at the ends, become placeholders
    /// ([`dragoman_core::tokenizer::placeholder`]).
    pub placeholders: f64,
    /// Pairs in capitals on both sides.
    pub capitals: f64,
    /// Pairs whose source is in lower case; the target stays as it is.
    pub lower_case: f64,
    /// Pairs that lose the mark at their ends, on both sides.
    pub unfinished: f64,
    /// Pairs whose source has a letter doubled, left out or exchanged with its neighbour.
    pub typing_errors: f64,
}

impl AugmentConfig {
    /// Says which settings make no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let shares = self.shares();
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(format!("shares are between 0 and 1, not {shares:?}"));
        }
        match shares.iter().sum::<f64>() {
            sum if sum > 1.0 => Err(format!("the shares add up to {sum}, more than all pairs")),
            _ => Ok(()),
        }
    }

    fn shares(&self) -> [f64; 5] {
        let Self { placeholders, capitals, lower_case, unfinished, typing_errors } = *self;
        [placeholders, capitals, lower_case, unfinished, typing_errors]
    }

    /// The form that the number `at`, between 0 and 1, falls on.
    fn choose(&self, mut at: f64) -> Option<Form> {
        let forms =
            [Form::Placeholders, Form::Capitals, Form::LowerCase, Form::Unfinished, Form::Typing];
        for (form, share) in forms.into_iter().zip(self.shares()) {
            if at < share {
                return Some(form);
            }
            at -= share;
        }
        None
    }
}

/// In which form a pair is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Placeholders,
    Capitals,
    LowerCase,
    Unfinished,
    Typing,
}

/// The two sides of a pair as text.
type Sides = [String; 2];

/// Changes the pairs of one batch.
pub(super) struct Augmenter<'a> {
    config: &'a AugmentConfig,
    rng: ChaCha8Rng,
}

impl<'a> Augmenter<'a> {
    /// Prepares to change the pairs of the batch at `cursor`.
    pub(super) fn new(config: &'a AugmentConfig, cursor: Cursor) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(cursor.seed ^ 0x0061_7567_6d65_6e74);
        rng.set_stream(cursor.window << 24 | cursor.batch);
        Self { config, rng }
    }

    /// Returns the pair, changed or as it is; a change that would make a side longer than
    /// `longest` tokens is not made.
    pub(super) fn apply(
        &mut self,
        pair: SentencePair,
        tokenizer: &Tokenizer,
        longest: usize,
    ) -> SentencePair {
        let Some(form) = self.config.choose(self.rng.random()) else { return pair };
        let sides = [&pair.source, &pair.target].map(|ids| tokenizer.decode(ids));
        let Some(changed) = self.change(form, sides) else { return pair };
        let [source, target] = changed.each_ref().map(|text| tokenizer.encode(text));
        if source.len().max(target.len()) > longest || source.is_empty() || target.is_empty() {
            return pair;
        }
        SentencePair { source, target, ..pair }
    }

    fn change(&mut self, form: Form, sides: Sides) -> Option<Sides> {
        let [source, target] = &sides;
        match form {
            Form::Placeholders => mask::mask(sides, &mut self.rng),
            Form::Capitals => Some([source.to_uppercase(), target.to_uppercase()]),
            Form::LowerCase => Some([source.to_lowercase(), target.clone()]),
            Form::Unfinished => noise::without_final_mark(&sides),
            Form::Typing => {
                noise::with_typing_error(source, &mut self.rng).map(|s| [s, target.clone()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        let bytes = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new());
        bytes.and_then(|bytes| bytes.extended(&[])).expect("a tokenizer over bytes")
    }

    fn apply(config: &AugmentConfig, batch: u64) -> [String; 2] {
        let tokenizer = tokenizer();
        let [source, target] =
            ["Ada lives in Bonn.", "Ada wohnt in Bonn."].map(|t| tokenizer.encode(t));
        let cursor = Cursor { seed: 1, window: 3, batch };
        let pair = SentencePair { route: 0, source, target };
        let changed = Augmenter::new(config, cursor).apply(pair, &tokenizer, 100);
        [changed.source, changed.target].map(|ids| tokenizer.decode(&ids))
    }

    #[test]
    fn a_pair_is_changed_in_the_form_asked_for() {
        let none = AugmentConfig::default();
        assert_eq!(apply(&none, 0), ["Ada lives in Bonn.", "Ada wohnt in Bonn."]);
        let capitals = AugmentConfig { capitals: 1.0, ..none };
        assert_eq!(apply(&capitals, 0), ["ADA LIVES IN BONN.", "ADA WOHNT IN BONN."]);
        let lower = AugmentConfig { lower_case: 1.0, ..none };
        assert_eq!(apply(&lower, 0), ["ada lives in bonn.", "Ada wohnt in Bonn."]);
        let unfinished = AugmentConfig { unfinished: 1.0, ..none };
        assert_eq!(apply(&unfinished, 0), ["Ada lives in Bonn", "Ada wohnt in Bonn"]);
    }

    #[test]
    fn the_same_place_gives_the_same_change() {
        let config = AugmentConfig { placeholders: 0.5, typing_errors: 0.5, ..Default::default() };
        let all: Vec<_> = (0..40).map(|batch| apply(&config, batch)).collect();
        assert!(all.iter().enumerate().all(|(i, sides)| *sides == apply(&config, i as u64)));
        assert!(all.iter().any(|sides| *sides != all[0]));
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        let check = |capitals, lower_case| {
            AugmentConfig { capitals, lower_case, ..Default::default() }.check()
        };
        assert!(check(0.5, 0.5).is_ok());
        assert!(check(0.6, 0.5).is_err() && check(-0.1, 0.0).is_err());
    }
}
