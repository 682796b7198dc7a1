//! A document: its texts.

use dragoman_text::html;

use crate::{
    Error, Kind, Result, Segmented, Settings,
    content::{Container, Text},
    encoding::decode,
    formats,
    package::Package,
    part::Part,
    pdf, signature,
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
    /// The language to translate into.
    target: String,
    /// What kind of document it is.
    kind: Kind,
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
        signature::check(kind, &bytes)?;
        let document = match kind {
            Kind::Pdf => {
                let output = settings.output.unwrap_or(Kind::Docx);
                let bytes = pdf::converted(bytes, output, limits)?;
                return Self::read_kind(output, bytes, settings);
            }
            Kind::Docx => Self::package(kind, formats::docx::read, bytes, settings),
            Kind::Pptx => Self::package(kind, formats::pptx::read, bytes, settings),
            Kind::Xlsx => Self::package(kind, formats::xlsx::read, bytes, settings),
            Kind::OpenDocument => Self::package(kind, formats::odf::read, bytes, settings),
            Kind::Epub => Self::package(kind, formats::epub::read, bytes, settings),
            _ => Self::file(kind, &bytes, settings),
        }?;
        let document = Self { target: settings.target.clone(), kind, ..document };
        let chars: usize = document.texts.iter().map(|(_, text)| text.chars()).sum();
        match chars > limits.chars {
            true => Err(Error::TooLarge { what: "characters of text", limit: limits.chars }),
            false => Ok(document),
        }
    }

    fn of(container: Container, texts: Vec<(String, Text)>) -> Self {
        Self { container, texts, target: String::new(), kind: Kind::Text }
    }

    fn package(
        kind: Kind,
        read: fn(&Package) -> Result<formats::Members>,
        bytes: Vec<u8>,
        settings: &Settings,
    ) -> Result<Self> {
        let package = Package::open(bytes, kind.name(), &settings.limits)?;
        signature::check_package(kind, &package)?;
        let members = read(&package)?;
        package.check()?; // what is encrypted is no whole member either, and was found before
        if members.is_empty() {
            return Err(Error::broken(kind.name(), "there is no document in its package"));
        }
        let texts = members.into_iter().map(|(name, part)| (name, Text::Blocks(part))).collect();
        Ok(Self::of(Container::Package(package), texts))
    }

    fn file(kind: Kind, bytes: &[u8], settings: &Settings) -> Result<Self> {
        let (source, charset) = decode(kind, bytes)?;
        let blocks =
            |read: fn(&str, &Settings) -> Result<Part>| read(&source, settings).map(Text::Blocks);
        let text = match kind {
            Kind::Text => Text::Plain(source),
            Kind::Markdown => Text::Markdown(source),
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
            Kind::Docx | Kind::Pptx | Kind::Xlsx | Kind::OpenDocument | Kind::Epub | Kind::Pdf => {
                unreachable!("packages and PDF are read elsewhere")
            }
        };
        Ok(Self::of(Container::File(charset), vec![(String::new(), text)]))
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
                Text::Plain(text) | Text::Markdown(text) => {
                    sample.extend(text.chars().take(SAMPLE));
                }
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
        Segmented::new(self.container, self.texts, language, (&self.target, self.kind))
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
            Self::Pdf => "PDF",
        }
    }
}
