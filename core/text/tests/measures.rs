//! Numbers, units, keys of labels and abbreviations, with a model that does what models did with them.

use dragoman_text::{Options, Session};

/// The translation of `text` by a model that says what is in `answers`, and else what it was asked.
fn translated(text: &str, [source, target]: [&str; 2], answers: &[(&str, &str)]) -> String {
    let options = Options { source: source.into(), target: target.into(), ..Options::default() };
    let mut session = Session::new(text, &options);
    for _ in 0..12 {
        let segments = session.segments();
        if segments.is_empty() {
            break;
        }
        println!("asked {segments:?}");
        let answer = |segment: &String| {
            let known =
                answers.iter().find(|(asked, _)| asked.to_lowercase() == segment.to_lowercase());
            [known.map_or_else(|| segment.clone(), |(_, answer)| (*answer).to_owned())]
        };
        session.accept(&segments.iter().map(answer).collect::<Vec<_>>());
    }
    session.finish(0).texts.swap_remove(0)
}

#[test]
fn a_unit_that_the_model_lost_comes_back() {
    let lost = [
        ("Add 5 g of salt.", "Fügen Sie 5 Glas Salz hinzu."),
        ("Add B1204 of salt.", "Fügen Sie B1204 Salz hinzu."),
    ];
    let text = translated("Add 5 g of salt.", ["en", "de"], &lost);
    assert_eq!(text, "Fügen Sie 5 g Salz hinzu.");
    for measure in ["5 g", "100 W", "12 V DC", "1,75 m", "16 oz", "kg"] {
        assert_eq!(translated(measure, ["en", "de"], &[]), measure);
    }
}

#[test]
fn decimals_of_measures_are_those_of_the_target() {
    for answer in ["Er wiegt 2,5 kg.", "Er wiegt 2.5 kg."] {
        let known = [("It weighs 2.5 kg.", answer)];
        assert_eq!(translated("It weighs 2.5 kg.", ["en", "de"], &known), "Er wiegt 2,5 kg.");
    }
    let both = "1,000,000 rows and 2.5 GB";
    let known = [(both, "1,000,000 filas y 2.5 GB")];
    assert_eq!(translated(both, ["en", "es"], &known), "1.000.000 filas y 2,5 GB");
}

#[test]
fn thousands_do_not_become_decimals() {
    let known = [
        ("It has 500,000 users.", "Es hat 500,000 Benutzer."),
        ("Er hat 500.000 Einwohner.", "It has 500.000 people."),
        ("Il y a 5,25 euros.", "There are 5,25 euros."),
        ("It has 5,000 rows.", "Es hat 5000 Zeilen."),
    ];
    for (text, languages, wanted) in [
        ("It has 500,000 users.", ["en", "de"], "Es hat 500.000 Benutzer."),
        ("Er hat 500.000 Einwohner.", ["de", "en"], "It has 500,000 people."),
        ("Il y a 5,25 euros.", ["fr", "en"], "There are 5,25 euros."),
        ("It has 5,000 rows.", ["en", "de"], "Es hat 5000 Zeilen."),
    ] {
        assert_eq!(translated(text, languages, &known), wanted);
    }
}

#[test]
fn a_number_beside_a_measure_is_one_of_its_own() {
    let source = "It travels at 12.8 km or 8 miles.";
    let known = [(source, "Es reist mit 12,8 km oder 8 Meilen.")];
    assert_eq!(translated(source, ["en", "de"], &known), known[0].1);
}

#[test]
fn a_number_in_the_form_of_the_target_stays() {
    let known = [
        ("El valor es 3.14159.", "The value is 3,14159."),
        ("Er hat 36.6 Grad.", "He has 36,6 degrees."),
        ("Alle 15:30 parte.", "It leaves at 15:30."),
    ];
    for (text, languages, wanted) in [
        ("El valor es 3.14159.", ["es", "en"], "The value is 3.14159."),
        ("Er hat 36.6 Grad.", ["de", "en"], "He has 36.6 degrees."),
        ("Alle 15.30 parte.", ["it", "en"], "It leaves at 15:30."),
    ] {
        assert_eq!(translated(text, languages, &known), wanted);
    }
}

#[test]
fn a_minus_stays_with_its_number() {
    let known = [
        ("It is -3.5 degrees.", "Es - 3,5 grados."),
        ("It is B1204 degrees.", "Son B1204 grados."),
    ];
    let text = translated("It is -3.5 degrees.", ["en", "es"], &known);
    assert_eq!(text, "Son -3,5 grados.");
}

#[test]
fn times_and_ordinals_are_written_as_the_target_does() {
    let known = [("At 9:00 we start.", "A las 9:00 empezamos.")];
    assert_eq!(translated("At 9 a.m. we start.", ["en", "es"], &known), "A las 9:00 empezamos.");
    let known = [("We end at 15:30.", "Wir enden um 15:30.")];
    assert_eq!(translated("We end at 3:30 p.m.", ["en", "de"], &known), "Wir enden um 15:30.");
    let known = [
        ("The 21st century", "Das 21st Jahrhundert"),
        ("Der 2nd Weltkrieg", "The 2nd World War"),
        ("Am 12 März 2025 war es.", "On 12. March 2025 it was."),
        ("Er ist 12.", "He is 12."),
        ("Sie ist 10.", "She is 10."),
    ];
    assert_eq!(translated("The 21st century", ["en", "de"], &known), "Das 21. Jahrhundert");
    assert_eq!(translated("Der 2. Weltkrieg", ["de", "en"], &known), "The 2nd World War");
    let date = translated("Am 12. März 2025 war es.", ["de", "en"], &known);
    assert_eq!(date, "On 12 March 2025 it was.");
    let ages = translated("Er ist 12. Sie ist 10.", ["de", "en"], &known);
    assert_eq!(ages, "He is 12. She is 10.");
}

#[test]
fn the_key_of_a_label_stands_before_a_letter_of_its_translation() {
    let known = [
        ("File", "Datei"),
        ("Exit", "Beenden"),
        ("Open", "Öffnen"),
        ("Save As…", "Speichern als…"),
    ];
    for (text, wanted) in [
        ("&File", "&Datei"),
        ("E&xit", "&Beenden"),
        ("_Open", "_Öffnen"),
        ("Save &As…", "Speichern &als…"),
    ] {
        assert_eq!(translated(text, ["en", "de"], &known), wanted);
    }
}

#[test]
fn the_model_sees_abbreviations_in_words() {
    let known = [("Bijvoorbeeld appels.", "For example apples.")];
    assert_eq!(translated("Bijv. appels.", ["nl", "en"], &known), "For example apples.");
}

#[test]
fn each_word_of_a_pair_is_asked_by_itself() {
    let known = [("Ja", "Yes"), ("Nein", "No"), ("Äpfel and/or Birnen", "apples and/or pears")];
    assert_eq!(translated("Ja/Nein", ["de", "en"], &known), "Yes/No");
    let text = translated("Äpfel und/oder Birnen", ["de", "en"], &known);
    assert_eq!(text, "Apples and/or pears");
}

#[test]
fn letters_and_arguments_stay() {
    for text in ["A", "B", "°C", "{n, number}", "{d, date, short}"] {
        assert_eq!(translated(text, ["en", "de"], &[("A", "Einer"), ("B", "Bier")]), text);
    }
    let known = [("Hepatitis B", "Hepatitis Ball"), ("Hepatitis B1204", "Hepatitis B1204")];
    assert_eq!(translated("Hepatitis B", ["en", "de"], &known), "Hepatitis B");
}

#[test]
fn an_address_of_any_length_is_one_word() {
    let url = format!("https://example.org/{}", "a/".repeat(600));
    let text = format!("Please open {url} now.");
    let known = [("Please open 2041 now.", "Bitte öffnen Sie 2041 jetzt.")];
    let wanted = format!("Bitte öffnen Sie {url} jetzt.");
    assert_eq!(translated(&text, ["en", "de"], &known), wanted);
}

#[test]
fn times_with_zones_and_lists_within_a_line_are_asked_in_parts() {
    let known = [
        ("Come at 17:00 EST.", "Kommen Sie um 17:00 EST."),
        ("Open the lid.", "Öffnen Sie den Deckel."),
        ("Close it.", "Schließen Sie ihn."),
    ];
    for (text, wanted) in [
        ("Come at 5 p.m. EST.", "Kommen Sie um 17:00 EST."),
        ("1) Open the lid. 2) Close it.", "1) Öffnen Sie den Deckel. 2) Schließen Sie ihn."),
        ("(1) Open the lid. (2) Close it.", "(1) Öffnen Sie den Deckel. (2) Schließen Sie ihn."),
    ] {
        assert_eq!(translated(text, ["en", "de"], &known), wanted);
    }
}

#[test]
fn centuries_have_the_digits_of_the_target() {
    let known = [
        ("In the 20th century.", "En el siglo XX."),
        ("In the 19th century.", "En el siglo XX."),
        ("In the B1204 century.", "En el siglo B1204."),
        ("Im 20e Jahrhundert.", "Au 20e siècle."),
        ("Le XXe siècle.", "The 19th century."),
        ("Le B1204 siècle.", "The B1204 century."),
        ("Il mange le 1er mars.", "He eats on 1 March."),
    ];
    for (text, languages, wanted) in [
        ("In the 20th century.", ["en", "es"], "En el siglo XX."),
        ("In the 19th century.", ["en", "es"], "En el siglo XIX."),
        ("Im 20. Jahrhundert.", ["de", "fr"], "Au XXe siècle."),
        ("Le XXe siècle.", ["fr", "en"], "The 20th century."),
        ("Il mange le 1er mars.", ["fr", "en"], "He eats on 1 March."),
    ] {
        assert_eq!(translated(text, languages, &known), wanted);
    }
}

#[test]
fn opening_hours_are_those_of_the_target() {
    let known = [("Kommen Sie Mon–Fri 9:00–18:00.", "Come Mon–Fri 9:00–18:00.")];
    let text = translated("Kommen Sie Mo.–Fr. 9–18 Uhr.", ["de", "en"], &known);
    assert_eq!(text, "Come Mon–Fri 9:00–18:00.");
}

#[test]
fn a_sentence_does_not_lose_all_its_words() {
    let known = [("Costa 12 €.", "12 €."), ("Costa B1204.", "It costs B1204.")];
    assert_eq!(translated("Costa 12 €.", ["it", "en"], &known), "It costs 12 €.");
    let known = [("15:30 Uhr.", "15:30."), ("B1204 Uhr.", "B1204.")];
    assert_eq!(translated("15.30 Uhr.", ["de", "en"], &known), "15:30.");
}
