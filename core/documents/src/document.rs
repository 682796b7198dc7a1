//! A document: its texts, its sentences, and the same document in another language.

use dragoman_text::{Rewritten, Sentence, html, html::HtmlDocument, plain::PlainText};

use crate::{
    Error, Kind, Result, Settings,
    encoding::{Charset, decode},
    find::Found,
    formats,
    package::Package,
    part::Part,
    xml::Xml,
};

/// Characters of a document that are enough to guess its language.
const SAMPLE: usize = 10_000;

/// A document that was read, before its sentences are looked for.
#[derive(Debug)]
pub struct Document {
    container: Container,
    /// The texts; for a package, of the members with these names.
    texts: Vec<(String, Text)>,
}

/// What the texts stand in.
#[derive(Debug)]
enum Container {
    File(Charset),
    Package(Package),
}

/// A text of a document.
#[derive(Debug)]
enum Text {
    Blocks(Part),
    Plain(String),
    Html(String),
}

impl Document {
    /// Reads the document called `name`; the name only says what kind it is.
    ///
    /// # Errors
    /// Fails when the kind is not known, when the bytes are not of that kind, are encrypted or
    /// broken, and when they hold more than the limits of `settings` allow.
    pub fn read(name: &str, bytes: Vec<u8>, settings: &Settings) -> Result<Self> {
        Self::read_kind(Kind::of(name)?, bytes, settings)
    }

    /// Reads a document of `kind`.
    pub fn read_kind(kind: Kind, bytes: Vec<u8>, settings: &Settings) -> Result<Self> {
        let limits = &settings.limits;
        if bytes.len() > limits.unpacked {
            return Err(Error::TooLarge { what: "bytes", limit: limits.unpacked });
        }
        let document = match kind {
            Kind::Docx => Self::package("Word", formats::docx::read, bytes, settings),
            Kind::Pptx => Self::package("PowerPoint", formats::pptx::read, bytes, settings),
            Kind::Xlsx => Self::package("Excel", formats::xlsx::read, bytes, settings),
            Kind::OpenDocument => {
                Self::package("OpenDocument", formats::odf::read, bytes, settings)
            }
            Kind::Epub => Self::package("EPUB", formats::epub::read, bytes, settings),
            _ => Self::file(kind, &bytes, settings),
        }?;
        let chars: usize = document.texts.iter().map(|(_, text)| text.chars()).sum();
        match chars > limits.chars {
            true => Err(Error::TooLarge { what: "characters of text", limit: limits.chars }),
            false => Ok(document),
        }
    }

    fn package(
        format: &'static str,
        read: fn(&Package) -> Result<formats::Members>,
        bytes: Vec<u8>,
        settings: &Settings,
    ) -> Result<Self> {
        let package = Package::open(bytes, format, &settings.limits)?;
        let members = read(&package)?;
        if members.is_empty() {
            return Err(Error::broken(format, "there is no document in its package"));
        }
        let texts = members.into_iter().map(|(name, part)| (name, Text::Blocks(part))).collect();
        Ok(Self { container: Container::Package(package), texts })
    }

    fn file(kind: Kind, bytes: &[u8], settings: &Settings) -> Result<Self> {
        let (source, charset) = decode(bytes, kind.name())?;
        let blocks =
            |read: fn(&str, &Settings) -> Result<Part>| read(&source, settings).map(Text::Blocks);
        let text = match kind {
            Kind::Text | Kind::Markdown => Text::Plain(source),
            Kind::Html => Text::Html(source),
            Kind::SubRip | Kind::WebVtt => blocks(formats::subtitles::read)?,
            Kind::Ass => blocks(formats::subtitles::read_ass)?,
            Kind::Csv => Text::Blocks(formats::csv::read(&source, settings, None)?),
            Kind::Tsv => Text::Blocks(formats::csv::read(&source, settings, Some(b'\t'))?),
            Kind::Json => blocks(formats::json::read)?,
            Kind::Yaml => blocks(formats::yaml::read)?,
            Kind::Gettext => blocks(formats::po::read)?,
            Kind::Xliff => blocks(formats::xliff::read)?,
            Kind::Tmx => blocks(formats::tmx::read)?,
            Kind::Android => blocks(formats::android::read)?,
            Kind::AppleStrings => blocks(formats::strings::read)?,
            Kind::AppleStringsDict => blocks(formats::resx::read_stringsdict)?,
            Kind::Resx => blocks(formats::resx::read)?,
            Kind::Fluent => blocks(formats::fluent::read)?,
            Kind::Properties => blocks(formats::properties::read)?,
            Kind::FlatOpenDocument => {
                let xml = Xml::read(&source, kind.name(), &settings.limits)?;
                Text::Blocks(formats::odf::part(&xml))
            }
            Kind::Docx | Kind::Pptx | Kind::Xlsx | Kind::OpenDocument | Kind::Epub => {
                unreachable!("packages are read elsewhere")
            }
        };
        Ok(Self { container: Container::File(charset), texts: vec![(String::new(), text)] })
    }

    /// Some of its text, for guessing its language.
    pub fn sample(&self) -> String {
        let mut sample = String::new();
        for (_, text) in &self.texts {
            match text {
                Text::Blocks(part) => {
                    for block in &part.blocks {
                        sample.push_str(&block.text);
                        sample.push('\n');
                        if sample.len() > SAMPLE {
                            return sample;
                        }
                    }
                }
                Text::Plain(text) => sample.extend(text.chars().take(SAMPLE)),
                Text::Html(text) => sample.extend(html::visible_text(text).chars().take(SAMPLE)),
            }
        }
        sample
    }

    /// Characters of its text, as they are billed.
    pub fn chars(&self) -> usize {
        self.texts.iter().map(|(_, text)| text.chars()).sum()
    }

    /// Finds the sentences of the document, which is in `language`. CPU-bound.
    pub fn segment(self, language: &str) -> Segmented {
        let Self { container, texts } = self;
        let mut sentences = Vec::new();
        let texts = texts
            .into_iter()
            .map(|(name, text)| {
                let text = text.segment(language, &mut sentences);
                (name, text)
            })
            .collect();
        Segmented { container, texts, sentences }
    }
}

impl Kind {
    /// How messages call the kind.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::Docx => "Word",
            Self::Pptx => "PowerPoint",
            Self::Xlsx => "Excel",
            Self::OpenDocument | Self::FlatOpenDocument => "OpenDocument",
            Self::Epub => "EPUB",
            Self::SubRip => "SubRip",
            Self::WebVtt => "WebVTT",
            Self::Ass => "ASS",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Gettext => "PO",
            Self::Xliff => "XLIFF",
            Self::Tmx => "TMX",
            Self::Android => "Android",
            Self::AppleStrings => "strings",
            Self::AppleStringsDict => "stringsdict",
            Self::Resx => "resx",
            Self::Fluent => "Fluent",
            Self::Properties => "properties",
        }
    }
}

/// A document with its sentences.
pub struct Segmented {
    container: Container,
    texts: Vec<(String, SegmentedText)>,
    sentences: Vec<Sentence>,
}

/// A text with its sentences.
enum SegmentedText {
    Blocks { part: Part, found: Vec<Vec<Found>>, count: usize },
    Whole(Box<dyn dragoman_text::Document + Sync>),
}

impl Text {
    fn chars(&self) -> usize {
        match self {
            Self::Blocks(part) => part.blocks.iter().map(|b| b.text.chars().count()).sum(),
            Self::Plain(text) => text.chars().count(),
            Self::Html(text) => html::visible_text(text).chars().count(),
        }
    }

    /// Adds the sentences of the text to `sentences`.
    fn segment(self, language: &str, sentences: &mut Vec<Sentence>) -> SegmentedText {
        let whole = |document: Box<dyn dragoman_text::Document + Sync>| document;
        let document = match self {
            Self::Blocks(part) => {
                let found = part.find(language);
                let own = found.iter().flatten().map(|found| found.sentence.clone());
                let before = sentences.len();
                sentences.extend(own);
                let count = sentences.len() - before;
                return SegmentedText::Blocks { part, found, count };
            }
            Self::Plain(text) => whole(Box::new(PlainText::parse(&text, language))),
            Self::Html(text) => whole(Box::new(HtmlDocument::parse(&text, language, false))),
        };
        sentences.extend(document.sentences().iter().cloned());
        SegmentedText::Whole(document)
    }
}

impl Segmented {
    /// The sentences to translate, in the order of the document.
    pub fn sentences(&self) -> &[Sentence] {
        &self.sentences
    }

    /// The document with `rewritten` in place of its sentences, one for each. CPU-bound.
    ///
    /// # Errors
    /// Fails when the result is larger than its format can be.
    ///
    /// # Panics
    /// Panics when there are fewer of `rewritten` than sentences.
    pub fn write(&self, mut rewritten: &[Rewritten]) -> Result<Vec<u8>> {
        let mut written = Vec::with_capacity(self.texts.len());
        for (name, text) in &self.texts {
            let count = match text {
                SegmentedText::Blocks { count, .. } => *count,
                SegmentedText::Whole(document) => document.sentences().len(),
            };
            let (own, others) = rewritten.split_at(count);
            rewritten = others;
            let text = match text {
                SegmentedText::Blocks { part, found, .. } => part.write(found, own),
                SegmentedText::Whole(document) => document.write(&own.iter().collect::<Vec<_>>()),
            };
            written.push((name.as_str(), text));
        }
        match &self.container {
            Container::File(charset) => {
                let text = written.first().map_or("", |(_, text)| text);
                Ok(charset.encode(text))
            }
            Container::Package(package) => {
                let is_changed = |name: &str, text: &str| {
                    let own = self.texts.iter().find(|(own, _)| own == name);
                    !matches!(own, Some((_, SegmentedText::Blocks { part, .. })) if part.source == text)
                };
                written.retain(|(name, text)| is_changed(name, text));
                package.with(&written)
            }
        }
    }
}

impl std::fmt::Debug for Segmented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segmented")
            .field("sentences", &self.sentences.len())
            .finish_non_exhaustive()
    }
}
