//! Subtitles.

use super::{asked, shout, text};

#[test]
fn a_cue_keeps_its_times_and_its_lines() {
    let source = "1\r\n00:00:01,000 --> 00:00:02,500\r\nThis is a rather\r\nlong sentence.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n- <i>Hello!</i>\r\n- Who is there?\r\n";
    assert_eq!(asked("a.srt", source.as_bytes())[0], "This is a rather long sentence.");
    let model = |text: &str| match text {
        "This is a rather long sentence." => "Das ist ein ziemlich langer Satz.".to_owned(),
        other => shout(other),
    };
    let out = text("a.srt", source, model);
    assert_eq!(
        out,
        "1\r\n00:00:01,000 --> 00:00:02,500\r\nDas ist ein ziemlich\r\nlanger Satz.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n- <i>HELLO!</i>\r\n- WHO IS THERE?\r\n"
    );
}

#[test]
fn notes_and_styles_of_webvtt_stay() {
    let source = "WEBVTT - a title\n\nNOTE not this\n\nSTYLE\n::cue { color: red }\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Mary>Good morning.\n";
    let expected = source.replace("Good morning.", "GOOD MORNING.");
    assert_eq!(text("a.vtt", source, shout), expected);
}

#[test]
fn dialogue_of_ass_keeps_its_overrides() {
    let source = "[Script Info]\nTitle: No\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,{\\an8}Good morning,\\Nmy friend.\nComment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Not this\n";
    let expected = source.replace("Good morning,\\Nmy friend.", "GOOD MORNING,\\NMY FRIEND.");
    assert_eq!(text("a.ass", source, shout), expected);
}

#[test]
fn a_file_without_times_is_refused() {
    let error = super::translated("a.srt", b"Hello.", shout).expect_err("no times");
    assert!(error.to_string().contains("-->"), "{error}");
}
