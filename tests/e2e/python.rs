//! The Python package, as a program uses it.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{binary, model, skip};

#[test]
fn a_program_in_python_translates() -> Result<()> {
    let library = binary::target_dir()?.join("release/libdragoman_python.so");
    if !library.exists() {
        return skip::skip_unless_ci("python", "the Python package is not built");
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/python");
    let folder = tempfile::tempdir()?;
    let package = folder.path().join("dragoman");
    fs_err::create_dir(&package)?;
    fs_err::copy(sources.join("python/dragoman/__init__.py"), package.join("__init__.py"))?;
    fs_err::copy(library, package.join("_dragoman.abi3.so"))?;
    let run = Command::new("python3")
        .arg(sources.join("tests/use.py"))
        .arg(model::dir()?)
        .env("PYTHONPATH", folder.path())
        .output()
        .context("running python3")?;
    let (said, complained) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    ensure!(run.status.success(), "{said}{complained}");
    ensure!(said.contains("ok 0."), "{said}");
    Ok(())
}
