//! Language codes as DeepL writes them.

use dragoman_languages::{name, public};

/// A language as replies name it: in capitals, and without a region.
pub(super) fn source_tag(code: &str) -> String {
    let code = public(code);
    code.split('-').next().unwrap_or(code).to_uppercase()
}

/// The targets that `code` answers to, each with its name. Regions that the model does not tell
/// apart are both there: clients refuse a bare `EN` or `PT`.
pub(super) fn target_tags(code: &str) -> Vec<(String, String)> {
    let both = |tags: [(&str, &str); 2]| {
        tags.map(|(tag, name)| (tag.to_owned(), name.to_owned())).to_vec()
    };
    match public(code) {
        "en" => both([("EN-GB", "English (British)"), ("EN-US", "English (American)")]),
        "pt" => both([("PT-BR", "Portuguese (Brazilian)"), ("PT-PT", "Portuguese (European)")]),
        code => vec![(code.to_uppercase(), name(code).to_owned())],
    }
}

/// A language as glossaries name it: in small letters, and without a region.
pub(super) fn glossary_tag(code: &str) -> String {
    source_tag(code).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_in_capitals_and_targets_have_regions() {
        assert_eq!([source_tag("en"), source_tag("pb"), source_tag("zt")], ["EN", "PT", "ZH"]);
        let tags =
            |code| -> Vec<String> { target_tags(code).into_iter().map(|(tag, _)| tag).collect() };
        assert_eq!(tags("en"), ["EN-GB", "EN-US"]);
        assert_eq!(tags("pb"), ["PT-BR"]);
        assert_eq!(tags("zh"), ["ZH-HANS"]);
        assert_eq!(tags("de"), ["DE"]);
    }
}
