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

/// The translation of a segment of XLIFF 1.2 by `model`.
fn segment(source: &str, model: impl FnMut(&str) -> String) -> String {
    let file = format!(
        "<xliff version=\"1.2\"><file source-language=\"en\" target-language=\"de\" original=\"a\"><body><trans-unit id=\"1\"><source>{source}</source></trans-unit></body></file></xliff>"
    );
    let out = text("a.xlf", &file, model);
    let (_, target) = out.split_once("needs-review-translation\">").expect("it has a target");
    target.split("</target>").next().expect("it ends").to_owned()
}

#[test]
fn elements_that_stand_for_values_are_words() {
    for (source, expected) in [
        ("You have <x id=\"1\"/> new messages", "MESSAGES NEW <x id=\"1\"/> HAVE YOU"),
        ("You have <ph id=\"1\"/> new messages", "MESSAGES NEW <ph id=\"1\"/> HAVE YOU"),
        (
            "Hello <x id=\"INTERPOLATION\" equiv-text=\"{{ name }}\"/> there",
            "THERE <x id=\"INTERPOLATION\" equiv-text=\"{{ name }}\"/> HELLO",
        ),
        (
            "See <x id=\"START_LINK\"/>this<x id=\"CLOSE_LINK\"/> now",
            "NOW <x id=\"START_LINK\"/>THIS<x id=\"CLOSE_LINK\"/> SEE",
        ),
        (
            "See <bpt id=\"1\">&lt;b></bpt>this<ept id=\"1\">&lt;/b></ept> now",
            "NOW <bpt id=\"1\">&lt;b></bpt>THIS<ept id=\"1\">&lt;/b></ept> SEE",
        ),
        ("One<x id=\"2\" ctype=\"lb\"/>two", "ONE<x id=\"2\" ctype=\"lb\"/>TWO"),
    ] {
        let model = |text: &str| super::reversed(&text.to_uppercase());
        assert_eq!(segment(source, model), expected);
    }
}

#[test]
fn elements_that_stand_for_tags_are_between_words() {
    for source in [
        "Good <x id=\"y\"/>now",
        "Good <x id=\"y\" ctype=\"image\"/> now",
        "Good <ph id=\"y\">&lt;br/&gt;</ph> now",
        "Good <x id=\"y\" equiv-text=\"&lt;br/&gt;\"/> now",
        "Good <it id=\"y\" pos=\"open\">&lt;b&gt;</it> now",
    ] {
        let out = segment(source, |text| {
            assert_eq!(text, "Good now");
            "GUT JETZT".into()
        });
        assert!(out.contains("id=\"y\"") && out.contains("GUT") && out.contains("JETZT"), "{out}");
    }
    // Also in the second version, and without another half.
    let source = "<xliff version=\"2.0\" srcLang=\"en\" trgLang=\"de\"><file id=\"f\"><unit id=\"1\"><segment><source>Take <sc id=\"1\"/>good care<ec startRef=\"1\"/> of <ph id=\"2\" disp=\"{0}\"/> now <sc id=\"9\"/></source></segment></unit></file></xliff>";
    let out = text("a.xliff", source, shout);
    let expected = "<target>TAKE <sc id=\"1\"/>GOOD CARE<ec startRef=\"1\"/> OF <ph id=\"2\" disp=\"{0}\"/> NOW <sc id=\"9\"/></target>";
    assert!(out.contains(expected), "{out}");
}
