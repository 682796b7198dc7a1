//! What cannot be added: the message says why, and the model stays as it was.

use anyhow::Result;
use dragoman_e2e::{Dragoman, model, model::SENTENCES};

use super::{
    corpora::{house, write},
    expert,
};

#[test]
fn what_cannot_be_learned_from_is_named() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let register = fs_err::read(model.join("experts.json"))?;
    let file = |name: &str, pairs: &[(String, String)]| -> Result<String> {
        Ok(write(work.path(), name, pairs)?.display().to_string())
    };
    let good = file("en-de", &house())?;
    let ten = file("en-de.ten", &house()[..10])?;
    let one_sided: Vec<_> = house().into_iter().map(|(a, _)| (a, String::new())).collect();
    let one_sided = file("en-de.half", &one_sided)?;
    let same: Vec<_> = (0..500).map(|i| house()[usize::from(i % 100 == 0)].clone()).collect();
    let same = file("en-de.same", &same)?;
    let swapped: Vec<_> = house().into_iter().map(|(a, b)| (b, a)).collect();
    let swapped = file("en-de.swapped", &swapped)?;
    let french = file("en-fr", &house())?;
    let missing = work.path().join("en-de.none.tsv").display().to_string();
    let run = work.path().join("run").display().to_string();

    for (name, args, named) in [
        ("domain.x", &["--data", &ten][..], &["can be learned from", "en-de.ten.tsv"][..]),
        ("domain.x", &["--data", &one_sided], &["only 0"]),
        ("domain.x", &["--data", &same], &["can be learned from"]),
        ("domain.x", &["--data", &swapped], &["does not look like en", "en-de.swapped.tsv"]),
        ("domain.x", &["--data", &french, "--pairs", "en-de"], &["en-fr", "en-de"]),
        ("domain.x", &["--data", &missing], &["en-de.none.tsv"]),
        ("domain.x", &["--data", "nowhere/{pair}.tsv", "--pairs", "en-de"], &["nowhere/en-de.tsv"]),
        ("domain.x", &[], &["--data"]),
        ("domain.x", &["--data", &good, "--pairs", "de-fr"], &["en-de", "de-fr"]),
        ("domain.x", &["--data", &good, "--parent", "free.0"], &["--parent"]),
        ("domain.x", &["--data", &good, "--minutes=-3"], &["--minutes"]),
        ("free.9", &["--data", &good], &["`free.9`"]),
        ("domain.auto", &["--data", &good], &["`auto`"]),
        ("pair.en-de", &["--data", &good], &["`pair.en-de` already"]),
        ("pair.en-xx", &["--data", &good], &["en-xx"]),
        ("pair.en-xx", &["--data", "x.tsv", "--parent", "pair.en-tlh"], &["x.tsv"]),
    ] {
        let args = [&[name][..], args, &["--work", &run, "--steps", "2", "--quiet"]].concat();
        let error = expert("add", &args, &model)?.failure()?;
        assert!(named.iter().all(|named| error.contains(named)), "{args:?}: {error}");
        assert_eq!(fs_err::read(model.join("experts.json"))?, register, "{args:?}");
    }
    for (verb, args, named) in [
        ("remove", &["domain.none"][..], &["domain.none", "pair.en-de"][..]),
        ("remove", &["free.0"], &["`free.0`"]),
        ("rename", &["pair.en-de", "domain.de"], &["domain.de"]),
        ("extract", &["out", "--route", "de-fr"], &["de-fr", "en-de"]),
        ("extract", &["out", "--route", "en-de+law"], &["`law`"]),
    ] {
        let error = expert(verb, args, &model)?.failure()?;
        assert!(named.iter().all(|named| error.contains(named)), "{verb} {args:?}: {error}");
        assert_eq!(fs_err::read(model.join("experts.json"))?, register, "{verb} {args:?}");
    }
    let error = Dragoman::new(["expert", "add", "domain.x", "--data", &good])?.failure()?;
    assert!(error.contains("--model") && error.contains("model export"), "{error}");
    // An expert that makes things worse is not taken.
    let wrong: Vec<_> =
        house().into_iter().map(|(a, _)| (a, "Nein, danke sehr.".to_string())).collect();
    let (wrong, dev) = (file("en-de.wrong", &wrong)?, file("en-de.dev", &known())?);
    let args =
        ["domain.x", "--data", &wrong, "--dev", &dev, "--work", &run, "--steps", "60", "--quiet"];
    let error = expert("add", &args, &model)?.failure()?;
    assert!(error.contains("does no good") && error.contains("--max-drop"), "{error}");
    assert_eq!(fs_err::read(model.join("experts.json"))?, register);
    Ok(())
}

/// What the model knows by heart.
fn known() -> Vec<(String, String)> {
    SENTENCES.iter().map(|row| (row[0].to_string(), row[1].to_string())).collect()
}
