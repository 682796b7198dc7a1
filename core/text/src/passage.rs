//! A sentence on its way, whole or in parts.
//!
//! Two kinds of text make a model loop although each word of them is simple: one that says the same
//! again and again, and a long one without punctuation. Of the first it is asked what is repeated, and
//! that is written as often; the second is cut in two, before a clause or when nothing good came back for
//! the whole. A label in capitals is asked by itself, and a short text with a capital that came back as it
//! was a second time without it.

mod cuts;

use self::cuts::{MIN_WORDS, behind_label, between_clauses, middle, period};
use crate::{
    capitals::{capitalised, in_small_letters},
    carry::{Answer, repeats},
    document::{Item, Rewritten},
    glossed::{Ask, TermCarrier},
    letters::has_unspaced,
    options::Options,
    sentence::Sentence,
};

/// Cuts within cuts at most.
const MAX_CUTS: usize = 3;

/// A sentence on its way.
#[derive(Debug)]
pub(crate) enum Passage {
    /// As it is.
    Whole { carrier: Box<TermCarrier>, other: Other, cuts: usize },
    /// With small letters in place of its capital, or of all of them.
    Small { words: Box<Passage>, is_loud: bool },
    /// The same words so many times in a row, and the words before the last of them is complete.
    Repeated { words: Box<Passage>, times: usize, rest: Option<Box<Passage>>, has_capital: bool },
    /// Two parts.
    Cut(Vec<Passage>),
}

/// What is asked when nothing good came back for a sentence.
#[derive(Debug)]
pub(crate) enum Other {
    None,
    /// The halves of this text.
    Halves(String),
    /// This text.
    Small(String),
}

impl Passage {
    /// Prepares `sentence` for its way.
    pub(crate) fn new(sentence: &Sentence, options: &Options) -> Self {
        match sentence.spans.is_empty() {
            true => Self::of_text(&sentence.text, options, 0),
            false => Self::whole(sentence, options, Other::None, 0),
        }
    }

    fn of_text(text: &str, options: &Options, cuts: usize) -> Self {
        let sentence = |text: &str| Sentence { text: text.to_owned(), spans: Vec::new() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(period) = period(&words) else {
            let label = behind_label(text, &options.source);
            let place = label.or_else(|| between_clauses(text, &options.source));
            if let Some(at) = place.filter(|_| cuts < MAX_CUTS) {
                return Self::cut(text, at, options, cuts + 1);
            }
            let other = match in_small_letters(text, &options.source) {
                Some(small) => Other::Small(small),
                None if words.len() < MIN_WORDS => Other::None,
                None => Other::Halves(text.to_owned()),
            };
            return Self::whole(&sentence(text), options, other, cuts);
        };
        // The first of them may have a capital, and the last a full stop.
        let part = |words: &[&str]| {
            let text = sentence(&words.join(" "));
            Box::new(Self::whole(&text, options, Other::None, 0))
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

    fn whole(sentence: &Sentence, options: &Options, other: Other, cuts: usize) -> Self {
        let carrier = Box::new(TermCarrier::new(sentence, options));
        Self::Whole { carrier, other, cuts }
    }

    /// The two parts of `text` around the space at `at`.
    fn cut(text: &str, at: usize, options: &Options, cuts: usize) -> Self {
        let part = |text: &str| Self::of_text(text, options, cuts);
        Self::Cut(vec![part(text[..at].trim_end()), part(text[at..].trim_start())])
    }

    /// Adds what to ask the model next.
    pub(crate) fn ask(&self, options: &Options, asks: &mut Vec<Ask>) {
        match self {
            Self::Whole { carrier, .. } => carrier.ask(options, asks),
            Self::Small { words, .. } => words.ask(options, asks),
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
            Self::Whole { carrier, other, cuts } => {
                carrier.accept(options, next);
                if !matches!(other, Other::None)
                    && !carrier.is_asking(options)
                    && let Some(other) = other.instead_of(carrier, *cuts, options)
                {
                    *self = other;
                }
            }
            Self::Small { words, .. } => words.accept(options, next),
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
            Self::Small { words, is_loud } => match words.rewritten(rank) {
                Rewritten::Items(items) if *is_loud => {
                    Rewritten::Items(vec![Item::Prose(prose(items).to_uppercase())])
                }
                Rewritten::Items(items) => {
                    Rewritten::Items(vec![Item::Prose(capitalised(&prose(items)))])
                }
                Rewritten::Unchanged => Rewritten::Unchanged,
            },
            Self::Repeated { words, times, rest, has_capital } => {
                let (again, end) = (words.text(rank), rest.as_ref().map(|rest| rest.text(rank)));
                let mut all = vec![again; *times];
                all.extend(end);
                let text = all.join(" ");
                let text = if *has_capital { capitalised(&text) } else { text };
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
            (Rewritten::Unchanged, Self::Small { words, is_loud: true }) => {
                words.text(rank).to_uppercase()
            }
            (Rewritten::Unchanged, Self::Small { words, .. }) => capitalised(&words.text(rank)),
            (Rewritten::Unchanged, _) => String::new(),
        }
    }

    /// The numbers of the answers that the sentence is made of.
    pub(crate) fn used(&self) -> Vec<usize> {
        match self {
            Self::Whole { carrier, .. } => carrier.used(),
            Self::Small { words, .. } => words.used(),
            Self::Repeated { words, rest, .. } => {
                let rest = rest.iter().flat_map(|rest| rest.used());
                words.used().into_iter().chain(rest).collect()
            }
            Self::Cut(parts) => parts.iter().flat_map(Self::used).collect(),
        }
    }
}

impl Other {
    /// What is asked after `carrier`, if that has nothing good.
    fn instead_of(&self, carrier: &TermCarrier, cuts: usize, options: &Options) -> Option<Passage> {
        match self {
            Self::Halves(text) if cuts < MAX_CUTS && is_poor(text, carrier, &options.target) => {
                Some(Passage::cut(text, middle(text)?, options, cuts + 1))
            }
            Self::Small(text) if carrier.rewritten(0) == Rewritten::Unchanged => {
                let sentence = Sentence { text: text.clone(), spans: Vec::new() };
                let small = Passage::whole(&sentence, options, Self::None, cuts);
                let is_loud = !carrier.source().contains(char::is_lowercase);
                Some(Passage::Small { words: Box::new(small), is_loud })
            }
            _ => None,
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
    fn a_short_text_that_came_back_is_asked_in_small_letters() {
        let model = |text: &str| match text {
            "close" => "schließen".to_owned(),
            "open window" => "offenes Fenster".to_owned(),
            text => text.to_owned(),
        };
        assert_eq!(translate("Close", model), "Schließen");
        assert_eq!(translate("CLOSE", model), "SCHLIESSEN");
        assert_eq!(translate("Open window", model), "Offenes Fenster");
        assert_eq!(translate("Open Anna", model), "Open Anna");
        assert_eq!(translate("Cancel", model), "Cancel");
    }

    #[test]
    fn a_label_in_capitals_is_asked_by_itself() {
        let model = |text: &str| match text {
            "important:" => "wichtig:".to_owned(),
            "Read this." => "Lies das.".to_owned(),
            text => text.to_owned(),
        };
        assert_eq!(translate("IMPORTANT: Read this.", model), "WICHTIG: Lies das.");
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
