//! Codes and names of languages, and the language that a text is in.
//!
//! ```
//! use dragoman_languages::{LanguageDetector, name, resolve};
//!
//! let known = ["de".to_owned(), "en".to_owned()];
//! assert_eq!(resolve(&known, "de-AT"), Some("de"));
//!
//! let found = LanguageDetector::new().detect("Wo ist der Bahnhof?", &known);
//! assert_eq!(name(&found[0].language), "German");
//! ```

mod codes;
mod detect;

pub use codes::{name, public, resolve};
pub use detect::{Detected, LanguageDetector};
