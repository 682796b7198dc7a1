//! Whole documents as an office suite opens them, small and written by hand.

use super::zip::zipped;

const WORD: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

fn types(parts: &[(&str, &str)]) -> String {
    let part = |(name, kind): &(&str, &str)| {
        format!(
            "<Override PartName=\"/{name}\" ContentType=\"application/vnd.openxmlformats-officedocument.{kind}+xml\"/>"
        )
    };
    let parts: String = parts.iter().map(part).collect();
    format!(
        "{HEAD}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>{parts}</Types>"
    )
}

fn relations(all: &[(&str, &str, &str)]) -> String {
    let relation = |(id, kind, target): &(&str, &str, &str)| {
        let mode = if target.starts_with("http") { " TargetMode=\"External\"" } else { "" };
        format!(
            "<Relationship Id=\"{id}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}\" Target=\"{target}\"{mode}/>"
        )
    };
    let all: String = all.iter().map(relation).collect();
    format!(
        "{HEAD}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{all}</Relationships>"
    )
}

/// A Word document with a heading, formats, a link, a table, a note, a header and right-to-left text.
pub(crate) fn docx() -> Vec<u8> {
    let run = |settings: &str, text: &str| {
        format!("<w:r><w:rPr>{settings}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let cell = |text: &str| {
        format!(
            "<w:tc><w:tcPr><w:tcW w:w=\"3000\" w:type=\"dxa\"/></w:tcPr><w:p>{}</w:p></w:tc>",
            run("", text)
        )
    };
    let body = [
        format!("<w:p><w:pPr><w:jc w:val=\"center\"/></w:pPr>{}</w:p>", run("<w:b/><w:sz w:val=\"40\"/>", "Annual report")),
        format!(
            "<w:p>{}{}{}<w:hyperlink r:id=\"link\">{}</w:hyperlink>{}<w:r><w:rPr><w:vertAlign w:val=\"superscript\"/></w:rPr><w:footnoteReference w:id=\"2\"/></w:r>{}</w:p>",
            run("", "The company had a "), run("<w:b/>", "very good"), run("", " year. See "), run("<w:color w:val=\"0000FF\"/><w:u w:val=\"single\"/>", "our page"), run("", " for more."), run("", " The end."),
        ),
        format!("<w:p>{}<w:ins w:id=\"1\" w:author=\"Ann\">{}</w:ins><w:del w:id=\"2\" w:author=\"Ann\"><w:r><w:delText>old</w:delText></w:r></w:del></w:p>", run("", "A sentence with "), run("", "inserted words.")),
        format!("<w:tbl><w:tblPr><w:tblW w:w=\"6000\" w:type=\"dxa\"/><w:tblBorders><w:top w:val=\"single\"/><w:insideH w:val=\"single\"/><w:bottom w:val=\"single\"/></w:tblBorders></w:tblPr><w:tblGrid><w:gridCol w:w=\"3000\"/><w:gridCol w:w=\"3000\"/></w:tblGrid><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>", cell("Product"), cell("Price"), cell("Apple juice"), cell("12.50")),
        format!("<w:p><w:pPr><w:bidi/></w:pPr>{}</w:p>", run("<w:rtl/>", "A line from right to left")),
        "<w:p><w:r><w:t xml:space=\"preserve\">Page </w:t></w:r><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText xml:space=\"preserve\"> PAGE </w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>1</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r></w:p>".to_owned(),
        "<w:sectPr><w:headerReference w:type=\"default\" r:id=\"head\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1440\" w:right=\"1440\" w:bottom=\"1440\" w:left=\"1440\" w:header=\"700\" w:footer=\"700\" w:gutter=\"0\"/></w:sectPr>".to_owned(),
    ]
    .concat();
    let document = format!("{HEAD}<w:document {WORD}><w:body>{body}</w:body></w:document>");
    let header =
        format!("{HEAD}<w:hdr {WORD}><w:p>{}</w:p></w:hdr>", run("", "Confidential draft"));
    let note = |id: usize, kind: &str, text: &str| {
        format!("<w:footnote{kind} w:id=\"{id}\"><w:p>{}</w:p></w:footnote>", run("", text))
    };
    let notes = format!(
        "{HEAD}<w:footnotes {WORD}>{}{}{}</w:footnotes>",
        note(0, " w:type=\"separator\"", ""),
        note(1, " w:type=\"continuationSeparator\"", ""),
        note(2, "", "It was even better than before.")
    );
    zipped(&[
        (
            "[Content_Types].xml",
            &types(&[
                ("word/document.xml", "wordprocessingml.document.main"),
                ("word/header1.xml", "wordprocessingml.header"),
                ("word/footnotes.xml", "wordprocessingml.footnotes"),
            ]),
        ),
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "word/document.xml")])),
        (
            "word/_rels/document.xml.rels",
            &relations(&[
                ("head", "header", "header1.xml"),
                ("notes", "footnotes", "footnotes.xml"),
                ("link", "hyperlink", "https://example.org/"),
            ]),
        ),
        ("word/document.xml", &document),
        ("word/header1.xml", &header),
        ("word/footnotes.xml", &notes),
    ])
}

/// A workbook with text, numbers and a formula.
pub(crate) fn xlsx() -> Vec<u8> {
    let names = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
    let strings = format!(
        "{HEAD}<sst {names} count=\"3\" uniqueCount=\"3\"><si><t>Total cost</t></si><si><r><t xml:space=\"preserve\">very </t></r><r><rPr><b/></rPr><t>cheap</t></r></si><si><t>Apple juice &amp; more</t></si></sst>"
    );
    let sheet = format!(
        "{HEAD}<worksheet {names}><cols><col min=\"1\" max=\"3\" width=\"30\" customWidth=\"1\"/></cols><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\"><v>12.5</v></c><c r=\"C1\"><f>B1*2</f><v>25</v></c></row><row r=\"2\"><c r=\"A2\" t=\"s\"><v>1</v></c><c r=\"B2\" t=\"s\"><v>2</v></c><c r=\"C2\" t=\"inlineStr\"><is><t>Inline words</t></is></c></row></sheetData></worksheet>"
    );
    zipped(&[
        (
            "[Content_Types].xml",
            &types(&[
                ("xl/workbook.xml", "spreadsheetml.sheet.main"),
                ("xl/worksheets/sheet1.xml", "spreadsheetml.worksheet"),
                ("xl/sharedStrings.xml", "spreadsheetml.sharedStrings"),
            ]),
        ),
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "xl/workbook.xml")])),
        (
            "xl/_rels/workbook.xml.rels",
            &relations(&[
                ("r1", "worksheet", "worksheets/sheet1.xml"),
                ("r2", "sharedStrings", "sharedStrings.xml"),
            ]),
        ),
        (
            "xl/workbook.xml",
            &format!(
                "{HEAD}<workbook {names}><sheets><sheet name=\"Costs\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", &sheet),
        ("xl/sharedStrings.xml", &strings),
    ])
}

/// A presentation with one slide.
pub(crate) fn pptx() -> Vec<u8> {
    let names = "xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
    let group = "<p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>";
    let shape = "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"Box\"/><p:cNvSpPr txBox=\"1\"/><p:nvPr/></p:nvSpPr><p:spPr><a:xfrm><a:off x=\"914400\" y=\"914400\"/><a:ext cx=\"7000000\" cy=\"2000000\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/><a:p><a:r><a:rPr lang=\"en-US\" sz=\"3600\" b=\"1\"/><a:t>Welcome to </a:t></a:r><a:r><a:rPr lang=\"en-US\" sz=\"3600\" b=\"1\" i=\"1\"/><a:t>our company</a:t></a:r></a:p><a:p><a:r><a:rPr lang=\"en-US\" sz=\"2400\"/><a:t>Three good reasons</a:t></a:r><a:br/><a:r><a:rPr lang=\"en-US\" sz=\"2400\"/><a:t>and one more</a:t></a:r></a:p></p:txBody></p:sp>";
    let tree = |shapes: &str| format!("<p:cSld><p:spTree>{group}{shapes}</p:spTree></p:cSld>");
    let theme_color = "<a:sysClr val=\"windowText\" lastClr=\"000000\"/>";
    let colors: String = [
        "dk1", "lt1", "dk2", "lt2", "accent1", "accent2", "accent3", "accent4", "accent5",
        "accent6", "hlink", "folHlink",
    ]
    .iter()
    .map(|name| format!("<a:{name}>{theme_color}</a:{name}>"))
    .collect();
    let fill = "<a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill>".repeat(3);
    let theme = format!(
        "{HEAD}<a:theme {names} name=\"T\"><a:themeElements><a:clrScheme name=\"C\">{colors}</a:clrScheme><a:fontScheme name=\"F\"><a:majorFont><a:latin typeface=\"Liberation Sans\"/><a:ea typeface=\"\"/><a:cs typeface=\"\"/></a:majorFont><a:minorFont><a:latin typeface=\"Liberation Sans\"/><a:ea typeface=\"\"/><a:cs typeface=\"\"/></a:minorFont></a:fontScheme><a:fmtScheme name=\"M\"><a:fillStyleLst>{fill}</a:fillStyleLst><a:lnStyleLst>{}</a:lnStyleLst><a:effectStyleLst>{}</a:effectStyleLst><a:bgFillStyleLst>{fill}</a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>",
        "<a:ln/>".repeat(3),
        "<a:effectStyle><a:effectLst/></a:effectStyle>".repeat(3)
    );
    let map = "<p:clrMap bg1=\"lt1\" tx1=\"dk1\" bg2=\"lt2\" tx2=\"dk2\" accent1=\"accent1\" accent2=\"accent2\" accent3=\"accent3\" accent4=\"accent4\" accent5=\"accent5\" accent6=\"accent6\" hlink=\"hlink\" folHlink=\"folHlink\"/>";
    zipped(&[
        (
            "[Content_Types].xml",
            &types(&[
                ("ppt/presentation.xml", "presentationml.presentation.main"),
                ("ppt/slides/slide1.xml", "presentationml.slide"),
                ("ppt/slideLayouts/slideLayout1.xml", "presentationml.slideLayout"),
                ("ppt/slideMasters/slideMaster1.xml", "presentationml.slideMaster"),
                ("ppt/theme/theme1.xml", "theme"),
            ]),
        ),
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "ppt/presentation.xml")])),
        (
            "ppt/_rels/presentation.xml.rels",
            &relations(&[
                ("r1", "slideMaster", "slideMasters/slideMaster1.xml"),
                ("r2", "slide", "slides/slide1.xml"),
                ("r3", "theme", "theme/theme1.xml"),
            ]),
        ),
        (
            "ppt/presentation.xml",
            &format!(
                "{HEAD}<p:presentation {names}><p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" r:id=\"r1\"/></p:sldMasterIdLst><p:sldIdLst><p:sldId id=\"256\" r:id=\"r2\"/></p:sldIdLst><p:sldSz cx=\"9144000\" cy=\"6858000\"/><p:notesSz cx=\"6858000\" cy=\"9144000\"/></p:presentation>"
            ),
        ),
        ("ppt/slides/slide1.xml", &format!("{HEAD}<p:sld {names}>{}</p:sld>", tree(shape))),
        (
            "ppt/slides/_rels/slide1.xml.rels",
            &relations(&[("r1", "slideLayout", "../slideLayouts/slideLayout1.xml")]),
        ),
        (
            "ppt/slideLayouts/slideLayout1.xml",
            &format!("{HEAD}<p:sldLayout {names}>{}</p:sldLayout>", tree("")),
        ),
        (
            "ppt/slideLayouts/_rels/slideLayout1.xml.rels",
            &relations(&[("r1", "slideMaster", "../slideMasters/slideMaster1.xml")]),
        ),
        (
            "ppt/slideMasters/slideMaster1.xml",
            &format!(
                "{HEAD}<p:sldMaster {names}>{}{map}<p:sldLayoutIdLst><p:sldLayoutId id=\"2147483649\" r:id=\"r1\"/></p:sldLayoutIdLst></p:sldMaster>",
                tree("")
            ),
        ),
        (
            "ppt/slideMasters/_rels/slideMaster1.xml.rels",
            &relations(&[
                ("r1", "slideLayout", "../slideLayouts/slideLayout1.xml"),
                ("r2", "theme", "../theme/theme1.xml"),
            ]),
        ),
        ("ppt/theme/theme1.xml", &theme),
    ])
}

/// A text of LibreOffice with a heading, formats, a note and a table.
pub(crate) fn odt() -> Vec<u8> {
    let names = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" xmlns:fo=\"urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" office:version=\"1.2\"";
    let content = format!(
        "{HEAD}<office:document-content {names}><office:automatic-styles><style:style style:name=\"B\" style:family=\"text\"><style:text-properties fo:font-weight=\"bold\"/></style:style></office:automatic-styles><office:body><office:text>\
        <text:h text:outline-level=\"1\">A short story</text:h>\
        <text:p>The house is <text:span text:style-name=\"B\">very old</text:span> and <text:a xlink:href=\"https://example.org/\">stands alone</text:a>.<text:note text:id=\"n\" text:note-class=\"footnote\"><text:note-citation>1</text:note-citation><text:note-body><text:p>Nobody lives there.</text:p></text:note-body></text:note> It is cold.</text:p>\
        <table:table table:name=\"T\"><table:table-column table:number-columns-repeated=\"2\"/><table:table-row><table:table-cell office:value-type=\"string\"><text:p>First cell</text:p></table:table-cell><table:table-cell office:value-type=\"float\" office:value=\"12\"><text:p>12</text:p></table:table-cell></table:table-row></table:table>\
        </office:text></office:body></office:document-content>"
    );
    zipped(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        (
            "META-INF/manifest.xml",
            &format!(
                "{HEAD}<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" manifest:version=\"1.2\"><manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"application/vnd.oasis.opendocument.text\"/><manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>"
            ),
        ),
        ("content.xml", &content),
    ])
}
