//! Puts a trained recommendation model in the place of the one that serves, unless it is worse.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use dragoman_core::directory::{Files, write_whole};
use dragoman_data::interactions::Interactions;
use dragoman_training::{
    metrics::significance::Bootstrap,
    recommendation::{Options, Protocol, protocol::evaluate},
};

/// Copies the model in `new` to `current`, which a server may be watching.
///
/// Both are scored on what lies after the cut of `log` at `quantile`; a drop of NDCG@10 is refused
/// unless `is_forced`.
pub(super) fn replace(
    current: &Path,
    new: &Path,
    log: &Interactions,
    quantile: f64,
    is_forced: bool,
) -> anyhow::Result<()> {
    if current.join("experts.json").exists() {
        let (old, fresh) = scores(current, new, log, quantile)?;
        println!("NDCG@10 after the cut: {fresh:.4}, and {old:.4} of the model that is there");
        if fresh < old && !is_forced {
            bail!(
                "the new model is worse and stays in `{}`; `--force` puts it in the place of `{}`",
                new.display(),
                current.display()
            );
        }
    }
    copy(&Files::Folder(new.into()), current).context("replacing the model")?;
    println!("{}", current.display());
    Ok(())
}

/// NDCG@10 of the current and of the new model, of the users whom the protocol's first table is
/// about.
fn scores(
    current: &Path,
    new: &Path,
    log: &Interactions,
    quantile: f64,
) -> anyhow::Result<(f64, f64)> {
    let open = |folder: &Path| {
        let model = Files::Folder(folder.into()).load_recommender()?;
        anyhow::Ok((folder.display().to_string(), model))
    };
    let models = [open(current)?, open(new)?];
    let options = Options {
        protocol: Protocol::Time { quantile },
        has_baselines: false,
        keeps_seen: false,
        successive: 0,
        bootstrap: Bootstrap { resamples: 1, ..Bootstrap::default() },
    };
    let evaluation = evaluate(log, &options, &models, |choice| tracing::info!("{choice}"))?;
    let main = &evaluation.setup.main_group;
    let ndcg = |system: usize| {
        let groups = evaluation.systems.get(system).map(|system| system.groups.as_slice());
        let group = groups.unwrap_or_default().iter().find(|group| group.name == *main);
        group.map(|group| group.mean.ndcg).context("nobody did anything after the cut")
    };
    Ok((ndcg(0)?, ndcg(1)?))
}

/// Writes the files of a model into `folder`, the register last of all: only then is it taken up.
fn copy(files: &Files, folder: &Path) -> anyhow::Result<()> {
    let register = files.register()?;
    let mut names = vec!["config.json", "shared.safetensors"];
    names.extend(register.files.keys().map(String::as_str));
    names.extend(register.experts.iter().map(|expert| expert.file.as_str()));
    names.push("experts.json");
    ensure!(
        files.root() != folder,
        "the run's own folder of the model cannot be replaced by itself"
    );
    for name in names {
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
        write_whole(&path, &files.read(name)?)?;
    }
    Ok(())
}
