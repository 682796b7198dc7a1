//! The public sources this suite knows: where they are and under which licence.

use crate::{Error, Result};

/// A public source of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// What it is called on the command line; sources of pairs take one behind it: `tatoeba/de-en`.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Licence of the data, as its page states it.
    pub licence: &'static str,
    /// Page that describes it.
    pub page: &'static str,
    /// Address, with `{pair}` for the language pair in alphabetical order.
    address: &'static str,
    /// Name of the file, with `{pair}` as well.
    file: &'static str,
}

/// The register, in alphabetical order.
pub const SOURCES: &[Source] = &[
    Source {
        name: "europarl",
        title: "Europarl v8: proceedings of the European Parliament, as TMX from OPUS",
        licence: "free to use, see the page",
        page: "https://opus.nlpl.eu/Europarl/corpus/version/Europarl",
        address: "https://object.pouta.csc.fi/OPUS-Europarl/v8/tmx/{pair}.tmx.gz",
        file: "europarl/{pair}.tmx.gz",
    },
    Source {
        name: "ml-100k",
        title: "MovieLens 100k: ratings of 1998, with age, gender and occupation of the users",
        licence: "GroupLens: research, no redistribution, no commercial use without permission",
        page: "https://grouplens.org/datasets/movielens/100k/",
        address: "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        file: "ml-100k.zip",
    },
    Source {
        name: "ml-1m",
        title: "MovieLens 1M: ratings of 2003",
        licence: "GroupLens: research, no redistribution, no commercial use without permission",
        page: "https://grouplens.org/datasets/movielens/1m/",
        address: "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        file: "ml-1m.zip",
    },
    Source {
        name: "ml-latest-small",
        title: "MovieLens latest small: 100,000 ratings with genres and tags; changes over time",
        licence: "GroupLens: research, no commercial use without permission",
        page: "https://grouplens.org/datasets/movielens/latest/",
        address: "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
        file: "ml-latest-small.zip",
    },
    Source {
        name: "news-commentary",
        title: "News Commentary v18: opinion pieces of Project Syndicate, as TSV from statmt.org",
        licence: "research, see the page",
        page: "https://data.statmt.org/news-commentary/",
        address: "https://data.statmt.org/news-commentary/v18.1/training/news-commentary-v18.{pair}.tsv.gz",
        file: "news-commentary/{pair}.tsv.gz",
    },
    Source {
        name: "tatoeba",
        title: "Tatoeba v2023-04-12: everyday sentences, as TMX from OPUS",
        licence: "CC BY 2.0 FR",
        page: "https://opus.nlpl.eu/Tatoeba/corpus/version/Tatoeba",
        address: "https://object.pouta.csc.fi/OPUS-Tatoeba/v2023-04-12/tmx/{pair}.tmx.gz",
        file: "tatoeba/{pair}.tmx.gz",
    },
    Source {
        name: "wmt17",
        title: "WMT 2017 news test sets, an archive of SGML files",
        licence: "research, see the page",
        page: "https://www.statmt.org/wmt17/translation-task.html",
        address: "https://data.statmt.org/wmt17/translation-task/test.tgz",
        file: "wmt17-test.tgz",
    },
    Source {
        name: "wmt18",
        title: "WMT 2018 news test sets, an archive of SGML files",
        licence: "research, see the page",
        page: "https://www.statmt.org/wmt18/translation-task.html",
        address: "https://data.statmt.org/wmt18/translation-task/test.tgz",
        file: "wmt18-test.tgz",
    },
];

impl Source {
    /// Finds a source and the language pair asked for, in alphabetical order.
    pub fn find(name: &str) -> Result<(&'static Self, Option<String>)> {
        let refuse = |reason: String| Error::Fetch { what: name.to_owned(), reason };
        let (base, pair) = match name.split_once('/') {
            Some((base, pair)) => (base, Some(pair)),
            None => (name, None),
        };
        let Some(source) = SOURCES.iter().find(|source| source.name == base) else {
            let names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
            return Err(refuse(format!("there is no such source, only {}", names.join(", "))));
        };
        match (source.has_pairs(), pair) {
            (false, None) => Ok((source, None)),
            (false, Some(_)) => Err(refuse(format!("`{base}` has no language pairs"))),
            (true, _) => match pair.and_then(in_order) {
                Some(pair) => Ok((source, Some(pair))),
                None => Err(refuse(format!("name a language pair, as in `{base}/de-en`"))),
            },
        }
    }

    /// Whether it has a file for each language pair.
    pub fn has_pairs(&self) -> bool {
        self.address.contains("{pair}")
    }

    /// Address of the file.
    pub fn url(&self, pair: Option<&str>) -> String {
        self.address.replace("{pair}", pair.unwrap_or_default())
    }

    /// Name of the file, below the folder of downloads.
    pub fn file(&self, pair: Option<&str>) -> String {
        self.file.replace("{pair}", pair.unwrap_or_default())
    }
}

/// `de-en` of `en-de`: the order in which the sources name their files.
fn in_order(pair: &str) -> Option<String> {
    let (a, b) = pair.split_once('-')?;
    let is_code = |code: &str| {
        (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    (is_code(a) && is_code(b) && a != b).then(|| format!("{}-{}", a.min(b), a.max(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_put_in_the_order_of_the_files() -> Result<()> {
        let (source, pair) = Source::find("tatoeba/nl-en")?;
        assert_eq!(source.file(pair.as_deref()), "tatoeba/en-nl.tmx.gz");
        assert!(source.url(pair.as_deref()).ends_with("/tmx/en-nl.tmx.gz"));
        Ok(())
    }

    #[test]
    fn what_is_not_registered_is_refused() {
        for name in ["tatoeba", "tatoeba/../x", "tatoeba/en-en", "ml-1m/en-de", "gutenberg", ""] {
            assert!(Source::find(name).is_err(), "{name}");
        }
    }
}
