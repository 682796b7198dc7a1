//! The register of public models, and where the files of each are.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dragoman_data::fetch::Fetcher;
use dragoman_import::Request;
use serde::Deserialize;
use serde_json::Value;

/// The register, as it is in the project.
const REGISTER: &str = include_str!("public.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    model: Vec<PublicModel>,
}

/// A model, or one for each pair of languages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicModel {
    /// What it is called, with `{from}` and `{to}` in a model of one direction.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) licence: String,
    pub(super) page: String,
    /// About how large the download is.
    pub(super) megabytes: u64,
    source: Source,
}

/// Where the files are.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Source {
    /// Below one address.
    Files {
        base: String,
        files: Vec<String>,
        #[serde(default)]
        optional: Vec<String>,
        /// The first of these that is there; an index brings the shards that it names.
        weights: Vec<String>,
    },
    /// In the index of Argos Translate.
    Argos { index: String },
    /// In Mozilla's registry.
    Firefox { index: String },
}

/// A model that was asked for, with its languages if it has one direction.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) model: PublicModel,
    pub(super) languages: Option<(String, String)>,
}

/// All models of the register.
pub(super) fn all() -> anyhow::Result<Vec<PublicModel>> {
    let register: Register = toml::from_str(REGISTER).context("the register of public models")?;
    Ok(register.model)
}

/// The model called `name`.
pub(super) fn find(name: &str) -> anyhow::Result<Wanted> {
    let all = all()?;
    for model in &all {
        if let Some(languages) = matched(&model.name, name) {
            return Ok(Wanted { model: model.clone(), languages });
        }
    }
    let names: Vec<&str> = all.iter().map(|model| model.name.as_str()).collect();
    bail!("no public model is called `{name}`; known are {}", names.join(", "))
}

/// Name of the model of `family`, such as `opus-mt`, from one language to another.
#[cfg(feature = "server")]
pub(super) fn of_pair(family: &str, from: &str, to: &str) -> anyhow::Result<String> {
    let all = all()?;
    let names = all.iter().map(|model| model.name.as_str());
    let of_pairs: Vec<&str> = names.filter(|name| name.contains("{from}")).collect();
    let families: Vec<&str> = of_pairs.iter().filter_map(|name| name.split('/').next()).collect();
    match of_pairs.iter().find(|name| name.split('/').next() == Some(family)) {
        Some(name) => Ok(name.replace("{from}", from).replace("{to}", to)),
        None => {
            bail!("no family of public models is called `{family}`; {} are", families.join(", "))
        }
    }
}

/// Whether `name` is what `pattern` says, and its languages.
fn matched(pattern: &str, name: &str) -> Option<Option<(String, String)>> {
    let Some((before, rest)) = pattern.split_once("{from}") else {
        return (pattern == name).then_some(None);
    };
    let between = rest.strip_suffix("{to}")?;
    let (from, to) = name.strip_prefix(before)?.split_once(between)?;
    let is_code = |code: &str| {
        (2..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    (is_code(from) && is_code(to)).then(|| Some((from.into(), to.into())))
}

impl PublicModel {
    /// Whether its licence restricts what it may be used for.
    pub(super) fn is_restricted(&self) -> bool {
        self.licence.contains("-NC")
    }
}

impl Wanted {
    /// A text with the languages in their places.
    fn filled(&self, text: &str) -> String {
        match &self.languages {
            Some((from, to)) => text.replace("{from}", from).replace("{to}", to),
            None => text.into(),
        }
    }

    /// What it is called, fit for a folder.
    pub(super) fn folder_name(&self) -> String {
        self.filled(&self.model.name).replace('/', "-")
    }

    /// What the importer is told.
    pub(super) fn request(&self) -> Request {
        match &self.languages {
            Some((from, to)) => Request { from: Some(from.clone()), to: Some(to.clone()) },
            None => Request::default(),
        }
    }

    /// Downloads its files, and gives what is to be imported.
    pub(super) fn download(&self, fetcher: &Fetcher) -> anyhow::Result<PathBuf> {
        match &self.model.source {
            Source::Files { base, files, optional, weights } => {
                let base = huggingface(&self.filled(base));
                let get = |name: &str| self.file(fetcher, name, &format!("{base}{name}"));
                for name in files {
                    get(name)?;
                }
                for name in optional {
                    if_there(get(name))?;
                }
                self.weights(fetcher, &base, weights)?;
                Ok(fetcher.dir.clone())
            }
            Source::Argos { index } => {
                let url = self.argos(&listed(fetcher, index)?)?;
                let name = url.rsplit('/').next().unwrap_or_default().to_string();
                self.file(fetcher, &name, &url)
            }
            Source::Firefox { index } => {
                for url in self.firefox(&listed(fetcher, index)?)? {
                    let name = url.rsplit('/').next().unwrap_or_default().to_string();
                    self.file(fetcher, &name, &url)?;
                }
                Ok(fetcher.dir.clone())
            }
        }
    }

    fn file(&self, fetcher: &Fetcher, name: &str, url: &str) -> anyhow::Result<PathBuf> {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            bail!("`{url}` is no address of a file");
        }
        Ok(fetcher.fetch_file(name, url, &self.model.licence)?)
    }

    /// Downloads the first of `names` that is there, and the shards that it may name.
    fn weights(&self, fetcher: &Fetcher, base: &str, names: &[String]) -> anyhow::Result<()> {
        for name in names {
            let got = self.file(fetcher, name, &format!("{base}{name}"));
            let Some(path) = if_there(got)? else { continue };
            if !name.ends_with(".index.json") {
                return Ok(());
            }
            let index: Value = serde_json::from_slice(&fs_err::read(&path)?)?;
            let map = index["weight_map"].as_object().context("an index without `weight_map`")?;
            let mut shards: Vec<&str> = map.values().filter_map(Value::as_str).collect();
            shards.sort_unstable();
            shards.dedup();
            for shard in shards {
                self.file(fetcher, shard, &format!("{base}{shard}"))?;
            }
            return Ok(());
        }
        bail!("{base} has none of {}", names.join(", "))
    }

    /// The address of the newest package of the pair.
    fn argos(&self, index: &Value) -> anyhow::Result<String> {
        let Some((from, to)) = &self.languages else { bail!("a package has two languages") };
        let is_pair = |entry: &&Value| {
            entry["from_code"] == from.as_str()
                && entry["to_code"] == to.as_str()
                && entry["type"].as_str().is_none_or(|kind| kind == "translate")
        };
        let version = |entry: &&Value| -> Vec<u32> {
            let text = entry["package_version"].as_str().unwrap_or_default();
            text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
        };
        let entries = index.as_array().context("the index is no list")?;
        let newest = entries.iter().filter(is_pair).max_by_key(version);
        let newest = newest.with_context(|| format!("the index has no package {from}-{to}"))?;
        let links = newest["links"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut links = links.filter(|link| link.starts_with("http"));
        Ok(links.next().context("the package has no address")?.to_string())
    }

    /// The addresses of the model and its vocabularies.
    fn firefox(&self, registry: &Value) -> anyhow::Result<Vec<String>> {
        let Some((from, to)) = &self.languages else { bail!("a model has two languages") };
        let base = registry["baseUrl"].as_str().context("the registry has no `baseUrl`")?;
        let entries = registry["models"][format!("{from}-{to}")].as_array();
        let entries = entries.with_context(|| format!("the registry has no model {from}-{to}"))?;
        let is_release = |entry: &&Value| entry["releaseStatus"] == "Release";
        let entry = entries.iter().find(is_release).or(entries.first());
        let files =
            &entry.with_context(|| format!("the registry has no model {from}-{to}"))?["files"];
        let path = |name: &str| files[name]["path"].as_str();
        let model = path("model").context("the registry names no file of the model")?;
        let vocabularies = match (path("vocab"), path("srcVocab"), path("trgVocab")) {
            (Some(shared), ..) => vec![shared],
            (None, Some(source), Some(target)) => vec![source, target],
            _ => bail!("the registry names no vocabulary of {from}-{to}"),
        };
        let all = std::iter::once(model).chain(vocabularies);
        Ok(all.map(|path| format!("{}/{path}", base.trim_end_matches('/'))).collect())
    }
}

/// An address at Hugging Face, or at the mirror that `HF_ENDPOINT` names.
fn huggingface(url: &str) -> String {
    let rest = url.strip_prefix("https://huggingface.co/");
    match (std::env::var("HF_ENDPOINT"), rest) {
        (Ok(mirror), Some(rest)) if !mirror.is_empty() => {
            format!("{}/{rest}", mirror.trim_end_matches('/'))
        }
        _ => url.into(),
    }
}

/// A list that changes over time.
fn listed(fetcher: &Fetcher, url: &str) -> anyhow::Result<Value> {
    let path: PathBuf = fetcher.fetch_current(Path::new("index.json"), url)?;
    serde_json::from_slice(&fs_err::read(&path)?).with_context(|| format!("reading {url}"))
}

/// A file that need not be there.
fn if_there(got: anyhow::Result<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    match got {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.to_string().contains("404") => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_says_the_model_and_its_languages() -> anyhow::Result<()> {
        let wanted = find("opus-mt/en-de")?;
        assert_eq!(wanted.languages, Some(("en".into(), "de".into())));
        assert_eq!(wanted.folder_name(), "opus-mt-en-de");
        assert_eq!(find("argos/en_pb")?.languages, Some(("en".into(), "pb".into())));
        assert_eq!(find("small100")?.languages, None);
        assert!(find("nllb-moe-54b")?.model.is_restricted());
        for name in ["opus-mt/en", "opus-mt/../x-y", "nllb", ""] {
            let error = find(name).expect_err("no such model").to_string();
            assert!(error.contains("opus-mt/{from}-{to}"), "{error}");
        }
        Ok(())
    }

    #[test]
    fn the_newest_package_of_a_pair_is_taken() -> anyhow::Result<()> {
        let entry = |version: &str, link: &str| {
            json!({ "package_version": version, "from_code": "en", "to_code": "de",
                    "links": ["ipfs://x", link] })
        };
        let index = json!([entry("1.9", "https://h/a"), entry("1.10", "https://h/b")]);
        assert_eq!(find("argos/en_de")?.argos(&index)?, "https://h/b");
        assert!(find("argos/en_fr")?.argos(&index).is_err());
        Ok(())
    }

    #[test]
    fn the_release_of_a_pair_is_taken_with_its_vocabularies() -> anyhow::Result<()> {
        let entry = |status: &str, dir: &str| {
            let file = |name: &str| json!({ "path": format!("{dir}/{name}") });
            json!({ "releaseStatus": status, "files": { "model": file("model.enja.bin.gz"),
                "srcVocab": file("srcvocab.enja.spm.gz"), "trgVocab": file("trgvocab.enja.spm.gz") } })
        };
        let registry = json!({ "baseUrl": "https://h/", "models": {
            "en-ja": [entry("Nightly", "n"), entry("Release", "r")] } });
        let urls = find("firefox/en-ja")?.firefox(&registry)?;
        assert_eq!(urls[0], "https://h/r/model.enja.bin.gz");
        assert_eq!(urls.len(), 3);
        Ok(())
    }
}
