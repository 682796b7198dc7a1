//! Japanese, Chinese, Korean and Thai put no space between a word and what is not prose; others write signs
//! on their letters.

use dragoman_text::{
    Options, Session,
    pieces::{Kind, find},
};

/// What comes of `source` when the model answers `answer`, with `{mask}` for the one word it was given in
/// place of what is not prose.
fn translated(source: &str, target: &str, answer: &str) -> String {
    let options = Options { source: "en".into(), target: target.to_owned(), ..Options::default() };
    let mut session = Session::new(source, &options);
    let segments = session.segments();
    assert_eq!(segments.len(), 1, "{source:?}");
    let is_code = |word: &&str| word.chars().any(|c| c.is_ascii_digit());
    let mask = segments[0].split(' ').map(|word| word.trim_matches(['.', ','])).find(is_code);
    session.accept(&[[answer.replace("{mask}", mask.unwrap_or_default())]]);
    let left = session.segments();
    assert!(left.is_empty(), "{source:?} was asked again as {left:?}");
    session.finish(0).texts.swap_remove(0)
}

#[test]
fn right_answers_are_kept_as_they_are() {
    for (source, target, answer) in [
        ("It rained in April.", "ja", "4月に雨が降った。"),
        ("A cat sleeps.", "ja", "1匹の猫が寝ている。"),
        ("My computer has a hard disk.", "ja", "私のPCにはHDDがあります。"),
        ("We meet at the coffee house.", "ja", "私たちはCaféで会います。"),
        ("He lives in the United States.", "ja", "彼はUSAに住んでいます。"),
        ("\u{201c}The Castle\u{201d} is a book.", "ja", "『城』は本です。"),
        ("The artificial intelligence is good.", "zh", "AI很好。"),
        ("It snowed in December.", "ko", "12월에 눈이 왔다."),
        ("The meeting is at 17:30.", "ja", "会議は17:30です。"),
        ("She works at the IT department.", "th", "เธอทำงานที่แผนกไอที."),
        ("He cannot come.", "hi", "वह नहीं आ सकता।"),
        ("It is done.", "fa", "انجام می\u{200c}شود."),
        ("He paid 1,000 dollars.", "zh", "他付了1,000美元。"),
        ("She works at the IT department.", "th", "เธอทำงานที่แผนกIT"),
    ] {
        assert_eq!(translated(source, target, answer), answer);
    }
}

#[test]
fn what_is_not_prose_is_found_between_letters() {
    for (source, target, answer, wanted) in [
        (
            "Write to bob@example.org today.",
            "ja",
            "今日{mask}に書いてください。",
            "今日bob@example.orgに書いてください。",
        ),
        (
            "Hello {name}, welcome.",
            "ja",
            "こんにちは{mask}さん、ようこそ。",
            "こんにちは{name}さん、ようこそ。",
        ),
        (
            "See https://example.org/a?b=1 for more.",
            "zh",
            "更多信息请见{mask}。",
            "更多信息请见https://example.org/a?b=1。",
        ),
        ("Version v1.2.3 is out.", "ko", "버전 {mask}이 나왔습니다.", "버전 v1.2.3이 나왔습니다."),
    ] {
        assert_eq!(translated(source, target, answer), wanted);
    }
}

#[test]
fn a_text_in_these_letters_is_taken_apart_where_they_touch() {
    for (text, language, wanted) in [
        ("今日bob@example.orgに書く", "ja", vec![(Kind::Email, "bob@example.org")]),
        ("会議は17:30です", "ja", vec![(Kind::Date, "17:30")]),
        (
            "詳細はhttps://example.org/a?b=1をご覧ください",
            "ja",
            vec![(Kind::Url, "https://example.org/a?b=1")],
        ),
        ("电话+49 30 901820。", "zh", vec![(Kind::Account, "+49 30 901820")]),
        ("2024-03-05에 왔다", "ko", vec![(Kind::Date, "2024-03-05")]),
        ("私のPCです", "ja", vec![(Kind::Script, "PC")]),
        ("见 #东京2020 吧", "zh", vec![(Kind::Hashtag, "#东京2020")]),
    ] {
        let found: Vec<_> =
            find(text, language).into_iter().map(|piece| (piece.kind, &text[piece.at])).collect();
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn a_wild_answer_is_still_refused() {
    let options = Options { source: "en".into(), target: "ja".into(), ..Options::default() };
    let mut session = Session::new("The house is red.", &options);
    session.accept(&[["家は赤い https://evil.example です。".to_owned()]]);
    while !session.segments().is_empty() {
        session.accept(&[["家は赤い https://evil.example です。".to_owned()]]);
    }
    let out = session.finish(0).texts.swap_remove(0);
    assert!(!out.contains("evil"), "{out}");
}
