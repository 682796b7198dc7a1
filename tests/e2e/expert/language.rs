//! A language that the model has never seen.

use anyhow::Result;
use dragoman_e2e::model;
use serde_json::Value;

use super::{corpora, expert, outputs, translated};

/// English and Italian, hand-written: a few frames and words to put into them.
fn italian() -> Vec<(String, String)> {
    let frames = [
        ("The {} is here.", "{} è qui."),
        ("I have the {}.", "Ho {}."),
        ("Where is the {}?", "Dov'è {}?"),
        ("We see the {} today.", "Oggi vediamo {}."),
        ("The {} is too late.", "{} è troppo tardi."),
        ("My brother has the {}.", "Mio fratello ha {}."),
    ];
    let words = [
        ("cat", "il gatto"),
        ("book", "il libro"),
        ("key", "la chiave"),
        ("bread", "il pane"),
        ("coat", "il cappotto"),
        ("window", "la finestra"),
        ("soup", "la zuppa"),
        ("train", "il treno"),
        ("moon", "la luna"),
        ("door", "la porta"),
        ("garden", "il giardino"),
        ("apple", "la mela"),
        ("sister", "la sorella"),
        ("house", "la casa"),
    ];
    let put = |frame: &str, word: &str| {
        let text = frame.replace("{}", word);
        let mut letters = text.chars();
        letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
    };
    let pair = |(english, other): (&str, &str), (word, wort): (&str, &str)| {
        Some((put(english, word)?, put(other, wort)?))
    };
    frames
        .into_iter()
        .flat_map(|frame| words.into_iter().filter_map(move |word| pair(frame, word)))
        .collect()
}

#[test]
fn a_new_language_is_one_more_expert() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let before = outputs(&model, "2", &[])?;
    let data = corpora::write(work.path(), "en-it", &italian())?.display().to_string();
    let run = work.path().join("run").display().to_string();
    let rest =
        ["--data", &data, "--work", &run, "--steps", "300", "--learning-rate", "1e-2", "--quiet"];
    let said = expert("add", &[&["pair.en-it"][..], &rest].concat(), &model)?.stdout()?;
    assert!(said.contains("added `pair.en-it`"), "{said}");
    assert_eq!(outputs(&model, "1", &[])?, before, "old routes are as they were");

    let shown: Value = serde_json::from_str(&expert("show", &["pair.en-it"], &model)?.stdout()?)?;
    assert_eq!(shown["tag"]["language"], "it", "{shown}");
    assert!(
        shown["parent"].as_str().is_some_and(|parent| parent.starts_with("pair.en-")),
        "{shown}"
    );
    let right = |text: &str| translated(&model, &["--from", "en", "--to", "it", text]);
    let score = shown["metrics"]["chrF++ en-it en-it"].as_f64();
    assert!(score > Some(40.0), "{shown}");
    let asked = right("Where is the key?")?;
    assert!(asked.starts_with("Dov'è"), "{asked}");
    let pivoted =
        translated(&model, &["--from", "de", "--to", "it", "--trace", "Wo ist der Schlüssel?"])?;
    assert!(pivoted.starts_with("Dov'è") && pivoted.contains("en-it source"), "{pivoted}");

    let error = expert("add", &[&["pair.en-it"][..], &rest].concat(), &model)?.failure()?;
    assert!(error.contains("already"), "{error}");
    expert("remove", &["pair.en-it"], &model)?.stdout()?;
    let error = {
        let args = ["translate", "--from", "en", "--to", "it", "x"];
        let command = dragoman_e2e::Dragoman::new(args)?;
        command.args(["--model".as_ref(), model.as_os_str()]).failure()?
    };
    assert!(error.contains("`it`"), "{error}");
    Ok(())
}
