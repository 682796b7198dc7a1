//! What a reader may decide about a document.

use crate::Kind;

/// How a document is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Columns of a table to translate, by the name in its first row or by number from 1; empty for
    /// all. The first row is then kept as it is.
    pub columns: Vec<String>,
    /// Code of the language to translate into, for files that hold several languages.
    pub target: String,
    /// The kind to write, if it is not that of the document: see [`Kind::output`].
    pub output: Option<Kind>,
    /// What a document may hold at most.
    pub limits: Limits,
}

/// What a document may hold at most; more is refused before anything is translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all members together, unpacked.
    pub unpacked: usize,
    /// How often as large as packed a member may be, beyond the first megabyte.
    pub ratio: usize,
    /// Files in a package.
    pub members: usize,
    /// XML elements within each other.
    pub depth: usize,
    /// Characters of text that is translated.
    pub chars: usize,
    /// Pages of a PDF.
    pub pages: usize,
    /// Seconds that reading a PDF may take.
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 256 << 20,
            ratio: 200,
            members: 10_000,
            depth: 256,
            chars: 10_000_000,
            pages: 2000,
            seconds: 60,
        }
    }
}
