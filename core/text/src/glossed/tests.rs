use super::*;
use crate::{Format, Session};

/// Translates by `model`, which is told the terms that it is to use.
fn translate(
    text: &str,
    entries: &[(&str, &str)],
    (strict, prefers_terms): (bool, bool),
    model: impl Fn(&Ask) -> String,
) -> String {
    let entries = entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    let glossary = Glossary::new(entries, "en", "de", strict);
    let options = Options {
        source: "en".into(),
        target: "de".into(),
        format: if text.contains('<') { Format::Html } else { Format::Text },
        glossary: Some(Arc::new(glossary)),
        prefers_terms,
        ..Options::default()
    };
    let mut session = Session::new(text, &options);
    for _ in 0..12 {
        let asks = session.asks();
        let answers: Vec<[String; 1]> = asks.iter().map(|ask| [model(ask)]).collect();
        session.accept(&answers);
    }
    assert!(session.asks().is_empty(), "it comes to an end");
    session.finish(0).texts.swap_remove(0)
}

/// Knows the word `Haus`, and another where it is to use it.
fn house(ask: &Ask) -> String {
    let noun = ask.terms.first().map_or("Haus", |forms| forms[0].as_str());
    let text = ask.text.replace("The house", &format!("Das {noun}"));
    text.replace("is big", "ist groß").replace("The ", "Das ")
}

#[test]
fn a_term_that_the_model_knows_costs_nothing() {
    let asked = std::cell::Cell::new(0);
    let model = |ask: &Ask| {
        asked.set(asked.get() + 1);
        house(ask)
    };
    let text = translate("The house is big.", &[("house", "Haus")], (true, true), model);
    assert_eq!((text.as_str(), asked.get()), ("Das Haus ist groß.", 1));
}

#[test]
fn a_term_is_searched_for_and_else_carried_if_it_must_be() {
    let entries = [("house", "Gebäude")];
    let text = translate("The house is big.", &entries, (false, true), house);
    assert_eq!(text, "Das Gebäude ist groß.");
    let deaf = |ask: &Ask| house(&Ask { text: ask.text.clone(), ..Ask::default() });
    let text = translate("The house is big.", &entries, (false, true), deaf);
    assert_eq!(text, "Das Haus ist groß.");
    let text = translate("The house is big.", &entries, (true, true), deaf);
    assert_eq!(text, "Das Gebäude ist groß.");
    let text = translate("The house is big.", &entries, (false, false), house);
    assert_eq!(text, "Das Gebäude ist groß.");
}

#[test]
fn an_answer_that_runs_wild_is_not_taken() {
    let wild = |ask: &Ask| match ask.terms.len() {
        0 => house(ask),
        _ => "Das Gebäude am Gebäude ist ein Gebäude und groß.".into(),
    };
    let text = translate("The house is big.", &[("house", "Gebäude")], (false, true), wild);
    assert_eq!(text, "Das Haus ist groß.");
}

#[test]
fn markup_and_what_is_not_translated_keep_their_places() {
    let entries = [("house", "house"), ("big", "groß")];
    let html = "<p>The <b>house</b> is big.</p>";
    let text = translate(html, &entries, (true, false), house);
    assert_eq!(text, "<p>Das <b>house</b> ist groß.</p>");
    let deaf = |ask: &Ask| house(&Ask { text: ask.text.clone(), ..Ask::default() });
    let text = translate("The house is big.", &entries, (true, true), deaf);
    assert_eq!(text, "Das house ist groß.");
}

#[test]
fn a_text_that_is_a_term_is_not_asked() {
    let never = |ask: &Ask| -> String { panic!("asked {ask:?}") };
    let entries = [("window", "Scheibe"), ("tax return", "Steuererklärung")];
    for (text, wanted) in [
        ("window", "Scheibe"),
        ("Window", "Scheibe"),
        ("WINDOW", "SCHEIBE"),
        ("Window.", "Scheibe."),
        ("\"Window\":", "\"Scheibe\":"),
        ("Tax Return!", "Steuererklärung!"),
        ("<p><b>Window</b></p>", "<p><b>Scheibe</b></p>"),
    ] {
        for (strict, prefers_terms) in [(true, false), (false, false), (false, true)] {
            assert_eq!(translate(text, &entries, (strict, prefers_terms), never), wanted);
        }
    }
}

#[test]
fn an_inflected_term_alone_is_the_form_that_the_model_knows_else_the_term() {
    let entries = [("window", "Scheibe")];
    let knows = |_: &Ask| "Scheiben".to_owned();
    let others = |_: &Ask| "Fenster".to_owned();
    for (strict, prefers_terms) in [(true, false), (false, false), (false, true)] {
        let translated = |model: &dyn Fn(&Ask) -> String| {
            translate("Windows", &entries, (strict, prefers_terms), model)
        };
        assert_eq!(translated(&knows), "Scheiben");
        assert_eq!(translated(&others), "Scheibe");
    }
    let more = translate("Two windows", &entries, (false, false), |_| "Zwei Fenster".into());
    assert_ne!(more, "Scheibe");
}

#[test]
fn a_term_beside_what_is_no_prose_is_written() {
    let echo = |ask: &Ask| ask.text.clone();
    let text = translate("Window 2", &[("window", "Scheibe")], (false, false), echo);
    assert_eq!(text, "Scheibe 2");
}

#[test]
fn a_search_that_loops_is_not_taken() {
    let loops = |ask: &Ask| match ask.terms.len() {
        0 => house(ask),
        _ => "Das Gebäude ist großoßoßoßoß.".into(),
    };
    let text = translate("The house is big.", &[("house", "Gebäude")], (false, true), loops);
    assert_eq!(text, "Das Haus ist groß.");
}

#[test]
fn an_acronym_that_the_model_loses_is_carried() {
    let model = |ask: &Ask| match ask.text.as_str() {
        "Anna works for IBM." => "Anna arbeitet für Ibis.".to_owned(),
        text => text.replace("Anna works for", "Anna arbeitet für"),
    };
    assert_eq!(
        translate("Anna works for IBM.", &[], (false, false), model),
        "Anna arbeitet für IBM."
    );
    let never = |ask: &Ask| -> String { panic!("asked {ask:?}") };
    for text in ["USB", "UK", "IBM:"] {
        assert_eq!(translate(text, &[], (false, false), never), text);
    }
    let asked = std::cell::Cell::new(0);
    let model = |_: &Ask| {
        asked.set(asked.get() + 1);
        "IBMs Chef ist hier.".to_owned()
    };
    assert_eq!(translate("IBM's boss is here.", &[], (false, false), model), "IBMs Chef ist hier.");
    assert_eq!(asked.get(), 1);
}
