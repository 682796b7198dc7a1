//! The files of translators: PO, XLIFF, TMX.

use super::{shout, text};

#[test]
fn missing_messages_are_filled_and_marked_fuzzy() {
    let source = "msgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n#: a.c:1\n#, c-format\nmsgid \"Open %s now\"\nmsgstr \"\"\n\nmsgctxt \"menu\"\nmsgid \"\"\n\"Line one.\\n\"\n\"Line two.\\n\"\nmsgstr \"\"\n\nmsgid \"Done\"\nmsgstr \"Fertig\"\n\nmsgid \"%d day\"\nmsgid_plural \"%d days\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n\n#~ msgid \"Old\"\n#~ msgstr \"\"\n";
    let expected = "msgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n#: a.c:1\n#, c-format, fuzzy\nmsgid \"Open %s now\"\nmsgstr \"OPEN %s NOW\"\n\n#, fuzzy\nmsgctxt \"menu\"\nmsgid \"\"\n\"Line one.\\n\"\n\"Line two.\\n\"\nmsgstr \"\"\n\"LINE ONE.\\n\"\n\"LINE TWO.\\n\"\n\nmsgid \"Done\"\nmsgstr \"Fertig\"\n\n#, fuzzy\nmsgid \"%d day\"\nmsgid_plural \"%d days\"\nmsgstr[0] \"%d DAY\"\nmsgstr[1] \"%d DAYS\"\n\n#~ msgid \"Old\"\n#~ msgstr \"\"\n";
    assert_eq!(text("a.po", source, shout), expected);
    assert_eq!(text("a.po", source, str::to_owned), source);
}

#[test]
fn segments_without_a_translation_get_one() {
    let unit = |attributes: &str, rest: &str| {
        format!(
            "<trans-unit id=\"1\"{attributes}>\n  <source>Good <g id=\"b\">morning</g> <x id=\"y\"/>now</source>{rest}\n</trans-unit>"
        )
    };
    let file = |units: &str| {
        format!(
            "<xliff version=\"1.2\"><file source-language=\"en\" original=\"a\"><body>{units}</body></file></xliff>"
        )
    };
    let target = "<target state=\"needs-review-translation\">GOOD <g id=\"b\">MORNING</g> <x id=\"y\"/>NOW</target>";
    let out = text("a.xlf", &file(&unit("", "")), shout);
    let expected = file(&unit("", &format!("\n  {target}")));
    assert_eq!(
        out,
        expected.replace("source-language=\"en\"", "source-language=\"en\" target-language=\"de\"")
    );
    let empty = text("a.xlf", &file(&unit("", "<target state=\"new\"/>")), shout);
    assert!(empty.contains(&format!("</source>{target}\n")), "{empty}");
    for (attributes, rest) in [
        (" translate=\"no\"", ""),
        (" approved=\"yes\"", ""),
        ("", "<target>Guten Morgen</target>"),
    ] {
        let source = file(&unit(attributes, rest));
        assert_eq!(text("a.xlf", &source, shout), source);
    }
}

#[test]
fn the_second_version_of_xliff_has_segments_in_units() {
    let source = "<xliff version=\"2.0\" srcLang=\"en\"><file id=\"f\"><unit id=\"1\"><segment><source>Hello <pc id=\"1\">old</pc> <ph id=\"2\"/>friend</source></segment></unit><unit id=\"2\" translate=\"no\"><segment><source>Keep</source></segment></unit></file></xliff>";
    let expected = source.replace("srcLang=\"en\"", "srcLang=\"en\" trgLang=\"de\"").replace(
        "friend</source>",
        "friend</source><target>HELLO <pc id=\"1\">OLD</pc> <ph id=\"2\"/>FRIEND</target>",
    );
    assert_eq!(text("a.xliff", source, shout), expected);
}

#[test]
fn units_of_a_memory_get_a_variant_in_the_language() {
    let source = "<tmx version=\"1.4\"><header srclang=\"en-US\"/><body><tu>\n<tuv xml:lang=\"en-US\"><seg>Good <ph x=\"1\">%s</ph> day</seg></tuv>\n</tu><tu><tuv xml:lang=\"en\"><seg>Has</seg></tuv><tuv xml:lang=\"de-AT\"><seg>Hat</seg></tuv></tu></body></tmx>";
    let expected = source.replace(
        "day</seg></tuv>",
        "day</seg></tuv>\n<tuv xml:lang=\"de\"><seg>GOOD <ph x=\"1\">%s</ph> DAY</seg></tuv>",
    );
    assert_eq!(text("a.tmx", source, shout), expected);
}
