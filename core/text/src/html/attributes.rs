//! Attributes that readers see or hear, in the tags of a document.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// Attributes whose values are prose.
const PROSE: &[&str] = &["alt", "title", "placeholder", "aria-label"];

/// One attribute of a tag, with its value.
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r#"([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>"']+))?"#;
    Regex::new(regex).expect("it is valid")
});

/// Where the values of attributes that readers see stand in `tag`, without their quotation marks.
pub(super) fn prose(tag: &str) -> Vec<Range<usize>> {
    let value = |found: regex::Captures<'_>| {
        let name = found[1].to_lowercase();
        let value = found.get(2).filter(|_| PROSE.contains(&name.as_str()))?;
        let is_quoted = value.as_str().starts_with(['"', '\'']);
        is_quoted.then(|| value.start() + 1..value.end() - 1)
    };
    // The name of the tag is no attribute: it has no value.
    ATTRIBUTE.captures_iter(tag).filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn values_are_found_within_their_quotation_marks() {
        let tag =
            "<img data-x=' title=\"no\"' ALT = \"A house\" src=a.png title='it&#39;s' alt=bare>";
        let found: Vec<&str> = prose(tag).into_iter().map(|at| &tag[at]).collect();
        assert_eq!(found, ["A house", "it&#39;s"]);
    }
}
