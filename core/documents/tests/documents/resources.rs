//! Tables and the resources of programs.

use dragoman_documents::Settings;

use super::{asked, shout, text, translated_with};

#[test]
fn all_cells_or_those_of_chosen_columns_are_translated() {
    let source = "id,name,note\r\n1,Red apple,\"sweet, \"\"very\"\" good\"\r\n2,Green,\r\n";
    let out = text("a.csv", source, shout);
    assert_eq!(out, "ID,NAME,NOTE\r\n1,RED APPLE,\"SWEET, \"\"VERY\"\" GOOD\"\r\n2,GREEN,\r\n");
    for column in ["name", "2"] {
        let settings = Settings { columns: vec![column.into()], ..Settings::default() };
        let out =
            translated_with(&settings, "a.csv", source.as_bytes(), shout).expect("it is read");
        let expected = source.replace("Red apple", "RED APPLE").replace("Green", "GREEN");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
    let settings = Settings { columns: vec!["price".into()], ..Settings::default() };
    let error = translated_with(&settings, "a.csv", source.as_bytes(), shout).expect_err("no such");
    assert!(error.to_string().contains("id, name, note"), "{error}");
}

#[test]
fn a_translation_with_a_delimiter_is_quoted() {
    let model = |_: &str| "eins, zwei".to_owned();
    assert_eq!(text("a.csv", "one;two\n", model), "\"eins, zwei\";\"eins, zwei\"\n");
    assert_eq!(text("a.tsv", "one\ttwo\n", |_| "x".to_owned()), "x\tx\n");
}

#[test]
fn values_of_json_are_translated_and_keys_stay() {
    let source = r#"{ "title": "Good \"morning\"\nto all", "n": 1, "list": ["one two", {"k": "caf\u00e9 now"}],
 "@title": { "description": "not this", "x": {} }, "$schema": "nor this", "after": "This." }"#;
    let out = text("a.json", source, shout);
    let expected = source
        .replace("Good \\\"morning\\\"\\nto all", "GOOD \\\"MORNING\\\"\\nTO ALL")
        .replace("one two", "ONE TWO")
        .replace("caf\\u00e9 now", "CAFÉ NOW")
        .replace("\"This.\"", "\"THIS.\"");
    assert_eq!(out, expected);
    assert!(super::translated("a.json", b"{\"a\": }", shout).is_err());
}

#[test]
fn values_of_yaml_are_translated_in_their_style() {
    let source = "# A comment\ntitle: Good morning # here\nquoted: \"one \\\"two\\\"\"\nsingle: 'it''s late'\non: true\nnumber: 12\nlist:\n  - first thing\n  - {key: second thing}\ntext: |\n  Line one.\n  Line two.\n\n  Line three.\nfolded: >-\n  goes on\n  and on\nlast: é end\n";
    let out = text("a.yaml", source, shout);
    let expected = "# A comment\ntitle: GOOD MORNING # here\nquoted: \"ONE \\\"TWO\\\"\"\nsingle: 'IT''S LATE'\non: true\nnumber: 12\nlist:\n  - FIRST THING\n  - {key: SECOND THING}\ntext: |\n  LINE ONE.\n  LINE TWO.\n\n  LINE THREE.\nfolded: >-\n  GOES ON AND ON\nlast: É END\n";
    assert_eq!(out, expected);
    let colon = |_: &str| "Achtung: jetzt".to_owned();
    assert_eq!(text("a.yml", "a: now\n", colon), "a: \"Achtung: jetzt\"\n");
}

#[test]
fn properties_keep_keys_comments_and_escapes() {
    let source = "# c\nkey.one=Good morning\nkey\\ two : two \\\n    lines\n! also\nempty=\nu=caf\\u00e9 bar\n";
    let model = |text: &str| match text {
        "Good morning" => "Grüß Gott".to_owned(),
        other => shout(other),
    };
    let out = text("a.properties", source, model);
    let expected = "# c\nkey.one=Gr\\u00fc\\u00df Gott\nkey\\ two : TWO LINES\n! also\nempty=\nu=CAF\\u00c9 BAR\n";
    assert_eq!(out.replace("TWO \\\n    LINES", "TWO LINES"), expected);
}

#[test]
fn strings_of_apple_are_translated() {
    let source = "/* A \"comment\" */\n\"key one\" = \"Good \\\"morning\\\"\";\n// other\n\"k\" = \"Open %@ now\";\n";
    let expected = source
        .replace("Good \\\"morning\\\"", "GOOD \\\"MORNING\\\"")
        .replace("Open %@ now", "OPEN %@ NOW");
    assert_eq!(text("a.strings", source, shout), expected);
    let utf16: Vec<u8> = source.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [b"\xff\xfe".to_vec(), utf16].concat();
    let out = super::translated("a.strings", &utf16, shout).expect("it is read");
    let back: Vec<u16> =
        out[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    assert_eq!(String::from_utf16(&back).expect("it is UTF-16"), expected);
}

#[test]
fn plurals_of_apple_are_translated_and_their_keys_stay() {
    let source = "<plist><dict><key>%d files</key><dict><key>NSStringLocalizedFormatKey</key><string>%#@files@</string><key>files</key><dict><key>NSStringFormatSpecTypeKey</key><string>NSStringPluralRuleType</string><key>one</key><string>One file</string><key>other</key><string>%d old files</string></dict></dict></dict></plist>";
    let expected = source.replace("One file", "ONE FILE").replace("%d old files", "%d OLD FILES");
    assert_eq!(text("a.stringsdict", source, shout), expected);
}

#[test]
fn strings_of_android_are_translated_where_they_may() {
    let source = "<?xml version=\"1.0\"?>\n<resources xmlns:xliff=\"x\">\n  <!-- c -->\n  <string name=\"a\">Don\\'t <b>stop</b> now</string>\n  <string name=\"b\" translatable=\"false\">Keep</string>\n  <string name=\"c\">Hello <xliff:g id=\"n\">%1$s</xliff:g> there</string>\n  <plurals name=\"p\"><item quantity=\"one\">%d day</item></plurals>\n  <integer name=\"i\">1</integer>\n</resources>\n";
    let model = |text: &str| match text {
        "Don't stop now" => "C'est l'heure stop".to_owned(),
        other => shout(other),
    };
    let out = text("strings.xml", source, model);
    assert!(out.contains("C\\'est l\\'heure"), "{out}");
    assert!(out.contains("<string name=\"b\" translatable=\"false\">Keep</string>"));
    assert!(out.contains("HELLO <xliff:g id=\"n\">%1$s</xliff:g> THERE"), "{out}");
    assert!(out.contains("<item quantity=\"one\">%d DAY</item>"));
}

#[test]
fn values_of_yaml_are_found_in_every_style() {
    for (source, expected) in [
        (
            "a: >\n  one two\n  three\n\n  four five\n\n\n  six\nb: 1\n",
            "a: >\n  ONE TWO THREE\n\n  FOUR FIVE\n\n\n  SIX\nb: 1\n",
        ),
        ("a: >-\n  one two\n    more in\n  four\n", "a: >-\n  ONE TWO\n    MORE IN\n  FOUR\n"),
        ("a: &x good day\nb: *x\n", "a: &x GOOD DAY\nb: *x\n"),
        ("a: &x 'good day'\nb: &y \"good night\"\n", "a: &x 'GOOD DAY'\nb: &y \"GOOD NIGHT\"\n"),
        ("a: &x |\n  good day\n", "a: &x |\n  GOOD DAY\n"),
        ("a: \"good day \\x6eow\"\n", "a: \"GOOD DAY NOW\"\n"),
        ("a: \"good day \\\n    and night\"\n", "a: \"GOOD DAY AND NIGHT\"\n"),
        ("a: \"good day\\\n   \\ and night\"\n", "a: \"GOOD DAY AND NIGHT\"\n"),
        ("a: |2\n    good day\n  now\n", "a: |2\n    GOOD DAY\n  NOW\n"),
    ] {
        assert_eq!(text("a.yaml", source, shout), expected);
        assert_eq!(text("a.yaml", source, str::to_owned), source);
    }
    // What is no text stays: a key, an alias, a number with an anchor.
    let source = "a: &x 5\nb: *x\n\"c\\x41\": &y true\n";
    assert_eq!(text("a.yaml", source, shout), source);
}

#[test]
fn sections_of_characters_stay_sections() {
    let string = |text: &str| format!("<resources><string name=\"a\">{text}</string></resources>");
    for (source, expected) in [
        ("<![CDATA[Good <b>old</b> day]]>", "<![CDATA[GOOD <b>OLD</b> DAY]]>"),
        (
            "<![CDATA[Read <a href=\"https://a.org/x\">the page</a> & go]]>",
            "<![CDATA[READ <a href=\"https://a.org/x\">THE PAGE</a> & GO]]>",
        ),
        ("\n <![CDATA[Don\\'t stop]]> ", "\n <![CDATA[DON\\'T STOP]]> "),
        ("Good <![CDATA[day]]>", "GOOD DAY"),
    ] {
        assert_eq!(text("strings.xml", &string(source), shout), string(expected));
        assert_eq!(text("strings.xml", &string(source), str::to_owned), string(source));
    }
    let resx = |text: &str| {
        format!("<root><data name=\"a\"><value><![CDATA[{text}]]></value></data></root>")
    };
    let out = text("a.resx", &resx("very good & <b>new</b>"), shout);
    assert_eq!(out, resx("VERY GOOD & <b>NEW</b>"));
}

#[test]
fn resources_of_dotnet_without_a_type_are_translated() {
    let source = "<root><resheader name=\"v\"><value>text head</value></resheader><data name=\"a\" xml:space=\"preserve\"><value>Save {0} files</value><comment>not this</comment></data><data name=\"b\" type=\"System.Drawing\"><value>nor this</value></data></root>";
    assert_eq!(text("a.resx", source, shout), source.replace("Save {0} files", "SAVE {0} FILES"));
}

#[test]
fn messages_of_fluent_are_translated_with_their_variants() {
    let source = "# c\nhello = Good morning, { $name }!\n    .title = The title\n-brand = Firefox\nfiles = { $n ->\n    [one] One file\n   *[other] { $n } old files\n }\n";
    let expected = "# c\nhello = GOOD MORNING, { $name }!\n    .title = THE TITLE\n-brand = FIREFOX\nfiles = { $n ->\n    [one] ONE FILE\n   *[other] { $n } OLD FILES\n }\n";
    assert_eq!(text("a.ftl", source, shout), expected);
}

#[test]
fn what_is_asked_of_a_message_has_no_escapes() {
    assert_eq!(asked("a.json", br#"["say \"hi\" \u00e0 tous"]"#), ["say \"hi\" à tous"]);
}
