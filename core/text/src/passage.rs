//! A sentence on its way, whole or in parts.
//!
//! Two kinds of text make a model loop although each word of them is simple: one that says the same
//! again and again, and a long one without punctuation. Of the first it is asked what is repeated, and
//! that is written as often; the second is cut in two when nothing good came back for the whole.

use crate::{
    carry::{Answer, repeats},
    document::{Item, Rewritten},
    glossed::{Ask, TermCarrier},
    letters::has_unspaced,
    options::Options,
    sentence::Sentence,
};

/// Words of a sentence at least that is asked in parts.
const MIN_WORDS: usize = 12;

/// Words that are repeated, at most.
const MAX_PERIOD: usize = 8;

/// How often they stand in a row, at least.
const MIN_TIMES: usize = 4;

/// Cuts within cuts at most.
const MAX_CUTS: usize = 3;

/// A sentence on its way.
#[derive(Debug)]
pub(crate) enum Passage {
    /// As it is; the text is that of a sentence that may be cut, else empty.
    Whole { carrier: Box<TermCarrier>, text: String, cuts: usize },
    /// The same words so many times in a row, and the words before the last of them is complete.
    Repeated { words: Box<Passage>, times: usize, rest: Option<Box<Passage>>, has_capital: bool },
    /// Two halves.
    Cut(Vec<Passage>),
}

impl Passage {
    /// Prepares `sentence` for its way.
    pub(crate) fn new(sentence: &Sentence, options: &Options) -> Self {
        match sentence.spans.is_empty() {
            true => Self::of_text(&sentence.text, options, 0),
            false => Self::whole(sentence, options, String::new(), 0),
        }
    }

    fn of_text(text: &str, options: &Options, cuts: usize) -> Self {
        let sentence = |text: &str| Sentence { text: text.to_owned(), spans: Vec::new() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(period) = period(&words) else {
            let cuttable = if words.len() < MIN_WORDS { String::new() } else { text.to_owned() };
            return Self::whole(&sentence(text), options, cuttable, cuts);
        };
        // The first of them may have a capital, and the last a full stop.
        let part = |words: &[&str]| {
            let text = sentence(&words.join(" "));
            Box::new(Self::whole(&text, options, String::new(), 0))
        };
        let times = words.len() / period;
        let rest = &words[times * period..];
        let is_ended = rest.is_empty() && words[words.len() - 1] != words[period - 1];
        let (times, rest) = match is_ended {
            true => (times - 1, &words[(times - 1) * period..]),
            false => (times, rest),
        };
        Self::Repeated {
            words: part(&words[period..2 * period]),
            times,
            rest: (!rest.is_empty()).then(|| part(rest)),
            has_capital: words[0] != words[period],
        }
    }

    fn whole(sentence: &Sentence, options: &Options, text: String, cuts: usize) -> Self {
        let carrier = Box::new(TermCarrier::new(sentence, options));
        Self::Whole { carrier, text, cuts }
    }

    /// Adds what to ask the model next.
    pub(crate) fn ask(&self, options: &Options, asks: &mut Vec<Ask>) {
        match self {
            Self::Whole { carrier, .. } => carrier.ask(options, asks),
            Self::Repeated { words, rest, .. } => {
                words.ask(options, asks);
                rest.iter().for_each(|rest| rest.ask(options, asks));
            }
            Self::Cut(parts) => parts.iter().for_each(|part| part.ask(options, asks)),
        }
    }

    /// Takes what the model answered, each with its number.
    pub(crate) fn accept<'a>(&mut self, options: &Options, next: &mut impl FnMut() -> Answer<'a>) {
        match self {
            Self::Whole { carrier, text, cuts } => {
                carrier.accept(options, next);
                let mut asks = Vec::new();
                carrier.ask(options, &mut asks);
                if asks.is_empty()
                    && *cuts < MAX_CUTS
                    && !text.is_empty()
                    && is_poor(text, carrier, &options.target)
                    && let Some(at) = middle(text)
                {
                    let (first, second) = (&text[..at], &text[at + 1..]);
                    let half = |text: &str| Self::of_text(text, options, *cuts + 1);
                    *self = Self::Cut(vec![half(first), half(second)]);
                }
            }
            Self::Repeated { words, rest, .. } => {
                words.accept(options, next);
                rest.iter_mut().for_each(|rest| rest.accept(options, next));
            }
            Self::Cut(parts) => parts.iter_mut().for_each(|part| part.accept(options, next)),
        }
    }

    /// The sentence by the hypothesis at `rank`, else by the best.
    pub(crate) fn rewritten(&self, rank: usize) -> Rewritten {
        match self {
            Self::Whole { carrier, .. } => carrier.rewritten(rank),
            Self::Repeated { words, times, rest, has_capital } => {
                let (again, end) = (words.text(rank), rest.as_ref().map(|rest| rest.text(rank)));
                let mut all = vec![again; *times];
                all.extend(end);
                let text = all.join(" ");
                let text = if *has_capital { crate::capitals::capitalised(&text) } else { text };
                Rewritten::Items(vec![Item::Prose(text)])
            }
            Self::Cut(parts) => {
                let texts: Vec<String> = parts.iter().map(|part| part.text(rank)).collect();
                Rewritten::Items(vec![Item::Prose(texts.join(" "))])
            }
        }
    }

    /// The text of a part, which has no spans.
    fn text(&self, rank: usize) -> String {
        match (self.rewritten(rank), self) {
            (Rewritten::Items(items), _) => prose(items),
            (Rewritten::Unchanged, Self::Whole { carrier, .. }) => carrier.source().to_owned(),
            (Rewritten::Unchanged, _) => String::new(),
        }
    }

    /// The numbers of the answers that the sentence is made of.
    pub(crate) fn used(&self) -> Vec<usize> {
        match self {
            Self::Whole { carrier, .. } => carrier.used(),
            Self::Repeated { words, rest, .. } => {
                let rest = rest.iter().flat_map(|rest| rest.used());
                words.used().into_iter().chain(rest).collect()
            }
            Self::Cut(parts) => parts.iter().flat_map(Self::used).collect(),
        }
    }
}

fn prose(items: Vec<Item>) -> String {
    let text = |item| match item {
        Item::Prose(text) => Some(text),
        Item::Span(_) => None,
    };
    items.into_iter().filter_map(text).collect()
}

/// How many words repeat, if a text is nothing but these words again and again.
fn period(words: &[&str]) -> Option<usize> {
    if words.len() < MIN_WORDS {
        return None;
    }
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let last = lower.len() - 1;
    let is_same = |i: usize, j: usize| match i == last {
        true => lower[i].trim_end_matches(['.', '!', '?', '…']) == lower[j],
        false => lower[i] == lower[j],
    };
    (1..=MAX_PERIOD).find(|&period| {
        words.len() >= MIN_TIMES * period && (period..words.len()).all(|i| is_same(i, i - period))
    })
}

/// Whether little or nothing of a long text was translated, or the same words again and again.
fn is_poor(source: &str, carrier: &TermCarrier, target: &str) -> bool {
    let Rewritten::Items(items) = carrier.rewritten(0) else {
        // No answer was good, or the model says that nothing is to be translated.
        return carrier.used().is_empty();
    };
    let text = prose(items);
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
    let is_short = !has_unspaced(target) && 2 * letters(&text) < letters(source);
    is_short || repeats(source, &text)
}

/// The space nearest to the middle of a text.
fn middle(text: &str) -> Option<usize> {
    text.match_indices(' ').map(|(at, _)| at).min_by_key(|at| at.abs_diff(text.len() / 2))
}

#[cfg(test)]
mod tests {
    use crate::{Options, Session};

    fn translate(text: &str, model: impl Fn(&str) -> String) -> String {
        let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
        let mut session = Session::new(text, &options);
        for _ in 0..20 {
            let segments = session.segments();
            let answers: Vec<[String; 1]> = segments.iter().map(|text| [model(text)]).collect();
            session.accept(&answers);
        }
        assert!(session.segments().is_empty(), "it comes to an end");
        session.finish(0).texts.swap_remove(0)
    }

    /// Translates up to a dozen words, and loops with more.
    fn short_sighted(text: &str) -> String {
        match text.split_whitespace().count() {
            0..=12 => text.replace("no", "nein").replace("apple house", "Apfel Haus"),
            _ => "nein, das ist es ".repeat(30),
        }
    }

    #[test]
    fn words_again_and_again_are_asked_once() {
        assert_eq!(translate(&"no ".repeat(30), short_sighted).trim(), "nein ".repeat(30).trim());
        let text = translate("No no no no no no no no no no no no no no.", short_sighted);
        assert_eq!(text, format!("N{}.", &"nein ".repeat(14).trim()[1..]));
        let text = translate(&"apple house ".repeat(20), short_sighted);
        assert_eq!(text.trim(), "Apfel Haus ".repeat(20).trim());
    }

    #[test]
    fn a_long_text_without_marks_is_cut_where_the_model_loops() {
        let words = ["we", "say", "no", "and", "they", "wait", "for", "him", "but"];
        let text: Vec<&str> = (0..40).map(|i| words[i * i % 7 + i % 3]).collect();
        let text = text.join(" ");
        let translated = translate(&text, short_sighted);
        assert_eq!(translated, text.replace("no", "nein"));
    }

    #[test]
    fn other_texts_are_asked_as_they_are() {
        for text in
            ["no no no", "One sentence that has a good number of words in it and says nothing new."]
        {
            let options =
                Options { source: "en".into(), target: "de".into(), ..Options::default() };
            assert_eq!(Session::new(text, &options).segments(), [text]);
        }
    }
}
