//! What can go wrong in the store.

use std::{io, path::PathBuf};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// A file could not be read or written; `fs_err` puts its path in the message.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The folder is locked.
    #[error(
        "the store `{}` is in use by another process; stop that process, ask it over its admin \
         API, or choose another folder", path.display()
    )]
    InUse { path: PathBuf },

    /// The folder was written by another version of this program.
    #[error(
        "the store `{}` has layout {found}, and this program knows layout {}; export it with the \
         program that wrote it, and import it here", path.display(), crate::SCHEMA
    )]
    Schema { path: PathBuf, found: u32 },

    /// The files of the store are damaged.
    #[error(
        "the store `{}` is damaged: {reason}; save what can be read with `dragoman store --store {} \
         salvage DIR`, or restore a backup", path.display(), path.display()
    )]
    Damaged { path: PathBuf, reason: String },

    /// A row cannot be read back.
    #[error("the store is damaged: {0}; restore it from an export")]
    Corrupt(String),

    /// A row is larger than the store takes.
    #[error("a row of {size} bytes is too large; the store takes {limit}")]
    TooLarge { size: usize, limit: usize },

    /// Lines of an import are no rows; the others were kept.
    #[error("line {line}: {reason}{}", more("lines that are no rows", *bad, kept))]
    Import { line: usize, reason: String, bad: usize, kept: Box<crate::Counts> },

    /// Rows of Gorse's own dump cannot be read, or it ends before its end; the others were kept.
    #[error("row {row} of Gorse's dump: {reason}{}", more("rows", *bad, kept))]
    Dump { row: usize, reason: String, bad: usize, kept: Box<crate::Counts> },

    /// A row makes no sense.
    #[error("{0}")]
    Invalid(String),

    /// There is no such tenant.
    #[error("there is no tenant `{0}`; make it with `dragoman store add-tenant {0}`")]
    UnknownTenant(String),

    /// The folder could not be opened.
    #[error("{}: {reason}", path.display())]
    Open { path: PathBuf, reason: String },

    /// Another engine than the one that was asked for keeps the store.
    #[error(
        "{found} keeps the store `{}`, and not {asked}; leave the engine out, or move the store with \
         `dragoman store --store {} migrate --to {asked}`", path.display(), path.display()
    )]
    OtherEngine { path: PathBuf, found: crate::EngineKind, asked: crate::EngineKind },

    /// The engine could not read or write, as on a full disk.
    #[error("the store cannot read or write: {0}")]
    Engine(String),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What became of the others of an import.
fn more(what: &str, bad: usize, kept: &crate::Counts) -> String {
    let others = match bad {
        0 | 1 => String::new(),
        bad => format!(" (and {} more {what})", bad - 1),
    };
    format!("{others}; {kept} were kept, and importing the file again doubles none of them")
}

impl Error {
    pub(crate) fn corrupt(reason: impl Into<String>) -> Self {
        Self::Corrupt(reason.into())
    }
}
