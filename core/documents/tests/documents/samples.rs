//! A small document of every format.

use super::{office::docx, opendocument::odt, zip::zipped};

/// A document of every format, each with the sentence `Good morning.` in it.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let slide = "<p:sld xmlns:a=\"a\"><a:p><a:r><a:rPr b=\"1\"/><a:t>Good </a:t></a:r><a:r><a:t>morning.</a:t></a:r></a:p></p:sld>";
    let strings = "<sst><si><t>Good morning.</t></si><si><r><t>Hello </t></r><r><rPr><i/></rPr><t>you</t></r></si></sst>";
    let chapter = "<html><body><p>Good <b>morning</b>.</p><p>It&#39;s &lt;late&gt;.<img src=\"a\"/> Yes.</p></body></html>";
    let xliff = "<xliff><file source-language=\"en\"><body><trans-unit id=\"1\"><source>Good <g id=\"1\">morning</g>.</source></trans-unit></body></file></xliff>";
    let tmx = "<tmx><header srclang=\"en\"/><body><tu><tuv xml:lang=\"en\"><seg>Good morning.</seg></tuv></tu></body></tmx>";
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("a.txt", text("Good morning.\r\n\r\n- one thing\n")),
        ("a.md", text("# Good morning.\n\nSome *words* and `code`.\n")),
        ("a.html", text("<p>Good <b>morning</b>.</p>")),
        (
            "a.docx",
            docx(
                "<w:p><w:r><w:t>Good </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>mor</w:t></w:r><w:r><w:t>ning.</w:t></w:r></w:p>",
            ),
        ),
        ("a.pptx", zipped(&[("[Content_Types].xml", "<T/>"), ("ppt/slides/slide1.xml", slide)])),
        (
            "a.xlsx",
            zipped(&[
                ("[Content_Types].xml", "<T/>"),
                ("xl/workbook.xml", "<w/>"),
                ("xl/sharedStrings.xml", strings),
            ]),
        ),
        ("a.odt", odt("<text:p>Good <text:span>mor</text:span>ning.</text:p>")),
        (
            "a.ods",
            odt(
                "<table:table-cell office:value-type=\"string\"><text:p>Good morning.</text:p></table:table-cell>",
            ),
        ),
        (
            "a.odp",
            odt(
                "<draw:page><draw:frame><draw:text-box><text:p>Good morning.</text:p></draw:text-box></draw:frame></draw:page>",
            ),
        ),
        ("a.fodt", text("<office:document><text:p>Good morning.</text:p></office:document>")),
        ("a.epub", zipped(&[("mimetype", "application/epub+zip"), ("c.xhtml", chapter)])),
        ("a.srt", text("1\n00:00:01,000 --> 00:00:02,000\nGood\nmorning.\n\n")),
        ("a.vtt", text("WEBVTT\n\n00:01.000 --> 00:02.000\nGood morning.\n")),
        ("a.ass", text("[Events]\nFormat: Start, Text\nDialogue: 0,Good {\\i1}morning{\\i0}.\n")),
        ("a.csv", text("n,text\n1,\"Good morning.\"\n2,Hello there\n")),
        ("a.tsv", text("n\ttext\n1\tGood morning.\n")),
        ("a.json", text("{\"a\": [\"Good morning.\", {\"b\": \"One \\\"two\\\"\"}]}")),
        ("a.yaml", text("a: Good morning.\nb:\n  - 'it''s'\n  - |\n    one line\n    two\n")),
        (
            "a.po",
            text("msgid \"Good morning.\"\nmsgstr \"\"\n\n#, fuzzy\nmsgid \"x y\"\nmsgstr \"\"\n"),
        ),
        ("a.xliff", text(xliff)),
        ("a.tmx", text(tmx)),
        (
            "strings.xml",
            text(
                "<resources><string name=\"a\">Good morning.</string><string name=\"b\">It\\'s</string></resources>",
            ),
        ),
        ("a.strings", text("/* c */ \"k\" = \"Good morning.\";\n")),
        (
            "a.stringsdict",
            text("<plist><dict><key>other</key><string>Good morning.</string></dict></plist>"),
        ),
        ("a.resx", text("<root><data name=\"a\"><value>Good morning.</value></data></root>")),
        ("a.ftl", text("a = Good morning.\nb = { $n } things\n    more\n")),
        ("a.properties", text("a = Good morning.\nb: two \\\n  lines\n")),
    ]
}

#[test]
fn what_is_not_translated_is_the_same_byte_for_byte() {
    for (name, bytes) in all() {
        let out = super::translated(name, &bytes, str::to_owned).expect(name);
        assert!(out == bytes, "{name}: {:?}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn every_format_is_translated() {
    for (name, bytes) in all() {
        let model = |text: &str| text.replace("Good morning.", "Guten Morgen.");
        let asked = super::asked(name, &bytes);
        assert!(asked.iter().any(|text| text == "Good morning."), "{name}: {asked:?}");
        let out = super::translated(name, &bytes, model).expect(name);
        assert!(out != bytes, "{name}");
        let again = super::asked(name, &out);
        let fills = ["a.po", "a.xliff", "a.tmx"].contains(&name); // nothing is missing there any more
        assert!(fills || again.iter().any(|text| text == "Guten Morgen."), "{name}: {again:?}");
    }
}
