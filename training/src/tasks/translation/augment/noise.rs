//! Errors that people make when they type.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Sides;

/// Takes the mark at the end off both sides; none if one of them has none.
pub(super) fn without_final_mark(sides: &Sides) -> Option<Sides> {
    let trim = |text: &String| {
        let rest = text.trim_end_matches(['.', '!', '?', '…']).trim_end();
        (rest.len() < text.len() && !rest.is_empty()).then(|| rest.to_owned())
    };
    Some([trim(&sides[0])?, trim(&sides[1])?])
}

/// Doubles a letter, leaves it out, or exchanges it with the next; none if no two letters follow
/// each other.
pub(super) fn with_typing_error(text: &str, rng: &mut ChaCha8Rng) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (1..letters.len())
        .filter(|&i| letters[i - 1].is_alphabetic() && letters[i].is_alphabetic())
        .collect();
    let at = *places.get(rng.random_range(0..places.len().max(1)))?;
    match rng.random_range(0..3) {
        0 => letters.insert(at, letters[at]),
        1 => drop(letters.remove(at)),
        _ => letters.swap(at - 1, at),
    }
    Some(letters.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_final_mark_goes_on_both_sides_or_on_none() {
        let sides = |a: &str, b: &str| without_final_mark(&[a.into(), b.into()]);
        assert_eq!(sides("Go!", "Geh …"), Some(["Go".into(), "Geh".into()]));
        assert_eq!(sides("Go", "Geh."), None);
        assert_eq!(sides("...", "…"), None);
    }

    #[test]
    fn a_typing_error_changes_at_most_two_letters() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let text = with_typing_error("Größe 12", &mut rng).unwrap_or_default();
            assert!((7..=9).contains(&text.chars().count()) && text.ends_with(" 12"), "{text}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(with_typing_error("1 a 2", &mut rng), None);
        assert_eq!(with_typing_error("", &mut rng), None);
    }
}
