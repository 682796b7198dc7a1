//! Whole texts through a translation model: their sentences in batches, all that is not prose carried.
//!
//! ```no_run
//! use dragoman_core::{directory::Files, translator::{Translator, TranslatorOptions}};
//! use dragoman_pipeline::{TextRequest, translate};
//!
//! # fn main() -> dragoman_core::Result<()> {
//! let model = Translator::open(&Files::Folder("models/mine".into()), TranslatorOptions::default())?;
//! let request = TextRequest::new("en".into(), "de".into());
//! let found = translate(&model, &["Write to bob@example.org. He is there."], &request)?;
//! println!("{}", found[0].texts[0]);
//! # Ok(())
//! # }
//! ```

mod texts;

pub use texts::{Terms, TextRequest, Translated, translate, translate_sentences};
