//! The best path of a unigram model (Kudo 2018), in the arithmetic of the C++ library.

use super::{Kind, SentencePiece};

/// What an unknown character costs beside the lowest score.
const UNKNOWN_PENALTY: f32 = 10.0;

/// The best way to a place in the text.
#[derive(Clone, Copy)]
struct Best {
    score: f32,
    start: usize,
    id: u32,
}

impl SentencePiece {
    /// Cuts normalised text along the path whose scores sum highest; of equal ones the first found.
    pub(super) fn best_path<'a>(&self, text: &'a str) -> Vec<(&'a str, u32)> {
        let normal = || self.pieces.iter().filter(|piece| piece.kind == Kind::Normal);
        let lowest = normal().map(|piece| piece.score).fold(f32::INFINITY, f32::min);
        let highest = normal().map(|piece| piece.score).fold(f32::NEG_INFINITY, f32::max);
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        best[0] = Some(Best { score: 0.0, start: 0, id: self.unknown });
        for (start, c) in text.char_indices() {
            let Some(Best { score: here, .. }) = best[start] else { continue };
            // Compared in double precision and kept in single, which decides between equal paths.
            let mut offer = |end: usize, score: f64, id| {
                if best[end].is_none_or(|best| score > f64::from(best.score)) {
                    best[end] = Some(Best { score: score as f32, start, id });
                }
            };
            let mut is_covered = false;
            self.each_prefix(&text[start..], |length, id| {
                let piece = &self.pieces[id as usize];
                let score = match piece.kind {
                    Kind::Unused => return,
                    Kind::UserDefined => f64::from(length as f32 * highest) - 0.1,
                    _ => f64::from(piece.score),
                };
                offer(start + length, f64::from(here) + score, id);
                is_covered |= length == c.len_utf8();
            });
            if !is_covered {
                let score = here + (lowest - UNKNOWN_PENALTY);
                offer(start + c.len_utf8(), score.into(), self.unknown);
            }
        }
        let (mut path, mut end) = (Vec::new(), text.len());
        while let Some(Best { start, id, .. }) = best[end].filter(|_| end > 0) {
            path.push((&text[start..end], id));
            end = start;
        }
        path.reverse();
        path
    }

    /// Calls `f` with the length and the id of every piece that `text` begins with, shortest first.
    fn each_prefix(&self, text: &str, mut f: impl FnMut(usize, u32)) {
        let bytes = |id: &u32| self.pieces[*id as usize].text.as_bytes();
        let mut range = &self.sorted[..];
        for (depth, byte) in text.bytes().enumerate() {
            // All of the range begin with the bytes so far, and those that end here stand first.
            let from = range.partition_point(|id| bytes(id).get(depth).is_none_or(|&b| b < byte));
            let to = range.partition_point(|id| bytes(id).get(depth).is_none_or(|&b| b <= byte));
            range = &range[from..to];
            let Some(first) = range.first() else { return };
            if bytes(first).len() == depth + 1 {
                f(depth + 1, *first);
            }
        }
    }
}
