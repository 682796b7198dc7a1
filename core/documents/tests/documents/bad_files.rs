//! Files that are broken, or made to do harm: a clear error, and nothing written.

use dragoman_documents::{Document, Error, Kind, Limits, Settings};

use super::{
    office::docx,
    opendocument::odt,
    samples,
    zip::{member, zipped, zipped_bytes},
};

fn error(name: &str, bytes: &[u8], limits: &Limits) -> Error {
    let settings = Settings { target: "de".into(), limits: limits.clone(), ..Settings::default() };
    Document::read(name, bytes.to_vec(), &settings)
        .err()
        .unwrap_or_else(|| panic!("{name} was read"))
}

#[test]
fn a_zip_bomb_is_refused() {
    let bomb = zipped_bytes(&[
        ("[Content_Types].xml", Vec::new()),
        ("word/document.xml", vec![b' '; 30 << 20]),
    ]);
    assert!(bomb.len() < 100_000);
    assert!(matches!(error("a.docx", &bomb, &Limits::default()), Error::Unsafe { .. }));
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    assert!(matches!(error("a.docx", &bomb, &limits), Error::TooLarge { .. }));
    let limits = Limits { members: 1, ..Limits::default() };
    assert!(matches!(error("a.docx", &docx("<w:p/>"), &limits), Error::TooLarge { .. }));
}

#[test]
fn a_member_that_unpacks_to_more_than_it_says_is_refused() {
    let mut package = docx(&format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", "word ".repeat(1000)));
    for at in 0..package.len() - 46 {
        let (entry, local) =
            (package[at..].starts_with(b"PK\x01\x02"), package[at..].starts_with(b"PK\x03\x04"));
        let place = if entry { at + 24 } else { at + 22 };
        if (entry || local) && package[place + 1] > 0 {
            package[place..place + 4].copy_from_slice(&100u32.to_le_bytes());
        }
    }
    assert!(matches!(error("a.docx", &package, &Limits::default()), Error::Broken { .. }));
}

#[test]
fn entities_and_deep_elements_are_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"xxxx\"><!ENTITY c \"&b;&b;\">]><w:document><w:p><w:r><w:t>&c;</w:t></w:r></w:p></w:document>";
    let package = zipped(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", bomb)]);
    assert!(matches!(error("a.docx", &package, &Limits::default()), Error::Unsafe { .. }));
    assert!(matches!(
        error("strings.xml", bomb.as_bytes(), &Limits::default()),
        Error::Unsafe { .. }
    ));
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(matches!(error("a.resx", deep.as_bytes(), &Limits::default()), Error::Unsafe { .. }));
}

#[test]
fn a_path_that_climbs_is_refused() {
    for path in ["../evil.xml", "/etc/passwd", "word/../../x", "..\\x", "C:\\x"] {
        let package = zipped(&[("[Content_Types].xml", "<Types/>"), (path, "x")]);
        assert!(
            matches!(error("a.docx", &package, &Limits::default()), Error::Unsafe { .. }),
            "{path}"
        );
    }
}

#[test]
fn encrypted_and_old_files_are_named() {
    let mut encrypted = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    let old = error("a.docx", &encrypted, &Limits::default()).to_string();
    assert!(old.contains("old binary format"), "{old}");
    encrypted.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(matches!(error("a.docx", &encrypted, &Limits::default()), Error::Encrypted { .. }));
    let mut zip = docx("<w:p/>");
    for at in 0..zip.len() - 10 {
        match &zip[at..at + 4] {
            b"PK\x03\x04" => zip[at + 6] |= 1,
            b"PK\x01\x02" => zip[at + 8] |= 1,
            _ => {}
        }
    }
    assert!(matches!(error("a.docx", &zip, &Limits::default()), Error::Encrypted { .. }));
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_named() {
    let (word, text) = (docx("<w:p/>"), odt("<text:p>One</text:p>"));
    let without = |missing: &str| {
        let members =
            ["[Content_Types].xml", "word/document.xml", "word/header1.xml", "word/styles.xml"];
        let members: Vec<_> = members
            .into_iter()
            .filter(|name| *name != missing)
            .map(|name| (name, "<x/>"))
            .collect();
        zipped(&members)
    };
    for (name, bytes, reason) in [
        ("a.odt", &word, "it is a document of Word; name it so, as `.docx`"),
        ("a.xlsx", &word, "it is a document of Word"),
        ("a.epub", &text, "it is a document of OpenDocument; name it so, as `.odt`"),
        ("a.docx", &without("word/document.xml"), "`word/document.xml` is missing"),
        ("a.docx", &without("[Content_Types].xml"), "`[Content_Types].xml` is missing"),
        (
            "a.odt",
            &zipped(&[("mimetype", "x"), ("styles.xml", "<x/>")]),
            "`content.xml` is missing",
        ),
        ("a.txt", &super::pdf::sample(), "it is a PDF"),
        ("a.md", &word, "it is a package"),
        ("a.properties", &b"{ \"a\": \"The house\" }".to_vec(), "it is JSON"),
    ] {
        let error = error(name, bytes, &Limits::default()).to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn a_package_with_a_damaged_member_is_refused_though_nothing_is_read_in_it() {
    let mut package = zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", "<w:p><w:r><w:t>Good morning</w:t></w:r></w:p>"),
        ("word/styles.xml", "<w:styles/>"),
    ]);
    let limits = Limits::default();
    let name = package.windows(15).position(|window| window == b"word/styles.xml");
    package[name.expect("it is there") + 17] ^= 1;
    let error = error("a.docx", &package, &limits).to_string();
    assert!(error.contains("`word/styles.xml` in it is damaged"), "{error}");
}

#[test]
fn the_document_may_have_another_name_in_its_package() {
    let body = docx("<w:p><w:r><w:t>Good morning</w:t></w:r></w:p>");
    let types = "<Types/>";
    let package = zipped(&[
        ("[Content_Types].xml", types),
        (
            "_rels/.rels",
            "<Relationships><Relationship Id=\"a\" Type=\"http://x/officeDocument\" Target=\"/word/main.xml\"/></Relationships>",
        ),
        ("word/main.xml", &member(&body, "word/document.xml")),
        ("word/other.xml", "<w:p><w:r><w:t>Kept</w:t></w:r></w:p>"),
    ]);
    let out = super::translated("a.docx", &package, super::shout).expect("it can be read");
    assert!(member(&out, "word/main.xml").contains("GOOD MORNING"));
    assert!(member(&out, "word/other.xml").contains("Kept"));
}

#[test]
fn too_much_text_is_refused() {
    let limits = Limits { chars: 10, ..Limits::default() };
    assert!(matches!(error("a.txt", b"more than ten characters", &limits), Error::TooLarge { .. }));
}

#[test]
fn noise_and_the_beginnings_of_files_are_errors_not_panics() {
    let settings = Settings { target: "de".into(), ..Settings::default() };
    for (name, bytes) in samples::all() {
        let kind = Kind::of(name).expect("it is known");
        for end in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            // It may be read or not; what is read can be written.
            if let Ok(document) = Document::read_kind(kind, bytes[..end].to_vec(), &settings) {
                let document = document.segment("en");
                let same = vec![dragoman_text::Rewritten::Unchanged; document.sentences().len()];
                assert_eq!(document.write(&same).expect("it is written"), bytes[..end], "{name}");
            }
            let mut noisy = bytes.clone();
            noisy[end] ^= 0x55;
            if let Ok(document) = Document::read_kind(kind, noisy, &settings) {
                let document = document.segment("en");
                let same = vec![dragoman_text::Rewritten::Unchanged; document.sentences().len()];
                drop(document.write(&same));
            }
        }
    }
}
