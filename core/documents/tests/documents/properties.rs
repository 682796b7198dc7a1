//! What holds for every document: random ones of each format, and models that do what they want.

use dragoman_documents::{Document, Settings};
use dragoman_text::{Item, Rewritten, Sentence};
use proptest::{prelude::*, sample::select};

use super::{
    office::docx,
    opendocument::odt,
    translated,
    zip::{member, zipped},
};

/// Pieces of text that formats must escape, and such that do not go through the model.
const WORDS: &[&str] = &[
    "house",
    "the",
    "red.",
    "Anna",
    "walks",
    "not?",
    "- ",
    "  ",
    "5",
    "%s",
    "{name}",
    "é",
    "字",
    "\"quoted\"",
    "it's",
    "R&D",
    "<",
    ">",
    "a\\b",
    "https://example.org/a?b=c",
    ", ",
    ": ",
    " #",
    "\u{a0}",
    "End. ",
    "Next",
];

fn words() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(WORDS), 0..8).prop_map(|words| words.join(" "))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The runs of a Word paragraph, and what stands between them.
fn paragraph() -> impl Strategy<Value = String> {
    let run = (
        words(),
        select(vec![
            "",
            "<w:rPr><w:b/></w:rPr>",
            "<w:rPr><w:i/></w:rPr>",
            "<w:rPr><w:lang w:val=\"en\"/></w:rPr>",
        ]),
    )
        .prop_map(|(text, settings)| {
            format!("<w:r>{settings}<w:t xml:space=\"preserve\">{}</w:t></w:r>", escaped(&text))
        });
    let other = select(vec![
        "<w:bookmarkStart w:id=\"1\"/>",
        "<w:proofErr w:type=\"spellStart\"/>",
        "<w:r><w:footnoteReference w:id=\"2\"/></w:r>",
        "<w:r><w:tab/></w:r>",
        "<w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>known</w:t></w:r>",
        "<w:hyperlink r:id=\"1\"><w:r><w:t>a link</w:t></w:r></w:hyperlink>",
        "<w:del w:id=\"3\"><w:r><w:delText>gone</w:delText></w:r></w:del>",
        "<w:ins w:id=\"4\"><w:r><w:rPr><w:b/></w:rPr><w:t>new words</w:t></w:r></w:ins>",
        "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>3</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r>",
        "<w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>held text</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
    ])
    .prop_map(str::to_owned);
    proptest::collection::vec(prop_oneof![3 => run, 1 => other], 0..8)
        .prop_map(|parts| format!("<w:p><w:pPr/>{}</w:p>", parts.concat()))
}

/// Inline markup of OpenDocument.
fn odf_paragraph() -> impl Strategy<Value = String> {
    let text = words().prop_map(|text| escaped(&text));
    let other = select(vec![
        "<text:span text:style-name=\"B\">bold words</text:span>",
        "<text:a xlink:href=\"x\">a <text:span>link</text:span></text:a>",
        "<text:s text:c=\"3\"/>",
        "<text:line-break/>",
        "<text:bookmark/>",
        "<text:page-number>3</text:page-number>",
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>",
        "<!-- c -->",
        "\n   ",
    ])
    .prop_map(str::to_owned);
    proptest::collection::vec(prop_oneof![2 => text, 1 => other], 0..8)
        .prop_map(|parts| format!("<text:p>{}</text:p>", parts.concat()))
}

/// A small document of some format.
fn document() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let texts = proptest::collection::vec(words(), 1..4);
    let formats = select(vec![
        "a.json",
        "a.yaml",
        "a.po",
        "a.csv",
        "a.tsv",
        "a.properties",
        "a.strings",
        "a.srt",
        "a.vtt",
        "a.ass",
        "a.xliff",
        "a.tmx",
        "strings.xml",
        "a.resx",
        "a.stringsdict",
        "a.ftl",
        "a.xlsx",
        "a.pptx",
        "a.epub",
        "a.txt",
        "a.html",
    ]);
    let plain = (formats, texts).prop_map(|(name, texts)| (name, written(name, &texts)));
    prop_oneof![
        2 => proptest::collection::vec(paragraph(), 1..4).prop_map(|all| ("a.docx", docx(&all.concat()))),
        1 => proptest::collection::vec(odf_paragraph(), 1..4).prop_map(|all| ("a.odt", odt(&all.concat()))),
        4 => plain,
    ]
}

/// A document with these texts, as its format writes them.
fn written(name: &str, texts: &[String]) -> Vec<u8> {
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let each = |write: &dyn Fn(&String) -> String| texts.iter().map(write).collect::<String>();
    let xml = |text: &String| escaped(text);
    let text = match name {
        "a.json" => format!("[{}]", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        "a.yaml" => each(&|text| {
            format!("- {}\n- '{}'\n- |\n  x {text}\n", quoted(text), text.replace('\'', "''"))
        }),
        "a.po" => each(&|text| format!("msgid {}\nmsgstr \"\"\n\n", quoted(text))),
        "a.csv" => each(&|text| format!("1,\"{}\",word\n", text.replace('"', "\"\""))),
        "a.tsv" => each(&|text| format!("1\t{text}\tword\n")),
        "a.properties" => each(&|text| format!("k = x {}\n", text.replace('\\', "\\\\"))),
        "a.strings" => each(&|text| format!("\"k\" = {};\n", quoted(text))),
        "a.srt" => each(&|text| format!("1\n00:00:01,000 --> 00:00:02,000\n{text}\nmore\n\n")),
        "a.vtt" => {
            format!("WEBVTT\n\n{}", each(&|text| format!("00:01.000 --> 00:02.000\n{text}\n\n")))
        }
        "a.ass" => format!(
            "[Events]\nFormat: Start, Text\n{}",
            each(&|text| format!(
                "Dialogue: 0,{{\\i1}}{}\\Nmore\n",
                text.replace(['{', '}', '\\'], "")
            ))
        ),
        "a.xliff" => format!(
            "<xliff><file source-language=\"en\"><body>{}</body></file></xliff>",
            each(&|text| format!(
                "<trans-unit id=\"1\"><source>{} <g id=\"1\">two words</g><x id=\"2\"/></source></trans-unit>",
                xml(text)
            ))
        ),
        "a.tmx" => format!(
            "<tmx><header srclang=\"en\"/><body>{}</body></tmx>",
            each(&|text| format!("<tu><tuv xml:lang=\"en\"><seg>{}</seg></tuv></tu>", xml(text)))
        ),
        "strings.xml" => format!(
            "<resources>{}</resources>",
            each(&|text| format!(
                "<string name=\"a\">{} <b>two</b></string>",
                xml(text).replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"")
            ))
        ),
        "a.resx" => format!(
            "<root>{}</root>",
            each(&|text| format!("<data name=\"a\"><value>{}</value></data>", xml(text)))
        ),
        "a.stringsdict" => format!(
            "<plist><dict>{}</dict></plist>",
            each(&|text| format!("<key>other</key><string>{}</string>", xml(text)))
        ),
        "a.ftl" => each(&|text| format!("a = x {}\n", text.replace(['{', '}'], ""))),
        "a.xlsx" => {
            let strings = format!(
                "<sst>{}</sst>",
                each(&|text| format!(
                    "<si><t xml:space=\"preserve\">{}</t></si><si><r><t>one </t></r><r><rPr><b/></rPr><t>{}</t></r></si>",
                    xml(text),
                    xml(text)
                ))
            );
            return zipped(&[
                ("[Content_Types].xml", "<T/>"),
                ("xl/workbook.xml", "<w/>"),
                ("xl/sharedStrings.xml", &strings),
            ]);
        }
        "a.pptx" => {
            let slide = format!(
                "<p:sld>{}</p:sld>",
                each(&|text| format!(
                    "<a:p><a:r><a:rPr b=\"1\"/><a:t>{}</a:t></a:r><a:r><a:t> more words</a:t></a:r><a:br/></a:p>",
                    xml(text)
                ))
            );
            return zipped(&[("[Content_Types].xml", "<T/>"), ("ppt/slides/slide1.xml", &slide)]);
        }
        "a.epub" => {
            let chapter = format!(
                "<html><body>{}</body></html>",
                each(&|text| format!("<p>{} <i>two</i><br/></p>", xml(text)))
            );
            return zipped(&[("mimetype", "application/epub+zip"), ("c.xhtml", &chapter)]);
        }
        "a.html" => each(&|text| format!("<p>{} <b>two</b></p>", xml(text))),
        _ => each(&|text| format!("{text}\n")),
    };
    text.into_bytes()
}

/// A sentence as a model would write it that changes nothing.
fn itself(sentence: &Sentence) -> Rewritten {
    let (mut items, mut at) = (Vec::new(), 0);
    for (number, span) in sentence.spans.iter().enumerate() {
        items.push(Item::Prose(sentence.text[at..span.at.start].to_owned()));
        items.push(Item::Span(number));
        at = span.at.end;
    }
    items.push(Item::Prose(sentence.text[at..].to_owned()));
    Rewritten::Items(items)
}

/// What is in a document.
fn shown(name: &str, bytes: &[u8]) -> String {
    match name {
        "a.docx" => member(bytes, "word/document.xml"),
        "a.odt" => member(bytes, "content.xml"),
        "a.xlsx" => member(bytes, "xl/sharedStrings.xml"),
        "a.pptx" => member(bytes, "ppt/slides/slide1.xml"),
        "a.epub" => member(bytes, "c.xhtml"),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A model that loses, doubles and moves words.
fn bad_model(mut state: u64, badness: u64) -> impl FnMut(&str) -> String {
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ (z >> 27)) % 100
    };
    move |text| {
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            match next() {
                n if n < badness => {}
                n if n < 2 * badness => words.extend([word, word].map(str::to_owned)),
                n if n < 3 * badness => {
                    words.extend(["&<x>{}\"\\ ' : #,;".to_owned(), word.to_owned()]);
                }
                _ => words.push(format!("{word}t")),
            }
        }
        if next() < 3 * badness {
            words.reverse();
        }
        words.join(" ")
    }
}

/// How often each element of Word that is no run stands in a document.
fn elements(document: &str) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for tag in document.split('<').skip(1) {
        let name = tag.split([' ', '>', '/']).find(|name| !name.is_empty()).unwrap_or_default();
        let name = format!("{}{name}", if tag.starts_with('/') { "/" } else { "" });
        let is_run =
            ["w:r", "w:t", "w:rPr", "w:b", "w:i", "w:lang", "w:proofErr", "w:noBreakHyphen"];
        if is_run.contains(&name.trim_start_matches('/')) {
            continue;
        }
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort();
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_document_translated_into_itself_is_the_same((name, bytes) in document()) {
        let settings = Settings { target: "de".into(), ..Settings::default() };
        let document = Document::read(name, bytes.clone(), &settings).expect("it is read").segment("en");
        let same: Vec<Rewritten> = document.sentences().iter().map(itself).collect();
        let out = document.write(&same).expect("it is written");
        prop_assert!(out == bytes, "{}: {} became {}", name, shown(name, &bytes), shown(name, &out));
    }

    #[test]
    fn a_model_that_says_the_same_changes_nothing((name, bytes) in document()) {
        let out = translated(name, &bytes, str::to_owned).expect("it can be read");
        prop_assert_eq!(shown(name, &out), shown(name, &bytes));
    }

    #[test]
    fn whatever_a_model_says_the_document_can_be_read_again(
        (name, bytes) in document(), state in any::<u64>(), badness in 0u64..20,
    ) {
        let settings = Settings { target: "de".into(), ..Settings::default() };
        let out = translated(name, &bytes, bad_model(state, badness)).expect("it is read");
        let again = Document::read(name, out.clone(), &settings);
        prop_assert!(again.is_ok(), "{}: {:?} is {:?}", name, String::from_utf8_lossy(&out), again.err());
        let before = Document::read(name, bytes, &settings).expect("it is read").segment("en");
        let fills = ["a.po", "a.xliff", "a.tmx"].contains(&name);
        if before.sentences().is_empty() && !fills {
            prop_assert!(again.expect("it was").segment("en").sentences().is_empty());
        }
    }

    #[test]
    fn whatever_a_model_says_no_element_of_word_is_lost(
        paragraphs in proptest::collection::vec(paragraph(), 1..4), state in any::<u64>(), badness in 0u64..20,
    ) {
        let source = docx(&paragraphs.concat());
        let out = translated("a.docx", &source, bad_model(state, badness)).expect("it is read");
        let (before, after) = (member(&source, "word/document.xml"), member(&out, "word/document.xml"));
        prop_assert_eq!(elements(&before), elements(&after), "{}", after);
    }
}
