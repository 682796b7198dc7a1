//! Writes units as TMX 1.4.

use std::io::Write;

use dragoman_store::MemoryUnit;

/// Writes `units` from one language into another.
pub(super) fn write(
    writer: &mut impl Write,
    source: &str,
    target: &str,
    units: impl Iterator<Item = dragoman_store::Result<MemoryUnit>>,
) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(writer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tmx version=\"1.4\">")?;
    writeln!(
        writer,
        "<header creationtool=\"dragoman\" creationtoolversion=\"{version}\" segtype=\"sentence\" \
         o-tmf=\"dragoman\" adminlang=\"en\" srclang=\"{source}\" datatype=\"plaintext\"/>\n<body>"
    )?;
    for unit in units {
        let unit = unit?;
        writeln!(
            writer,
            "<tu><tuv xml:lang=\"{source}\"><seg>{}</seg></tuv><tuv xml:lang=\"{target}\">\
             <seg>{}</seg></tuv></tu>",
            escaped(&unit.source),
            escaped(&unit.target)
        )?;
    }
    writeln!(writer, "</body>\n</tmx>")?;
    Ok(())
}

/// `text` as XML holds it: control characters, which it cannot hold, are left out.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' | '\r' => xml.push(c),
            c if c.is_control() => {}
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_xml_are_written_as_references() -> anyhow::Result<()> {
        let unit = MemoryUnit { source: "a < b & c\u{1}".into(), target: "é".into(), at: 0 };
        let mut tmx = Vec::new();
        write(&mut tmx, "en", "de", [Ok(unit)].into_iter())?;
        let tmx = String::from_utf8(tmx)?;
        assert!(tmx.contains("<seg>a &lt; b &amp; c</seg>"), "{tmx}");
        assert!(tmx.contains("<tuv xml:lang=\"de\"><seg>é</seg>"), "{tmx}");
        Ok(())
    }
}
