//! Word, PowerPoint and Excel.

use super::{
    asked, reversed, shout, translated,
    zip::{member, zipped},
};

const NAMES: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";

/// A Word document with this body.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\"?>\r\n<w:document {NAMES}><w:body>{body}</w:body></w:document>"
    );
    zipped(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", &document)])
}

/// The body of the translation of a Word document by `model`.
pub(crate) fn body(body: &str, model: impl FnMut(&str) -> String) -> String {
    let package = translated("a.docx", &docx(body), model).expect("it can be read");
    let document = member(&package, "word/document.xml");
    let (_, body) = document.split_once("<w:body>").expect("a body");
    body.trim_end_matches("</w:body></w:document>").to_owned()
}

pub(crate) fn run(settings: &str, text: &str) -> String {
    format!("<w:r>{settings}<w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

const BOLD: &str = "<w:rPr><w:b/></w:rPr>";

#[test]
fn words_that_the_editor_cut_are_whole() {
    let cut = "<w:p><w:pPr><w:jc/></w:pPr><w:r w:rsidR=\"1\"><w:t>Good mor</w:t></w:r><w:proofErr w:type=\"x\"/>\
               <w:r w:rsidR=\"2\"><w:rPr><w:lang w:val=\"en\"/></w:rPr><w:t>ning.</w:t></w:r></w:p>";
    assert_eq!(asked("a.docx", &docx(cut)), ["Good morning."]);
    let expected = format!("<w:p><w:pPr><w:jc/></w:pPr>{}</w:p>", run("", "GOOD MORNING."));
    assert_eq!(body(cut, shout), expected);
    assert_eq!(body(cut, str::to_owned), cut);
}

#[test]
fn formats_stay_at_their_words() {
    let source =
        format!("<w:p>{}{}{}</w:p>", run("", "one "), run(BOLD, "two"), run("", " three four"));
    let model = |text: &str| match text {
        "one two three four" => "vier drei zwei eins".to_owned(),
        "two" => "zwei".to_owned(),
        other => panic!("{other}"),
    };
    let expected =
        format!("<w:p>{}{}{}</w:p>", run("", "vier drei "), run(BOLD, "zwei"), run("", " eins"));
    assert_eq!(body(&source, model), expected);
}

#[test]
fn a_sentence_that_is_bold_as_a_whole_has_no_marks() {
    let source = format!("<w:p>{}{}</w:p>", run(BOLD, "Be careful. It is"), run("", " hot."));
    assert_eq!(asked("a.docx", &docx(&source)), ["Be careful.", "It is hot.", "hot."]);
}

#[test]
fn notes_links_fields_and_changes_are_carried() {
    let paragraph = "<w:p><w:r><w:t>See </w:t></w:r><w:hyperlink r:id=\"x\"><w:r><w:rPr><w:rStyle/></w:rPr><w:t>our page</w:t></w:r></w:hyperlink>\
        <w:r><w:t>, page </w:t></w:r><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> PAGEREF a </w:instrText></w:r>\
        <w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>7</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r>\
        <w:ins w:id=\"1\"><w:r><w:t> below</w:t></w:r></w:ins><w:del w:id=\"2\"><w:r><w:delText> above</w:delText></w:r></w:del>\
        <w:r><w:t>.</w:t></w:r><w:r><w:rPr><w:vertAlign/></w:rPr><w:footnoteReference w:id=\"3\"/></w:r><w:r><w:t> Thanks.</w:t></w:r></w:p>";
    let out = body(paragraph, shout);
    for kept in [
        "<w:hyperlink r:id=\"x\"><w:r><w:rPr><w:rStyle/></w:rPr><w:t xml:space=\"preserve\">OUR PAGE</w:t></w:r></w:hyperlink>",
        "<w:instrText> PAGEREF a </w:instrText>",
        "<w:t xml:space=\"preserve\">7</w:t>",
        "<w:ins w:id=\"1\">",
        "<w:del w:id=\"2\"><w:r><w:delText> above</w:delText></w:r></w:del>",
        "<w:r><w:rPr><w:vertAlign/></w:rPr><w:footnoteReference w:id=\"3\"/></w:r>",
        "THANKS.",
    ] {
        assert_eq!(out.matches(kept).count(), 1, "{kept} in {out}");
    }
    assert_eq!(body(paragraph, str::to_owned), paragraph);
}

#[test]
fn text_boxes_within_a_paragraph_are_translated_too() {
    let inner = format!("<w:p>{}</w:p>", run("", "Inside the box."));
    let source = format!(
        "<w:p><w:r><w:t xml:space=\"preserve\">Outside. </w:t></w:r><w:r><w:pict><w:txbxContent>{inner}</w:txbxContent></w:pict></w:r></w:p>"
    );
    let out = body(&source, shout);
    assert!(out.contains(">INSIDE THE BOX.<") && out.contains("OUTSIDE."), "{out}");
    assert_eq!(out.matches("<w:txbxContent>").count(), 1);
}

#[test]
fn tabs_and_breaks_end_sentences_and_hyphens_are_characters() {
    let source = "<w:p><w:r><w:t>Name</w:t><w:tab/><w:t>well</w:t><w:noBreakHyphen/><w:t>known</w:t><w:br/><w:t>town</w:t></w:r></w:p>";
    assert_eq!(asked("a.docx", &docx(source)), ["name", "well\u{2011}known", "town"]);
    let out = body(source, shout);
    assert!(out.contains("<w:tab/>") && out.contains("<w:br/>"), "{out}");
    assert!(out.contains("WELL\u{2011}KNOWN"), "{out}");
}

#[test]
fn headers_notes_and_comments_are_translated_and_other_members_stay() {
    let part = |text: &str| format!("<w:x {NAMES}><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:x>");
    let package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", &part("Body")),
        ("word/header1.xml", &part("Head")),
        ("word/footnotes.xml", &part("Note")),
        ("word/comments.xml", &part("Comment")),
        ("word/styles.xml", &part("Style")),
        ("word/vbaProject.bin", "macro"),
    ]);
    let out = translated("a.docm", &package, shout).expect("it can be read");
    for (name, text) in [
        ("word/document.xml", "BODY"),
        ("word/header1.xml", "HEAD"),
        ("word/footnotes.xml", "NOTE"),
        ("word/comments.xml", "COMMENT"),
        ("word/styles.xml", "Style"),
        ("word/vbaProject.bin", "macro"),
    ] {
        assert!(member(&out, name).contains(text), "{name}");
    }
}

#[test]
fn slides_and_their_notes_are_translated() {
    let slide = |text: &str| {
        format!(
            "<p:sld xmlns:a=\"a\" xmlns:p=\"p\"><a:p><a:pPr/><a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>{text}</a:t></a:r>\
                 <a:r><a:rPr lang=\"en-GB\" err=\"1\"/><a:t>morning</a:t></a:r><a:br/><a:fld type=\"slidenum\"><a:t>3</a:t></a:fld><a:endParaRPr/></a:p></p:sld>"
        )
    };
    let package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("ppt/slides/slide1.xml", &slide("Good ")),
        ("ppt/notesSlides/notesSlide1.xml", &slide("Say good ")),
        ("ppt/slideLayouts/slideLayout1.xml", &slide("Click to add ")),
    ]);
    let asked = asked("a.pptx", &package);
    assert_eq!(asked[..2], ["Good morning", "Say good morning"]); // then in small letters
    let out = translated("a.pptx", &package, reversed).expect("it can be read");
    let slide = member(&out, "ppt/slides/slide1.xml");
    assert!(slide.contains("<a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>"), "{slide}");
    assert!(
        slide.contains("<a:br/><a:fld type=\"slidenum\"><a:t>3</a:t></a:fld><a:endParaRPr/>"),
        "{slide}"
    );
    assert!(member(&out, "ppt/slideLayouts/slideLayout1.xml").contains("Click"));
}

#[test]
fn a_cell_that_says_the_same_as_the_head_of_a_table_is_translated() {
    let sheet = |word: &str, sum: &str| {
        format!(
            "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"inlineStr\"><is><t>Size &amp; age</t></is></c></row>\
             <row r=\"2\">{word}<c r=\"B2\"><v>0</v></c></row><row r=\"3\">{sum}</row></sheetData></worksheet>"
        )
    };
    let source = sheet(
        "<c r=\"A2\" t=\"s\" s=\"3\"><v>0</v></c>",
        "<c t=\"inlineStr\"><is><t>Size &amp; age</t></is></c>",
    );
    let other = "<worksheet><sheetData><row><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c></row></sheetData></worksheet>";
    let strings = "<sst><si><t>Name</t></si><si><t>Town</t></si></sst>";
    let relations = "<Relationships><Relationship Id=\"r\" Type=\"http://x/relationships/table\" Target=\"../tables/table1.xml\"/></Relationships>";
    let package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", &source),
        ("xl/worksheets/_rels/sheet1.xml.rels", relations),
        ("xl/worksheets/sheet2.xml", other),
        (
            "xl/tables/table1.xml",
            "<table ref=\"A1:B2\"><tableColumn name=\"Name\"/><tableColumn name=\"Size &amp;amp; age\"/></table>",
        ),
    ]);
    let out = translated("a.xlsx", &package, shout).expect("it can be read");
    assert_eq!(
        member(&out, "xl/sharedStrings.xml"),
        "<sst><si><t>Name</t></si><si><t xml:space=\"preserve\">TOWN</t></si></sst>"
    );
    let cell = "<is><t xml:space=\"preserve\">NAME</t></is></c>";
    let expected = sheet(
        &format!("<c r=\"A2\" t=\"inlineStr\" s=\"3\">{cell}"),
        "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">SIZE &amp; AGE</t></is></c>",
    );
    assert_eq!(member(&out, "xl/worksheets/sheet1.xml"), expected);
    let expected = other.replacen("\"s\"><v>0</v></c>", &format!("\"inlineStr\">{cell}"), 1);
    assert_eq!(member(&out, "xl/worksheets/sheet2.xml"), expected);
    assert!(translated("a.xlsx", &package, str::to_owned).expect("it can be read") == package);
}

#[test]
fn labels_and_names_of_charts_are_translated_and_their_numbers_stay() {
    let points = |cache: &str, points: &[&str]| {
        let points: String =
            points.iter().map(|text| format!("<c:pt idx=\"0\"><c:v>{text}</c:v></c:pt>")).collect();
        format!("<c:{cache}><c:ptCount val=\"1\"/>{points}</c:{cache}>")
    };
    let chart = |title: &str, labels: &[&str]| {
        format!(
            "<c:chartSpace><c:title><a:p><a:r><a:t>{title}</a:t></a:r></a:p></c:title><c:cat><c:strRef><c:f>Sheet1!$A$2</c:f>{}</c:strRef></c:cat>\
             <c:cat><c:multiLvlStrRef><c:multiLvlStrCache><c:lvl><c:pt idx=\"0\"><c:v>{}</c:v></c:pt></c:lvl></c:multiLvlStrCache></c:multiLvlStrRef></c:cat>\
             <c:val><c:numRef>{}</c:numRef></c:val></c:chartSpace>",
            points("strCache", labels),
            labels[0],
            points("numCache", &["General", "12.5"]),
        )
    };
    let package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("ppt/slides/slide1.xml", "<p:sld/>"),
        ("ppt/charts/chart1.xml", &chart("Sales", &["North &amp; south", "2024"])),
        (
            "ppt/diagrams/data1.xml",
            "<d:pt><d:t><a:p><a:r><a:t>First step</a:t></a:r></a:p></d:t></d:pt>",
        ),
    ]);
    let out = translated("a.pptx", &package, shout).expect("it can be read");
    assert_eq!(
        member(&out, "ppt/charts/chart1.xml"),
        chart("SALES", &["NORTH &amp; SOUTH", "2024"])
    );
    assert!(member(&out, "ppt/diagrams/data1.xml").contains(">FIRST STEP<"));
}

#[test]
fn cells_with_text_are_translated_and_heads_of_tables_stay() {
    let strings = "<sst><si><t>Total cost</t></si><si><r><t xml:space=\"preserve\">very </t></r><r><rPr><b/></rPr><t>cheap</t></r><rPh><t>x</t></rPh></si><si><t>Name</t></si><si><t>42</t></si></sst>";
    let package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("xl/sharedStrings.xml", strings),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><c t=\"s\"><v>0</v></c><c t=\"inlineStr\"><is><t>Here</t></is></c><c><f>A1+1</f><v>3</v></c></worksheet>",
        ),
        ("xl/tables/table1.xml", "<table><tableColumn id=\"1\" name=\"Name\"/></table>"),
    ]);
    let out = translated("a.xlsx", &package, shout).expect("it can be read");
    let strings = member(&out, "xl/sharedStrings.xml");
    assert!(strings.contains("<si><t xml:space=\"preserve\">TOTAL COST</t></si>"), "{strings}");
    assert!(
        strings.contains(
            "<r><rPr><b/></rPr><t xml:space=\"preserve\">CHEAP</t></r><rPh><t>x</t></rPh>"
        ),
        "{strings}"
    );
    assert!(strings.contains("<si><t>Name</t></si><si><t>42</t></si>"), "{strings}");
    let sheet = member(&out, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(">HERE<") && sheet.contains("<f>A1+1</f><v>3</v>"), "{sheet}");
}
