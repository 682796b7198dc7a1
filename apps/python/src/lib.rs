//! The engine as a Python package: `dragoman._dragoman`, whose types `python/dragoman/__init__.pyi` describes.
//!
//! Every call lets go of the interpreter's lock while it computes, so threads of Python use all cores.

mod columns;
mod recommender;
mod training;
mod translator;

use std::path::Path;

use pyo3::{create_exception, exceptions::PyValueError, prelude::*};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

create_exception!(dragoman, DragomanError, PyValueError, "What cannot be done, and how to go on.");

/// An error of the engine as an exception.
fn raise(error: impl std::fmt::Display) -> PyErr {
    DragomanError::new_err(error.to_string())
}

/// Refuses addresses, which only the command knows: taken for a folder, one would be said not to be there.
fn refuse_address(model: &Path) -> PyResult<()> {
    let text = model.to_string_lossy();
    // One slash, because `pathlib` drops the second; `C:/models` is a folder.
    match text.split_once(":/") {
        Some((scheme, _)) if scheme.len() > 1 && !scheme.contains('/') && !model.exists() => {
            Err(raise(format_args!(
                "`{text}` is an address, and the package opens folders alone; fetch the model first, such as with \
                 `aws s3 sync` for `s3://`, and name its folder"
            )))
        }
        _ => Ok(()),
    }
}

#[pymodule]
fn _dragoman(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DragomanError", module.py().get_type::<DragomanError>())?;
    module.add_class::<translator::Translator>()?;
    module.add_class::<recommender::Recommender>()?;
    module.add_function(wrap_pyfunction!(training::train, module)?)
}
