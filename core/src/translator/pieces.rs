//! Pieces of texts that fit the model: long texts are halved between words.

use super::{LegTask, Translator};
use crate::vocabulary::Side;

/// A piece of a text that the model sees at once.
pub(super) struct Piece {
    pub(super) task: usize,
    pub(super) ids: Vec<u32>,
    pub(super) text: String,
}

impl Translator {
    /// Cuts the texts into pieces that fit the model.
    pub(super) fn pieces(&self, tasks: &[LegTask<'_>]) -> Vec<Piece> {
        let texts: Vec<&str> = tasks.iter().map(|task| task.text).collect();
        let encoded = self.vocabulary.encode_batch(Side::Source, &texts);
        let limit = self.options.max_tokens.min(self.model.max_positions() / 2 - 2).max(1);
        let mut pieces = Vec::with_capacity(tasks.len());
        for (task, ids) in encoded.into_iter().enumerate() {
            self.cut(task, texts[task], ids, limit, &mut pieces);
        }
        pieces
    }

    /// Adds the pieces of `text`, whose tokens are `ids`: halves of halves, cut between words, until each
    /// has at most `limit` tokens.
    fn cut(&self, task: usize, text: &str, ids: Vec<u32>, limit: usize, pieces: &mut Vec<Piece>) {
        let middle = if ids.len() > limit { middle(text) } else { None };
        let Some(middle) = middle else {
            // A single character of more tokens than fit is cut within.
            let piece = |ids: &[u32]| Piece { task, ids: ids.to_vec(), text: text.into() };
            pieces.extend(ids.chunks(limit).map(piece));
            return;
        };
        let (first, second) = text.split_at(middle);
        let halves =
            [first.trim_end(), second.trim_start()].into_iter().filter(|half| !half.is_empty());
        let halves: Vec<&str> = halves.collect();
        for (ids, half) in
            self.vocabulary.encode_batch(Side::Source, &halves).into_iter().zip(halves)
        {
            self.cut(task, half, ids, limit, pieces);
        }
    }
}

/// Where to cut `text` in two: behind the clause mark, else at the white space, else between the
/// characters nearest to the middle of it; `None` for a single character.
fn middle(text: &str) -> Option<usize> {
    let (mut clause, mut space, mut any) = (None, None, None);
    let mut before = text.chars().next()?;
    for (at, c) in text.char_indices().skip(1) {
        let nearest = |best: Option<usize>| match best {
            Some(best) if best.abs_diff(text.len() / 2) <= at.abs_diff(text.len() / 2) => {
                Some(best)
            }
            _ => Some(at),
        };
        let is_late = 4 * at > text.len() && 4 * at < 3 * text.len();
        let is_eastern = matches!(before, '，' | '；' | '：' | '、' | '。');
        let is_western =
            matches!(before, ',' | ';' | ':' | '.' | ')' | '–' | '—') && c.is_whitespace();
        if is_late && (is_eastern || is_western) {
            clause = nearest(clause);
        }
        if is_late && c.is_whitespace() {
            space = nearest(space);
        }
        any = nearest(any);
        before = c;
    }
    clause.or(space).or(any)
}

#[cfg(test)]
mod tests {
    use super::middle;

    #[test]
    fn long_texts_are_cut_between_words_and_never_within_a_character() {
        let cut = |text: &str| middle(text).map(|at| text[at..].to_owned());
        assert_eq!(cut("one two, three four five").as_deref(), Some(" three four five"));
        assert_eq!(cut("one two three four").as_deref(), Some(" three four"));
        assert_eq!(cut("字典，学校").as_deref(), Some("学校"));
        assert_eq!(cut("字典学校").as_deref(), Some("学校"));
        assert_eq!(cut("🙂"), None);
    }
}
