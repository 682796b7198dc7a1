//! The kinds of documents, told by the endings of their names.

use crate::{Error, Result};

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Text,
    Markdown,
    Html,
    Docx,
    Pptx,
    Xlsx,
    OpenDocument,
    FlatOpenDocument,
    Epub,
    SubRip,
    WebVtt,
    Ass,
    Csv,
    Tsv,
    Json,
    Yaml,
    Gettext,
    Xliff,
    Tmx,
    Android,
    AppleStrings,
    AppleStringsDict,
    Resx,
    Fluent,
    Properties,
    Pdf,
}

/// The endings of names, each with its kind; the first of a kind is the usual one.
const ENDINGS: &[(&str, Kind)] = &[
    ("txt", Kind::Text),
    ("text", Kind::Text),
    ("md", Kind::Markdown),
    ("markdown", Kind::Markdown),
    ("html", Kind::Html),
    ("htm", Kind::Html),
    ("docx", Kind::Docx),
    ("docm", Kind::Docx),
    ("dotx", Kind::Docx),
    ("dotm", Kind::Docx),
    ("pptx", Kind::Pptx),
    ("pptm", Kind::Pptx),
    ("ppsx", Kind::Pptx),
    ("potx", Kind::Pptx),
    ("xlsx", Kind::Xlsx),
    ("xlsm", Kind::Xlsx),
    ("xltx", Kind::Xlsx),
    ("odt", Kind::OpenDocument),
    ("ott", Kind::OpenDocument),
    ("odp", Kind::OpenDocument),
    ("otp", Kind::OpenDocument),
    ("ods", Kind::OpenDocument),
    ("ots", Kind::OpenDocument),
    ("fodt", Kind::FlatOpenDocument),
    ("fodp", Kind::FlatOpenDocument),
    ("fods", Kind::FlatOpenDocument),
    ("epub", Kind::Epub),
    ("srt", Kind::SubRip),
    ("vtt", Kind::WebVtt),
    ("ass", Kind::Ass),
    ("ssa", Kind::Ass),
    ("csv", Kind::Csv),
    ("tsv", Kind::Tsv),
    ("json", Kind::Json),
    ("arb", Kind::Json),
    ("yaml", Kind::Yaml),
    ("yml", Kind::Yaml),
    ("po", Kind::Gettext),
    ("pot", Kind::Gettext),
    ("xliff", Kind::Xliff),
    ("xlf", Kind::Xliff),
    ("tmx", Kind::Tmx),
    ("xml", Kind::Android),
    ("strings", Kind::AppleStrings),
    ("stringsdict", Kind::AppleStringsDict),
    ("resx", Kind::Resx),
    ("ftl", Kind::Fluent),
    ("properties", Kind::Properties),
    ("pdf", Kind::Pdf),
];

impl Kind {
    /// The kind of the document called `name`.
    pub fn of(name: &str) -> Result<Self> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let known = ENDINGS.iter().find(|(known, _)| ending.as_deref() == Some(*known));
        known.map(|(_, kind)| *kind).ok_or_else(|| Error::UnknownFormat { name: name.into() })
    }

    /// The usual ending of its names, without a dot.
    pub fn ending(self) -> &'static str {
        let own = ENDINGS.iter().find(|(_, kind)| *kind == self);
        own.map_or("", |(ending, _)| ending)
    }

    /// The kind that its translation is: its own, or that of `ending` if it can be written so. The text of
    /// a PDF is written as Word or HTML.
    ///
    /// # Errors
    /// Fails when it cannot.
    pub fn output(self, ending: Option<&str>) -> Result<Self> {
        let Some(ending) = ending else {
            return Ok(if self == Self::Pdf { Self::Docx } else { self });
        };
        let wanted = Self::of(&format!("x.{}", ending.trim_start_matches('.'))).ok();
        match (self, wanted) {
            (Self::Pdf, Some(wanted @ (Self::Docx | Self::Html))) => Ok(wanted),
            (_, Some(wanted)) if wanted == self && self != Self::Pdf => Ok(self),
            _ => {
                let own = self.ending();
                let reason = format!("a document of `.{own}` cannot be written as `{ending}`");
                Err(Error::Settings(reason))
            }
        }
    }

    /// All endings that are known, with their dots.
    pub fn endings() -> Vec<String> {
        ENDINGS.iter().map(|(ending, _)| format!(".{ending}")).collect()
    }
}

/// The kind of the translation of the document called `name`, if its own file is to be called `out`.
///
/// # Errors
/// Fails when what is called so is of another format. A template, and a document with macros, is of one kind
/// with a plain document, and yet no program opens it under the other name.
pub fn output_kind(name: &str, out: Option<&str>) -> Result<Kind> {
    let kind = Kind::of(name)?;
    let ending = |name: &str| Some(name.rsplit_once('.')?.1.to_ascii_lowercase());
    let Some(wanted) = out.and_then(ending) else { return kind.output(None) };
    let output = kind.output(Some(&wanted))?;
    let own = ending(name).filter(|_| output == kind).unwrap_or(output.ending().into());
    let is_strict = matches!(
        output,
        Kind::Docx | Kind::Pptx | Kind::Xlsx | Kind::OpenDocument | Kind::FlatOpenDocument
    );
    match is_strict && own != wanted {
        true => {
            let reason = format!("a document of `.{own}` cannot be written as `{wanted}`");
            Err(Error::Settings(reason))
        }
        false => Ok(output),
    }
}

/// The name of the translation of the document called `name`, which is of the kind `output`:
/// `report.de.docx` of `report.docx`.
pub fn output_name(name: &str, target: &str, output: Kind) -> String {
    let is_same = Kind::of(name).is_ok_and(|kind| kind == output);
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => {
            let ending = if is_same { ending } else { output.ending() };
            format!("{stem}.{target}.{ending}")
        }
        _ => format!("{name}.{target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_is() -> Result<()> {
        assert_eq!(Kind::of("a.b.DOCX")?, Kind::Docx);
        assert!(Kind::of("docx").is_err() && Kind::of("a.exe").is_err() && Kind::of("").is_err());
        assert_eq!(output_name("a.b.docx", "de", Kind::Docx), "a.b.de.docx");
        assert_eq!(output_name("a.DOCM", "de", Kind::Docx), "a.de.DOCM");
        assert_eq!(output_name(".docx", "de", Kind::Docx), ".docx.de");
        assert_eq!(Kind::Docx.output(Some("docx"))?, Kind::Docx);
        assert!(Kind::Docx.output(Some("pdf")).is_err() && Kind::Pdf.output(Some("pdf")).is_err());
        assert_eq!(
            (Kind::Pdf.output(None)?, Kind::Pdf.output(Some(".html"))?),
            (Kind::Docx, Kind::Html)
        );
        assert_eq!(output_name("a.pdf", "de", Kind::Docx), "a.de.docx");
        assert_eq!(output_kind("a.docx", None)?, Kind::Docx);
        for (name, out) in
            [("a.Docx", "b.docx"), ("a.md", "b.markdown"), ("a.pdf", "x.htm"), ("a.odt", "b")]
        {
            assert!(output_kind(name, Some(out)).is_ok(), "{name} as {out}");
        }
        for (name, out) in [
            ("a.docx", "b.pdf"),
            ("a.docx", "b.dotx"),
            ("a.odt", "b.ods"),
            ("a.pdf", "b.docm"),
            ("a.txt", "b.xyz"),
        ] {
            let error = output_kind(name, Some(out)).expect_err("it is refused").to_string();
            assert!(error.contains("cannot be written as"), "{error}");
        }
        Ok(())
    }
}
