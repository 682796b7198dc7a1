//! The names of all fields, derived from the settings themselves.

use std::sync::LazyLock;

use serde_json::Value;

use super::ServerConfig;

/// What the names of our variables begin with.
const PREFIX: &str = "DRAGOMAN_";

/// A field of the settings.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name, which no other field has.
    pub(super) name: String,
    /// The section that it stands in.
    pub(super) section: String,
    /// The environment variable that sets it.
    pub(super) variable: String,
}

/// All fields, in the order of the sections.
pub(super) fn all() -> &'static [Field] {
    static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
        // As JSON, because TOML has no word for a field without a value.
        let settings = serde_json::to_value(ServerConfig::default()).expect("settings are JSON");
        let sections = settings.as_object().into_iter().flatten();
        let fields = sections.flat_map(|(section, fields)| {
            let names = fields.as_object().into_iter().flat_map(|fields| fields.keys());
            names.map(|name| Field::new(section, name)).collect::<Vec<_>>()
        });
        fields.collect()
    });
    &FIELDS
}

/// What is written in `fields` under the name of `field`.
pub(super) fn value<'a>(settings: &'a Value, field: &Field) -> &'a Value {
    &settings[&field.section][&field.name]
}

impl Field {
    fn new(section: &str, name: &str) -> Self {
        let variable = format!("{PREFIX}{}", name.to_uppercase());
        Self { name: name.into(), section: section.into(), variable }
    }
}

/// The one of `known` that `name` is most like, if it is like any.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // What all names begin with says nothing.
    let own = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let likeness = |known: &&str| (1000.0 * strsim::jaro_winkler(&own(name), &own(known))) as u32;
    known.max_by_key(likeness).filter(|best| likeness(best) >= 850)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_stands_in_two_sections_and_no_section_is_called_like_a_field() {
        let names: HashSet<&str> = all().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names.len(), all().len());
        assert!(names.len() > 45, "{names:?}");
        assert!(all().iter().all(|field| !names.contains(field.section.as_str())));
        assert!(names.contains("char_limit"), "a field without a value has a name too");
    }

    #[test]
    fn a_name_with_a_slip_is_recognised() {
        let known = || all().iter().map(|field| field.variable.as_str());
        assert_eq!(closest("DRAGOMAN_CHAR_LIMT", known()), Some("DRAGOMAN_CHAR_LIMIT"));
        assert_eq!(closest("DRAGOMAN_HOSTS", known()), Some("DRAGOMAN_HOST"));
        assert_eq!(closest("ZZZ", known()), None);
    }
}
