//! What n-gram scores miss: the wrong language, loops, copies of the source.

#[cfg(feature = "detection")]
mod detector;

use std::collections::HashMap;

use rayon::prelude::*;

#[cfg(feature = "detection")]
use super::text::is_space;
use super::text::words;

/// Words of the n-gram whose repetition makes a loop.
const LOOP_ORDER: usize = 4;
/// How often it must occur.
const LOOP_COUNT: usize = 3;

/// Share of `texts` that are certainly not in `language` (ISO 639-1), 0 to 1.
///
/// Empty texts are in no language, and count as wrong. `None` for a language that the detector
/// does not know, and in a build without the feature `detection`. Detection errs: read the rate
/// beside that of the references.
#[cfg(feature = "detection")]
pub fn off_target_rate<T: AsRef<str> + Sync>(texts: &[T], language: &str) -> Option<f64> {
    let wanted = detector::detectable(language)?;
    let is_other = |text: &str| text.chars().all(is_space) || detector::is_other(text, wanted);
    Some(share(texts, is_other))
}

/// Nothing: this build was made without the feature `detection`.
#[cfg(not(feature = "detection"))]
pub fn off_target_rate<T: AsRef<str> + Sync>(_: &[T], _: &str) -> Option<f64> {
    None
}

/// Share of `texts` in which some four words in a row occur at least three times, 0 to 1.
///
/// Text without spaces is taken by character, from sixteen characters on.
pub fn loop_rate<T: AsRef<str> + Sync>(texts: &[T]) -> f64 {
    share(texts, is_loop)
}

/// Share of `texts` that copy their source although the reference does not, 0 to 1.
pub fn copy_rate<T, S, R>(texts: &[T], sources: &[S], references: &[R]) -> f64
where
    T: AsRef<str>,
    S: AsRef<str>,
    R: AsRef<str>,
{
    let triples = texts.iter().zip(sources).zip(references);
    let copies = triples.filter(|((text, source), reference)| {
        let [text, source, reference] =
            [text.as_ref(), source.as_ref(), reference.as_ref()].map(|line| line.trim());
        !text.is_empty() && text == source && reference != source
    });
    copies.count() as f64 / texts.len().max(1) as f64
}

fn share<T: AsRef<str> + Sync>(texts: &[T], is_bad: impl Fn(&str) -> bool + Sync) -> f64 {
    let bad = texts.par_iter().filter(|text| is_bad(text.as_ref())).count();
    bad as f64 / texts.len().max(1) as f64
}

fn is_loop(text: &str) -> bool {
    let spaced: Vec<&str> = words(text).collect();
    let is_spaceless = spaced.len() < LOOP_ORDER && text.chars().count() >= LOOP_ORDER * 4;
    let units: Vec<&str> = match is_spaceless {
        true => spaced.iter().flat_map(|word| word.split("")).filter(|c| !c.is_empty()).collect(),
        false => spaced,
    };
    let mut counts: HashMap<&[&str], usize> = HashMap::new();
    units.windows(LOOP_ORDER).any(|ngram| {
        let count = counts.entry(ngram).or_default();
        *count += 1;
        *count >= LOOP_COUNT
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "detection")]
    fn other_languages_and_empty_lines_are_off_target() {
        let texts = [
            "Der Zug nach München fährt heute nicht.",
            "The train to Munich does not run today.",
            "",
            "Das Wetter ist schön.",
        ];
        assert_eq!(off_target_rate(&texts, "de"), Some(0.5));
        assert_eq!(off_target_rate(&texts, "tlh"), None);
        assert_eq!(off_target_rate(&texts, "ja"), None);
        assert_eq!(off_target_rate::<&str>(&[], "de"), Some(0.0));
    }

    #[test]
    fn three_repeats_make_a_loop_and_two_do_not() {
        assert!(is_loop("no no no no no no"));
        assert!(is_loop("a b c d a b c d a b c d"));
        assert!(!is_loop("a b c d a b c d"));
        assert!(!is_loop("no no no"));
        assert!(is_loop("我们走吧我们走吧我们走吧我们走吧"));
        assert!(!is_loop("我们今天下午三点在学校门口见面吧"));
        assert_eq!(loop_rate(&["", "no no no no no no"]), 0.5);
    }

    #[test]
    fn a_copy_counts_unless_the_reference_copies_too() {
        let (sources, references) = (["Hello.", "Tom", "Yes."], ["Hallo.", "Tom", "Ja."]);
        assert_eq!(copy_rate(&["Hello. ", "Tom", ""], &sources, &references), 1.0 / 3.0);
    }
}
