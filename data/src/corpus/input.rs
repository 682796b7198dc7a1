//! Opens a file and reads its lines, unpacking `.gz` and `.zst` and decoding UTF-16 on the way.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::Result;

/// Bytes of the longest line: a packed file of a few kilobytes may hold one that fills the memory.
pub(super) const LONGEST_LINE: usize = 4 << 20;
/// What packed files begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes that are looked at to tell UTF-16 without a byte order mark.
const SNIFFED: usize = 64;

/// A line without its end, or `None` where it is not UTF-8.
pub type Text = Option<String>;

/// A file being read line by line, counting from 1.
pub struct Input {
    reader: Box<dyn BufRead + Send>,
    number: usize,
}

/// Opens the file at `path`. UTF-16 is decoded, and a byte order mark left out.
pub fn open(path: &Path) -> Result<Input> {
    let file = fs_err::File::open(path)?;
    let packing = path.extension().and_then(|extension| extension.to_str());
    Ok(decoded(match packing {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    }))
}

/// The same of what has no name: its first bytes say whether it is packed.
pub(crate) fn open_stream(mut reader: impl Read + Send + 'static) -> Result<Input> {
    let mut start = Vec::new();
    reader.by_ref().take(GZIP.len().max(ZSTD.len()) as u64).read_to_end(&mut start)?;
    let packing = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
    let reader = io::Cursor::new(start).chain(reader);
    Ok(decoded(match packing {
        (true, _) => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(reader))),
        (_, true) => Box::new(zstd::Decoder::new(reader)?),
        _ => Box::new(reader),
    }))
}

fn decoded(mut reader: Box<dyn Read + Send>) -> Input {
    let mut start = Vec::new();
    // What cannot be read here cannot be read below either, where the error is reported.
    let _ = reader.by_ref().take(SNIFFED as u64).read_to_end(&mut start);
    let encoding = utf16_without_mark(&start);
    let decoded = DecodeReaderBytesBuilder::new()
        .encoding(encoding)
        .utf8_passthru(true)
        .strip_bom(true)
        .build(io::Cursor::new(start).chain(reader));
    Input { reader: Box::new(BufReader::with_capacity(1 << 16, decoded)), number: 0 }
}

/// The byte order of UTF-16 without a mark: every other byte of Latin text is zero.
fn utf16_without_mark(start: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|&&b| b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match start.len() / 4 {
        0 => None,
        few if odd >= few && even == 0 => Some(UTF_16LE),
        few if even >= few && odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// The extension below `.gz` and `.zst`, in lower case: `tsv` of `en-de.tsv.gz`.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    Some(name.rsplit_once('.')?.1.to_owned())
}

impl Input {
    /// The bytes themselves, for formats that are not made of lines.
    pub(crate) fn into_reader(self) -> Box<dyn BufRead + Send> {
        self.reader
    }
}

/// A file that is no text, or one made to fill the memory.
pub(super) fn too_long(what: impl std::fmt::Display) -> io::Error {
    let reason = format!("{what} is longer than {} MiB; this is no text", LONGEST_LINE >> 20);
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Iterator for Input {
    type Item = (usize, io::Result<Text>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        self.number += 1;
        let mut limited = self.reader.by_ref().take(LONGEST_LINE as u64 + 1);
        match limited.read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(length) if length > LONGEST_LINE => {
                return Some((self.number, Err(too_long(format!("line {}", self.number)))));
            }
            Ok(_) => {}
            Err(error) => return Some((self.number, Err(error))),
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Some((self.number, Ok(String::from_utf8(bytes).ok())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::Error;

    const TEXT: &str = "Good morning.\tGuten Morgen.\r\nThe bridge.\tDie Brücke.\n";

    fn read(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<Vec<Option<String>>> {
        let path = dir.join(name);
        fs_err::write(&path, bytes)?;
        Ok(open(&path)?.map(|(_, text)| text).collect::<io::Result<Vec<_>>>()?)
    }

    #[test]
    fn texts_are_the_same_in_every_encoding_with_and_without_a_mark() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let little: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        let expected = read(dir.path(), "plain", TEXT.as_bytes())?;
        assert_eq!(expected[1].as_deref(), Some("The bridge.\tDie Brücke."));
        for (name, bytes) in [
            ("utf8", marked(b"\xEF\xBB\xBF", TEXT.as_bytes())),
            ("le", marked(b"\xFF\xFE", &little)),
            ("be", marked(b"\xFE\xFF", &big)),
            ("le-without", little),
            ("be-without", big),
        ] {
            assert_eq!(read(dir.path(), name, &bytes)?, expected, "{name}");
        }
        assert_eq!(read(dir.path(), "latin1", b"Br\xFCcke\n")?, [None], "is not guessed at");
        assert!(read(dir.path(), "empty", b"")?.is_empty());
        Ok(())
    }

    #[test]
    fn a_line_that_would_fill_the_memory_ends_the_reading() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tsv.gz");
        let file = fs_err::File::create(&path)?;
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(b"one\teins\n")?;
        for _ in 0..(2 * LONGEST_LINE) >> 16 {
            gz.write_all(&[b'a'; 1 << 16])?;
        }
        gz.finish()?;
        let lines = crate::corpus::Corpus::from_name(&path)?.lines();
        let error = lines?.find_map(crate::Result::err);
        let Some(Error::Corpus { path, reason }) = error else { anyhow::bail!("must be refused") };
        assert!(path.ends_with("en-de.tsv.gz"));
        assert!(reason.contains("line 2 is longer than 4 MiB"), "{reason}");
        Ok(())
    }
}
