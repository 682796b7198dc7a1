//! OpenDocument and EPUB.

use super::{
    asked, shout, translated,
    zip::{member, zipped},
};

/// An OpenDocument file whose text has this content.
pub(crate) fn odt(content: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<office:document-content xmlns:office=\"o\" xmlns:text=\"t\"><office:body>{content}</office:body></office:document-content>"
    );
    zipped(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", "<m/>"),
        ("content.xml", &content),
        (
            "styles.xml",
            "<office:document-styles xmlns:office=\"o\" xmlns:text=\"t\"><text:p>Footer</text:p></office:document-styles>",
        ),
    ])
}

#[test]
fn paragraphs_spans_and_notes_are_translated() {
    let content = "<text:h>The title</text:h>\n<text:p>One<text:s text:c=\"2\"/>two\n   <text:span text:style-name=\"B\">three</text:span>.\
        <text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note> Next.</text:p>\
        <text:p>12:30</text:p>";
    let asked = asked("a.odt", &odt(content));
    for sentence in ["The title", "One two three.", "A note.", "Next.", "Footer"] {
        assert!(asked.iter().any(|text| text == sentence), "{sentence} in {asked:?}");
    }
    let out = translated("a.odt", &odt(content), shout).expect("it can be read");
    let content = member(&out, "content.xml");
    assert!(content.contains("<text:h>THE TITLE</text:h>\n"), "{content}");
    assert!(content.contains("<text:span text:style-name=\"B\">THREE</text:span>"), "{content}");
    assert!(
        content.contains(
            "<text:note-body><text:p>A NOTE.</text:p></text:note-body></text:note> NEXT.</text:p>"
        ),
        "{content}"
    );
    assert!(content.contains("<text:p>12:30</text:p>"));
    assert!(member(&out, "styles.xml").contains("<text:p>FOOTER</text:p>"));
    assert_eq!(member(&out, "mimetype"), "application/vnd.oasis.opendocument.text");
}

#[test]
fn cells_with_numbers_dates_and_formulas_stay() {
    let content = "<table:table-cell office:value-type=\"string\"><text:p>Cheap</text:p></table:table-cell>\
        <table:table-cell office:value-type=\"date\"><text:p>March</text:p></table:table-cell>\
        <table:table-cell office:value-type=\"string\" table:formula=\"x\"><text:p>Sum</text:p></table:table-cell>";
    assert_eq!(asked("a.ods", &odt(content)), ["cheap", "Footer"]);
}

#[test]
fn the_value_of_a_cell_is_translated_with_its_text() {
    let cell = |value: &str, text: &str| {
        format!(
            "<table:table-cell office:value-type=\"string\" office:string-value=\"{value}\"><text:p>{text}</text:p></table:table-cell>\
             <table:table-cell office:value-type=\"string\" office:string-value=\"Sum\" table:formula=\"x\"><text:p>Sum</text:p></table:table-cell>"
        )
    };
    let out = translated(
        "a.ods",
        &odt(&cell("Salt &amp; &quot;sugar&quot;", "Salt &amp; \"sugar\"")),
        shout,
    );
    let content = member(&out.expect("it can be read"), "content.xml");
    let expected = cell("SALT &amp; &quot;SUGAR&quot;", "SALT &amp; \"SUGAR\"");
    assert!(content.contains(&expected), "{content}");
}

#[test]
fn an_encrypted_document_is_refused() {
    let package = zipped(&[
        ("mimetype", "x"),
        ("META-INF/manifest.xml", "<m><manifest:encryption-data/></m>"),
        ("content.xml", "noise"),
    ]);
    let error = translated("a.odt", &package, shout).expect_err("it is encrypted").to_string();
    assert!(error.contains("encrypted"), "{error}");
}

#[test]
fn chapters_and_contents_of_a_book_are_translated() {
    let chapter = "<?xml version=\"1.0\"?>\n<!DOCTYPE html>\n<html><head><title/><link href=\"a.css\"/></head>\
        <body>Loose text<h1 id=\"x\">Chapter&nbsp;one</h1><p>It was <em>dark</em> &amp; cold.<br/>Very <code>ls -l</code> cold.</p><pre>not this</pre>\
        <p translate=\"no\">nor this</p><ul><li>An item<ul><li>Inner</li></ul></li></ul></body></html>";
    let package = zipped(&[
        ("mimetype", "application/epub+zip"),
        ("OEBPS/ch1.xhtml", chapter),
        (
            "OEBPS/toc.ncx",
            "<ncx><navMap><navPoint><navLabel><text>Chapter one</text></navLabel><content src=\"ch1.xhtml\"/></navPoint></navMap></ncx>",
        ),
    ]);
    let out = translated("a.epub", &package, shout).expect("it can be read");
    let chapter = member(&out, "OEBPS/ch1.xhtml");
    for expected in [
        "<body>LOOSE TEXT<h1 id=\"x\">CHAPTER ONE</h1>",
        "<p>IT WAS <em>DARK</em> &amp; COLD.<br/>VERY <code>ls -l</code> COLD.</p>",
        "<pre>not this</pre><p translate=\"no\">nor this</p>",
        "<li>AN ITEM<ul><li>INNER</li></ul></li>",
    ] {
        assert!(chapter.contains(expected), "{expected} in {chapter}");
    }
    assert!(member(&out, "OEBPS/toc.ncx").contains("<text>CHAPTER ONE</text>"));
}
