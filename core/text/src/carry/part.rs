//! A part of a sentence that is asked at once: what to ask, and what to do with the answer.

use std::ops::Range;

use super::{
    MAX_DEPTH, MAX_NODES, Mark, Word,
    answer::{spaced_as, with_capital, without_references},
    clause::middle_clause,
    expand::expanded,
    localise::settled,
    mask::{self, Form},
    place::{self, Node, Tags},
    verify::{Failure, unmask},
};
use crate::{
    document::Item,
    options::Options,
    restore::{self, restore},
    sentence::Role,
    split::has_letters,
};

/// Cuts within cuts at most; then the source stays.
const MAX_CUTS: usize = 4;

/// What all parts of a sentence share.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) words: &'a [Word],
}

/// What the model says to one text.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// Its place among the answers to all that was asked.
    pub(crate) number: usize,
    /// Translations, the best first.
    pub(crate) hypotheses: &'a [String],
}

impl<'a> Answer<'a> {
    fn best(&self) -> &'a str {
        self.hypotheses.first().map(String::as_str).unwrap_or_default()
    }
}

/// A sentence, or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    /// The text, with a character for each word that is not prose.
    source: String,
    /// Markup, in the order of the text.
    marks: Vec<Mark>,
    /// The same as a tree; `None` when it is none, or a part too large to place.
    nodes: Option<Vec<Node>>,
    /// Marked parts of the text, each asked by itself too: they tell where the mark belongs.
    fragments: Vec<String>,
    /// How many cuts made this part.
    cuts: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// To be asked.
    Open(Form),
    /// Translated: for each hypothesis that was verified its items, and the number of the answer.
    Done { texts: Vec<Vec<Item>>, number: usize },
    /// Translated to what it was.
    Unchanged { number: Option<usize> },
    /// Cut into parts.
    Cut(Vec<Bit>),
}

/// What a part that was cut is made of.
#[derive(Debug)]
enum Bit {
    /// Written as it is; may hold characters of words.
    Keep(String),
    Mark(usize),
    Part(Part),
}

impl Bit {
    fn is_unchanged(&self) -> bool {
        match self {
            Self::Keep(_) | Self::Mark(_) => true,
            Self::Part(part) => match &part.state {
                State::Unchanged { .. } => true,
                State::Cut(bits) => bits.iter().all(Self::is_unchanged),
                State::Open(_) | State::Done { .. } => false,
            },
        }
    }
}

impl Part {
    /// A whole sentence.
    pub(super) fn whole(text: String, marks: Vec<Mark>, words: &[Word], options: &Options) -> Self {
        let mut part = Self {
            source: text,
            marks,
            nodes: None,
            fragments: Vec::new(),
            cuts: 0,
            state: State::Open(Form::First),
        };
        part.nodes = part.tree();
        if part.nodes.is_none() || !part.can_spell(Form::First, &Context { options, words }) {
            part.cut(&[]);
        }
        part
    }

    /// A part of a sentence without markup.
    fn without_marks(source: String, cuts: usize) -> Self {
        let (marks, nodes, fragments) = (Vec::new(), Some(Vec::new()), Vec::new());
        Self { source, marks, nodes, fragments, cuts, state: State::Open(Form::First) }
    }

    fn can_spell(&self, form: Form, context: &Context<'_>) -> bool {
        mask::spell(form, &self.source, context.words, context.options).is_some()
    }

    /// Adds what to ask the model.
    pub(super) fn ask(&self, context: &Context<'_>, segments: &mut Vec<String>) {
        match &self.state {
            State::Open(form) => {
                for text in std::iter::once(&self.source).chain(&self.fragments) {
                    segments.push(self.spelled(text, *form, context));
                }
            }
            State::Cut(bits) => {
                for bit in bits {
                    if let Bit::Part(part) = bit {
                        part.ask(context, segments);
                    }
                }
            }
            State::Done { .. } | State::Unchanged { .. } => {}
        }
    }

    /// The source, or a fragment of it, as the model sees it.
    fn spelled(&self, text: &str, form: Form, context: &Context<'_>) -> String {
        let words = mask::spell(form, &self.source, context.words, context.options);
        let source = restore::in_normal_case(text, &context.options.source);
        let source = expanded(&source, &context.options.source);
        mask::write(&source, &words.unwrap_or_default())
    }

    /// Takes the answers to what [`ask`](Self::ask) added.
    pub(super) fn accept<'a>(
        &mut self,
        context: &Context<'_>,
        next: &mut impl FnMut() -> Answer<'a>,
    ) {
        match &mut self.state {
            State::Open(form) => {
                let form = *form;
                let answer = next();
                let fragments: Vec<&[String]> =
                    self.fragments.iter().map(|_| next().hypotheses).collect();
                self.judge(form, context, answer, &fragments);
            }
            State::Cut(bits) => {
                for bit in bits {
                    if let Bit::Part(part) = bit {
                        part.accept(context, next);
                    }
                }
            }
            State::Done { .. } | State::Unchanged { .. } => {}
        }
    }

    /// Takes the answer if it holds what it must; else the part is asked again, or cut.
    fn judge(
        &mut self,
        form: Form,
        context: &Context<'_>,
        answer: Answer<'_>,
        fragments: &[&[String]],
    ) {
        let words = mask::spell(form, &self.source, context.words, context.options);
        let words = words.unwrap_or_default();
        let number = answer.number;
        let is_sentence = self.cuts == 0;
        let read = |source: &str, answer: &str| {
            let target =
                unmask(source, &without_references(source, answer, context), &words, context)?;
            let target = settled(source, target, context)?;
            let target = restore(source, &target, &context.options.target);
            Ok(spaced_as(
                source,
                if is_sentence { with_capital(source, target, context) } else { target },
            ))
        };
        let target = match read(&self.source, answer.best()) {
            Ok(target) => target,
            Err(failure) => return self.retry(form, context, failure, answer),
        };
        // `Costa 12 €.` became `12 €.`
        let has_prose = |text: &str| text.contains(char::is_alphabetic);
        if form == Form::First && has_prose(&self.source) && !has_prose(&target) {
            return self.retry(form, context, Failure::default(), answer);
        }
        if target == self.source {
            self.state = State::Unchanged { number: Some(number) };
            return;
        }
        let fragments: Option<Vec<String>> = (self.fragments.iter().zip(fragments))
            .map(|(fragment, answers)| read(fragment, answers.first()?).ok())
            .collect();
        let place = |target: &str| {
            let nodes = self.nodes.as_deref()?;
            place::place(&self.source, target, nodes, fragments.as_deref()?)
        };
        let Some(items) = place(&target) else { return self.cut(&[]) };
        let mut texts = vec![items];
        for other in &answer.hypotheses[1..] {
            texts.extend(read(&self.source, other).ok().and_then(|target| place(&target)));
        }
        self.state = State::Done { texts, number };
    }

    fn retry(&mut self, form: Form, context: &Context<'_>, failure: Failure, answer: Answer<'_>) {
        let has_words = mask::has_word(&self.source);
        if failure.words.is_empty() && self.marks.is_empty() && self.cut_at_clause() {
            return; // it was too long for the model
        }
        if has_words
            && form == Form::First
            && self.cuts == 0
            && self.can_spell(Form::Codes, context)
        {
            self.state = State::Open(Form::Codes);
        } else if has_words || !self.marks.is_empty() {
            self.cut(if self.cuts == 0 { &failure.words } else { &[] });
        } else {
            self.settle(context, answer);
        }
    }

    /// Cuts a long part in two at the clause mark nearest to its middle; `false` when there is none.
    fn cut_at_clause(&mut self) -> bool {
        let Some(at) = middle_clause(&self.source).filter(|_| self.cuts < MAX_CUTS) else {
            return false;
        };
        let mut bits = Vec::new();
        push(&mut bits, &self.source[..at], self.cuts + 1);
        push(&mut bits, &self.source[at..], self.cuts + 1);
        self.state = State::Cut(bits);
        true
    }

    /// Takes the best that can be made of an answer that is not what it should be.
    fn settle(&mut self, context: &Context<'_>, answer: Answer<'_>) {
        let cleaned = super::verify::cleaned(&self.source, answer.best(), context);
        self.state = match cleaned {
            Some(target) => {
                let target = restore(&self.source, &target, &context.options.target);
                State::Done { texts: vec![vec![Item::Prose(target)]], number: answer.number }
            }
            None => State::Unchanged { number: None },
        };
    }

    /// Cuts the part at its markup, and at `words` or, if there are none, at all words that are not
    /// prose.
    fn cut(&mut self, words: &[usize]) {
        let is_cut = |number: usize| words.is_empty() || words.contains(&number);
        let mut bits = Vec::new();
        let mut marks = self.marks.iter().peekable();
        let mut start = 0;
        let cuts = self.cuts + 1;
        for (at, c) in self.source.char_indices() {
            while let Some(mark) = marks.next_if(|mark| mark.at <= at) {
                push(&mut bits, &self.source[start..mark.at], cuts);
                bits.push(Bit::Mark(mark.span));
                start = mark.at;
            }
            if mask::number(c).is_some_and(is_cut) {
                push(&mut bits, &self.source[start..at], cuts);
                bits.push(Bit::Keep(c.into()));
                start = at + c.len_utf8();
            }
        }
        for mark in marks {
            push(&mut bits, &self.source[start..mark.at], cuts);
            bits.push(Bit::Mark(mark.span));
            start = mark.at;
        }
        push(&mut bits, &self.source[start..], cuts);
        self.state = State::Cut(bits);
    }

    /// The items by the hypothesis at `rank`, else by the best; `None` when nothing changes.
    pub(super) fn items(&self, rank: usize) -> Option<Vec<Item>> {
        match &self.state {
            State::Open(_) | State::Unchanged { .. } => None,
            State::Done { texts, .. } => Some(texts.get(rank).unwrap_or(&texts[0]).clone()),
            State::Cut(bits) if bits.iter().all(Bit::is_unchanged) => None,
            State::Cut(bits) => {
                let mut items = Vec::new();
                for bit in bits {
                    match bit {
                        Bit::Keep(text) => items.push(Item::Prose(text.clone())),
                        Bit::Mark(span) => items.push(Item::Span(*span)),
                        Bit::Part(part) => match part.items(rank) {
                            Some(inner) => items.extend(inner),
                            None => items.push(Item::Prose(part.source.clone())),
                        },
                    }
                }
                Some(items)
            }
        }
    }

    /// Adds the numbers of the answers that the text is made of.
    pub(super) fn used(&self, used: &mut Vec<usize>) {
        match &self.state {
            State::Open(_) => {}
            State::Unchanged { number } => used.extend(number),
            State::Done { number, .. } => used.push(*number),
            State::Cut(bits) => {
                for bit in bits {
                    if let Bit::Part(part) = bit {
                        part.used(used);
                    }
                }
            }
        }
    }

    /// The tree that the marks are, or `None` when they are not well nested, or too many.
    fn tree(&mut self) -> Option<Vec<Node>> {
        let mut levels: Vec<(Option<&Mark>, Vec<Node>)> = vec![(None, Vec::new())];
        let mut fragments = Vec::new();
        let mut count = 0;
        for mark in &self.marks {
            match &mark.role {
                Role::Open(_) if levels.len() > MAX_DEPTH => return None,
                Role::Open(_) => levels.push((Some(mark), Vec::new())),
                Role::Close(name) => {
                    let (open, children) = levels.pop()?;
                    let open = open.filter(|open| open.role == Role::Open(name.clone()))?;
                    let range: Range<usize> = open.at..mark.at;
                    let fragment = has_letters(&self.source[range.clone()]).then(|| {
                        fragments.push(self.source[range.clone()].trim().to_owned());
                        fragments.len() - 1
                    });
                    let tags = Tags { open: open.span, close: mark.span };
                    let element = Node::element(range, tags, children, fragment);
                    levels.last_mut()?.1.push(element);
                    count += 1;
                }
                _ => {
                    let nodes = &mut levels.last_mut()?.1;
                    // Markup that stands together stays together.
                    if !nodes.last_mut().is_some_and(|last| last.joins(mark.at, mark.span)) {
                        nodes.push(Node::point(mark.at, mark.span, mark.spaces, mark.key));
                        count += 1;
                    }
                }
            }
        }
        let (open, nodes) = levels.pop()?;
        let is_tree = open.is_none() && levels.is_empty() && count <= MAX_NODES;
        self.fragments = if is_tree { fragments } else { Vec::new() };
        is_tree.then_some(nodes)
    }
}

/// Adds a stretch of the source to the bits of a cut: its words are a part, the rest stays.
fn push(bits: &mut Vec<Bit>, text: &str, cuts: usize) {
    let is_word = |c: char| c.is_alphanumeric() || mask::number(c).is_some();
    let inside = text.trim_matches(|c: char| !is_word(c));
    if cuts > MAX_CUTS || !has_letters(inside) {
        if !text.is_empty() {
            bits.push(Bit::Keep(text.to_owned()));
        }
        return;
    }
    let start = text.len() - text.trim_start_matches(|c: char| !is_word(c)).len();
    let end = start + inside.len();
    if start > 0 {
        bits.push(Bit::Keep(text[..start].to_owned()));
    }
    bits.push(Bit::Part(Part::without_marks(inside.to_owned(), cuts)));
    if end < text.len() {
        bits.push(Bit::Keep(text[end..].to_owned()));
    }
}
