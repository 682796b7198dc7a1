//! `--help` of every command, as people read it.

use anyhow::Result;
use dragoman_e2e::Dragoman;

#[test]
fn every_command_explains_itself() -> Result<()> {
    for command in [
        "",
        "serve",
        "translate",
        "train translation",
        "evaluate translation",
        "evaluate recommendation",
        "data",
        "data fetch",
        "data stats",
        "data distil",
        "data pack",
        "model",
        "model export",
        "model check",
        "model calibrate",
        "expert",
        "expert add",
        "expert quantise",
        "store",
        "demo recommend",
    ] {
        let words = command.split_whitespace().chain(["--help"]);
        let help = Dragoman::new(words)?.env("COLUMNS", "100").stdout()?;
        let name = ["help", command].join(" ").trim_end().replace(' ', "_");
        insta::assert_snapshot!(name, help);
    }
    Ok(())
}

#[test]
fn the_version_is_that_of_the_workspace() -> Result<()> {
    let version = Dragoman::new(["--version"])?.stdout()?;
    assert_eq!(version, format!("dragoman {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[test]
fn an_unknown_command_is_named() -> Result<()> {
    let error = Dragoman::new(["transalte"])?.failure()?;
    assert!(error.contains("'transalte'") && error.contains("'translate'"), "{error}");
    Ok(())
}
