//! What can go wrong on the way of a model.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are explained by the message they appear in")]
pub enum Error {
    /// An address names no store.
    #[error("`{address}` leads to no store: {reason}")]
    Address { address: String, reason: String },

    /// A store did not give an object.
    #[error("`{address}`: {reason}")]
    Object { address: String, reason: String },

    /// An object is another one than the register names.
    #[error(
        "`{address}` is not the file that the register names (its sha256 differs): upload the files of a \
         model before its register, or those that replace others as `sha256/{sha256}` beside it"
    )]
    Digest { address: String, sha256: String },

    /// The cache is not to be written to.
    #[error(
        "the cache of models: {0}; `--model-cache DIR` or `DRAGOMAN_MODEL_CACHE` names another folder"
    )]
    Cache(std::io::Error),

    /// What came is no model.
    #[error("{path}: {source}", path = path.display())]
    Model { path: PathBuf, source: dragoman_core::Error },
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<std::io::Error> for Error {
    /// The message holds the whole cause: as its source, it would be printed twice.
    fn from(error: std::io::Error) -> Self {
        Self::Cache(error)
    }
}

impl Error {
    /// Says what `error` means for the object at `address`, and what helps.
    pub(crate) fn of_object(address: String, error: &object_store::Error) -> Self {
        use object_store::Error as Cause;
        let reason = match error {
            Cause::NotFound { .. } => {
                "there is no such object; a model directory holds `experts.json` and the files that it names".into()
            }
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => format!(
                "the store refuses ({}); it may not be there, or the credentials may not read it: {}",
                innermost(error),
                credentials(&address)
            ),
            _ => format!("{}; {}", innermost(error), credentials(&address)),
        };
        Self::Object { address, reason }
    }

    /// Whether an object is not there, or is hidden from who may not list.
    pub(crate) fn is_absence(error: &object_store::Error) -> bool {
        use object_store::Error as Cause;
        matches!(
            error,
            Cause::NotFound { .. } | Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. }
        )
    }
}

/// The cause of an error that says most: what is around it repeats it.
fn innermost(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // A page or a document of the store is no sentence.
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// Where the credentials for an address come from.
pub(crate) fn credentials(address: &str) -> &'static str {
    match address.split("://").next() {
        Some("s3" | "s3a") => {
            "credentials are read from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`, the store from \
             `AWS_ENDPOINT` where it is not Amazon's; `AWS_SKIP_SIGNATURE=true` asks without credentials"
        }
        Some("gs") => {
            "credentials are read from `GOOGLE_APPLICATION_CREDENTIALS`, the store from `GOOGLE_BASE_URL` where it is \
             not Google's; `GOOGLE_SKIP_SIGNATURE=true` asks without credentials"
        }
        Some("az" | "azure" | "adl" | "abfs" | "abfss") => {
            "credentials are read from `AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ACCOUNT_KEY`, or those of a \
             client, the store from `AZURE_STORAGE_ENDPOINT` where it is not Microsoft's; `AZURE_SKIP_SIGNATURE=true` \
             asks without credentials"
        }
        _ => "is the address right, and does its server answer?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_cannot_be_written_is_told_once_and_with_what_names_another() {
        let cause = std::io::Error::other("failed to create directory `/x`: read-only");
        let text = format!("{:#}", anyhow::Error::from(Error::from(cause)));
        assert_eq!(text.matches("read-only").count(), 1, "{text}");
        assert!(text.contains("`--model-cache DIR`"), "{text}");
    }
}
