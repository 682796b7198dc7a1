//! Takes a document through a model, round by round.

use crate::{
    alternatives::is_worth,
    carry::Answer,
    document::{Document, Rewritten},
    glossed::Ask,
    html::HtmlDocument,
    options::{Format, Options},
    passage::Passage,
    plain::PlainText,
    sentence::Sentence,
    split::has_letters,
    xml,
};

/// One document on its way through a model.
///
/// [`segments`](Self::segments) says what to ask, [`accept`](Self::accept) takes the answers, and
/// both are called in turn until there is nothing to ask. Several sessions can share the batches
/// of each round.
pub struct Session {
    document: Box<dyn Document>,
    passages: Vec<Passage>,
    options: Options,
    /// Segments that were asked in earlier rounds.
    asked: usize,
}

/// A translated document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The document in the target language, and then other ways to say it, best first.
    pub texts: Vec<String>,
    /// The segments whose answers are in the document, numbered over all rounds.
    pub used: Vec<usize>,
}

impl Session {
    /// Reads `text`, which is in `options.source`.
    ///
    /// A text without letters, and one that is in the target language, has nothing to translate.
    pub fn new(text: &str, options: &Options) -> Self {
        if options.source == options.target || !has_letters(text) {
            return Self::of(Box::new(Kept(text.to_owned())), options);
        }
        match options.format {
            Format::Text => Self::of(Box::new(PlainText::with(text, options)), options),
            Format::Html => Self::of(Box::new(HtmlDocument::with(text, options)), options),
            Format::Xml => Self::of(Box::new(xml::document(text, options)), options),
        }
    }

    /// Starts with a document of any format.
    pub fn of(document: Box<dyn Document>, options: &Options) -> Self {
        let passages = document.sentences().iter().map(|s| Passage::new(s, options)).collect();
        Self { document, passages, options: options.clone(), asked: 0 }
    }

    /// Starts with sentences of a document that is elsewhere: [`rewritten`](Self::rewritten) says
    /// what became of them.
    pub fn of_sentences(sentences: &[Sentence], options: &Options) -> Self {
        let passages = sentences.iter().map(|s| Passage::new(s, options)).collect();
        let document = Box::new(Kept(String::new()));
        Self { document, passages, options: options.clone(), asked: 0 }
    }

    /// What became of each sentence by the best hypotheses.
    pub fn rewritten(&self) -> Vec<Rewritten> {
        self.passages.iter().map(|passage| passage.rewritten(0)).collect()
    }

    /// Whether the document has nothing to translate.
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// What to ask the model next; empty when the document can be written.
    ///
    /// A model that can prefer terms is asked by [`asks`](Self::asks).
    pub fn segments(&self) -> Vec<String> {
        self.asks().into_iter().map(|ask| ask.text).collect()
    }

    /// As [`segments`](Self::segments), with the terms that each is to use.
    pub fn asks(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        for passage in &self.passages {
            passage.ask(&self.options, &mut asks);
        }
        asks
    }

    /// Takes the hypotheses for each of [`segments`](Self::segments), best first.
    ///
    /// # Panics
    /// Panics when there are fewer answers than segments.
    pub fn accept<H: AsRef<[String]>>(&mut self, answers: &[H]) {
        let mut numbered = answers.iter().enumerate();
        let first = self.asked;
        let mut next = || {
            let (i, answer) = numbered.next().expect("an answer for every segment");
            Answer { number: first + i, hypotheses: answer.as_ref() }
        };
        for passage in &mut self.passages {
            passage.accept(&self.options, &mut next);
        }
        self.asked += answers.len();
    }

    /// Writes the document, with up to `alternatives` other ways to say it.
    pub fn finish(self, alternatives: usize) -> Finished {
        let write = |rank: usize| {
            let sentences: Vec<Rewritten> =
                self.passages.iter().map(|passage| passage.rewritten(rank)).collect();
            self.document.write(&sentences.iter().collect::<Vec<_>>())
        };
        let mut texts = vec![write(0)];
        let alternatives = if self.document.has_alternatives() { alternatives } else { 0 };
        for rank in 1..=alternatives {
            let other = write(rank);
            if is_worth(&other, &texts) {
                texts.push(other);
            }
        }
        let used = self.passages.iter().flat_map(Passage::used).collect();
        Finished { texts, used }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("sentences", &self.passages.len()).finish_non_exhaustive()
    }
}

/// A document that is not translated.
struct Kept(String);

impl Document for Kept {
    fn sentences(&self) -> &[Sentence] {
        &[]
    }

    fn write(&self, _: &[&Rewritten]) -> String {
        self.0.clone()
    }
}
