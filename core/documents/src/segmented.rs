//! A document with its sentences, and the same document in another language.

use dragoman_text::{
    Rewritten, Sentence, html::HtmlDocument, markdown::Markdown, plain::PlainText,
};

use crate::{
    Kind, Result,
    content::{Container, Text},
    find::{Found, whole},
    labels::relabelled,
    package::Package,
    part::Part,
    recall::place,
    write::is_changed,
};

/// A document with its sentences.
pub struct Segmented {
    container: Container,
    texts: Vec<(String, SegmentedText)>,
    language: String,
    /// The language to translate into.
    target: String,
    /// What kind of document it is.
    kind: Kind,
    /// The sentences that are not known yet.
    open: Vec<Sentence>,
    /// What became of each sentence; nothing of those that are open.
    known: Vec<Option<Rewritten>>,
}

/// A text with its sentences.
enum SegmentedText {
    Blocks(Blocks),
    Whole(Box<dyn dragoman_text::Document + Sync>),
}

/// A text of blocks with their sentences.
struct Blocks {
    part: Part,
    found: Vec<Vec<Found>>,
    /// Whether each block is a translation that a person accepted.
    confirmed: Vec<bool>,
}

impl Segmented {
    /// Finds the sentences of texts in `language`. CPU-bound.
    pub(crate) fn new(
        container: Container,
        texts: Vec<(String, Text)>,
        language: &str,
        (target, kind): (&str, Kind),
    ) -> Self {
        let whole = |document| SegmentedText::Whole(document);
        let segment = |text| match text {
            Text::Blocks(part) => {
                let found = part.find(language);
                let confirmed = vec![false; found.len()];
                SegmentedText::Blocks(Blocks { part, found, confirmed })
            }
            Text::Plain(text) => whole(Box::new(PlainText::parse(&text, language))),
            Text::Markdown(text) => whole(Box::new(Markdown::parse(&text, language))),
            Text::Html(text) => whole(Box::new(HtmlDocument::parse(&text, language, true))),
        };
        let texts: Vec<(String, SegmentedText)> =
            texts.into_iter().map(|(name, text)| (name, segment(text))).collect();
        let open: Vec<Sentence> = texts
            .iter()
            .flat_map(|(_, text)| text.sentences().cloned().collect::<Vec<_>>())
            .collect();
        let known = vec![None; open.len()];
        let (language, target) = (language.to_owned(), target.to_owned());
        Self { container, texts, language, target, kind, open, known }
    }

    /// The sentences to translate, in the order of the document.
    pub fn sentences(&self) -> &[Sentence] {
        &self.open
    }

    /// Asks `find` for translations that people accepted before, and says how many sentences have one:
    /// [`sentences`](Self::sentences) has only the others from then on.
    ///
    /// A unit is looked for as a whole, such as a message or a paragraph, and then each of its
    /// sentences. A translation that lacks a placeholder of its source is not used, and neither is
    /// one for a text with markup within.
    ///
    /// # Errors
    /// Fails when `find` fails.
    pub fn recall<E>(
        &mut self,
        mut find: impl FnMut(&str) -> Result<Option<String>, E>,
    ) -> Result<usize, E> {
        let mut recall = |sentence: &Sentence| -> Result<Option<Rewritten>, E> {
            let found = find(&sentence.text)?;
            Ok(found.and_then(|text| place(sentence, &text, &self.target)).map(Rewritten::Items))
        };
        let before = self.open.len();
        self.open.clear();
        self.known.clear();
        let (mut open, mut known) = (Vec::new(), Vec::new());
        for (_, text) in &mut self.texts {
            if let SegmentedText::Blocks(blocks) = text {
                blocks
                    .recall(&self.language, &mut recall)?
                    .into_iter()
                    .for_each(|one| known.push(one));
            } else {
                for sentence in text.sentences() {
                    known.push(recall(sentence)?);
                }
            }
        }
        let sentences = self.texts.iter().flat_map(|(_, text)| text.sentences());
        open.extend(
            sentences.zip(&known).filter(|(_, known)| known.is_none()).map(|(s, _)| s.clone()),
        );
        let recalled = before.saturating_sub(open.len());
        (self.open, self.known) = (open, known);
        Ok(recalled)
    }

    /// The document with `rewritten` in place of its [`sentences`](Self::sentences), one for each.
    /// CPU-bound.
    ///
    /// # Errors
    /// Fails when the result is larger than its format can be.
    ///
    /// # Panics
    /// Panics when there are fewer of `rewritten` than sentences.
    pub fn write(&self, rewritten: &[Rewritten]) -> Result<Vec<u8>> {
        assert_eq!(rewritten.len(), self.open.len(), "a translation for every sentence");
        let mut open = rewritten.iter();
        let all = self.known.iter().map(|known| known.as_ref().or_else(|| open.next()));
        let all: Vec<Rewritten> =
            all.map(|one| one.cloned().expect("as many as sentences")).collect();
        let sentences = self.texts.iter().flat_map(|(_, text)| text.sentences());
        let is_changed = sentences.zip(&all).any(|(sentence, one)| is_changed(sentence, one));
        let mut rest = all.as_slice();
        let mut written = Vec::with_capacity(self.texts.len());
        for (name, text) in &self.texts {
            let (own, others) = rest.split_at(text.sentences().count());
            rest = others;
            let mut text = text.write(own);
            if is_changed {
                let languages = (self.language.as_str(), self.target.as_str());
                text = relabelled(self.kind, &text, languages).unwrap_or(text);
            }
            written.push((name.as_str(), text));
        }
        match &self.container {
            Container::File(charset) => {
                let text = written.first().map_or("", |(_, text)| text);
                Ok(charset.encode(text))
            }
            Container::Package(package) => self.write_package(package, written),
        }
    }

    /// The package with those of the texts that changed.
    fn write_package(&self, package: &Package, written: Vec<(&str, String)>) -> Result<Vec<u8>> {
        let is_changed = |own: &SegmentedText, text: &str| !matches!(own, SegmentedText::Blocks(blocks) if blocks.part.source == text);
        let pairs = self.texts.iter().zip(written);
        let changed = pairs.filter(|((_, own), (_, text))| is_changed(own, text));
        package.with(&changed.map(|(_, written)| written).collect::<Vec<_>>())
    }
}

impl SegmentedText {
    fn sentences(&self) -> Box<dyn Iterator<Item = &Sentence> + '_> {
        match self {
            Self::Blocks(blocks) => {
                Box::new(blocks.found.iter().flatten().map(|found| &found.sentence))
            }
            Self::Whole(document) => Box::new(document.sentences().iter()),
        }
    }

    fn write(&self, rewritten: &[Rewritten]) -> String {
        match self {
            Self::Blocks(Blocks { part, found, confirmed }) => {
                part.write(found, rewritten, confirmed)
            }
            Self::Whole(document) => document.write(&rewritten.iter().collect::<Vec<_>>()),
        }
    }
}

impl Blocks {
    /// What is known of each sentence; a block that is known as a whole becomes one sentence.
    fn recall<E>(
        &mut self,
        language: &str,
        recall: &mut impl FnMut(&Sentence) -> Result<Option<Rewritten>, E>,
    ) -> Result<Vec<Option<Rewritten>>, E> {
        let mut known = Vec::new();
        let scripts = self.part.markup.scripts();
        for (number, block) in self.part.blocks.iter().enumerate() {
            let whole = whole(block, &scripts, language);
            let found = whole.as_ref().map(|whole| recall(&whole.sentence)).transpose()?.flatten();
            if let (Some(whole), Some(found)) = (whole, found) {
                self.found[number] = vec![whole];
                self.confirmed[number] = true;
                known.push(Some(found));
                continue;
            }
            for found in &self.found[number] {
                known.push(recall(&found.sentence)?);
            }
        }
        Ok(known)
    }
}

impl std::fmt::Debug for Segmented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segmented").field("sentences", &self.open.len()).finish_non_exhaustive()
    }
}
