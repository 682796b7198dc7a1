//! The characters of a file: UTF-8, UTF-16 with its mark, else Windows-1252; written back alike.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{Error, Result};

/// How the characters of a file are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Charset {
    encoding: &'static Encoding,
    /// Whether the file begins with a byte order mark.
    has_mark: bool,
}

/// The text of a file, and how it is written.
pub(crate) fn decode(bytes: &[u8], format: &'static str) -> Result<(String, Charset)> {
    let marked = Encoding::for_bom(bytes);
    let (encoding, skip) = match marked {
        Some((encoding, skip)) => (encoding, skip),
        None if std::str::from_utf8(bytes).is_ok() => (UTF_8, 0),
        None => (WINDOWS_1252, 0),
    };
    if encoding == WINDOWS_1252 && bytes.contains(&0) {
        return Err(Error::broken(format, "it is binary, not text"));
    }
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[skip..]);
    let text = text.ok_or_else(|| Error::broken(format, "its characters cannot be read"))?;
    Ok((text.into_owned(), Charset { encoding, has_mark: marked.is_some() }))
}

impl Charset {
    /// The bytes of `text`; in UTF-8 with a mark if the charset lacks a character.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        let units = text.encode_utf16();
        let mut bytes = Vec::with_capacity(text.len() + 3);
        if self.encoding == UTF_16LE {
            bytes.extend(b"\xff\xfe");
            bytes.extend(units.flat_map(u16::to_le_bytes));
        } else if self.encoding == UTF_16BE {
            bytes.extend(b"\xfe\xff");
            bytes.extend(units.flat_map(u16::to_be_bytes));
        } else if self.encoding == UTF_8 {
            bytes.extend(if self.has_mark { &b"\xef\xbb\xbf"[..] } else { b"" });
            bytes.extend(text.as_bytes());
        } else {
            match self.encoding.encode(text) {
                (encoded, _, false) => bytes.extend(&*encoded),
                _ => {
                    bytes.extend(b"\xef\xbb\xbf");
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes
    }
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
            let (text, charset) = decode(&bytes, "text")?;
            assert!(!text.contains('\u{fffd}') && !text.starts_with('\u{feff}'));
            assert_eq!(charset.encode(&text), bytes);
        }
        let (_, charset) = decode(b"caf\xe9", "text")?;
        assert_eq!(charset.encode("字"), "\u{feff}字".as_bytes());
        assert!(decode(b"\xe9\0", "text").is_err());
        Ok(())
    }
}
