//! Notes, powers and formulas in HTML.

use proptest::prelude::*;

use crate::{Format, Options, Session};

/// Translates every sentence and piece by `model`; what it is asked is added to `asked`.
fn translate(html: &str, asked: &mut Vec<String>, model: impl Fn(&str) -> String) -> String {
    let options = Options {
        source: "en".into(),
        target: "de".into(),
        format: Format::Html,
        ..Options::default()
    };
    let mut session = Session::new(html, &options);
    for _ in 0..10 {
        asked.extend(session.segments());
        let answers: Vec<[String; 1]> =
            session.segments().iter().map(|text| [model(text)]).collect();
        session.accept(&answers);
    }
    session.finish(0).texts.swap_remove(0)
}

fn shouted(html: &str) -> String {
    translate(html, &mut Vec::new(), str::to_uppercase)
}

/// Says some words in another order, so that a note must find its word.
fn german(text: &str) -> String {
    match text {
        "The king of Spain was born in Madrid." => "In Madrid wurde der König Spaniens geboren.",
        "Spain" => "Spanien",
        "The lake is cold today." => "Heute ist der See kalt.",
        "lake" => "See",
        other => return other.to_owned(),
    }
    .to_owned()
}

#[test]
fn a_note_stands_behind_the_word_it_is_to() {
    for note in [
        "<sup>3</sup>",
        "<sup><a href=\"#n1\">1</a></sup>",
        "<a href='#n'><sup>1</sup></a>",
        "<sup>1,2</sup>",
        "<sup>[4]</sup>",
        "<sup>1</sup><sup>2</sup>",
        "<a href=\"#n\">1</a>",
        "<b>1</b>",
        "<sup>*</sup>",
    ] {
        let html = format!("<p>The king of Spain{note} was born in Madrid.</p>");
        let expected = format!("<p>In Madrid wurde der König Spaniens{note} geboren.</p>");
        let mut asked = Vec::new();
        assert_eq!(translate(&html, &mut asked, german), expected);
        assert!(asked.contains(&"The king of Spain was born in Madrid.".into()), "{asked:?}");
    }
    let html = "<p>The lake<sup>a</sup> is cold today.</p>";
    let expected = "<p>Heute ist der See<sup>a</sup> kalt.</p>";
    assert_eq!(translate(html, &mut Vec::new(), german), expected);
}

#[test]
fn a_note_to_marked_words_stands_behind_them() {
    let html = "<p>The king of <b>Spain</b><sup>3</sup> was born in Madrid.</p>";
    let expected = "<p>In Madrid wurde der König <b>Spaniens</b><sup>3</sup> geboren.</p>";
    assert_eq!(translate(html, &mut Vec::new(), german), expected);
    for (html, expected) in [
        ("<i>The dog<sup>1</sup></i> sleeps", "<i>THE DOG<sup>1</sup></i> SLEEPS"),
        ("<i>The dog</i><sup>1</sup> sleeps", "<i>THE DOG</i><sup>1</sup> SLEEPS"),
    ] {
        assert_eq!(shouted(html), expected);
    }
}

#[test]
fn what_belongs_to_a_word_stays_with_it() {
    for (html, expected) in [
        ("It has 10 m<sup>2</sup> of grass.", "IT HAS 10 m<sup>2</sup> OF GRASS."),
        ("On the 3<sup>rd</sup> of May it rains.", "ON THE 3<sup>rd</sup> OF MAY IT RAINS."),
        ("We drink H<sub>2</sub>O here.", "WE DRINK H<sub>2</sub>O HERE."),
        (
            "We eat C<sub>6</sub>H<sub>12</sub>O<sub>6</sub> here.",
            "WE EAT C<sub>6</sub>H<sub>12</sub>O<sub>6</sub> HERE.",
        ),
        ("The tank of CO<sub>2</sub> fell.", "THE TANK OF CO<sub>2</sub> FELL."),
        ("Now <i>x<sub>i</sub></i> is small.", "NOW <i>x<sub>i</sub></i> IS SMALL."),
        ("On the <b>3</b>rd of May.", "ON THE <b>3</b>rd OF MAY."),
        ("The <b>Windows</b>10 is new.", "THE <b>Windows</b>10 IS NEW."),
        ("The <b>new Windows</b>10 is here.", "THE <b>NEW WINDOWS10</b> IS HERE."),
        ("Version 2.<b>5</b> is new.", "VERSION 2.<b>5</b> IS NEW."),
    ] {
        assert_eq!(shouted(html), expected);
    }
}

#[test]
fn notes_at_ends_of_sentences_stay_there() {
    for (html, expected) in [
        ("He came.<sup>3</sup> He saw.", "HE CAME.<sup>3</sup> HE SAW."),
        ("He came,<sup>3</sup> he saw.", "HE CAME,<sup>3</sup> HE SAW."),
        ("He came<sup>3</sup>.", "HE CAME<sup>3</sup>."),
        ("<sup>1</sup> This is a note.", "<sup>1</sup> THIS IS A NOTE."),
        ("The dog<sup>1</sup>", "THE DOG<sup>1</sup>"),
    ] {
        assert_eq!(shouted(html), expected);
    }
}

#[test]
fn markup_within_words_and_addresses_is_as_it_was() {
    for (html, expected) in [
        (
            "See <b>https://example.org/a1<wbr>b2</b> now.",
            "SEE <b>https://example.org/a1<wbr>b2</b> NOW.",
        ),
        ("A <b>big</b> house of <i>3</i> rooms.", "A <b>BIG</b> HOUSE OF <i>3</i> ROOMS."),
    ] {
        assert_eq!(shouted(html), expected);
    }
}

#[test]
fn many_notes_take_linear_time() {
    let started = std::time::Instant::now();
    for unit in [
        "x<sup>1</sup>",
        "word<sup>1</sup> ",
        "<sup>1</sup>",
        "<b>1</b>2",
        "<b>a<sub>1</sub>",
        "a<b></b>1",
    ] {
        let html = unit.repeat((1 << 18) / unit.len());
        let translated = translate(&html, &mut Vec::new(), str::to_owned);
        assert_eq!(translated, html, "{unit}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn what_is_translated_into_itself_stays_the_same(
        html in "(<b>|</b>|<sup>|</sup>|<sub>|</sub>|<a href='#'>|</a>|<img>|<br>|1|22|\\.|,|\\[|\\]| |x|word|dog|é|字|&nbsp;|https://a.org/b1){0,40}"
    ) {
        prop_assert_eq!(translate(&html, &mut Vec::new(), str::to_owned), html);
    }

    #[test]
    fn every_tag_is_written_once(
        html in "(<b>|</b>|<sup>1|</sup>|<sub>|</sub>|<a href='#'>|</a>|<img>|1|22|\\.|,| |x|word|dog|é){0,40}"
    ) {
        let reversed = |text: &str| text.split(' ').rev().collect::<Vec<_>>().join(" ");
        let translated = translate(&html, &mut Vec::new(), reversed);
        for tag in ["<b>", "</b>", "<sup>", "</sup>", "<sub>", "</sub>", "<a href='#'>", "</a>", "<img>"] {
            prop_assert_eq!(translated.matches(tag).count(), html.matches(tag).count(), "{}", translated);
        }
    }
}
