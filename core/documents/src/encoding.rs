//! The characters of a file: UTF-8, UTF-16 with its mark, what the file says itself, else Windows-1252;
//! written back alike.

mod label;

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{Error, Kind, Result};

/// How the characters of a file are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Charset {
    kind: Kind,
    encoding: &'static Encoding,
    /// Whether the file begins with a byte order mark.
    has_mark: bool,
    /// What the file says, if it is written so.
    declared: Option<Declared>,
    /// The text and the bytes of a file that would be other bytes if it was written anew.
    original: Option<(String, Vec<u8>)>,
}

/// What a file says of its own characters.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Declared {
    /// The last character that there is: encodings of the web have more than those of their names.
    limit: char,
}

/// The text of a file of `kind`, and how it is written.
pub(crate) fn decode(kind: Kind, bytes: &[u8]) -> Result<(String, Charset)> {
    let format = kind.name();
    let marked = Encoding::for_bom(bytes);
    let named = named(kind, bytes);
    let (encoding, skip) = match (marked, named) {
        (Some((encoding, skip)), _) => (encoding, skip),
        (None, Some((encoding, _))) => (encoding, 0),
        (None, None) if std::str::from_utf8(bytes).is_ok() => (UTF_8, 0),
        (None, None) => (WINDOWS_1252, 0),
    };
    if encoding == WINDOWS_1252 && bytes.contains(&0) {
        return Err(Error::broken(format, "it is binary, not text"));
    }
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[skip..]);
    let text = text.ok_or_else(|| Error::broken(format, "its characters cannot be read"))?;
    let declared = named.filter(|_| marked.is_none()).map(|(_, limit)| Declared {
        // Who writes more than the name says does so again.
        limit: if text.chars().all(|c| c <= limit) { limit } else { char::MAX },
    });
    let has_mark = marked.is_some();
    let mut charset = Charset { kind, encoding, has_mark, declared, original: None };
    if declared.is_some() && charset.encode(&text) != bytes {
        charset.original = Some((text.to_string(), bytes.to_vec()));
    }
    Ok((text.into_owned(), charset))
}

/// The encoding that a file names and can be read by, with the last of its characters; nothing for UTF-8.
fn named(kind: Kind, bytes: &[u8]) -> Option<(&'static Encoding, char)> {
    let label = label::of_bytes(kind, bytes)?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    let is_utf8 = || !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok();
    let is_usable = encoding.is_ascii_compatible() || encoding == ISO_2022_JP;
    if encoding == UTF_8
        || !is_usable
        || encoding == ISO_2022_JP && !bytes.contains(&0x1b)
        || is_utf8()
    {
        return None;
    }
    encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let limit = match label.as_str() {
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso-ir-6" => '\u{7f}',
        _ if encoding == WINDOWS_1252 && !label.contains("1252") => '\u{ff}',
        _ => char::MAX,
    };
    Some((encoding, limit))
}

impl Charset {
    /// The bytes of `text`. A character that the charset lacks is written by its number where the format
    /// can; else the file says that it is UTF-8, or becomes so with a mark.
    pub(crate) fn encode(&self, text: &str) -> Vec<u8> {
        if let Some((original, bytes)) = &self.original
            && original == text
        {
            return bytes.clone();
        }
        let units = text.encode_utf16();
        if self.encoding == UTF_16LE {
            return [0xff, 0xfe].into_iter().chain(units.flat_map(u16::to_le_bytes)).collect();
        }
        if self.encoding == UTF_16BE {
            return [0xfe, 0xff].into_iter().chain(units.flat_map(u16::to_be_bytes)).collect();
        }
        if self.encoding == UTF_8 {
            // The template of a message file names no encoding yet.
            let place = label::place(self.kind, text).filter(|at| &text[at.clone()] == "CHARSET");
            return match place.filter(|_| !text.is_ascii()) {
                Some(at) => relabelled(text, at),
                None => utf8(text, self.has_mark),
            };
        }
        if let Some(bytes) = self.exact(text) {
            return bytes;
        }
        let place = self.declared.and_then(|_| label::place(self.kind, text));
        match place {
            None => utf8(text, true),
            // In a section of characters a number is no character.
            Some(_) if label::has_references(self.kind) && !text.contains("<![CDATA[") => {
                let numbered = self.numbered(text);
                self.exact(&numbered).unwrap_or_else(|| utf8(text, true))
            }
            Some(at) => relabelled(text, at),
        }
    }

    /// The bytes of `text` if the charset has all its characters.
    fn exact(&self, text: &str) -> Option<Vec<u8>> {
        let limit = self.declared.map_or(char::MAX, |declared| declared.limit);
        if text.chars().any(|c| c > limit) {
            return None;
        }
        let (bytes, _, lacks) = self.encoding.encode(text);
        (!lacks).then(|| bytes.into_owned())
    }

    /// `text` with the numbers of those characters that the charset lacks.
    fn numbered(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c.is_ascii() || self.exact(c.encode_utf8(&mut [0; 4])).is_some() {
                true => out.push(c),
                false => out.push_str(&format!("&#{};", u32::from(c))),
            }
        }
        out
    }
}

fn utf8(text: &str, has_mark: bool) -> Vec<u8> {
    let mark: &[u8] = if has_mark { b"\xef\xbb\xbf" } else { b"" };
    [mark, text.as_bytes()].concat()
}

/// The bytes of `text`, which says at `at` that it is UTF-8.
fn relabelled(text: &str, at: std::ops::Range<usize>) -> Vec<u8> {
    [&text[..at.start], "UTF-8", &text[at.end..]].concat().into_bytes()
}

/// The text of a member of a package: UTF-8, without its mark.
pub(crate) fn decode_xml(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() -> Result<()> {
        let utf16: Vec<u8> = "\u{feff}é字".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in
            [b"abc\xc3\xa9".to_vec(), b"\xef\xbb\xbfabc".to_vec(), b"caf\xe9".to_vec(), utf16]
        {
            let (text, charset) = decode(Kind::Text, &bytes)?;
            assert!(!text.contains('\u{fffd}') && !text.starts_with('\u{feff}'));
            assert_eq!(charset.encode(&text), bytes);
        }
        let (_, charset) = decode(Kind::Text, b"caf\xe9")?;
        assert_eq!(charset.encode("字"), "\u{feff}字".as_bytes());
        assert!(decode(Kind::Text, b"\xe9\0").is_err());
        Ok(())
    }

    /// What becomes of a file when `to` stands in place of `from`.
    fn changed(kind: Kind, bytes: &[u8], from: &str, to: &str) -> Result<Vec<u8>> {
        let (text, charset) = decode(kind, bytes)?;
        assert!(text.contains(from), "{text}");
        assert_eq!(charset.encode(&text), bytes);
        Ok(charset.encode(&text.replace(from, to)))
    }

    #[test]
    fn what_a_file_says_of_its_characters_stays_true() -> Result<()> {
        let html = |text: &[u8]| [b"<meta charset=iso-8859-1><p>", text].concat();
        let out = changed(Kind::Html, &html(b"tea caf\xe9"), "tea", "\u{201e}Tee\u{201c} \u{fc}");
        assert_eq!(out?, html(b"&#8222;Tee&#8220; \xfc caf\xe9"));
        let out = changed(Kind::Html, &html(b"tea"), "tea", "\u{fc}ber");
        assert_eq!(out?, html(b"\xfcber"));
        let xml = |text: &str| {
            format!("<?xml version='1.0' encoding=\"us-ascii\"?><a>{text}</a>").into_bytes()
        };
        assert_eq!(changed(Kind::Xliff, &xml("tea"), "tea", "\u{fc}")?, xml("&#252;"));
        let section = changed(Kind::Xliff, &xml("<![CDATA[tea]]>"), "tea", "\u{fc}")?;
        let expected = String::from_utf8(xml("<![CDATA[\u{fc}]]>"))
            .expect("it is")
            .replace("us-ascii", "UTF-8");
        assert_eq!(section, expected.into_bytes());
        let po = |label: &str, text: &str| {
            format!("\"Content-Type: text/plain; charset={label}\\n\" {text}").into_bytes()
        };
        assert_eq!(
            changed(Kind::Gettext, &po("ISO-8859-1", "tea"), "tea", "\u{201e}")?,
            po("UTF-8", "\u{201e}")
        );
        assert_eq!(
            changed(Kind::Gettext, &po("CHARSET", "tea"), "tea", "\u{fc}")?,
            po("UTF-8", "\u{fc}")
        );
        assert_eq!(
            changed(Kind::Gettext, &po("CHARSET", "tea"), "tea", "Tee")?,
            po("CHARSET", "Tee")
        );
        // One that is not what it says stays as it is.
        assert_eq!(
            changed(Kind::Gettext, &po("ISO-8859-1", "\u{e9} tea"), "tea", "\u{201e}")?,
            po("ISO-8859-1", "\u{e9} \u{201e}")
        );
        Ok(())
    }

    #[test]
    fn names_in_other_encodings_are_read() -> Result<()> {
        let html = |text: &[u8]| [b"<meta charset=\"Shift_JIS\"><p>", text].concat();
        let tokyo = b"\x93\x8c\x8b\x9e";
        let out = changed(
            Kind::Html,
            &html(&[tokyo, &b" tea"[..]].concat()),
            "\u{6771}\u{4eac} tea",
            "\u{6771}\u{4eac} \u{fc}",
        );
        assert_eq!(out?, html(&[tokyo, &b" &#252;"[..]].concat()));
        let broken = html(b"\x93");
        let (text, charset) = decode(Kind::Html, &broken)?;
        assert_eq!(charset.encode(&text), broken);
        Ok(())
    }
}
