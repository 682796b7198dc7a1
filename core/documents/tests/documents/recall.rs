//! Units that people translated before are taken from a memory, and say so.

use std::convert::Infallible;

use dragoman_documents::{Document, Settings};
use dragoman_text::{Options, Session};

use super::{office::docx, shout, zip::member};

/// Translates `source` with a memory of `units` and a model that shouts; says how many sentences were in
/// the memory, too.
fn translated(name: &str, source: &[u8], units: &[(&str, &str)]) -> (Vec<u8>, usize) {
    let settings = Settings { target: "de".into(), ..Settings::default() };
    let document = Document::read(name, source.to_vec(), &settings).expect("it can be read");
    let mut document = document.segment("en");
    let find = |text: &str| {
        let found = units.iter().find(|(source, _)| *source == text);
        Ok::<_, Infallible>(found.map(|(_, target)| (*target).to_owned()))
    };
    let recalled = document.recall(find).expect("it cannot fail");
    let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
    let mut session = Session::of_sentences(document.sentences(), &options);
    while !session.segments().is_empty() {
        let answers: Vec<[String; 1]> =
            session.segments().iter().map(|text| [shout(text)]).collect();
        session.accept(&answers);
    }
    (document.write(&session.rewritten()).expect("it can be written"), recalled)
}

fn text(name: &str, source: &str, units: &[(&str, &str)]) -> (String, usize) {
    let (bytes, recalled) = translated(name, source.as_bytes(), units);
    (String::from_utf8(bytes).expect("it is UTF-8"), recalled)
}

#[test]
fn messages_of_the_memory_are_not_fuzzy() {
    let source = "msgid \"Open %s now\"\nmsgstr \"\"\n\nmsgid \"Save all.\"\nmsgstr \"\"\n\nmsgid \"OK\"\nmsgstr \"\"\n\nmsgid \"One day\"\nmsgid_plural \"%d days\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n";
    let units = [
        ("Open %s now", "%s jetzt öffnen"),
        ("OK", "OK"),
        ("One day", "Ein Tag"),
        ("%d days", "Tage"),
    ];
    let (out, recalled) = text("a.po", source, &units);
    assert_eq!(recalled, 3, "what lacks its placeholder is not taken");
    let expected = "msgid \"Open %s now\"\nmsgstr \"%s jetzt öffnen\"\n\n#, fuzzy\nmsgid \"Save all.\"\nmsgstr \"SAVE ALL.\"\n\nmsgid \"OK\"\nmsgstr \"OK\"\n\n#, fuzzy\nmsgid \"One day\"\nmsgid_plural \"%d days\"\nmsgstr[0] \"Ein Tag\"\nmsgstr[1] \"%d DAYS\"\n";
    assert_eq!(out, expected);
}

#[test]
fn segments_of_the_memory_are_translated_and_others_are_to_be_looked_at() {
    let source = "<xliff version=\"1.2\"><file source-language=\"en\"><body><trans-unit id=\"1\"><source>Open <ph id=\"1\">%s</ph> &amp; read</source></trans-unit><trans-unit id=\"2\"><source>Save all.</source><target state=\"new\"/></trans-unit><trans-unit id=\"3\"><source>Close</source><target state=\"new\"></target></trans-unit></body></file></xliff>";
    let units = [("Open %s & read", "%s öffnen & lesen"), ("Close", "Zu")];
    let (out, recalled) = text("a.xliff", source, &units);
    assert_eq!(recalled, 2);
    assert!(out.contains("source-language=\"en\" target-language=\"de\""), "{out}");
    let exact = "state=\"translated\" state-qualifier=\"exact-match\"";
    let first = format!("<target {exact}><ph id=\"1\">%s</ph> öffnen &amp; lesen</target>");
    assert!(out.contains(&first), "{out}");
    assert!(out.contains("<target state=\"needs-review-translation\">SAVE ALL.</target>"), "{out}");
    assert!(out.contains(&format!("<target {exact}>Zu</target>")), "{out}");

    let source = "<xliff version=\"2.0\" srcLang=\"en\"><file id=\"f\"><unit id=\"1\"><segment><source>Close</source></segment><segment state=\"initial\"><source>Open</source></segment><segment><source>Save all.</source></segment></unit></file></xliff>";
    let (out, _) = text("a.xlf", source, &[("Close", "Zu"), ("Open", "Auf")]);
    let expected = "<segment state=\"translated\"><source>Close</source><target>Zu</target></segment><segment state=\"translated\"><source>Open</source><target>Auf</target></segment><segment><source>Save all.</source><target>SAVE ALL.</target></segment>";
    assert!(out.contains(expected), "{out}");
}

#[test]
fn a_variant_comes_from_the_memory() {
    let source = "<tmx><header srclang=\"en\"/><body><tu><tuv xml:lang=\"en\"><seg>Good day.</seg></tuv></tu></body></tmx>";
    let (out, _) = text("a.tmx", source, &[("Good day.", "Guten Tag.")]);
    assert!(out.contains("<tuv xml:lang=\"de\"><seg>Guten Tag.</seg></tuv>"), "{out}");
}

#[test]
fn sentences_of_other_documents_are_taken_where_nothing_is_lost() {
    let units = [("Good morning.", "Guten Morgen."), ("My friend.", "Mein Freund.")];
    let (out, recalled) = text("a.txt", "Good morning. Go home.\n\nMy friend.\n", &units);
    assert_eq!((out.as_str(), recalled), ("Guten Morgen. GO HOME.\n\nMein Freund.\n", 2));
    let body = "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Good morning.</w:t></w:r></w:p><w:p><w:r><w:t>My </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>friend.</w:t></w:r></w:p>";
    let (out, recalled) = translated("a.docx", &docx(body), &units);
    assert_eq!(recalled, 1, "nobody knows what of the other is bold");
    let document = member(&out, "word/document.xml");
    assert!(
        document.contains("<w:b/></w:rPr><w:t xml:space=\"preserve\">Guten Morgen.</w:t>"),
        "{document}"
    );
}
