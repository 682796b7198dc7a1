use proptest::prelude::*;

use super::*;

#[test]
fn pairs_are_repaired() {
    for (source, translation, target, wanted) in [
        (
            "« Où es-tu ? » demanda-t-il.",
            "\"Where are you?\"? \"he demanded.\".",
            "en",
            "\"Where are you?\" he demanded.",
        ),
        (
            "Il a dit : « Je suis fatigué. »",
            "He said: \"I'm tired. »",
            "en",
            "He said: \"I'm tired.\"",
        ),
        ("«Oui», dit-il.", "\"Yes, he says.", "en", "\"Yes,\" he says."),
        ("“Sim”, disse ele.", "\"Yes, he said.", "en", "“Yes,” he said."),
        ("«Sí», dijo él.", "„Ja, sagte er.", "de", "„Ja“, sagte er."),
        (
            "Ha detto: \"Sono stanco.\"",
            "Er sagte: \"Ich bin müde.“",
            "de",
            "Er sagte: „Ich bin müde.“",
        ),
        (
            "\"Yes,\" he said. \"I know.\"",
            "\"Sì\", ha detto. «So sa.\"",
            "it",
            "\"Sì\", ha detto. \"So sa.\"",
        ),
        ("„Ja“, sagte er.", "« Oui, dit-il.", "fr", "« Oui », dit-il."),
        ("“Yes,” he said.", "«Sí\", dijo.", "es", "“Sí”, dijo."),
        (
            "She asked: \"Where are you going?\"",
            "Ze vroeg: \"Waar gaat het",
            "nl",
            "Ze vroeg: \"Waar gaat het\"",
        ),
        (
            "She asked: \"Where are you going?\"",
            "Ela perguntou: \" Onde vai",
            "pt",
            "Ela perguntou: \"Onde vai\"",
        ),
        (
            "\"I am tired. I am going home,\" she said.",
            "« Je suis fatigué. Je vais chez moi, dit-elle.",
            "fr",
            "« Je suis fatigué. Je vais chez moi », dit-elle.",
        ),
    ] {
        assert_eq!(paired(source, translation, target), wanted);
    }
}

#[test]
fn a_mark_stands_at_the_word_that_it_belongs_to() {
    let source = "« Où es-tu ? » demanda-t-il.";
    assert_eq!(
        paired(source, "\"Where are you? \"he asked.", "en"),
        "\"Where are you?\" he asked."
    );
    assert_eq!(
        paired("I go,\" she said.", "Ich gehe\", sagte sie.", "de"),
        "Ich gehe“, sagte sie."
    );
    assert_eq!(
        paired("She said: \"I go.", "Sie sagte: \"Ich gehe.", "de"),
        "Sie sagte: „Ich gehe."
    );
}

#[test]
fn marks_that_nobody_wrote_go() {
    for (source, translation, target, wanted) in [
        ("rock 'n' roll", "rock « « rouler", "fr", "rock rouler"),
        ("Rock 'n' roll is not dead.", "Rock » n'est pas mort.", "fr", "Rock n'est pas mort."),
        ("It's John's book.", "Es ist \"Johns\" Buch.", "de", "Es ist Johns Buch."),
        // No place for the other one can be told.
        (
            "The word \"house\" is short.",
            "La parola \"casa è breve.",
            "it",
            "La parola casa è breve.",
        ),
    ] {
        assert_eq!(paired(source, translation, target), wanted);
    }
}

#[test]
fn what_is_right_stays() {
    for (source, translation, target) in [
        ("\"Yes,\" he said.", "„Ja“ sagte er.", "de"),
        ("\"Yes,\" he said.", "« Oui », a-t-il dit.", "fr"),
        ("\"Yes,\" he said.", "\"Oui\", a-t-il dit.", "fr"),
        ("The word \"house\" is short.", "La palabra «house» es corta.", "es"),
        ("The word \"house\" is short.", "Das Wort Haus ist kurz.", "de"),
        ("He called it 'a disaster'.", "Il l'a appelé \"un désastre\".", "fr"),
        ("He called it 'a disaster'.", "Lo llamó 'un desastre'.", "es"),
        ("It is a 5\" screen.", "Es ist ein 5“ Bildschirm.", "de"),
        ("« Il a dit “oui” hier. »", "\"He said 'yes' yesterday.\"", "en"),
        ("He said “yes”.", "彼は「はい」と言った。", "ja"),
        ("No marks here.", "Keine Zeichen.", "de"),
    ] {
        assert_eq!(paired(source, translation, target), translation);
    }
}

#[test]
fn a_sentence_of_a_longer_quotation_has_its_one_mark() {
    for (source, translation, target, wanted) in [
        ("\"I am tired.", "\"Ich bin müde.\"", "de", "„Ich bin müde."),
        ("I am going.\"", "Ich gehe.“", "de", "Ich gehe.“"),
        ("I am going.\"", "Je pars.", "fr", "Je pars. »"),
        ("“I am tired.", "Je suis fatigué.", "fr", "« Je suis fatigué."),
    ] {
        assert_eq!(paired(source, translation, target), wanted);
    }
}

proptest! {
    #[test]
    fn words_are_never_changed(source in "[\"'“”„«»a-c5 ,.?:]{0,24}", translation in "[\"'“”„«»a-c5 ,.?:]{0,24}") {
        for target in ["de", "en", "fr", "es", "xx"] {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&paired(&source, &translation, target)), letters(&translation));
        }
    }
}
