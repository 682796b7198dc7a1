//! Models with smaller experts, or fewer.

use std::path::Path;

use anyhow::Result;
use dragoman_e2e::model;

use super::{expert, outputs};

#[test]
fn experts_can_be_stored_in_fewer_bits_pruned_and_merged() -> Result<()> {
    let work = tempfile::tempdir()?;
    model::write_corpus(work.path())?;
    let dev = work.path().join("{pair}.tsv").display().to_string();
    let size = |model: &Path| -> Result<u64> {
        let files = fs_err::read_dir(model.join("experts"))?;
        Ok(files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum())
    };
    for (verb, args, said) in [
        ("quantise", &["--experts", "int8"][..], "int8"),
        ("quantise", &["--experts", "auto"], "MB after"),
        ("prune", &["--keep", "0.6", "--max-drop", "20"], "no route uses"),
        ("merge", &["free.1", "free.3", "--max-drop", "60"], "`free.3`"),
    ] {
        let model = work.path().join(format!("{verb}{}", args.len() + args[1].len()));
        model::copy(&model)?;
        let (before, bytes) = (outputs(&model, "2", &[])?, size(&model)?);
        let nothing = expert(verb, args, &model)?.failure()?;
        assert!(nothing.contains("--dev"), "{verb}: {nothing}");
        let told = expert(verb, &[args, &["--dev", &dev]].concat(), &model)?.stdout()?;
        assert!(told.contains(said) && told.contains("chrF++"), "{verb}: {told}");
        let after = outputs(&model, "2", &[])?;
        assert_ne!(after, before, "{verb}: the scores move a little at least");
        match verb {
            "quantise" => assert!(size(&model)? < bytes / 2, "{verb}"),
            _ => assert!(size(&model)? <= bytes, "{verb}"),
        }
    }
    Ok(())
}

#[test]
fn what_would_cost_too_much_is_not_done() -> Result<()> {
    let work = tempfile::tempdir()?;
    model::write_corpus(work.path())?;
    let dev = work.path().join("{pair}.tsv").display().to_string();
    let model = work.path().join("model");
    model::copy(&model)?;
    let register = fs_err::read(model.join("experts.json"))?;
    let files = || -> Result<usize> { Ok(fs_err::read_dir(model.join("experts"))?.count()) };
    let before = files()?;
    for (verb, args, named) in [
        ("merge", &["pair.en-de", "pair.fr-en", "--max-drop=-100"][..], "--max-drop"),
        ("merge", &["free.1", "free.1"], "cannot become one"),
        ("merge", &["free.1", "free.9"], "no expert `free.9`"),
        ("prune", &["--keep", "7"], "--keep 7"),
        ("quantise", &["--experts", "int4", "--max-drop=-100"], "--max-drop"),
    ] {
        let error = expert(verb, &[args, &["--dev", &dev]].concat(), &model)?.failure()?;
        assert!(error.contains(named), "{verb}: {error}");
        assert_eq!(fs_err::read(model.join("experts.json"))?, register, "{verb}");
        assert_eq!(files()?, before, "{verb} leaves no files behind");
    }
    Ok(())
}

#[test]
fn a_dense_student_learns_a_route() -> Result<()> {
    let work = tempfile::tempdir()?;
    let [german, _] = model::write_corpus(work.path())?;
    let german = german.display().to_string();
    let dev = work.path().join("{pair}.tsv").display().to_string();
    let path = |name: &str| work.path().join(name).display().to_string();
    let (student, run) = (path("student"), path("run"));
    let model = model::dir()?;
    let args = ["--route", "en-de", "--data", &german, "--dev", &dev, "--work", &run, "--quiet"];
    let args = [&[student.as_str()][..], &args, &["--steps", "100", "--max-drop", "5"]].concat();
    let said = expert("distil", &args, &model)?.stdout()?;
    assert!(said.contains("mean chrF++"), "{said}");
    let list = expert("list", &[], Path::new(&student))?.stdout()?;
    assert!(list.contains("en-de") && !list.contains("free."), "{list}");
    let said =
        super::translated(Path::new(&student), &["--from", "en", "--to", "de", "Good morning."])?;
    assert_eq!(said, "Guten Morgen.");
    let error = expert("distil", &args, &model)?.failure()?;
    assert!(error.contains("already"), "{error}");
    Ok(())
}
