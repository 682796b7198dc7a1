//! Byte-pair encoding (Sennrich et al. 2016) by the scores of a SentencePiece model.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
};

use super::{Kind, SentencePiece};

/// A stretch of the text that is one symbol so far; empty once it is merged into the one before.
#[derive(Clone, Copy)]
struct Symbol<'a> {
    text: &'a str,
    /// Whether it is never merged.
    frozen: bool,
    left: Option<usize>,
    right: Option<usize>,
}

/// Two neighbours that make a piece.
#[derive(Clone, Copy, PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of the piece: if the symbols have changed since, they are more.
    size: usize,
}

impl Eq for Pair {}

impl Ord for Pair {
    /// The best score first, and of equal ones the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |pair: &Self| (pair.left, pair.right, pair.size);
        self.score.total_cmp(&other.score).then_with(|| place(other).cmp(&place(self)))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The state of one text.
struct Merging<'a> {
    model: &'a SentencePiece,
    text: &'a str,
    symbols: Vec<Symbol<'a>>,
    queue: BinaryHeap<Pair>,
    /// Of pieces that are not to be used the two parts, by their text.
    parts: HashMap<&'a str, [&'a str; 2]>,
}

impl SentencePiece {
    /// Cuts normalised text by merging its characters, the best pair first.
    pub(super) fn merge<'a>(&'a self, text: &'a str) -> Vec<(&'a str, u32)> {
        let (symbols, queue) = (self.symbols_of(text), BinaryHeap::new());
        let mut merging = Merging { model: self, text, symbols, queue, parts: HashMap::new() };
        for i in 1..merging.symbols.len() {
            merging.offer(Some(i - 1), Some(i));
        }
        merging.run();
        let mut out = Vec::new();
        let whole = merging.symbols.iter().filter(|symbol| !symbol.text.is_empty());
        whole.for_each(|symbol| merging.emit(symbol.text, &mut out));
        out
    }

    /// Characters, and symbols of the model, which are whole from the start.
    fn symbols_of<'a>(&self, text: &'a str) -> Vec<Symbol<'a>> {
        let mut symbols = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let symbol = self.normaliser.symbol(rest);
            let length = symbol.map_or(first.len_utf8(), str::len);
            let (own, others) = rest.split_at(length);
            let (left, right) = (symbols.len().checked_sub(1), Some(symbols.len() + 1));
            symbols.push(Symbol { text: own, frozen: symbol.is_some(), left, right });
            rest = others;
        }
        if let Some(last) = symbols.last_mut() {
            last.right = None;
        }
        symbols
    }
}

impl<'a> Merging<'a> {
    /// Puts a pair into the queue if it makes a piece.
    fn offer(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else { return };
        let [a, b] = [self.symbols[left], self.symbols[right]];
        if a.frozen || b.frozen {
            return;
        }
        let joined = self.joined(a.text, b.text);
        let Some(&id) = self.model.ids.get(joined) else { return };
        let piece = &self.model.pieces[id as usize];
        if piece.kind == Kind::Unused {
            self.parts.insert(joined, [a.text, b.text]);
        }
        self.queue.push(Pair { score: piece.score, left, right, size: joined.len() });
    }

    fn run(&mut self) {
        while let Some(Pair { left, right, size, .. }) = self.queue.pop() {
            let [a, b] = [self.symbols[left], self.symbols[right]];
            if a.text.is_empty() || b.text.is_empty() || a.text.len() + b.text.len() != size {
                continue;
            }
            self.symbols[left].text = self.joined(a.text, b.text);
            self.symbols[left].right = b.right;
            self.symbols[right].text = "";
            if let Some(next) = b.right {
                self.symbols[next].left = Some(left);
            }
            self.offer(a.left, Some(left));
            self.offer(Some(left), b.right);
        }
    }

    /// The stretch of the text that two neighbours cover.
    fn joined(&self, a: &'a str, b: &'a str) -> &'a str {
        let start = a.as_ptr() as usize - self.text.as_ptr() as usize;
        &self.text[start..start + a.len() + b.len()]
    }

    fn emit(&self, piece: &'a str, out: &mut Vec<(&'a str, u32)>) {
        let id = self.model.ids.get(piece).copied();
        let unused = id.is_some_and(|id| self.model.pieces[id as usize].kind == Kind::Unused);
        match self.parts.get(piece).filter(|_| unused) {
            Some(parts) => parts.iter().for_each(|part| self.emit(part, out)),
            None => out.push((piece, id.unwrap_or(self.model.unknown))),
        }
    }
}
