//! Documents of many formats: their sentences out, translations in, and the document back with every
//! other byte as it was.
//!
//! A format says which bytes of a file are text; all else is never parsed into a model and written
//! again, but stays where it stands.
//!
//! | module | holds |
//! |---|---|
//! | [`kind`] | the kinds of documents, told by their names |
//! | [`settings`] | columns to translate, limits |
//! | `encoding`, `package`, `xml` | characters of a file, members of a zip, tokens of XML with their places |
//! | `block` | a paragraph, as text and the markup in it |
//! | `find` | the sentences of a block |
//! | `part`, `layout`, `write` | a text with its blocks; lines of about the same length; the same with other sentences |
//! | `flow`, `runs` | blocks of XML, with inline markup or with runs |
//! | `formats` | a file each: what is text in it |
//! | `pdf` | the text of a PDF as a document of Word or HTML |
//! | `labels` | what a document says of its own language |
//! | `content` | the texts of a document |
//! | `signature` | files that are not what their names say |
//! | `recall` | a translation that people accepted, in place of a sentence |
//! | [`segmented`] | a document with its sentences, and the same in another language |
//! | [`document`] | a document as it is read |
//!
//! It knows no model and no HTTP. Whoever has a model translates the
//! [`sentences`](Segmented::sentences) in sessions of [`dragoman_text`]:
//!
//! ```
//! use dragoman_documents::{Document, Settings};
//! use dragoman_text::{Options, Session};
//!
//! # fn main() -> dragoman_documents::Result<()> {
//! let json = br#"{ "greeting": "Good morning." }"#.to_vec();
//! let document = Document::read("en.json", json, &Settings::default())?.segment("en");
//! let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
//! let mut session = Session::of_sentences(document.sentences(), &options);
//! while !session.segments().is_empty() {
//!     let model = |_: &String| ["Guten Morgen.".to_owned()];
//!     let answers: Vec<_> = session.segments().iter().map(model).collect();
//!     session.accept(&answers);
//! }
//! let translated = document.write(&session.rewritten())?;
//! assert_eq!(translated, br#"{ "greeting": "Guten Morgen." }"#);
//! # Ok(())
//! # }
//! ```

mod error;
pub mod kind;
pub mod settings;
mod encoding;
mod package;
mod xml;
mod block;
mod find;
mod part;
mod layout;
mod write;
mod flow;
mod runs;
mod formats;
mod pdf;
mod labels;
mod content;
mod signature;
mod recall;
pub mod segmented;
pub mod document;

pub use document::Document;
pub use error::{Error, Result};
pub use kind::{Kind, output_kind, output_name};
pub use segmented::Segmented;
pub use settings::{Limits, Settings};
