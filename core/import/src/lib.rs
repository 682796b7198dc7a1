//! Models of other suites as model directories of this one, and back.
//!
//! | module | holds |
//! |---|---|
//! | [`checkpoint`] | a file for each format: tensors by name, read one at a time |
//! | [`archive`] | zip archives |
//! | [`plan`] | what a checkpoint becomes |
//! | `family` | a file for each family: names of tensors, vocabulary, how sentences begin |
//! | `write` | the model directory, written tensor by tensor |
//! | [`export`] | the other way: dense models for CTranslate2 and Transformers |
//!
//! ```no_run
//! use dragoman_import::{Request, import};
//!
//! import("translate-en_de-1_0.argosmodel".as_ref(), &Request::default(), "models/en-de".as_ref())?;
//! # Ok::<(), dragoman_import::Error>(())
//! ```
//!
//! No file of a checkpoint is executed: of pickles only tensors are read. A model directory appears
//! when it is complete and loads, or not at all.

mod error;
mod files;
pub mod archive;
pub mod checkpoint;
pub mod plan;
mod family;
mod source;
mod write;
pub mod export;

use std::path::Path;

pub use error::{Error, Result};
pub use plan::Request;
pub use source::argos_pair;

/// Imports the checkpoint at `source`, a file or a folder, into the new folder `out`.
///
/// # Errors
/// Fails when the source is damaged, of a kind that is not known, or does not say enough; then
/// nothing is left behind.
pub fn import(source: &Path, request: &Request, out: &Path) -> Result<()> {
    let (plan, checkpoint) = source::open(source, request)?;
    write::write(plan, &*checkpoint, out)
}
