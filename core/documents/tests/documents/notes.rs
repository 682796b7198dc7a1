//! Notes, powers and formulas: what is set above or below the line and touches a word.

use super::{
    asked,
    office::{body, docx, run},
    opendocument::odt,
    shout, translated,
    zip::{member, zipped},
};

const SUPER: &str = "<w:rPr><w:vertAlign w:val=\"superscript\"/></w:rPr>";
const SUB: &str = "<w:rPr><w:vertAlign w:val=\"subscript\"/></w:rPr>";
const BOLD: &str = "<w:rPr><w:b/></w:rPr>";

/// Says some words in another order, so that a note must find its word.
fn german(text: &str) -> String {
    match text {
        "The water in the lake is cold." => "Kalt ist das Wasser im See.",
        "The old lake is cold." => "Kalt ist der alte See.",
        "lake" => "See",
        "old" => "alte",
        other => return other.to_owned(),
    }
    .to_owned()
}

#[test]
fn a_note_of_word_stands_behind_its_word() {
    for note in ["a", "3", "1,2", "*"] {
        let runs = [run("", "The water in the lake"), run(SUPER, note), run("", " is cold.")];
        let source = format!("<w:p>{}</w:p>", runs.concat());
        let runs = [run("", "Kalt ist das Wasser im See"), run(SUPER, note), run("", ".")];
        assert_eq!(body(&source, german), format!("<w:p>{}</w:p>", runs.concat()));
        assert_eq!(body(&source, str::to_owned), source);
        assert!(asked("a.docx", &docx(&source)).contains(&"The water in the lake is cold.".into()));
    }
}

#[test]
fn a_note_to_a_bold_word_of_word_stands_behind_it() {
    let source = [
        run("", "The "),
        run(BOLD, "old"),
        run("", " "),
        run(BOLD, "lake"),
        run(SUPER, "a"),
        run("", " is cold."),
    ];
    let expected = [
        run("", "Kalt ist der "),
        run(BOLD, "alte"),
        run("", " "),
        run(BOLD, "See"),
        run(SUPER, "a"),
        run("", "."),
    ];
    let paragraph = |runs: &[String]| format!("<w:p>{}</w:p>", runs.concat());
    assert_eq!(body(&paragraph(&source), german), paragraph(&expected));
}

#[test]
fn indexes_and_powers_of_word_stay_with_their_word() {
    for (before, script, index, behind) in [
        ("x", SUB, "i", " is very small."),
        ("The CO", SUB, "2", " is heavy."),
        ("It has 10 m", SUPER, "2", " of grass."),
        ("The 3", SUPER, "rd", " of May."),
    ] {
        let (plain, word) = before.split_at(before.rfind(' ').map_or(0, |at| at + 1));
        let runs = [run("", before), run(script, index), run("", behind)];
        let source = format!("<w:p>{}</w:p>", runs.concat());
        let before = format!("{}{word}", plain.to_uppercase());
        let runs = [run("", &before), run(script, index), run("", &behind.to_uppercase())];
        assert_eq!(body(&source, shout), format!("<w:p>{}</w:p>", runs.concat()));
    }
}

#[test]
fn words_above_the_line_are_translated() {
    let runs = [run("", "Our shop"), run(SUPER, "with words"), run("", " is new.")];
    let source = format!("<w:p>{}</w:p>", runs.concat());
    let out = body(&source, shout);
    assert!(out.contains("WITH WORDS") && out.contains("IS NEW."), "{out}");
}

#[test]
fn notes_of_opendocument_and_epub_stand_behind_their_words() {
    let styles = "<style:style style:name=\"T1\"><style:text-properties style:text-position=\"super 58%\"/></style:style>";
    let span = |note: &str| format!("<text:span text:style-name=\"T1\">{note}</text:span>");
    for note in ["3", "a"] {
        let note = span(note);
        let text = format!("{styles}<text:p>The water in the lake{note} is cold.</text:p>");
        let out = translated("a.odt", &odt(&text), german).expect("it can be read");
        let expected = format!("<text:p>Kalt ist das Wasser im See{note}.</text:p>");
        let content = member(&out, "content.xml");
        assert!(content.contains(&expected), "{content}");
        assert!(
            translated("a.odt", &odt(&text), str::to_owned).expect("it can be read") == odt(&text)
        );
    }
    let plain = "<text:p>A b<text:span text:style-name=\"T2\">i</text:span>g lake.</text:p>";
    let out = translated("a.odt", &odt(plain), shout).expect("it can be read");
    assert!(member(&out, "content.xml").contains("LAKE."));
    for note in ["<sup>3</sup>", "<sup><a href=\"#n1\">1</a></sup>", "<sup>a</sup>"] {
        let html = |text: &str| format!("<html xmlns=\"x\"><body><p>{text}</p></body></html>");
        let chapter = html(&format!("The water in the lake{note} is cold."));
        let book = zipped(&[("mimetype", "application/epub+zip"), ("c.xhtml", &chapter)]);
        let out = translated("a.epub", &book, german).expect("it is a book");
        let expected = html(&format!("Kalt ist das Wasser im See{note}."));
        assert_eq!(member(&out, "c.xhtml"), expected);
    }
}
