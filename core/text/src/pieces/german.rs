//! German ordinals: `am 12. März`, `der 2. Weltkrieg`. Their stop ends no sentence, but models take it
//! for an end and lose what follows.

use std::sync::LazyLock;

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{letters::base, sentence::Role};

/// Finds them in German texts.
pub(super) struct Ordinals;

static ORDINAL: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r"\b(?P<o>\d{1,2}\.)[ \u{a0}](?P<n>\p{Lu}\p{L}+)";
    Regex::new(regex).expect("it is valid")
});

const MONTHS: &[&str] = &[
    "Januar",
    "Jänner",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// Words that stand before an ordinal; a number behind others may end its sentence.
const BEFORE: &[&str] = &[
    "der", "die", "das", "dem", "den", "des", "im", "am", "zum", "zur", "vom", "beim", "ins",
    "ein", "eine", "einen", "einem", "einer", "sein", "seine", "seinen", "seinem", "ihr", "ihre",
    "ihren", "ihrem", "mein", "meine", "meinen", "meinem", "unser", "unsere", "unseren", "unserem",
    "jeder", "jede", "jedes", "jeden", "dieser", "diese", "dieses", "diesen", "diesem",
];

/// Words that begin sentences rather than follow an ordinal.
const NO_NOUNS: &[&str] = &[
    "Ab",
    "Aber",
    "Alle",
    "Alles",
    "Als",
    "Also",
    "Am",
    "An",
    "Auch",
    "Auf",
    "Aus",
    "Außerdem",
    "Bei",
    "Bin",
    "Bis",
    "Bitte",
    "Da",
    "Danach",
    "Danke",
    "Dann",
    "Das",
    "Dem",
    "Den",
    "Denn",
    "Der",
    "Deshalb",
    "Die",
    "Dies",
    "Diese",
    "Dieser",
    "Doch",
    "Dort",
    "Du",
    "Ein",
    "Eine",
    "Er",
    "Es",
    "Für",
    "Gestern",
    "Gibt",
    "Habe",
    "Haben",
    "Hat",
    "Heute",
    "Hier",
    "Ich",
    "Ihr",
    "Im",
    "In",
    "Ist",
    "Ja",
    "Jeder",
    "Jetzt",
    "Kann",
    "Kein",
    "Keine",
    "Können",
    "Leider",
    "Man",
    "Mein",
    "Meine",
    "Mit",
    "Nach",
    "Nein",
    "Nicht",
    "Noch",
    "Nun",
    "Nur",
    "Ob",
    "Oft",
    "Ohne",
    "Schon",
    "Sehr",
    "Sein",
    "Seine",
    "Seit",
    "Sie",
    "Sind",
    "So",
    "Sonst",
    "Trotzdem",
    "Um",
    "Und",
    "Uns",
    "Unser",
    "Unsere",
    "Unter",
    "Viele",
    "Vielen",
    "Vielleicht",
    "Von",
    "Vor",
    "Wann",
    "War",
    "Warum",
    "Was",
    "Weil",
    "Wenn",
    "Wer",
    "Werden",
    "Wie",
    "Wir",
    "Wird",
    "Wo",
    "Zu",
    "Zum",
    "Zur",
];

/// Whether `word` is a month.
pub(crate) fn is_month(word: &str) -> bool {
    MONTHS.contains(&word)
}

impl Recogniser for Ordinals {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        if base(text.language) != "de" {
            return;
        }
        for found in ORDINAL.captures_iter(text.text) {
            let (Some(ordinal), Some(noun)) = (found.name("o"), found.name("n")) else { continue };
            let before = text.text[..ordinal.start()].trim_end_matches([' ', '\u{a0}']);
            if before.ends_with(|c: char| c.is_ascii_digit() || ".,:/-–€$".contains(c)) {
                continue;
            }
            let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
            let is_ordinal = BEFORE.contains(&word.to_lowercase().as_str())
                && !NO_NOUNS.contains(&noun.as_str());
            if is_month(noun.as_str()) || is_ordinal {
                let carry = Carry::Inline(Role::Number);
                pieces.push(Piece { at: ordinal.range(), kind: Kind::Number, carry });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;

    #[test]
    fn the_stop_of_an_ordinal_belongs_to_it() {
        let pieces = |text: &str| -> Vec<String> {
            find(text, "de").into_iter().map(|piece| text[piece.at].to_owned()).collect()
        };
        assert_eq!(pieces("Am 12. März 2025 war es."), ["12.", "2025"]);
        assert_eq!(pieces("Der 2. Weltkrieg"), ["2."]);
        assert_eq!(pieces("Im 19. Jh. war das so."), ["19."]);
        assert_eq!(pieces("Er ist 12. Sie ist 10."), ["12", "10"]);
        assert_eq!(pieces("Wir sehen uns am 12. Das passt."), ["12"]);
        assert_eq!(pieces("Der Termin ist am 12. Bitte kommen Sie."), ["12"]);
        assert_eq!(pieces("Sie wohnt in Zimmer 12. Herr Maier auch."), ["12"]);
        assert_eq!(pieces("Es kostet 3.12. Mai"), ["3.12"]);
    }
}
