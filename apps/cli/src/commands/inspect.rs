//! `dragoman inspect`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use candle::Device;
use clap::Args;
use dragoman_core::{directory::Files, register::Register};
use dragoman_training::{
    evaluate::{LanguagePair, TestSet},
    inspect::{Inspection, LayerUse, inspect},
    report::inspection_page,
};

use crate::models;

/// See which experts the tokens of test sets visit
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Model directory; the bundled model if none is named
    model: Option<PathBuf>,

    /// File of pairs (TSV), as `FILE` or `NAME=FILE`; `{pair}` stands for every pair of the model,
    /// else the file's name says the pair, such as `en-de.test.tsv.gz`; serves both directions
    #[arg(long, value_name = "[NAME=]FILE", required = true)]
    test: Vec<String>,

    /// First pairs of each file that are read; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 500)]
    sentences: usize,

    /// Domains that are on, such as `it`; may be repeated
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,

    /// Write heat maps to this HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let files = models::files(self.model.as_deref())?;
        let loaded = files.load_translation(&Device::Cpu).context("loading the model")?;
        let sets = self.sets(&loaded.register)?;
        let inspection = inspect(&loaded, &sets, &self.domain).context("inspecting")?;
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&inspection)?),
            false => print(&inspection),
        }
        if let Some(path) = &self.report {
            fs_err::write(path, inspection_page(&title(&files), &inspection))?;
            eprintln!("heat maps: {}", path.display());
        }
        Ok(())
    }

    fn sets(&self, register: &Register) -> anyhow::Result<Vec<TestSet>> {
        let mut sets = Vec::new();
        for text in &self.test {
            let (name, pattern) = text.split_once('=').unwrap_or(("", text));
            let found = sets.len();
            for (pair, path) in files_of(pattern, register)? {
                let mut set = TestSet::load_tsv(name, &path, &pair)?;
                if self.sentences > 0 {
                    set.truncate(self.sentences);
                }
                let both = [set.reversed(), set];
                let is_routed =
                    |set: &TestSet| register.route(&set.pair.source, &set.pair.target).is_some();
                sets.extend(both.into_iter().rev().filter(is_routed));
            }
            if sets.len() == found {
                bail!("no route of the model fits `{text}`; `dragoman expert list` shows them");
            }
        }
        Ok(sets)
    }
}

/// The files that `pattern` stands for, with the languages of their columns.
fn files_of(pattern: &str, register: &Register) -> anyhow::Result<Vec<(LanguagePair, PathBuf)>> {
    if !pattern.contains("{pair}") {
        let name = Path::new(pattern).file_name().unwrap_or_default().to_string_lossy();
        let word = name.split('.').next().unwrap_or_default();
        let pair = word.parse().with_context(|| {
            format!("the name of `{pattern}` does not begin with its languages, such as `en-de.`")
        })?;
        return Ok(vec![(pair, pattern.into())]);
    }
    let mut found = Vec::new();
    for route in &register.routes {
        let pair = LanguagePair { source: route.source.clone(), target: route.target.clone() };
        let path = PathBuf::from(pattern.replace("{pair}", &pair.to_string()));
        if path.exists() {
            found.push((pair, path));
        }
    }
    Ok(found)
}

fn title(files: &Files) -> String {
    format!("Experts of {}", files.root().display())
}

fn print(inspection: &Inspection) {
    println!(
        "{:<24} {:<11} {:>7} {:>8} {:>9}  share of visits in %",
        "set", "layer", "tokens", "entropy", "overflow"
    );
    for layer in &inspection.layers {
        let LayerUse { set, layer: name, tokens, overflow, .. } = layer;
        let mut shares = layer.shares();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shares: Vec<String> =
            shares.iter().map(|(name, share)| format!("{name} {:.0}", 100.0 * share)).collect();
        println!(
            "{set:<24} {name:<11} {tokens:>7} {:>8.3} {:>7.1} %  {}",
            layer.entropy(),
            100.0 * overflow,
            shares.join(", ")
        );
    }
    println!("\n{:<24} serves (share of their visits in %, mean over the layers)", "expert");
    for (expert, sets) in inspection.served() {
        let sets: Vec<String> =
            sets.iter().map(|(set, share)| format!("{set} {:.0}", 100.0 * share)).collect();
        println!("{expert:<24} {}", sets.join(", "));
    }
}
