//! Whatever a model does with a text, no piece of it that is not prose is lost, changed or invented.

use dragoman_text::{Format, Options, Session};
use proptest::prelude::*;

/// A piece of each kind; none is a part of another, so that they can be counted.
const PIECES: &[&str] = &[
    "https://shop.example.org/a_b?id=17&x=%20y#top",
    "accounting@firm.example",
    "@nele@bananas.example",
    "#caturday",
    "/etc/app/config.toml",
    "C:\\Users\\ada\\file.txt",
    "src/main.rs",
    "v1.20.0-rc.3",
    "snake_case_name",
    "camelCaseName",
    "DE89 3704 0044 0532 0130 00",
    "978-3-16-148410-0",
    "+49 30 901820",
    "22.43",
    "$49.99",
    "1.299,00 €",
    "2024-03-05",
    "14:35",
    "9:00–17:00",
    "10–20",
    "%1$s",
    "%(count)d",
    "%s",
    "{name}",
    "{{ user.first }}",
    "${HOME_DIR}",
    "$Username",
    "%{total}",
    ":product",
    "{ $done }",
    "{ -brand-name }",
    "[X12X]",
    "<ph id=\"1\"/>",
    "`rsync -a src/ dst/`",
    "$x^2 + y^2$",
    "\\ref{fig:one}",
    "[[Old Notes]]",
    "👩🏽‍🚀",
    "🏳️‍🌈",
    "🇳🇱",
    "§ 17",
    "25 °C",
    "≤",
    "→",
    "\u{200e}",
    "\u{1b}[31m",
    "{\\i1}",
    "<br />",
    "字典",
    "Yeşilgöz",
    "--dry-run",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "192.168.0.17",
    "&copy;",
    ":-)",
    "1492783350618304188989605728194277",
];

/// What a model may put into an answer although nobody asked.
const INVENTED: &[&str] = &[
    "https://evil.example",
    "{foo}",
    "😈",
    "%d",
    "`rm`",
    "\u{fffd}",
    "@eve",
    "</i>",
    "漢",
    "&nbsp;",
];

/// Words, and marks of sentences.
const WORDS: &[&str] = &[
    "the", "house", "is", "red", "and", "Anna", "walks", "slowly", "home", "over", "old",
    "bridge,", "then", "again.", "Why", "not?", "Well,", "we", "wait", "here", "\n", "- ",
    "(maybe)",
];

fn any_text() -> impl Strategy<Value = Vec<&'static str>> {
    let word = proptest::sample::select(WORDS);
    let piece = proptest::sample::select(PIECES);
    proptest::collection::vec(prop_oneof![3 => word, 1 => piece], 1..25)
}

/// A model that translates every word into itself with an end, if it does not do worse.
struct BadModel {
    state: u64,
    badness: u64,
}

impl BadModel {
    fn chance(&mut self, of: u64) -> bool {
        self.next() % 100 < of * self.badness / 4
    }

    fn next(&mut self) -> u64 {
        // SplitMix64
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn translate(&mut self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            if self.chance(15) {
                continue; // dropped
            }
            let mut word = word.to_owned();
            if word.chars().all(char::is_alphabetic) {
                word.push_str("et");
            }
            if self.chance(10) {
                let cut = self.next() as usize % word.chars().count().max(1);
                word =
                    word.chars().enumerate().filter(|(i, _)| *i != cut).map(|(_, c)| c).collect();
            }
            if self.chance(10) {
                words.push(word.clone());
            }
            if self.chance(8) {
                words.push(INVENTED[self.next() as usize % INVENTED.len()].to_owned());
            }
            words.push(word);
        }
        if self.chance(20) {
            words.reverse();
        }
        if self.chance(5) {
            words = vec![words.join(" "); 4];
        }
        words.join(" ")
    }
}

fn translated(text: &str, format: Format, model: &mut BadModel, placeholders: usize) -> String {
    let options = Options {
        source: "en".into(),
        target: "de".into(),
        format,
        placeholders,
        ..Options::default()
    };
    let mut session = Session::new(text, &options);
    for round in 0.. {
        let segments = session.segments();
        if segments.is_empty() {
            break;
        }
        assert!(round < 12, "it comes to an end");
        let answers: Vec<[String; 1]> =
            segments.iter().map(|segment| [model.translate(segment)]).collect();
        session.accept(&answers);
    }
    session.finish(0).texts.swap_remove(0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), ..ProptestConfig::default() })]

    #[test]
    fn no_piece_of_a_text_is_lost_changed_or_invented(
        parts in any_text(),
        state in any::<u64>(),
        badness in 0u64..10,
        placeholders in prop_oneof![Just(0usize), Just(16)],
    ) {
        let text = parts.join(" ");
        let mut model = BadModel { state, badness };
        let out = translated(&text, Format::Text, &mut model, placeholders);
        for piece in PIECES.iter().chain(INVENTED) {
            prop_assert_eq!(
                out.matches(piece).count(), text.matches(piece).count(), "{:?} in {:?}", piece, out
            );
        }
        let digits = |text: &str| {
            let mut digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
            digits.sort_unstable();
            digits
        };
        prop_assert_eq!(digits(&out), digits(&text), "{:?}", out);
        prop_assert_eq!(out.lines().count(), text.lines().count());
    }

    #[test]
    fn no_piece_of_a_document_is_lost_changed_or_invented(
        parts in any_text(),
        tags in proptest::collection::vec(
            proptest::sample::select(vec!["<b>", "</b>", "<i>", "</i>", "<img src='a'>", "<p>", "</p>"]),
            0..8,
        ),
        state in any::<u64>(),
        badness in 0u64..10,
    ) {
        let mut html = String::new();
        let mut tags = tags.iter();
        for (i, part) in parts.iter().enumerate() {
            if i % 3 == 1 && let Some(tag) = tags.next() {
                html.push_str(tag);
            }
            html.push_str(&escaped(part));
            html.push(' ');
        }
        let mut model = BadModel { state, badness };
        let out = translated(&html, Format::Html, &mut model, 0);
        for tag in ["<b>", "</b>", "<i>", "</i>", "<img src='a'>", "<p>", "</p>"] {
            prop_assert_eq!(out.matches(tag).count(), html.matches(tag).count(), "{:?} in {:?}", tag, out);
        }
        for piece in PIECES.iter().chain(INVENTED) {
            let piece = escaped(piece);
            prop_assert_eq!(
                out.matches(&piece).count(), html.matches(&piece).count(), "{:?} in {:?}", piece, out
            );
        }
    }
}

#[test]
fn a_text_of_pieces_alone_is_not_asked() {
    let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
    for piece in PIECES {
        let session = Session::new(piece, &options);
        assert!(session.segments().is_empty(), "{piece:?} became {:?}", session.segments());
        assert_eq!(session.finish(0).texts, [*piece]);
    }
}

#[test]
fn a_number_may_be_written_as_the_target_language_writes_it() {
    let options = Options { source: "en".into(), target: "de".into(), ..Options::default() };
    for (source, answer) in [
        ("Johnson is second with 2,243.", "Johnson ist Zweiter mit 2.243."),
        ("It travels at 12.8 km or 8 miles.", "Es reist mit 12,8 km oder 8 Meilen."),
        ("There are 1.2 million signatures.", "Es gibt 1,2 Millionen Unterschriften."),
    ] {
        let mut session = Session::new(source, &options);
        assert_eq!(session.segments(), [source]);
        session.accept(&[[answer.to_owned()]]);
        assert_eq!(session.segments(), [""; 0]);
        assert_eq!(session.finish(0).texts, [answer]);
    }
}
