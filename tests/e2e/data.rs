//! `dragoman data`: corpora as people meet them.

use std::path::PathBuf;

use anyhow::Result;
use dragoman_e2e::Dragoman;
use serde_json::Value;

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/samples")
}

fn stats(file: &std::path::Path) -> Result<Dragoman> {
    Ok(Dragoman::new(["data", "stats"])?.args([file]))
}

#[test]
fn a_sample_is_described() -> Result<()> {
    insta::assert_snapshot!(stats(&samples().join("en-de.tsv"))?.stdout()?);
    let json: Value =
        serde_json::from_str(&stats(&samples().join("en-nl.tsv"))?.args(["--json"]).stdout()?)?;
    assert_eq!((&json["lines"], &json["pairs"]), (&32.into(), &32.into()));
    assert_eq!(json["target"]["language"], "nl");
    Ok(())
}

#[test]
fn malformed_lines_are_counted_and_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("en-de.tsv");
    fs_err::write(
        &path,
        b"Good morning.\tGuten Morgen.\nno tab\n\xff\t\xfe\nThe end.\tDas Ende.\n",
    )?;
    let stdout = stats(&path)?.stdout()?;
    assert!(stdout.starts_with("4 lines, 2 pairs kept"), "{stdout}");
    assert!(stdout.contains("en-de.tsv:2") && stdout.contains("en-de.tsv:3"), "{stdout}");
    Ok(())
}

#[test]
fn plain_files_are_read_side_by_side() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (english, german) = (dir.path().join("a.txt"), dir.path().join("b.txt"));
    fs_err::write(&english, "Good morning.\nThe cat sleeps.\n")?;
    fs_err::write(&german, "Guten Morgen.\nDie Katze schläft.\n")?;
    let command = stats(&english)?.args(["--target-file".as_ref(), german.as_os_str()]);
    let stdout = command.args(["--pair", "en-de"]).stdout()?;
    assert!(stdout.starts_with("2 lines, 2 pairs kept"), "{stdout}");
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let text = dir.path().join("notes.txt");
    fs_err::write(&text, "x")?;
    for (command, named) in [
        (stats("/no/such/en-de.tsv".as_ref())?, "/no/such/en-de.tsv"),
        (stats(&text)?, "notes.txt"),
        (stats(&text)?.args(["--pair", "english"]), "`english`"),
        (Dragoman::new(["data", "fetch", "nonsense"])?, "`nonsense`"),
        (Dragoman::new(["data", "pack", "/no/such/recipe.toml"])?, "/no/such/recipe.toml"),
    ] {
        let error = command.failure()?;
        assert!(error.contains(named), "{error}");
    }
    Ok(())
}

#[test]
fn sources_are_listed_with_their_licences() -> Result<()> {
    let stdout = Dragoman::new(["data", "sources"])?.stdout()?;
    for name in ["tatoeba", "news-commentary", "europarl", "ml-latest-small", "CC BY 2.0"] {
        assert!(stdout.contains(name), "{stdout}");
    }
    Ok(())
}

#[test]
fn a_model_writes_what_another_can_learn_from() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("distilled");
    let distil = |data: &std::path::Path| -> Result<Dragoman> {
        let command = Dragoman::new(["data", "distil", "--pairs", "de-en", "--beam", "3"])?;
        let command = command.args(["--data".as_ref(), data.as_os_str()]);
        Ok(command.args(["--out".as_ref(), out.as_os_str()]))
    };
    let data = dir.path().join("en-de.tsv");
    fs_err::write(&data, "Good morning.\tGuten Morgen.\nxyz qqq\tDas Haus ist klein.\n")?;
    let told = distil(&data)?.stdout()?;
    // The other translation is far from what the corpus says.
    assert!(told.starts_with("de-en: 1 of 2 sentences; chrF++"), "{told}");
    let table = fs_err::read_to_string(out.join("de-en.tsv"))?;
    assert_eq!(table, "Guten Morgen.\tGood morning.\n");
    // What is known of the sentences stays; other settings want it gone.
    assert_eq!(distil(&data)?.stdout()?, told);
    let error = distil(&data)?.args(["--best", "--sentences", "1"]).failure()?;
    assert!(error.contains("remove it to begin anew"), "{error}");
    fs_err::remove_file(out.join("de-en.jsonl"))?;
    let told = distil(&data)?.args(["--best", "--sentences", "1"]).stdout()?;
    assert!(told.starts_with("de-en: 1 of 1 sentences"), "{told}");

    let error = distil(&dir.path().join("en-fr.tsv"))?.failure()?;
    assert!(error.contains("`--data` names no sentence pairs of de-en"), "{error}");
    Ok(())
}
