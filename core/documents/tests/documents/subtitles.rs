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
fn what_is_heard_is_no_part_of_what_is_said() {
    let source = "1\n00:00:01,000 --> 00:00:02,500\n[door slams]\nWe have to leave before\nthe rain starts.\n";
    assert_eq!(
        asked("a.srt", source.as_bytes()),
        ["[door slams]", "We have to leave before the rain starts."]
    );
}

#[test]
fn a_sentence_across_cues_is_one_and_stays_in_its_cues() {
    let cue = |number: usize, text: &str| {
        format!("{number}\n00:00:0{number},000 --> 00:00:0{number},900\n{text}\n\n")
    };
    let file = |cues: &[&str]| -> String {
        cues.iter().enumerate().map(|(number, text)| cue(number + 1, text)).collect()
    };
    let source = file(&[
        "Hello. When I was in",
        "Berlin, I met\na man with a hat",
        "who knew you.",
        "<i>This is</i>",
        "<i>another voice.</i>",
        "- No!",
        "THE END",
        "Nobody knows.",
    ]);
    let expected = [
        "Hello.",
        "When I was in Berlin, I met a man with a hat who knew you.",
        "This is another voice.",
        "No!",
        "The end",
        "Nobody knows.",
    ];
    assert_eq!(asked("a.srt", source.as_bytes()), expected);
    let model = |text: &str| match text {
        "When I was in Berlin, I met a man with a hat who knew you." => {
            "Als ich in Berlin war, traf ich einen Mann mit Hut, der dich kannte.".to_owned()
        }
        other => shout(other),
    };
    let expected = file(&[
        "HELLO. Als ich in Berlin",
        "war, traf ich\neinen Mann mit Hut,",
        "der dich kannte.",
        "<i>THIS IS</i>",
        "<i>ANOTHER VOICE.</i>",
        "- NO!",
        "THE END",
        "NOBODY KNOWS.",
    ]);
    assert_eq!(text("a.srt", &source, model), expected);
    let far = source.replace("00:00:02,000", "00:00:09,000");
    assert!(asked("a.srt", far.as_bytes()).contains(&"When I was in".to_owned()));
}

#[test]
fn events_of_one_speaker_may_share_a_sentence() {
    let event = |second: usize, name: &str, text: &str| {
        format!("Dialogue: 0,0:00:0{second}.00,0:00:0{second}.90,Default,{name},0,0,0,,{text}\n")
    };
    let head = "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";
    let source = |texts: [&str; 3]| {
        let [a, b, c] = texts;
        [head, &event(1, "Ann", a), &event(2, "Ann", b), &event(3, "Bob", c)].concat()
    };
    let file = source(["{\\an8}This goes", "{\\an8}on here and", "not there."]);
    let out = text("a.ass", &file, shout);
    assert_eq!(asked("a.ass", file.as_bytes()), ["This goes on here and", "not there."]);
    assert_eq!(out, source(["{\\an8}THIS GOES", "{\\an8}ON HERE AND", "NOT THERE."]));
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

#[test]
fn annotations_stay_behind_their_words_and_hard_spaces_are_spaces() {
    let cue = |text: &str| format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n");
    let model = |text: &str| match text {
        "we see the house there" => "dort ist das Haus zu sehen".to_owned(),
        "house" => "Haus".to_owned(),
        other => shout(other),
    };
    for (source, expected) in [
        (
            "we see the <ruby>house<rt>building</rt></ruby> there",
            "dort ist das <ruby>Haus<rt>building</rt></ruby> zu sehen",
        ),
        (
            "see <ruby>A<rt>a</rt>B<rt>b</rt></ruby> there",
            "SEE <ruby>A<rt>a</rt>B<rt>b</rt></ruby> THERE",
        ),
        ("ten&nbsp;dogs sleep", "TEN DOGS SLEEP"),
        ("<i>ten dogs</i> & <ruby>", "<i>TEN DOGS</i> & <ruby>"),
    ] {
        assert_eq!(text("a.vtt", &cue(source), model), cue(expected));
        assert_eq!(text("a.vtt", &cue(source), str::to_owned), cue(source));
    }
}
