//! Finds the places of markup in a translated sentence.
//!
//! A marked part was also translated by itself; where the whole has words like these, the mark
//! belongs. Where it has none, the mark is put about where it stood: a sentence that reads well is
//! worth more than the exact words under a mark. A word that is not prose must be found as it is. A
//! mark without text stands between the words where it stood in proportion.

use std::ops::Range;

use super::{mask, push};
use crate::document::Item;

/// How alike a part and its place must be, from 0 to 1.
const MIN_LIKENESS: f32 = 0.5;

/// How much a place far from where the part stood counts against it.
const DISTANCE_COST: f32 = 0.2;

/// A piece of markup in a sentence.
#[derive(Debug)]
pub(super) struct Node {
    /// The part of the sentence that it marks.
    range: Range<usize>,
    kind: Kind,
    children: Vec<Node>,
}

/// The spans of the two tags of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tags {
    pub(super) open: usize,
    pub(super) close: usize,
}

/// What a node writes.
#[derive(Debug)]
enum Kind {
    /// Two tags, and which translated fragment tells their place.
    Element { open: usize, close: usize, fragment: Option<usize> },
    /// Markup between words.
    Point { spans: Vec<usize>, spaces: Spaces, key: Option<char> },
}

/// The white space around markup that stands between words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spaces {
    pub(super) before: bool,
    /// Whether there is some behind it as well; markup that holds the space behind itself has none.
    pub(super) behind: bool,
}

impl Node {
    /// An element around the text at `range`; with its `tags`.
    pub(super) fn element(
        range: Range<usize>,
        tags: Tags,
        children: Vec<Self>,
        fragment: Option<usize>,
    ) -> Self {
        let Tags { open, close } = tags;
        Self { range, kind: Kind::Element { open, close, fragment }, children }
    }

    /// Markup without text.
    pub(super) fn point(at: usize, span: usize, spaces: Spaces, key: Option<char>) -> Self {
        let kind = Kind::Point { spans: vec![span], spaces, key };
        Self { range: at..at, kind, children: Vec::new() }
    }

    /// Takes in another point that stands at the same place; `false` when this is no such point.
    pub(super) fn joins(&mut self, at: usize, span: usize) -> bool {
        match &mut self.kind {
            Kind::Point { spans, .. } if self.range.start == at => {
                spans.push(span);
                true
            }
            _ => false,
        }
    }
}

/// `target`, the translation of `source`, with `nodes` in it; `None` when one has no place.
pub(super) fn place(
    source: &str,
    target: &str,
    nodes: &[Node],
    fragments: &[String],
) -> Option<Vec<Item>> {
    let mut out = Vec::new();
    let placer = Placer { source, target, fragments, words: words(target) };
    placer.write(nodes, &(0..source.len()), &(0..target.len()), &mut out)?;
    Some(out)
}

struct Placer<'a> {
    source: &'a str,
    target: &'a str,
    fragments: &'a [String],
    words: Vec<Range<usize>>,
}

impl Placer<'_> {
    /// Writes the part `within` of the target, which is the part `of` the source, with `nodes`.
    fn write(
        &self,
        nodes: &[Node],
        of: &Range<usize>,
        within: &Range<usize>,
        out: &mut Vec<Item>,
    ) -> Option<()> {
        let mut placed: Vec<(Range<usize>, &Node)> = Vec::with_capacity(nodes.len());
        let mut lost = Vec::new();
        for node in nodes {
            let found = self.find(node, of, within);
            let is_taken =
                |place: &Range<usize>| placed.iter().any(|(other, _)| meet(place, other));
            match (found.filter(|place| !is_taken(place)), &node.kind) {
                (Some(place), _) => placed.push((place, node)),
                (None, Kind::Element { fragment: Some(_), .. }) => lost.push(node),
                (None, _) => return None, // what is kept as it is cannot stand for other words
            }
        }
        for node in lost {
            placed.push((self.guess(node, of, within, &placed)?, node));
        }
        placed.sort_by_key(|(place, _)| (place.start, place.end));
        let mut at = within.start;
        let mut skipped = 0;
        for (place, node) in placed {
            if place.start + skipped < at {
                return None; // a mark without text stands within the words of another
            }
            push(out, &self.target[at..place.start.max(at)]);
            at = place.end.max(at);
            skipped = 0;
            match &node.kind {
                Kind::Point { spans, spaces, .. } => {
                    let is_apart = self.target[..at].ends_with(char::is_whitespace);
                    if spaces.before && !is_apart && at > 0 {
                        let has_space = self.target[at..within.end].starts_with(' ');
                        skipped = usize::from(has_space && !spaces.behind);
                        at += skipped;
                        push(out, " ");
                    }
                    out.extend(spans.iter().map(|&span| Item::Span(span)));
                    let rest = &self.target[at..within.end];
                    if spaces.behind && rest.starts_with(|c: char| c.is_alphanumeric()) {
                        push(out, " ");
                    }
                }
                Kind::Element { open, close, .. } => {
                    out.push(Item::Span(*open));
                    self.write(&node.children, &node.range, &place, out)?;
                    out.push(Item::Span(*close));
                }
            }
        }
        push(out, &self.target[at..within.end]);
        Some(())
    }

    /// The part `within` the target that belongs to `node`.
    fn find(&self, node: &Node, of: &Range<usize>, within: &Range<usize>) -> Option<Range<usize>> {
        let text = self.source[node.range.clone()].trim();
        // Where it stood, from 0 to 1, and how many bytes from the beginning that is here.
        let middle = (node.range.start + node.range.end) as f32 / 2.0 - of.start as f32;
        let position = middle / of.len().max(1) as f32;
        if let Kind::Point { key: Some(key), .. } = node.kind {
            let at = self.key(key, within)?;
            return Some(at..at);
        }
        if text.is_empty() {
            let at = self.gap(position, within);
            return Some(at..at);
        }
        match node.kind {
            Kind::Point { .. } | Kind::Element { fragment: None, .. } => {
                self.exact(text, position, within)
            }
            Kind::Element { fragment: Some(fragment), .. } => {
                let fragment = self.fragments.get(fragment)?;
                self.exact(fragment, position, within)
                    .or_else(|| self.alike(fragment, position, within))
            }
        }
    }

    /// For an element whose part by itself became other words than in the whole, or words that another
    /// has: of the words that no other element has taken, as many as are its share, about where it
    /// stood and the more like its part the better.
    fn guess(
        &self,
        node: &Node,
        of: &Range<usize>,
        within: &Range<usize>,
        taken: &[(Range<usize>, &Node)],
    ) -> Option<Range<usize>> {
        let Kind::Element { fragment: Some(fragment), .. } = node.kind else { return None };
        let wanted = bigrams(self.fragments.get(fragment)?);
        let middle = (node.range.start + node.range.end) as f32 / 2.0 - of.start as f32;
        let position = middle / of.len().max(1) as f32;
        let inside = |word: &&Range<usize>| within.start <= word.start && word.end <= within.end;
        let words: Vec<&Range<usize>> = self.words.iter().filter(inside).collect();
        let share = node.range.len() as f32 / of.len().max(1) as f32;
        let most = ((share * words.len() as f32).round() as usize).max(1);
        let is_free = |place: &Range<usize>| !taken.iter().any(|(other, _)| meet(place, other));
        let places = |count: usize| {
            let runs = words.windows(count).map(move |run| run[0].start..run[count - 1].end);
            runs.filter(is_free)
        };
        let score = |place: &Range<usize>| {
            let likeness = dice(&wanted, &bigrams(&self.target[place.clone()]));
            likeness - distance(place, position, within)
        };
        let best = |count| places(count).max_by(|a, b| score(a).total_cmp(&score(b)));
        (1..=most).rev().find_map(best)
    }

    /// Where the key of a label belongs: before its letter, best at the beginning of a word, else before
    /// the first letter.
    fn key(&self, key: char, within: &Range<usize>) -> Option<usize> {
        let text = &self.target[within.clone()];
        let is_key = |c: char| c.to_lowercase().eq(key.to_lowercase());
        let starts = self.words.iter().map(|word| word.start).filter(|at| within.contains(at));
        let mut starts = starts.filter(|at| self.target[*at..].starts_with(is_key));
        let found = starts.next().or_else(|| text.find(is_key).map(|at| within.start + at));
        found.or_else(|| text.find(char::is_alphabetic).map(|at| within.start + at))
    }

    /// The beginning or end of a word that is nearest to `position`.
    fn gap(&self, position: f32, within: &Range<usize>) -> usize {
        let ends = [within.start, within.end];
        let gaps = self.words.iter().flat_map(|word| [word.start, word.end]).chain(ends);
        let gaps = gaps.filter(|gap| within.start <= *gap && *gap <= within.end);
        let far = |gap: &usize| distance(&(*gap..*gap), position, within);
        gaps.min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(within.start)
    }

    /// Where `text` stands as it is, not within a word, nearest to `position`.
    fn exact(&self, text: &str, position: f32, within: &Range<usize>) -> Option<Range<usize>> {
        let found = self.target[within.clone()].match_indices(text);
        let found = found.map(|(at, text)| within.start + at..within.start + at + text.len());
        let is_whole = |place: &Range<usize>| {
            !self.words.iter().any(|word| {
                word.start < place.start && place.start < word.end
                    || word.start < place.end && place.end < word.end
            })
        };
        let far = |place: &Range<usize>| distance(place, position, within);
        found.filter(is_whole).min_by(|a, b| far(a).total_cmp(&far(b)))
    }

    /// The words that are most like `text`.
    fn alike(&self, text: &str, position: f32, within: &Range<usize>) -> Option<Range<usize>> {
        let wanted = bigrams(text);
        let length = words(text).len();
        let inside = |word: &&Range<usize>| within.start <= word.start && word.end <= within.end;
        let words: Vec<&Range<usize>> = self.words.iter().filter(inside).collect();
        let mut best = None;
        for count in length.saturating_sub(2).max(1)..=length + 2 {
            for window in words.windows(count) {
                let place = window[0].start..window[count - 1].end;
                let likeness = dice(&wanted, &bigrams(&self.target[place.clone()]));
                let score = likeness - DISTANCE_COST * distance(&place, position, within);
                if likeness >= MIN_LIKENESS && best.as_ref().is_none_or(|(top, _)| score > *top) {
                    best = Some((score, place));
                }
            }
        }
        best.map(|(_, place)| place)
    }
}

/// Whether two places share words.
fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// How far the middle of `place` is from `position`, as a share of `within`.
fn distance(place: &Range<usize>, position: f32, within: &Range<usize>) -> f32 {
    let middle = (place.start + place.end) as f32 / 2.0 - within.start as f32;
    (middle / within.len().max(1) as f32 - position).abs()
}

/// The words of `text`: letters and digits, with hyphens and apostrophes between them; each word
/// that is not prose is one by itself.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut joins = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let is_piece = mask::number(c).is_some();
        match words.last_mut() {
            Some(word) if joins && !is_piece && word.end == at && is_inner(c) => word.end = end,
            _ if c.is_alphanumeric() || is_piece => {
                words.push(at..end);
                joins = !is_piece;
            }
            _ => {}
        }
    }
    for word in &mut words {
        let is_outer = |c: char| !c.is_alphanumeric() && mask::number(c).is_none();
        let bare = text[word.clone()].trim_end_matches(is_outer);
        word.end = word.start + bare.len();
    }
    words
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || mask::number(c).is_some() || matches!(c, '-' | '\'' | '’')
}

/// Pairs of neighbouring letters, sorted.
fn bigrams(text: &str) -> Vec<(char, char)> {
    let letters: Vec<char> = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| if is_inner(c) { c } else { ' ' })
        .collect();
    let padded: Vec<char> = [' '].into_iter().chain(letters).chain([' ']).collect();
    let mut pairs: Vec<_> = padded.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.retain(|pair| *pair != (' ', ' '));
    pairs.sort_unstable();
    pairs
}

/// Sørensen–Dice coefficient of two sorted lists: 1 when they are equal, 0 when nothing is.
fn dice(a: &[(char, char)], b: &[(char, char)]) -> f32 {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                i += 1;
                j += 1;
            }
        }
    }
    2.0 * common as f32 / (a.len() + b.len()).max(1) as f32
}
