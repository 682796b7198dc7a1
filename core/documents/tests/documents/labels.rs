//! Attributes that readers see, and what a document says of its own language.

use super::{
    shout, text, translated,
    zip::{member, zipped},
};

#[test]
fn attributes_of_html_are_translated_and_its_language_is_the_new_one() {
    let source = "<!doctype html>\n<html lang=\"en-US\"><body><p title='a note'>Good <img alt=\"a red house\" src=\"a.png\"> morning.</p></body></html>\n";
    let expected = source
        .replace("en-US", "de")
        .replace("a note", "A NOTE")
        .replace("a red house", "A RED HOUSE")
        .replace("Good", "GOOD")
        .replace("morning", "MORNING");
    assert_eq!(text("a.html", source, shout), expected);
    assert_eq!(text("a.html", source, str::to_owned), source);
    let other = source.replace("en-US", "la");
    assert!(text("a.html", &other, shout).contains("<html lang=\"la\">"));
}

#[test]
fn a_book_says_its_new_language() {
    let chapter = "<?xml version=\"1.0\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\"><body><p>A <a title=\"see &quot;it&quot; &amp; go\" href=\"b\">short</a> story.</p><p translate=\"no\"><img alt=\"kept words\"/></p><img alt='the sea'/></body></html>";
    let package = "<package xml:lang=\"en\"><metadata><dc:title>A title</dc:title><dc:language>en-GB</dc:language></metadata></package>";
    let book = zipped(&[
        ("mimetype", "application/epub+zip"),
        ("OEBPS/content.opf", package),
        ("OEBPS/c.xhtml", chapter),
    ]);
    let out = translated("a.epub", &book, shout).expect("it is a book");
    let expected = chapter
        .replace("lang=\"en\"", "lang=\"de\"")
        .replace("see &quot;it&quot; &amp; go", "SEE &quot;IT&quot; &amp; GO")
        .replace(">short<", ">SHORT<")
        .replace(" story", " STORY")
        .replace("the sea", "THE SEA");
    assert_eq!(member(&out, "OEBPS/c.xhtml"), expected);
    let expected = package.replace("\"en\"", "\"de\"").replace("en-GB", "de");
    assert_eq!(member(&out, "OEBPS/content.opf"), expected);
    assert!(translated("a.epub", &book, str::to_owned).expect("it is a book") == book);
}

#[test]
fn files_of_messages_say_their_new_language() {
    let arb = "{\n  \"@@locale\": \"en\",\n  \"a\": \"Good day\"\n}\n";
    assert_eq!(
        text("a.arb", arb, shout),
        arb.replace("\"en\"", "\"de\"").replace("Good day", "GOOD DAY")
    );
    assert_eq!(text("a.arb", arb, str::to_owned), arb);
    let po = "msgid \"\"\nmsgstr \"\"\n\"Language: en\\n\"\n\nmsgid \"Good day\"\nmsgstr \"\"\n";
    assert!(text("a.po", po, shout).contains("\"Language: de\\n\""));
    let xliff = |target: &str| {
        format!(
            "<xliff version=\"1.2\"><file source-language=\"en\" target-language=\"fr\"><body><trans-unit id=\"1\"><source>Good day</source></trans-unit><trans-unit id=\"2\"><source>No</source>{target}</trans-unit></body></file></xliff>"
        )
    };
    assert!(text("a.xlf", &xliff(""), shout).contains("target-language=\"de\""));
    let begun = xliff("<target>Non</target>");
    assert!(text("a.xlf", &begun, shout).contains("target-language=\"fr\""));
}
