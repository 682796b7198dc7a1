//! Language codes as clients write them, and their names.

/// Codes and English names, by name.
const NAMES: &[(&str, &str)] = &[
    ("af", "Afrikaans"),
    ("sq", "Albanian"),
    ("am", "Amharic"),
    ("ar", "Arabic"),
    ("hy", "Armenian"),
    ("az", "Azerbaijani"),
    ("eu", "Basque"),
    ("be", "Belarusian"),
    ("bn", "Bengali"),
    ("bs", "Bosnian"),
    ("bg", "Bulgarian"),
    ("ca", "Catalan"),
    ("zh-Hans", "Chinese"),
    ("zh-Hant", "Chinese (traditional)"),
    ("hr", "Croatian"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("nl", "Dutch"),
    ("en", "English"),
    ("eo", "Esperanto"),
    ("et", "Estonian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("gl", "Galician"),
    ("ka", "Georgian"),
    ("de", "German"),
    ("el", "Greek"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hu", "Hungarian"),
    ("is", "Icelandic"),
    ("id", "Indonesian"),
    ("ga", "Irish"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("kk", "Kazakh"),
    ("ko", "Korean"),
    ("ky", "Kyrgyz"),
    ("la", "Latin"),
    ("lv", "Latvian"),
    ("lt", "Lithuanian"),
    ("lb", "Luxembourgish"),
    ("mk", "Macedonian"),
    ("ms", "Malay"),
    ("mt", "Maltese"),
    ("nb", "Norwegian"),
    ("fa", "Persian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("pt-BR", "Portuguese (Brazil)"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sr", "Serbian"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("es", "Spanish"),
    ("sw", "Swahili"),
    ("sv", "Swedish"),
    ("tl", "Tagalog"),
    ("ta", "Tamil"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("cy", "Welsh"),
];

/// The English name of the language `code`, or the code itself.
pub(crate) fn name(code: &str) -> &str {
    let code = public(code);
    NAMES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

/// The code that replies carry: upstream's short codes in their ISO form.
pub(crate) fn public(code: &str) -> &str {
    match code {
        "zh" => "zh-Hans",
        "zt" => "zh-Hant",
        "pb" => "pt-BR",
        other => other,
    }
}

/// The language of `known` that a client calls `code`, in any case and by any alias.
pub(crate) fn resolve<'a>(known: &'a [String], code: &str) -> Option<&'a str> {
    let code = code.trim().to_lowercase();
    let code = public(&code);
    let same = |language: &&String| public(language).eq_ignore_ascii_case(code);
    known.iter().find(same).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_in_any_case_and_by_alias() {
        let known = ["de".to_owned(), "pb".to_owned(), "zh-Hans".to_owned()];
        assert_eq!(resolve(&known, "DE"), Some("de"));
        assert_eq!(resolve(&known, "pt-br"), Some("pb"));
        assert_eq!(resolve(&known, "zh"), Some("zh-Hans"));
        assert_eq!(resolve(&known, "tlh"), None);
        assert_eq!(resolve(&known, ""), None);
    }

    #[test]
    fn names_are_in_order_and_unknown_codes_name_themselves() {
        assert!(NAMES.is_sorted_by_key(|(_, name)| *name));
        assert_eq!((name("zt"), name("tlh")), ("Chinese (traditional)", "tlh"));
    }
}
