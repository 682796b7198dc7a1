//! Translates the text of an HTML document, and leaves every byte of its markup alone.
//!
//! The document is cut into runs: text and inline markup between two block elements. In a run the
//! sentences are found; what is not a sentence is copied. A sentence that holds inline markup is
//! translated as a whole, and each marked part again by itself, which tells where the mark belongs
//! in the whole ([`place`]). Where what must stay as it is does not come back, or no words are left
//! for a mark, the pieces between the marks are translated one by one: worse sentences, but the right
//! marks.

mod entities;
mod place;
mod runs;
mod tokens;

use std::ops::Range;

use dragoman_core::text::{Segment, has_letters, split};

pub(crate) use entities::unescape;

use self::{
    entities::escape,
    place::Node,
    runs::{Mark, MarkKind, Run},
};

/// Elements within each other in a sentence at most; deeper is not writing but an attack.
const MAX_DEPTH: usize = 32;

/// A document, and the sentences in it.
#[derive(Debug)]
pub(crate) struct Document {
    html: String,
    sentences: Vec<Sentence>,
    /// Marked parts of sentences, each translated by itself too.
    fragments: Vec<String>,
}

/// A sentence of a document.
#[derive(Debug)]
struct Sentence {
    /// What it replaces in the document.
    raw: Range<usize>,
    text: String,
    /// Its marks as a tree; `None` when some begin or end outside of the sentence.
    marks: Option<Vec<Node>>,
    /// What is between the marks.
    pieces: Vec<Piece>,
}

/// A stretch of a sentence without marks.
#[derive(Debug)]
struct Piece {
    raw: Range<usize>,
    text: String,
}

/// The text that a reader of `html` sees, for guessing its language.
pub(crate) fn visible_text(html: &str) -> String {
    let texts: Vec<String> = runs::find(html).into_iter().map(|run| run.text).collect();
    texts.join("\n")
}

impl Document {
    /// Finds the sentences of `html`, written in `language`.
    pub(crate) fn parse(html: &str, language: &str) -> Self {
        let html = html.to_owned();
        let mut document = Self { html, sentences: Vec::new(), fragments: Vec::new() };
        for run in runs::find(&document.html) {
            document.add_run(&run, language);
        }
        document
    }

    /// What is to be translated first: the sentences, then their marked parts.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = &str> {
        let sentences = self.sentences.iter().map(|sentence| sentence.text.as_str());
        sentences.chain(self.fragments.iter().map(String::as_str))
    }

    /// How many of [`sentences`](Self::sentences) are not only parts of others.
    pub(crate) fn num_sentences(&self) -> usize {
        self.sentences.len()
    }

    /// What is to be translated then: pieces of the sentences whose marks found no place among
    /// the `first` translations.
    pub(crate) fn unplaced(&self, first: &[String]) -> impl Iterator<Item = &str> {
        let unplaced =
            |(sentence, whole): (_, &String)| self.whole(sentence, whole, first).is_none();
        let sentences = self.sentences.iter().zip(first);
        let unplaced = sentences.filter(move |&(sentence, whole)| unplaced((sentence, whole)));
        unplaced.flat_map(|(sentence, _)| &sentence.pieces).map(|piece| piece.text.as_str())
    }

    /// Writes the document with the `first` translations, and the `second` where marks need them.
    pub(crate) fn render(&self, first: &[String], second: &[String]) -> String {
        let mut out = String::with_capacity(self.html.len() * 5 / 4);
        let mut second = second.iter();
        let mut at = 0;
        for (sentence, translation) in self.sentences.iter().zip(first) {
            out.push_str(&self.html[at..sentence.raw.start]);
            at = sentence.raw.start;
            if let Some(text) = self.whole(sentence, translation, first) {
                out.push_str(&text);
            } else {
                for (piece, translation) in sentence.pieces.iter().zip(&mut second) {
                    out.push_str(&self.html[at..piece.raw.start]);
                    out.push_str(&escape(translation));
                    at = piece.raw.end;
                }
                out.push_str(&self.html[at..sentence.raw.end]);
            }
            at = sentence.raw.end;
        }
        out.push_str(&self.html[at..]);
        out
    }

    /// `sentence` as HTML, translated as a whole; `None` when a mark finds no place.
    fn whole(&self, sentence: &Sentence, translation: &str, first: &[String]) -> Option<String> {
        if translation == sentence.text {
            return Some(self.html[sentence.raw.clone()].to_owned());
        }
        let fragments = first.get(self.sentences.len()..).unwrap_or_default();
        let marks = sentence.marks.as_deref()?;
        place::place(&self.html, &sentence.text, translation, marks, fragments)
    }

    fn add_run(&mut self, run: &Run, language: &str) {
        let mut start = 0;
        // Opaque parts must not look like the end of a sentence.
        for segment in split(&run.masked(), language) {
            let range = start..start + segment.as_str().len();
            start = range.end;
            if matches!(segment, Segment::Sentence(_)) {
                self.add_sentence(run, range);
            }
        }
    }

    fn add_sentence(&mut self, run: &Run, range: Range<usize>) {
        let all: Vec<&Mark> = run.marks_at(&range).collect();
        if all.iter().any(|mark| !mark.is_within(&range)) || !run.has_words(&range) {
            return; // it stays as it is
        }
        let marks = inner_marks(&all, &range);
        let mut raw = run.raw(&range);
        if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
            raw = raw.start.min(first.raw.start)..raw.end.max(last.raw.end);
        }
        let text = run.text[range.clone()].to_owned();
        let pieces = pieces(run, &range, marks);
        let marks = self.tree(&text, marks, range.start);
        self.sentences.push(Sentence { raw, text, marks, pieces });
    }

    /// The tree that `marks` are, or `None` when they are not well nested.
    fn tree(&mut self, text: &str, marks: &[&Mark], start: usize) -> Option<Vec<Node>> {
        let mut levels: Vec<(Option<&Mark>, Vec<Node>)> = vec![(None, Vec::new())];
        for mark in marks {
            let range = mark.at.start - start..mark.at.end - start;
            match &mark.kind {
                MarkKind::Open(_) if levels.len() > MAX_DEPTH => return None,
                MarkKind::Open(_) => levels.push((Some(mark), Vec::new())),
                MarkKind::Close(name) => {
                    let (open, children) = levels.pop()?;
                    let open = open.filter(|open| open.kind == MarkKind::Open(name.clone()))?;
                    let range = open.at.start - start..range.start;
                    let fragment = has_letters(&text[range.clone()]).then(|| {
                        self.fragments.push(text[range.clone()].trim().to_owned());
                        self.fragments.len() - 1
                    });
                    let raw = (open.raw.clone(), mark.raw.clone());
                    levels.last_mut()?.1.push(Node::element(range, raw, children, fragment));
                }
                MarkKind::Point | MarkKind::Opaque => {
                    levels.last_mut()?.1.push(Node::leaf(range, mark.raw.clone()));
                }
            }
        }
        let (open, nodes) = levels.pop()?;
        (open.is_none() && levels.is_empty()).then_some(nodes)
    }
}

/// The marks that stand between words of the sentence at `range`: those at its ends stay outside,
/// unless their other half is inside.
fn inner_marks<'a, 'b>(marks: &'a [&'b Mark], range: &Range<usize>) -> &'a [&'b Mark] {
    let partners = partners(marks);
    let is_inner = |at: usize| range.start < at && at < range.end;
    let first = marks.iter().zip(&partners).position(|(mark, partner)| {
        mark.kind == MarkKind::Opaque
            || is_inner(mark.at.start)
            || mark.at.start == range.start
                && partner.is_some_and(|partner| is_inner(marks[partner].at.start))
    });
    let Some(first) = first else { return &[] };
    let last = (first..marks.len()).rfind(|&i| {
        marks[i].kind == MarkKind::Opaque
            || is_inner(marks[i].at.start)
            || marks[i].at.start == range.start
            || partners[i].is_some_and(|partner| partner >= first)
    });
    &marks[first..last.map_or(first, |last| last + 1)]
}

/// For each of `marks`, where its other half is.
fn partners(marks: &[&Mark]) -> Vec<Option<usize>> {
    let mut partners = vec![None; marks.len()];
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (i, mark) in marks.iter().enumerate() {
        match &mark.kind {
            MarkKind::Open(name) => open.push((i, name)),
            MarkKind::Close(name) => {
                if let Some((j, _)) = open.pop_if(|(_, opened)| opened == name) {
                    partners[i] = Some(j);
                    partners[j] = Some(i);
                }
            }
            MarkKind::Point | MarkKind::Opaque => {}
        }
    }
    partners
}

/// The stretches between `marks` that hold words.
fn pieces(run: &Run, range: &Range<usize>, marks: &[&Mark]) -> Vec<Piece> {
    let starts = std::iter::once(range.start).chain(marks.iter().map(|mark| mark.at.end));
    let ends = marks.iter().map(|mark| mark.at.start).chain([range.end]);
    let piece = |(start, end): (usize, usize)| {
        let text = run.text.get(start..end)?;
        let start = start + text.len() - text.trim_start().len();
        let text = text.trim();
        has_letters(text)
            .then(|| Piece { raw: run.raw(&(start..start + text.len())), text: text.to_owned() })
    };
    starts.zip(ends).filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Translates every sentence and piece by `model`.
    fn translate(html: &str, model: impl Fn(&str) -> String) -> String {
        let document = Document::parse(html, "en");
        let first: Vec<String> = document.sentences().map(&model).collect();
        let second: Vec<String> = document.unplaced(&first).map(&model).collect();
        document.render(&first, &second)
    }

    fn reversed(text: &str) -> String {
        text.split(' ').rev().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_mark_whose_words_are_others_in_the_whole_stands_about_where_it_stood() {
        let model = |text: &str| match text {
            "My old house is near the river." => "Ma vieille maison est près de la rivière.".into(),
            "near the river" => "au bord de l'eau".into(),
            "old house" => "vieille maison".into(),
            "is near the river" => "vieille maison près de la rivière".into(),
            other => other.to_owned(),
        };
        let html = "<p>My <b>old house</b> is <a href='/'>near the river</a>.</p>";
        let expected = "<p>Ma <b>vieille maison</b> est <a href='/'>près de la rivière</a>.</p>";
        assert_eq!(translate(html, model), expected);
        // Here the words that are most like the second mark are those of the first, and of the others it
        // takes as many as are its share.
        let html = "<p>My <b>old house</b> <a href='/'>is near the river</a>.</p>";
        let expected = "<p>Ma <b>vieille maison</b> est <a href='/'>près de la rivière</a>.</p>";
        assert_eq!(translate(html, model), expected);
    }

    #[test]
    fn elements_without_end_do_no_harm() {
        let deep = format!("{}word and word{}", "<b>".repeat(50_000), "</b> and".repeat(50_000));
        assert_eq!(translate(&deep, str::to_owned), deep);
        let inside = format!("One {}two{} three", "<b>".repeat(40), "</b>".repeat(40));
        assert_eq!(translate(&inside, str::to_uppercase).matches("TWO").count(), 1);
        let many = "One <b>two</b> <code>x</code> ".repeat(20_000);
        assert_eq!(translate(&many, str::to_owned), many);
    }

    #[test]
    fn the_visible_text_is_without_markup() {
        let html = "<p>One&nbsp;<b>two</b></p><script>x()</script>\n<p title='no'>three";
        assert_eq!(visible_text(html), "One\u{a0}two\nthree");
    }

    proptest! {
        #[test]
        fn what_is_translated_into_itself_stays_the_same(
            html in "(<|>|</|&amp;|&|<b>|</b>|<i class='x'>|</i>|<p>|</p>|<br/>|<img>|<code>|</code>|<!-- -->|<script>|</script>|\"| |\r\n|\\. |é|字|One|two|\\PC){0,40}"
        ) {
            prop_assert_eq!(translate(&html, str::to_owned), html);
        }

        #[test]
        fn every_tag_is_written_once(
            html in "(<b>|</b>|<i>|</i>|<a href='/'>|</a>|<p>|</p>|<img>|<code>ls</code>| |\\. |one |two |three |Four |ls |5 ){0,40}"
        ) {
            let translated = translate(&html, reversed);
            for tag in ["<b>", "</b>", "<i>", "</i>", "<a href='/'>", "</a>", "<p>", "</p>", "<img>", "<code>ls</code>"] {
                prop_assert_eq!(translated.matches(tag).count(), html.matches(tag).count(), "{}", translated);
            }
        }
    }
}
