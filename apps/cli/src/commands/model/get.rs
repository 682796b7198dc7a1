//! `dragoman model get`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_data::fetch::Fetcher;

use super::public::{self, PublicModel, Wanted};

/// Download a public model and import it; a stopped download goes on where it was
///
/// `HTTPS_PROXY` and `HTTP_PROXY` name a proxy, `HF_ENDPOINT` a mirror of Hugging Face, and
/// `DRAGOMAN_MIRROR` a host that has all files under the paths of the original ones.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// Names such as `opus-mt/en-de`, `argos/en_de`, `firefox/en-de` or `small100`; without any, all
    /// that are known are listed
    names: Vec<String>,

    /// Folder for the models, each in one of its own
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    out: PathBuf,

    /// Folder for what is downloaded [default: `.downloads` in that for the models]
    #[arg(long, value_name = "DIR")]
    downloads: Option<PathBuf>,

    /// Take the files from here, a package or a folder, and download nothing
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,

    /// Accept licences that forbid some uses, such as CC-BY-NC
    #[arg(long)]
    accept_licence: bool,

    /// Download from this host instead of those of the models, keeping the paths
    #[arg(long, value_name = "URL", env = "DRAGOMAN_MIRROR")]
    base: Option<String>,
}

impl Get {
    /// The command for the model of `family` from one language to another.
    #[cfg(feature = "server")]
    pub(super) fn of_pair(
        family: &str,
        from: &str,
        to: &str,
        out: &std::path::Path,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            names: vec![public::of_pair(family, from, to)?],
            out: out.into(),
            downloads: None,
            from: None,
            accept_licence: false,
            base: std::env::var("DRAGOMAN_MIRROR").ok(),
        })
    }

    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.names.is_empty() {
            for PublicModel { name, title, licence, page, megabytes, .. } in public::all()? {
                println!("{name}\n    {title}\n    {megabytes} MB, {licence}, {page}");
            }
            return Ok(());
        }
        if self.from.is_some() && self.names.len() > 1 {
            bail!("`--from` holds one model; name one");
        }
        let all: Vec<Wanted> =
            self.names.iter().map(|name| public::find(name)).collect::<Result<_, _>>()?;
        for (name, wanted) in self.names.iter().zip(&all) {
            if wanted.model.is_restricted() && !self.accept_licence {
                bail!(
                    "`{name}` is under {}, which forbids commercial use: read {} and repeat the \
                     command with `--accept-licence`",
                    wanted.model.licence,
                    wanted.model.page
                );
            }
        }
        for (name, wanted) in self.names.iter().zip(&all) {
            self.get(wanted).with_context(|| format!("getting `{name}`"))?;
        }
        Ok(())
    }

    fn get(&self, wanted: &Wanted) -> anyhow::Result<()> {
        let out = self.out.join(wanted.folder_name());
        if out.join("experts.json").is_file() {
            println!("{}", out.display());
            return Ok(());
        }
        let source = match &self.from {
            Some(path) => path.clone(),
            None => {
                let model = &wanted.model;
                eprintln!("{}: {} MB, {}", model.title, model.megabytes, model.licence);
                let folder = match &self.downloads {
                    Some(folder) => folder.clone(),
                    None => self.out.join(".downloads"),
                };
                let dir = folder.join(wanted.folder_name());
                fs_err::create_dir_all(&dir)?;
                let fetcher = Fetcher { dir, base: self.base.clone(), progress: true };
                wanted.download(&fetcher)?
            }
        };
        dragoman_import::import(&source, &wanted.request(), &out).context("importing")?;
        println!("{}", out.display());
        Ok(())
    }
}
