//! Paragraphs as a simple document.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{FORMAT, paragraphs::Paragraph};
use crate::{Error, Result, xml::escape};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";

const RELATIONS: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";

const PAGE: &str = "<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1134\" w:right=\"1134\" w:bottom=\"1134\" w:left=\"1134\" w:header=\"709\" w:footer=\"709\" w:gutter=\"0\"/></w:sectPr>";

/// A Word document.
pub(super) fn docx(paragraphs: &[Paragraph]) -> Result<Vec<u8>> {
    let body: String = paragraphs.iter().map(docx_paragraph).collect();
    let document = format!(
        "{HEAD}<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}{PAGE}</w:body></w:document>"
    );
    let members = [
        ("[Content_Types].xml", format!("{HEAD}{TYPES}")),
        ("_rels/.rels", format!("{HEAD}{RELATIONS}")),
        ("word/document.xml", document),
    ];
    let failed = |error: &dyn std::fmt::Display| Error::broken(FORMAT, error);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::STORE);
    for (name, content) in members {
        zip.start_file(name, options).map_err(|error| failed(&error))?;
        zip.write_all(content.as_bytes()).map_err(|error| failed(&error))?;
    }
    zip.finish().map(Cursor::into_inner).map_err(|error| failed(&error))
}

fn docx_paragraph(paragraph: &Paragraph) -> String {
    let size = (2.0 * paragraph.size).round().clamp(8.0, 144.0);
    let (outline, bold) = match paragraph.heading {
        0 => (String::new(), ""),
        level => (format!("<w:outlineLvl w:val=\"{}\"/>", level - 1), "<w:b/>"),
    };
    let cells: Vec<String> = paragraph
        .text
        .split('\t')
        .map(|cell| format!("<w:t xml:space=\"preserve\">{}</w:t>", escape(cell)))
        .collect();
    let cells = cells.join("<w:tab/>");
    format!(
        "<w:p><w:pPr><w:spacing w:after=\"120\"/>{outline}</w:pPr><w:r><w:rPr>{bold}<w:sz w:val=\"{size}\"/></w:rPr>{cells}</w:r></w:p>"
    )
}

/// A page of HTML.
pub(super) fn html(paragraphs: &[Paragraph]) -> String {
    let paragraph = |paragraph: &Paragraph| {
        let tag = match paragraph.heading {
            0 => "p".to_owned(),
            level => format!("h{level}"),
        };
        let text = escape(&paragraph.text).replace('\t', "<br>\n");
        format!("<{tag}>{text}</{tag}>\n")
    };
    let body: String = paragraphs.iter().map(paragraph).collect();
    format!("<!doctype html>\n<html>\n<meta charset=\"utf-8\">\n{body}</html>\n")
}
