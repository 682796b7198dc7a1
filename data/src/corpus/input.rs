//! Opens a file and reads its lines, unpacking `.gz` and `.zst` on the way.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use crate::Result;

/// A line without its end, or `None` where it is not UTF-8.
type Text = Option<String>;

/// A file being read line by line, counting from 1.
pub(crate) struct Input {
    reader: Box<dyn BufRead + Send>,
    number: usize,
}

/// Opens the file at `path`.
pub(crate) fn open(path: &Path) -> Result<Input> {
    let file = fs_err::File::open(path)?;
    let packing = path.extension().and_then(|extension| extension.to_str());
    let reader: Box<dyn Read + Send> = match packing {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    };
    Ok(Input { reader: Box::new(BufReader::with_capacity(1 << 16, reader)), number: 0 })
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

impl Iterator for Input {
    type Item = (usize, io::Result<Text>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        self.number += 1;
        match self.reader.read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
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
