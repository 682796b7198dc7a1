//! The Python package, as a program uses it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{Dragoman, binary, model, skip};

#[test]
fn a_program_in_python_translates() -> Result<()> {
    run("use.py", [model::dir()?])
}

#[test]
fn a_program_in_python_trains() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let line = |n| format!("The baker sells {n} houses.\tDer Bäcker verkauft {n} Häuser.\n");
    fs_err::write(path("en-de.tsv"), (0..1200).map(line).collect::<String>())?;
    fs_err::write(path("recipe.toml"), "corpora = [\"en-de.tsv\"]\n")?;
    let args = ["data", "pack", "recipe.toml", "--out", "corpus"];
    Dragoman::new(args)?.current_dir(folder.path()).stdout()?;
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/configs/tiny.toml");
    run("train.py", [config, path("corpus"), path("out")])
}

/// Runs a program of the package's tests, which says `ok` at its end.
fn run(program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    let library = binary::target_dir()?.join("release/libdragoman_python.so");
    if !library.exists() {
        return skip::skip_unless_ci("python", "the Python package is not built");
    }
    let sources: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/python");
    let folder = tempfile::tempdir()?;
    let package = folder.path().join("dragoman");
    fs_err::create_dir(&package)?;
    fs_err::copy(sources.join("python/dragoman/__init__.py"), package.join("__init__.py"))?;
    fs_err::copy(library, package.join("_dragoman.abi3.so"))?;
    let run = Command::new("python3")
        .arg(sources.join("tests").join(program))
        .args(args)
        .env("PYTHONPATH", folder.path())
        .output()
        .context("running python3")?;
    let (said, complained) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    ensure!(run.status.success(), "{said}{complained}");
    ensure!(said.contains("ok 0."), "{said}");
    Ok(())
}
