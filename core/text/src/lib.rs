//! Texts and markup on their way through a translation model: sentences out, translations in, the
//! document back.
//!
//! | module | holds |
//! |---|---|
//! | [`options`] | languages, format, what the model can do |
//! | [`split`] | text to sentences |
//! | [`restore`] | case and punctuation of the source, given to a translation |
//! | [`sentence`] | a sentence, and what in it is not prose |
//! | [`pieces`] | finds what is not prose |
//! | [`marks`], [`glued`] | markup within a text; markup that touches a word |
//! | [`document`] | the trait that each format implements |
//! | `carry` | takes a sentence through the model and verifies what comes back |
//! | `letters` | letters, their scripts, and the languages written in them |
//! | `lexicon`, `capitals` | common words; words in capitals, and how the model is asked about them |
//! | `quotes`, `parentheses` | quotation marks and parentheses of a translation, in the pairs of its source |
//! | `references` | character references such as `&eacute;` |
//! | [`terms`], [`entries`] | glossaries: terms in a text, and their uses in a translation; files of them |
//! | `glossed` | takes a sentence through the model so that it uses its terms |
//! | `passage` | a sentence, whole or in parts |
//! | `alternatives` | other ways to say a text |
//! | [`plain`], [`markdown`], [`html`], [`xml`] | the formats |
//! | [`session`] | one document, round by round |
//!
//! It knows no model, no tensor and no HTTP: whoever has a model asks it for the
//! [`segments`](Session::segments) of a session and hands the answers back.
//!
//! ```
//! use dragoman_text::{Options, Session};
//!
//! let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
//! let mut session = Session::new("Good morning.\r\n\r\n- Thank you!\n", &options);
//! loop {
//!     let segments = session.segments();
//!     if segments.is_empty() {
//!         break;
//!     }
//!     let model = |text: &String| match text.as_str() {
//!         "Good morning." => vec!["Guten Morgen.".to_owned()],
//!         _ => vec!["Danke!".to_owned()],
//!     };
//!     session.accept(&segments.iter().map(model).collect::<Vec<_>>());
//! }
//! assert_eq!(session.finish(0).texts[0], "Guten Morgen.\r\n\r\n- Danke!\n");
//! ```

mod letters;
pub mod sentence;
mod lexicon;
mod capitals;
mod quotes;
mod parentheses;
pub mod terms;
pub mod options;
pub mod split;
pub mod restore;
mod references;
pub mod pieces;
pub mod marks;
pub mod glued;
pub mod document;
mod carry;
pub mod plain;
pub mod markdown;
pub mod html;
pub mod xml;
mod glossed;
mod passage;
mod alternatives;
pub mod entries;
pub mod session;

pub use document::{Document, Item, Rewritten};
pub use glossed::Ask;
pub use options::{Format, Options, Splitting, Tags};
pub use sentence::{Role, Sentence, Span};
pub use session::{Finished, Session};
pub use terms::Glossary;
