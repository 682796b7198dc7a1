//! How values of settings are read.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::print::without_secrets;

/// A number, or none when it is negative.
pub(super) fn limit<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(i64::MIN..0) => Ok(None),
        Some(number) => T::try_from(number)
            .map(Some)
            .map_err(|_| de::Error::custom(format!("{number} is too large"))),
    }
}

/// Refuses `text` as the value of the field `name` unless it is an address of HTTP, such as `example`.
pub(super) fn check_address(name: &str, text: &str, example: &str) -> Result<(), String> {
    let uri = text.parse::<ureq::http::Uri>().ok();
    let scheme = uri.as_ref().and_then(|uri| uri.scheme_str());
    if matches!(scheme, Some("http" | "https")) {
        return Ok(());
    }
    let text = without_secrets(text);
    Err(format!("`{name}` must be an address such as `{example}`, not `{text}`"))
}

/// A list, or a string of words between commas.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Words;
    impl<'de> de::Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of strings, or words between commas")
        }

        fn visit_str<E>(self, words: &str) -> Result<Vec<String>, E> {
            let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(words.map(str::to_owned).collect())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut words: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::new();
            while let Some(word) = words.next_element()? {
                list.push(word);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(Words)
}
