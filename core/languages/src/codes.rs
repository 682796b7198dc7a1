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
pub fn name(code: &str) -> &str {
    let code = public(code);
    NAMES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

/// The code that replies carry: upstream's short codes in their ISO form.
pub fn public(code: &str) -> &str {
    match code {
        "zh" => "zh-Hans",
        "zt" => "zh-Hant",
        "pb" => "pt-BR",
        other => other,
    }
}

/// The language of `known` that a client calls `code`, in any case and by any alias.
///
/// A code with a region, such as `en-US`, falls back to the language, or to the same language of
/// another region: readers of `pt` understand `pt-BR`. A script is not left out: `zh-Hant` is not
/// `zh-Hans`.
pub fn resolve<'a>(known: &'a [String], code: &str) -> Option<&'a str> {
    let code = code.trim().to_lowercase().replace('_', "-");
    let code = match code.as_str() {
        "zh-cn" | "zh-sg" => "zh-hans",
        "zh-tw" | "zh-hk" | "zh-mo" => "zh-hant",
        code => public(code),
    };
    let same = |language: &&String| public(language).eq_ignore_ascii_case(code);
    let base = without_region(code).to_lowercase();
    let alike = |language: &&String| without_region(public(language)).to_lowercase() == base;
    let exact_base = |language: &&String| public(language).eq_ignore_ascii_case(&base);
    let found = known.iter().find(same).or_else(|| known.iter().find(exact_base));
    found.or_else(|| known.iter().find(alike)).map(String::as_str)
}

/// A code without what stands for a country: two letters or three digits.
fn without_region(code: &str) -> &str {
    let is_region = |part: &str| {
        let letters = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
        letters || part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match code.rsplit_once('-') {
        Some((language, region)) if is_region(region) => language,
        _ => code,
    }
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
    fn a_region_falls_back_to_the_language() {
        let known = ["de".to_owned(), "en".to_owned(), "pb".to_owned(), "zh-Hans".to_owned()];
        for (code, expected) in [
            ("en-US", Some("en")),
            ("EN_gb", Some("en")),
            ("de-419", Some("de")),
            ("pt", Some("pb")),
            ("pt-PT", Some("pb")),
            ("zh-CN", Some("zh-Hans")),
            ("zh-TW", None),
            ("zh-Hant", None),
            ("de-Latn", None),
            ("-us", None),
        ] {
            assert_eq!(resolve(&known, code), expected, "{code}");
        }
        let both = ["pt-BR".to_owned(), "pt".to_owned()];
        assert_eq!([resolve(&both, "pt-PT"), resolve(&both, "pt-br")], [Some("pt"), Some("pt-BR")]);
    }

    #[test]
    fn names_are_in_order_and_unknown_codes_name_themselves() {
        assert!(NAMES.is_sorted_by_key(|(_, name)| *name));
        assert_eq!((name("zt"), name("tlh")), ("Chinese (traditional)", "tlh"));
    }
}
