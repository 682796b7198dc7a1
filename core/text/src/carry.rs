//! Takes a sentence through the model, and does not believe what comes back before it is verified.
//!
//! Inside, a word that is not prose is one private character, and markup is taken out. The model sees
//! numbers as they are and a mask in place of each other word; what comes back must hold each mask
//! once. If not, other masks are tried, and then the sentence is cut at what did not come back and
//! its parts are translated one by one: worse sentences, but nothing is lost. Markup is placed by
//! [`place`](place::place), else it cuts the sentence, too.

mod answer;
mod clause;
mod expand;
mod localise;
mod loops;
mod mask;
mod numerals;
mod part;
mod place;
mod verify;

pub(crate) use self::{loops::repeats, part::Answer};

use self::{
    localise::{Languages, Localised, localised},
    mask::word,
    part::{Context, Part},
    place::Spaces,
};
use crate::{
    document::{Item, Rewritten},
    options::Options,
    sentence::{Role, Sentence},
};

/// Elements within each other in a sentence at most; deeper is not writing but an attack.
const MAX_DEPTH: usize = 32;

/// Places of markup in a sentence at most; with more, the sentence is cut at its markup.
const MAX_NODES: usize = 64;

/// One sentence on its way through the model.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// The words that are not prose: each is its number's character in the parts.
    words: Vec<Word>,
    /// How many spans the sentence has.
    spans: usize,
    whole: Part,
}

/// A word of a sentence that is not prose.
#[derive(Debug)]
struct Word {
    span: usize,
    text: String,
    role: Role,
    localised: Localised,
}

/// Markup, where it stands in the text of a part.
#[derive(Debug, Clone)]
struct Mark {
    at: usize,
    span: usize,
    role: Role,
    spaces: Spaces,
    /// The letter that is the key of a label, when the mark says that: `E&xit`.
    key: Option<char>,
}

impl Carrier {
    /// Prepares `sentence` for its way.
    pub(crate) fn new(sentence: &Sentence, options: &Options) -> Self {
        let mut text = String::with_capacity(sentence.text.len());
        let (mut words, mut marks) = (Vec::new(), Vec::new());
        let languages = Languages::new(&options.source, &options.target);
        let mut at = 0;
        for (span, found) in sentence.spans.iter().enumerate() {
            push_prose(&mut text, &sentence.text[at..found.at.start]);
            at = found.at.end;
            if found.role.is_word() {
                let piece = sentence.text[found.at.clone()].to_owned();
                text.push(word(words.len()));
                let around = [&sentence.text[..found.at.start], &sentence.text[at..]];
                let localised = localised(&piece, &found.role, around, languages);
                words.push(Word { span, text: piece, role: found.role.clone(), localised });
            } else {
                let before = text.ends_with(' ');
                let behind = sentence.text[at..].starts_with(char::is_whitespace);
                let is_key = matches!(&sentence.text[found.at.clone()], "&" | "_");
                let key =
                    sentence.text[at..].chars().next().filter(|c| is_key && c.is_alphabetic());
                let spaces = match key {
                    Some(_) => Spaces { before: false, behind: false },
                    None => Spaces { before, behind: before && behind && !found.at.is_empty() },
                };
                marks.push(Mark { at: text.len(), span, role: found.role.clone(), spaces, key });
            }
        }
        push_prose(&mut text, &sentence.text[at..]);
        let whole = Part::whole(text, marks, &words, options);
        Self { words, spans: sentence.spans.len(), whole }
    }

    /// Adds what to ask the model next.
    pub(crate) fn ask(&self, options: &Options, segments: &mut Vec<String>) {
        self.whole.ask(&Context { options, words: &self.words }, segments);
    }

    /// Takes what the model answered, each with its number.
    pub(crate) fn accept<'a>(&mut self, options: &Options, next: &mut impl FnMut() -> Answer<'a>) {
        self.whole.accept(&Context { options, words: &self.words }, next);
    }

    /// The sentence by the hypothesis at `rank`, else by the best.
    pub(crate) fn rewritten(&self, rank: usize) -> Rewritten {
        match self.whole.items(rank) {
            None => Rewritten::Unchanged,
            Some(items) => {
                let items = self.with_spans(items);
                match self.has_all_spans(&items) {
                    true => Rewritten::Items(items),
                    false => Rewritten::Unchanged,
                }
            }
        }
    }

    /// Whether each span of the sentence is in `items` once. A number may be prose: written as the target
    /// language writes it, which was verified when the answer came.
    fn has_all_spans(&self, items: &[Item]) -> bool {
        let mut seen = vec![false; self.spans];
        let mut is_new = |item: &Item| match item {
            Item::Span(span) => !std::mem::replace(&mut seen[*span], true),
            Item::Prose(_) => true,
        };
        let has_no_other = items.iter().all(&mut is_new);
        for word in self.words.iter().filter(|word| word.role == Role::Number) {
            seen[word.span] = true;
        }
        has_no_other && seen.iter().all(|seen| *seen)
    }

    /// The numbers of the answers that the sentence is made of.
    pub(crate) fn used(&self) -> Vec<usize> {
        let mut used = Vec::new();
        self.whole.used(&mut used);
        used
    }

    /// Puts the spans of words in place of their characters.
    fn with_spans(&self, items: Vec<Item>) -> Vec<Item> {
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let Item::Prose(text) = item else {
                all.push(item);
                continue;
            };
            let mut at = 0;
            for (i, c) in text.char_indices() {
                if let Some(number) = mask::number(c) {
                    push(&mut all, &text[at..i]);
                    match &self.words[number].localised.written {
                        Some(written) => push(&mut all, written),
                        None => all.push(Item::Span(self.words[number].span)),
                    }
                    at = i + c.len_utf8();
                }
            }
            push(&mut all, &text[at..]);
        }
        all
    }
}

/// Adds prose to items.
fn push(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        _ if text.is_empty() => {}
        Some(Item::Prose(last)) => last.push_str(text),
        _ => items.push(Item::Prose(text.to_owned())),
    }
}

/// Adds prose to the text of a part, with one space for any white space: no-break spaces and several
/// spaces are layout of the source, which models have hardly read.
fn push_prose(text: &mut String, prose: &str) {
    for c in prose.chars() {
        match c {
            '\u{ad}' => {} // says where a word of the source may be cut
            c if c.is_whitespace() && text.ends_with(' ') => {}
            c if c.is_whitespace() => text.push(' '),
            c => text.push(c),
        }
    }
}
