//! What the bytes of a file say that it is, whatever its name says.
//!
//! Most formats of text can hold anything, so that a file with a wrong name would be read as one of them,
//! and come back as nothing that anybody can open.

use crate::{Error, Kind, Result, formats, package::Package};

/// Refuses `bytes` that are no file of `kind` for certain.
pub(crate) fn check(kind: Kind, bytes: &[u8]) -> Result<()> {
    let refused = |reason: &str| Err(Error::broken(kind.name(), reason));
    if bytes.starts_with(b"%PDF-") && kind != Kind::Pdf {
        return refused("it is a PDF; name it so, as `.pdf`");
    }
    if bytes.starts_with(b"{\\rtf") {
        return refused("it is in the Rich Text Format; save it as `.docx` or `.odt` first");
    }
    if kind.is_package() || kind == Kind::Pdf {
        return Ok(());
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return refused(
            "it is a package, as documents of Word and LibreOffice are; name it as what it is",
        );
    }
    if bytes.contains(&0) && encoding_rs::Encoding::for_bom(bytes).is_none() {
        return refused(
            "it is binary, or text in UTF-16 without a byte order mark; convert such a text first, as by \
             `iconv -f UTF-16LE -t UTF-8`",
        );
    }
    if !kind.may_be_json() && is_json(bytes) {
        return refused("it is JSON; name it so, as `.json`");
    }
    Ok(())
}

/// Whether all of it is an object or a list of JSON.
fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Refuses a package that has no document of `kind` in it.
pub(crate) fn check_package(kind: Kind, package: &Package) -> Result<()> {
    let refused = |reason: String| Err(Error::broken(kind.name(), reason));
    if !is_of(kind, package)? {
        for other in PACKAGES.into_iter().filter(|other| *other != kind) {
            if is_of(other, package)? {
                let (name, ending) = (other.name(), other.ending());
                return refused(format!("it is a document of {name}; name it so, as `.{ending}`"));
            }
        }
        return refused(format!("`{}` is missing in its package", main_member(kind)));
    }
    let is_office = matches!(kind, Kind::Docx | Kind::Pptx | Kind::Xlsx);
    if is_office && !package.names().any(|name| name == TYPES) {
        return refused(format!("`{TYPES}` is missing in its package"));
    }
    Ok(())
}

/// The member of a package of Office that says what the others are.
const TYPES: &str = "[Content_Types].xml";

const PACKAGES: [Kind; 5] = [Kind::Docx, Kind::Pptx, Kind::Xlsx, Kind::OpenDocument, Kind::Epub];

impl Kind {
    fn is_package(self) -> bool {
        PACKAGES.contains(&self)
    }

    /// Whether JSON can be a file of this kind.
    fn may_be_json(self) -> bool {
        // YAML has JSON in it, and prose may show it.
        matches!(self, Self::Json | Self::Yaml | Self::Text | Self::Markdown | Self::Html)
    }
}

/// The member that a document of `kind` has.
fn main_member(kind: Kind) -> &'static str {
    match kind {
        Kind::Docx => "word/document.xml",
        Kind::Pptx => "ppt/presentation.xml",
        Kind::Xlsx => "xl/workbook.xml",
        Kind::OpenDocument => "content.xml",
        _ => "META-INF/container.xml",
    }
}

/// Whether a package holds a document of `kind`.
fn is_of(kind: Kind, package: &Package) -> Result<bool> {
    let has = |start: &str| package.names().any(|name| name.starts_with(start));
    Ok(match kind {
        Kind::Docx => formats::docx::body(package)?.is_some(),
        Kind::Pptx => has(main_member(kind)) || has("ppt/slides/"),
        Kind::Xlsx => has(main_member(kind)) || has("xl/worksheets/"),
        Kind::OpenDocument => package.names().any(|name| name == main_member(kind)),
        _ => {
            let says = package.text("mimetype").ok().flatten();
            has(main_member(kind)) || says.is_some_and(|says| says.contains("epub"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_cannot_be_of_a_kind_are_refused_by_name() {
        let utf16: Vec<u8> = "The house".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (kind, bytes, reason) in [
            (Kind::Text, &b"%PDF-1.4\n"[..], "it is a PDF"),
            (Kind::Docx, b"%PDF-1.4\n", "it is a PDF"),
            (Kind::Markdown, b"PK\x03\x04...", "package"),
            (Kind::Text, b"{\\rtf1 The house}", "Rich Text"),
            (Kind::Text, &utf16, "UTF-16"),
            (Kind::Properties, b" {\"a\": [1, \"The house\"]}\n", "it is JSON"),
        ] {
            let error = check(kind, bytes).expect_err("it is refused").to_string();
            assert!(error.contains(reason), "{error}");
        }
        for (kind, bytes) in [
            (Kind::Text, &b"[1] The first note\n"[..]),
            (Kind::Text, b"[\"a list\"]"),
            (Kind::Properties, b"{0}=The first\n"),
            (Kind::Text, b"\xff\xfeT\0"),
            (Kind::Text, b"about %PDF-1.4"),
        ] {
            assert!(check(kind, bytes).is_ok(), "{kind:?}: {bytes:?}");
        }
    }
}
