//! The languages that a server is to have, and models for those that it lacks.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_core::{translate::Translate, translators::Translators};

use super::super::model::get_pair;
use crate::models::Collection;

/// Which languages are served, and whether models for them are downloaded.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LanguageArgs {
    /// Languages to serve, such as `en,de,fr` [default: all that the models know]
    #[arg(long, value_name = "LANG", value_delimiter = ',')]
    pub(super) languages: Vec<String>,

    /// Download models for pairs of `--languages` that no model of `--models` translates into the first
    /// of these folders: `opus-mt`, `argos` or `firefox`
    #[arg(long, value_name = "FAMILY", num_args = 0..=1, default_missing_value = "opus-mt", requires = "languages")]
    get: Option<String>,
}

impl LanguageArgs {
    /// Downloads what the models of `collection` lack, if that was asked for.
    ///
    /// # Errors
    /// Fails when a pair has no model, or a download fails.
    pub(super) fn get_lacking(&self, collection: &Collection) -> anyhow::Result<()> {
        let Some(family) = &self.get else { return Ok(()) };
        let Some(folder) = collection.folder() else {
            bail!("`--get` wants a folder for what it downloads: name one with `--models FOLDER`");
        };
        fs_err::create_dir_all(folder)?;
        for (from, to) in pairs(&self.languages) {
            if !Translators::new(collection.models()?).can_translate(from, to) {
                get(family, from, to, folder)?;
            }
        }
        Ok(())
    }
}

fn get(family: &str, from: &str, to: &str, folder: &Path) -> anyhow::Result<()> {
    get_pair(family, from, to, folder).with_context(|| format!("a model for {from}-{to}"))
}

/// All pairs of `languages`; those with English first, because others go through it.
fn pairs(languages: &[String]) -> Vec<(&str, &str)> {
    let all = languages.iter().flat_map(|from| languages.iter().map(move |to| (from, to)));
    let all = all.filter(|(from, to)| from != to).map(|(from, to)| (from.as_str(), to.as_str()));
    let (english, others): (Vec<_>, Vec<_>) =
        all.partition(|&(from, to)| [from, to].contains(&"en"));
    [english, others].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_english_come_first() {
        let languages = ["de", "en", "fr"].map(String::from);
        let expected = ["de-en", "en-de", "en-fr", "fr-en", "de-fr", "fr-de"];
        let found = pairs(&languages).into_iter().map(|(from, to)| format!("{from}-{to}"));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
