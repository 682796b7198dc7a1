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

/// What a `<meta>` must be the name or property of, for its `content` to be prose: what search engines and other sites show.
const METADATA: &[&str] =
    &["description", "og:title", "og:description", "twitter:title", "twitter:description"];

/// Types of `<input>` whose value is what is written on them.
const BUTTONS: &[&str] = &["submit", "button", "reset"];

/// Elements whose `label` readers see.
const LABELLED: &[&str] = &["option", "optgroup", "track"];

/// Where the values of attributes that readers see stand in `tag`, without their quotation marks.
pub(super) fn prose(tag: &str) -> Vec<Range<usize>> {
    let mut attributes = ATTRIBUTE.captures_iter(tag);
    // The first is the name of the tag.
    let element = attributes.next().map(|found| found[1].to_lowercase()).unwrap_or_default();
    let attributes: Vec<(String, Range<usize>)> = attributes
        .filter_map(|found| {
            let value = found.get(2)?;
            let is_quoted = value.as_str().starts_with(['"', '\'']);
            let margin = usize::from(is_quoted);
            Some((found[1].to_lowercase(), value.start() + margin..value.end() - margin))
        })
        .collect();
    let is_one_of = |name: &str, wanted: &[&str]| {
        let of_name = attributes.iter().filter(|(other, _)| other == name);
        of_name.map(|(_, at)| tag[at.clone()].to_lowercase()).any(|it| wanted.contains(&&*it))
    };
    let is_prose = |name: &str| match (element.as_str(), name) {
        ("meta", "content") => is_one_of("name", METADATA) || is_one_of("property", METADATA),
        ("input", "value") => is_one_of("type", BUTTONS),
        (element, "label") => LABELLED.contains(&element),
        _ => PROSE.contains(&name),
    };
    let is_quoted = |at: &Range<usize>| tag[..at.start].ends_with(['"', '\'']);
    let prose = attributes.iter().filter(|(name, at)| is_quoted(at) && is_prose(name));
    prose.map(|(_, at)| at.clone()).collect()
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

    #[test]
    fn what_a_value_is_depends_on_its_element() {
        for (tag, wanted) in [
            ("<meta name=\"description\" content=\"A shop for bread\"/>", Some("A shop for bread")),
            ("<meta content='A shop' property=og:title>", Some("A shop")),
            ("<meta name=\"viewport\" content=\"width=device-width\">", None),
            ("<input type=submit value=\"Send\">", Some("Send")),
            ("<input type=\"text\" value=\"Ada\">", None),
            ("<option value=\"de\" label=\"German\">", Some("German")),
            ("<a title=x>", None),
        ] {
            let found: Vec<&str> = prose(tag).into_iter().map(|at| &tag[at]).collect();
            assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "{tag}");
        }
    }
}
