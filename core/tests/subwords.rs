//! Subword units after Moses against `sacremoses` and `subword-nmt`; `subwords/make.py` made the cases.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use dragoman_core::subwords::Subwords;

#[test]
fn every_odd_text_is_cut_and_joined_as_by_the_peers() -> Result<()> {
    let cases: Vec<[String; 5]> = serde_json::from_str(include_str!("subwords/cases.json"))?;
    let codes = include_bytes!("subwords/codes.txt");
    let mut known: HashMap<&str, Subwords> = HashMap::new();
    let mut wrong = Vec::new();
    for [language, text, normal, units, again] in &cases {
        if !known.contains_key(language.as_str()) {
            let subwords = Subwords::parse(codes, language).map_err(anyhow::Error::msg)?;
            known.insert(language, subwords);
        }
        let subwords = known.get(language.as_str()).context("just inserted")?;
        let own_units = subwords.cut(text);
        let own = [subwords.normalise(text), own_units.join(" "), subwords.join(units.split(' '))];
        if own.each_ref() != [normal, units, again] {
            wrong.push(format!("{language} {text:?}:\n {own:?}\n {:?}", [normal, units, again]));
        }
    }
    assert!(cases.len() > 400, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok(())
}
