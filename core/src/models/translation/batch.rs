//! Sentence pairs as the translation model sees them in training.

use super::IGNORED;
use crate::{
    ragged::Ragged,
    register::RowRoute,
    vocabulary::{Frame, Outputs},
};

/// Sentence pairs for one step of training: all rows of one side in one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct TranslationBatch {
    /// Tokens of the sources.
    pub source: Vec<u32>,
    /// Where each source lies.
    pub source_layout: Ragged,
    /// Tokens that the decoder sees: each target, shifted by one.
    pub target: Vec<u32>,
    /// Decoder labels, [`IGNORED`] between sentences and where the decoder is given a token.
    pub labels: Vec<u32>,
    /// Where each target lies.
    pub target_layout: Ragged,
    /// Where each sentence goes.
    pub routes: Vec<RowRoute>,
}

/// One sentence pair as tokens, tags and ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Where the sentence goes.
    pub route: RowRoute,
    /// What the encoder sees.
    pub source: Vec<u32>,
    /// What the decoder sees; as long as `labels`.
    pub target: Vec<u32>,
    /// Decoder labels, [`IGNORED`] where it is given the next token.
    pub labels: Vec<u32>,
}

impl Example {
    /// The pair of the texts `source` and `target` on `route`, with what stands around them.
    pub fn new(route: RowRoute, sides: [&[u32]; 2], frame: &Frame, outputs: &Outputs) -> Self {
        let [source, target] = sides;
        let given = frame.start.len().saturating_sub(1);
        Self {
            route,
            source: frame.source(source),
            target: [&frame.start, target].concat(),
            labels: [&vec![IGNORED; given], target, &[outputs.end]].concat(),
        }
    }
}

impl TranslationBatch {
    /// Puts `examples` one after another; for a GPU `padded`, with the token `padding` between.
    pub fn new(examples: &[Example], padded: Option<u32>) -> Self {
        let lengths = |side: fn(&Example) -> &Vec<u32>| -> Ragged {
            let lengths: Vec<usize> = examples.iter().map(|example| side(example).len()).collect();
            match padded {
                Some(_) => Ragged::padded(&lengths),
                None => Ragged::contiguous(&lengths),
            }
        };
        let source_layout = lengths(|example| &example.source);
        let target_layout = lengths(|example| &example.target);
        let padding = padded.unwrap_or_default();
        Self {
            source: join(examples, &source_layout, |example| &example.source, padding),
            target: join(examples, &target_layout, |example| &example.target, padding),
            labels: join(examples, &target_layout, |example| &example.labels, IGNORED),
            routes: examples.iter().map(|example| example.route).collect(),
            source_layout,
            target_layout,
        }
    }
}

fn join(
    examples: &[Example],
    layout: &Ragged,
    side: impl Fn(&Example) -> &Vec<u32>,
    padding: u32,
) -> Vec<u32> {
    let mut ids = vec![padding; layout.rows()];
    for (example, &start) in examples.iter().zip(layout.offsets()) {
        let side = side(example);
        ids[start..start + side.len()].copy_from_slice(side);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_the_decoder_is_given_is_no_label() {
        let frame = Frame { before: vec![9], after: vec![2], start: vec![2, 9] };
        let example = Example::new(0.into(), [&[5, 6], &[7, 8]], &frame, &Outputs::from_end(2));
        assert_eq!(example.source, [9, 5, 6, 2]);
        assert_eq!(example.target, [2, 9, 7, 8]);
        assert_eq!(example.labels, [IGNORED, 7, 8, 2]);
    }
}
