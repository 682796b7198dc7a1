//! Why a document cannot be read.

/// An error of the document library.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// The name ends like no format that is known.
    #[error("`{name}`: no known document format; known are {}", crate::Kind::endings().join(", "))]
    UnknownFormat { name: String },

    /// The file is not what its name says, or is broken.
    #[error("not a readable {format} file: {reason}")]
    Broken { format: &'static str, reason: String },

    /// The file is protected by a password.
    #[error("this {format} file is encrypted; remove its password and try again")]
    Encrypted { format: &'static str },

    /// The file is larger than it may be, or unpacks to more.
    #[error("the document has more than {limit} {what}; split it into smaller ones")]
    TooLarge { what: &'static str, limit: usize },

    /// The file holds what no document needs and attacks are made of.
    #[error("this {format} file is refused: {reason}")]
    Unsafe { format: &'static str, reason: String },

    /// The settings do not fit the file.
    #[error("{0}")]
    Settings(String),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A file that is not what it should be.
    pub(crate) fn broken(format: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Broken { format, reason: reason.to_string() }
    }

    /// A file that is refused.
    pub(crate) fn unsafe_file(format: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Unsafe { format, reason: reason.to_string() }
    }
}
