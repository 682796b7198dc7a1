//! The engine as a Python package: `dragoman._dragoman`, whose types `python/dragoman/__init__.pyi` describes.
//!
//! Every call lets go of the interpreter's lock while it computes, so threads of Python use all cores.

mod recommender;
mod translator;

use pyo3::{create_exception, exceptions::PyValueError, prelude::*};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

create_exception!(dragoman, DragomanError, PyValueError, "What cannot be done, and how to go on.");

/// An error of the engine as an exception.
fn raise(error: impl std::fmt::Display) -> PyErr {
    DragomanError::new_err(error.to_string())
}

#[pymodule]
fn _dragoman(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DragomanError", module.py().get_type::<DragomanError>())?;
    module.add_class::<translator::Translator>()?;
    module.add_class::<recommender::Recommender>()
}
