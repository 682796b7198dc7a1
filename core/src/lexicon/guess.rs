//! Words that a lexicon does not have: names, which stay as they are, and compounds.

use super::{Words, with_small_initial};

/// Languages that write compounds as one word.
const COMPOUNDING: &[&str] = &["af", "da", "de", "lb", "nb", "nl", "nn", "no", "sv"];
/// What may join the parts of a compound, longest first.
const JOINTS: &[&str] = &["en", "es", "er", "n", "s", ""];
/// Letters of a part at least.
const SHORTEST: usize = 4;
/// Parts of a compound at most.
const MAX_PARTS: usize = 3;
/// How likely a word that nobody has met and that has a capital or a digit stays as it is.
const NAME: f32 = 0.2;

/// What `word`, which is not in `known`, may become: a list for each of its parts.
pub(super) fn forms(known: &Words, word: &str, language: &str) -> Vec<Vec<(String, f32)>> {
    let parts: Vec<&str> = word.split('-').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [word] => of_part(known, word, language),
        _ => parts.iter().flat_map(|part| of_part(known, part, language)).collect(),
    }
}

fn of_part(known: &Words, word: &str, language: &str) -> Vec<Vec<(String, f32)>> {
    let stem = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
    match known.find(stem) {
        Some(line) if line.is_common => return Vec::new(),
        Some(line) => return vec![line.owned()],
        None => {}
    }
    let is_compounding = COMPOUNDING.contains(&language);
    if let Some(parts) = split(known, stem, MAX_PARTS).filter(|_| is_compounding) {
        return parts;
    }
    if !stem.contains(|c: char| c.is_uppercase() || c.is_numeric()) {
        return Vec::new();
    }
    let genitive = stem.strip_suffix('s').filter(|stem| is_compounding && stem.len() >= SHORTEST);
    let forms = std::iter::once(stem).chain(genitive);
    vec![forms.map(|form| (form.to_owned(), NAME)).collect()]
}

/// The translations of the parts of a compound: as few parts as it takes, the shortest of them as long
/// as may be.
fn split(known: &Words, word: &str, max_parts: usize) -> Option<Vec<Vec<(String, f32)>>> {
    let length = word.chars().count();
    let mut places: Vec<(usize, usize)> = word
        .char_indices()
        .enumerate()
        .filter(|(n, _)| *n >= SHORTEST && length - n >= SHORTEST)
        .map(|(n, (at, _))| (at, n.min(length - n)))
        .collect();
    places.sort_by_key(|(at, shorter)| (usize::MAX - shorter, *at));
    let head = |at: usize| {
        let stems = JOINTS.iter().filter_map(|joint| word[..at].strip_suffix(joint));
        let long = stems.filter(|stem| stem.chars().count() + 1 >= SHORTEST);
        [word[..at].len()]
            .iter()
            .map(|&end| &word[..end])
            .chain(long)
            .find_map(|stem| part(known, stem))
    };
    let whole = places.iter().find_map(|&(at, _)| Some(vec![head(at)?, part(known, &word[at..])?]));
    if whole.is_some() || max_parts < 3 {
        return whole;
    }
    places.iter().find_map(|&(at, _)| {
        let mut parts = vec![head(at)?];
        parts.extend(split(known, &word[at..], max_parts - 1)?);
        Some(parts)
    })
}

/// The translations of a part, with a capital or without one.
fn part(known: &Words, word: &str) -> Option<Vec<(String, f32)>> {
    let forms = |word: &str| Some(known.line(word)?.owned()).filter(|forms| !forms.is_empty());
    forms(&with_capital(word)).or_else(|| forms(&with_small_initial(word)))
}

fn with_capital(word: &str) -> String {
    let mut rest = word.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest.as_str().chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::Lexicon, *};

    fn known() -> Words {
        let text = "# de-en\nHaus\t*\thouse\t90\nJahr\t*\tyear\t90\nKüche\tkitchen\t80\nNabe\thub\t70\nTisch\ttable\t80\nTür\tdoor\t80\nhaben\t*\thave\t90\nkühl\tcool\t60\n";
        Lexicon::from_text(text).expect("it is whole").directions["de-en"].clone()
    }

    #[test]
    fn parts_of_compounds_are_favoured() {
        let forms = |word: &str| -> Vec<String> {
            let found = forms(&known(), word, "de");
            found.into_iter().map(|forms| forms[0].0.clone()).collect()
        };
        assert_eq!(forms("Küchentisch"), ["kitchen", "table"]);
        assert_eq!(forms("Haustisch"), ["house", "table"]);
        assert_eq!(forms("Jahrestisch"), ["year", "table"]);
        assert_eq!(forms("Haus-Küchentisch"), ["kitchen", "table"]);
        assert_eq!(forms("unbekannt"), [""; 0]);
        assert_eq!(forms("Tischlerei"), ["Tischlerei"]);
    }

    #[test]
    fn names_stay() {
        let found = |word, language| forms(&known(), word, language);
        let name = |names: &[&str]| {
            vec![names.iter().map(|n| ((*n).to_owned(), NAME)).collect::<Vec<_>>()]
        };
        assert_eq!(found("Nadal", "en"), name(&["Nadal"]));
        assert_eq!(found("Nadal's", "en"), name(&["Nadal"]));
        assert_eq!(found("Nadals", "de"), name(&["Nadals", "Nadal"]));
        assert_eq!(found("A1GP", "en"), name(&["A1GP"]));
        assert!(found("handily", "en").is_empty());
        // German nouns have capitals, too, but no parts that are known.
        assert!(found("Haus's", "de").is_empty());
    }
}
