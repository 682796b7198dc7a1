//! Dictionaries as requests bring them.

use dragoman_languages::resolve;
use dragoman_store::NewDictionary;
use dragoman_text::entries::{parse_csv, parse_tsv};
use serde_json::Value;

use super::reply::Refused;
use crate::{error::ServiceError, input::Fields};

/// Dictionaries of a request at most.
const MAX_DICTIONARIES: usize = 100;

/// A dictionary that the fields themselves describe.
pub(super) fn dictionary(fields: &Fields, known: &[String]) -> Result<NewDictionary, Refused> {
    let (source, target) = pair(fields, known)?;
    let format = fields.text("entries_format")?.unwrap_or("tsv").to_owned();
    Ok(NewDictionary { source, target, entries: parse(fields.required("entries")?, &format)? })
}

/// The pair of languages that a request is about.
pub(super) fn pair(fields: &Fields, known: &[String]) -> Result<(String, String), Refused> {
    let source = fields.required("source_lang")?;
    languages(source, fields.required("target_lang")?, known)
}

/// The dictionaries of a multilingual glossary: an array in JSON, or `dictionaries[0].entries` and
/// so on in a form.
pub(super) fn dictionaries(
    fields: &Fields,
    known: &[String],
) -> Result<Vec<NewDictionary>, Refused> {
    let mut all = Vec::new();
    if let Some(Value::Array(list)) = fields.raw("dictionaries") {
        for one in list.iter().take(MAX_DICTIONARIES + 1) {
            let part = |name: &str| one.get(name).and_then(Value::as_str);
            all.push(of_parts(part, known)?);
        }
    }
    for number in 0..=MAX_DICTIONARIES {
        let dotted = |name: &str| format!("dictionaries[{number}].{name}");
        let bracketed = |name: &str| format!("dictionaries[{number}][{name}]");
        let part = |name: &str| {
            let value = fields.raw(&dotted(name)).or_else(|| fields.raw(&bracketed(name)));
            value.and_then(Value::as_str)
        };
        if part("entries").is_none() {
            break;
        }
        all.push(of_parts(part, known)?);
    }
    match all.len() > MAX_DICTIONARIES {
        true => {
            let reason = format!("a request has {MAX_DICTIONARIES} dictionaries at most");
            Err(ServiceError::Invalid(reason).into())
        }
        false => Ok(all),
    }
}

fn of_parts<'a>(
    part: impl Fn(&str) -> Option<&'a str>,
    known: &[String],
) -> Result<NewDictionary, Refused> {
    let required = |name: &str| part(name).ok_or_else(|| ServiceError::missing(name));
    let (source, target) = languages(required("source_lang")?, required("target_lang")?, known)?;
    let entries = parse(required("entries")?, part("entries_format").unwrap_or("tsv"))?;
    Ok(NewDictionary { source, target, entries })
}

fn languages(source: &str, target: &str, known: &[String]) -> Result<(String, String), Refused> {
    match (resolve(known, source), resolve(known, target)) {
        (Some(source), Some(target)) if source != target => Ok((source.into(), target.into())),
        _ => {
            let reason = "Unsupported glossary source and target language pair";
            Err(ServiceError::invalid(reason).into())
        }
    }
}

fn parse(entries: &str, format: &str) -> Result<Vec<(String, String)>, Refused> {
    let parsed = match format {
        "tsv" => parse_tsv(entries),
        "csv" => parse_csv(entries),
        _ => return Err(Refused::value("entries_format")),
    };
    let refused = |reason: String| Refused::Detailed {
        message: "Invalid glossary entries provided".into(),
        detail: reason,
    };
    match parsed {
        Ok(entries) if entries.is_empty() => Err(refused("there are no entries".into())),
        Ok(entries) => Ok(entries),
        Err(error) => Err(refused(error.to_string())),
    }
}
