//! Documents of every format, written by hand: what is translated in them, and what stays.

mod bad_files;
mod labels;
mod libreoffice;
mod notes;
mod office;
mod opendocument;
mod pdf;
mod properties;
mod recall;
mod resources;
mod samples;
mod subtitles;
mod translators;
mod whole;
mod zip;

use dragoman_documents::{Document, Result, Settings};
use dragoman_text::{Options, Session};

/// Translates the document `name` from English into German by `model`.
fn translated(name: &str, bytes: &[u8], model: impl FnMut(&str) -> String) -> Result<Vec<u8>> {
    let settings = Settings { target: "de".into(), ..Settings::default() };
    translated_with(&settings, name, bytes, model)
}

fn translated_with(
    settings: &Settings,
    name: &str,
    bytes: &[u8],
    mut model: impl FnMut(&str) -> String,
) -> Result<Vec<u8>> {
    let document = Document::read(name, bytes.to_vec(), settings)?.segment("en");
    let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
    let mut session = Session::of_sentences(document.sentences(), &options);
    for round in 0.. {
        let segments = session.segments();
        if segments.is_empty() {
            break;
        }
        assert!(round < 12, "it comes to an end");
        let answers: Vec<[String; 1]> = segments.iter().map(|text| [model(text)]).collect();
        session.accept(&answers);
    }
    document.write(&session.rewritten())
}

/// As [`translated`], of a text file.
fn text(name: &str, source: &str, model: impl FnMut(&str) -> String) -> String {
    let bytes = translated(name, source.as_bytes(), model).expect("it can be read");
    String::from_utf8(bytes).expect("it is UTF-8")
}

/// A model that shouts: every letter of prose becomes a capital.
fn shout(text: &str) -> String {
    text.to_uppercase()
}

/// A model that changes the order of words.
fn reversed(text: &str) -> String {
    text.split(' ').rev().collect::<Vec<_>>().join(" ")
}

/// The sentences of a document as the model is asked.
fn asked(name: &str, bytes: &[u8]) -> Vec<String> {
    let mut asked = Vec::new();
    let model = |text: &str| {
        asked.push(text.to_owned());
        text.to_owned()
    };
    translated(name, bytes, model).expect("it can be read");
    asked
}
