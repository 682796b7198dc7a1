//! How good a model is before and after an expert came.

use std::path::Path;

use dragoman_core::{
    translate::{Translate, TranslationJob},
    translator::Translator,
};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    control::Control,
    evaluate::{LanguagePair, TestSet},
    metrics::{Chrf, Counts, Metric, significance::Bootstrap},
    report::log::Table,
    translation::{DevConfig, DevSet, load_test_sets},
};

/// Sentences of each set and direction that are translated.
const SENTENCES: usize = 200;
/// Sentences that are translated together.
const TOGETHER: usize = 64;

/// chrF++ of one set in one direction, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the set.
    pub set: String,
    /// The direction, such as `en-de`.
    pub pair: String,
    /// Whether the set is of the expert's own texts.
    pub own: bool,
    /// Sentences scored.
    pub sentences: usize,
    /// Without the expert; none where the model could not translate at all.
    pub before: Option<f64>,
    /// With the expert.
    pub after: f64,
}

/// The mean of the expert's own sets, before and after.
pub(super) fn means(rows: &[Row]) -> (Option<f64>, f64) {
    let own: Vec<&Row> = rows.iter().filter(|row| row.own).collect();
    let count = own.len().max(1) as f64;
    let before: Option<f64> = own.iter().map(|row| row.before).sum::<Option<f64>>();
    let after = own.iter().map(|row| row.after).sum::<f64>() / count;
    (before.map(|sum| sum / count), after)
}

/// The rows as a table of the report.
pub(super) fn table(rows: &[Row]) -> Table {
    let cell = |row: &Row| {
        let before = row.before.map_or("–".into(), |score| format!("{score:.2}"));
        let change = row.before.map_or("–".into(), |score| format!("{:+.2}", row.after - score));
        let name = format!("{}{}", row.set, if row.own { "" } else { ", other texts" });
        let sentences = row.sentences.to_string();
        vec![name, row.pair.clone(), sentences, before, format!("{:.2}", row.after), change]
    };
    let columns = ["set", "direction", "sentences", "without it", "with it", "change"];
    Table {
        title: "chrF++ with and without the expert".into(),
        columns: columns.map(String::from).to_vec(),
        rows: rows.iter().map(cell).collect(),
    }
}

/// Test sets for `directions`: those of `dev`, and of other texts.
pub(super) fn test_sets(
    dev: &DevConfig,
    base: &Path,
    general: &[String],
    directions: &[(String, String)],
) -> Result<Vec<(bool, TestSet)>> {
    let mut sets = Vec::new();
    let with = |set: &DevSet| DevSet { sentences: SENTENCES, ..set.clone() };
    let own = DevConfig { sets: dev.sets.iter().map(with).collect() };
    sets.extend(load_test_sets(&own, base, directions)?.into_iter().map(|set| (true, set)));
    let other = DevConfig { sets: general.iter().map(|path| general_set(path)).collect() };
    let other = load_test_sets(&other, Path::new(""), directions)?;
    sets.extend(other.into_iter().map(|set| (false, set)));
    Ok(sets)
}

/// A set of other texts, called by its folder.
pub(crate) fn general_set(path: &str) -> DevSet {
    let is_folder = Path::new(path).is_dir();
    let named = if is_folder { Path::new(path).file_name() } else { parent_name(path) };
    let name = named.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (pairs, folder) = match is_folder {
        true => (None, Some(path.into())),
        false => (Some(pattern(path)), None),
    };
    DevSet { name, pairs, folder, sentences: SENTENCES }
}

/// The file for every direction of which `path` is one: `x/en-de.tsv` as `x/{pair}.tsv`.
pub(super) fn pattern(path: &str) -> String {
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let pair = name.split('.').next().unwrap_or_default();
    match pair.parse::<LanguagePair>() {
        Ok(_) => format!("{}{{pair}}{}", &path[..path.len() - name.len()], &name[pair.len()..]),
        Err(_) => path.to_string(), // `{pair}` is there, or there is one direction only
    }
}

fn parent_name(path: &str) -> Option<&std::ffi::OsStr> {
    Path::new(path).parent().and_then(Path::file_name)
}

/// chrF++ of `set` as `translator` translates it in `domains`; none if it cannot, or when `control`
/// says stop.
pub(super) fn score(
    translator: &Translator,
    set: &TestSet,
    domains: &[String],
    control: &Control,
) -> Result<Option<f64>> {
    let counts = count(translator, set, domains, control)?;
    Ok(counts.map(|counts| Chrf::plus_plus().score(&counts.iter().sum())))
}

/// What each sentence of `set` adds to chrF++, as `translator` translates it in `domains`; none if it
/// cannot, or when `control` says stop.
pub(super) fn count(
    translator: &Translator,
    set: &TestSet,
    domains: &[String],
    control: &Control,
) -> Result<Option<Vec<Counts>>> {
    let LanguagePair { source, target } = &set.pair;
    if !translator.can_translate(source, target) {
        return Ok(None);
    }
    let mut order: Vec<usize> = (0..set.sources.len()).collect();
    order.sort_by_key(|&i| set.sources[i].len());
    let mut texts = vec![String::new(); order.len()];
    for batch in order.chunks(TOGETHER) {
        if control.is_stopped() {
            return Ok(None);
        }
        let job = |&i: &usize| TranslationJob {
            source: source.clone(),
            target: target.clone(),
            domains: domains.to_vec(),
            text: set.sources[i].clone(),
            num_hypotheses: 1,
            trace: false,
            wanted: Default::default(),
        };
        let jobs: Vec<TranslationJob> = batch.iter().map(job).collect();
        for (&i, mut found) in batch.iter().zip(translator.translate(&jobs)?) {
            texts[i] = found.hypotheses.swap_remove(0).text;
        }
    }
    Chrf::plus_plus().count_corpus(&texts, &set.references).map(Some)
}

/// Sentences of the expert's own sets without and with it, one after another.
#[derive(Debug, Default)]
pub(super) struct Paired {
    before: Vec<Counts>,
    after: Vec<Counts>,
}

impl Paired {
    pub(super) fn add(&mut self, before: Vec<Counts>, after: &[Counts]) {
        self.before.extend(before);
        self.after.extend_from_slice(after);
    }

    pub(super) fn sentences(&self) -> usize {
        self.before.len()
    }

    /// How often chance alone would make a difference as large (paired bootstrap); none without
    /// sentences.
    pub(super) fn p_value(&self) -> Result<Option<f64>> {
        if self.before.is_empty() {
            return Ok(None);
        }
        let metric = Chrf::plus_plus();
        let comparison = Bootstrap::default().compare(&metric, &self.before, &self.after)?;
        Ok(Some(comparison.p_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_pair_stands_for_that_pair_alone() {
        assert_eq!(pattern("a.b/en-de.dev.tsv.gz"), "a.b/{pair}.dev.tsv.gz");
        assert_eq!(pattern("x/{pair}.tsv"), "x/{pair}.tsv");
        assert_eq!(pattern("dev.tsv"), "dev.tsv");
    }
}
