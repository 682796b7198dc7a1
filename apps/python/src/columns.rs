//! Texts and histories as Python has them: lists, and columns of pyarrow, pandas, polars and NumPy.
//!
//! A column becomes a list of Python's values first. That copies, which costs little beside a translation
//! (docs/python.md).

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyFloat, PyList, PyString},
};

/// The methods by which a column becomes a list: those of pyarrow, of polars and pandas, of NumPy, and of a
/// list that is one cell of a column of pyarrow.
const TO_LIST: [&str; 4] = ["to_pylist", "to_list", "tolist", "as_py"];

/// A column of texts, of which some may be null.
#[derive(Default)]
pub(crate) struct Texts {
    /// Those that are not null.
    pub(crate) present: Vec<String>,
    is_null: Vec<bool>,
    arrow: Option<ArrowColumn>,
}

/// A column of pyarrow, which gets one in return.
struct ArrowColumn {
    /// Its type if that is one of strings.
    strings: Option<Py<PyAny>>,
    is_chunked: bool,
}

/// What a user did: items with times in seconds since 1970. Rows with a null are left out.
pub(crate) struct History(pub(crate) Vec<(String, i64)>);

impl<'py> FromPyObject<'_, 'py> for Texts {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut texts = Self { arrow: ArrowColumn::of(&value)?, ..Self::default() };
        for (i, row) in rows(&value)?.iter().enumerate() {
            let null = is_null(row)?;
            if !null {
                let text = row.cast::<PyString>().map_err(|_| {
                    let kind = kind(row);
                    PyTypeError::new_err(format!("row {i} is `{kind}`: a text is `str`, or `None`"))
                })?;
                texts.present.push(text.extract()?);
            }
            texts.is_null.push(null);
        }
        Ok(texts)
    }
}

impl Texts {
    /// A column of the same kind with `translated`, one text for each that is present, and the same nulls.
    pub(crate) fn like<'py>(
        &self,
        py: Python<'py>,
        translated: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut translated = translated.into_iter();
        let next = |&null: &bool| if null { None } else { translated.next() };
        let rows: Vec<Option<String>> = self.is_null.iter().map(next).collect();
        let list = PyList::new(py, rows)?;
        match &self.arrow {
            Some(column) => column.like(list),
            None => Ok(list.into_any()),
        }
    }
}

impl ArrowColumn {
    fn of(value: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let class = value.get_type();
        let is_arrow = class.module()?.to_cow()?.starts_with("pyarrow");
        let Some(kind) = value.getattr_opt("type")?.filter(|_| is_arrow) else { return Ok(None) };
        let name = kind.str()?;
        let is_strings = matches!(&*name.to_cow()?, "string" | "large_string" | "string_view");
        let is_chunked = class.name()?.to_cow()? == "ChunkedArray";
        Ok(Some(Self { strings: is_strings.then(|| kind.unbind()), is_chunked }))
    }

    fn like<'py>(&self, list: Bound<'py, PyList>) -> PyResult<Bound<'py, PyAny>> {
        let py = list.py();
        let pyarrow = py.import("pyarrow")?;
        // A type that is given keeps a column of nulls one of strings.
        let strings = match &self.strings {
            Some(kind) => kind.bind(py).clone(),
            None => pyarrow.call_method0("string")?,
        };
        match self.is_chunked {
            true => pyarrow.call_method1("chunked_array", ([list], strings)),
            false => pyarrow.call_method1("array", (list, strings)),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for History {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let rows = match data_frame(&value)? {
            Some(rows) => rows,
            None => rows(&value)?,
        };
        let events = rows.iter().map(event);
        Ok(Self(events.filter_map(Result::transpose).collect::<PyResult<_>>()?))
    }
}

/// The rows of a data frame of pandas or polars, if `value` is one.
fn data_frame<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    let rows = if let Some(method) = value.getattr_opt("itertuples")? {
        method.call1((false, None::<String>))? // without the index, and as tuples
    } else if let Some(method) = value.getattr_opt("iter_rows")? {
        method.call0()?
    } else {
        return Ok(None);
    };
    rows.try_iter()?.collect::<PyResult<_>>().map(Some)
}

/// The event of a row, a pair or a record of two fields; none if a part of it is null.
fn event(row: &Bound<'_, PyAny>) -> PyResult<Option<(String, i64)>> {
    if is_null(row)? {
        return Ok(None);
    }
    let parts = match row.cast::<PyDict>() {
        Ok(record) => record.values().iter().collect(),
        Err(_) => rows(row)?,
    };
    let [item, time] = &parts[..] else {
        let count = parts.len();
        return Err(PyTypeError::new_err(format!(
            "a row of the history has {count} columns; it has two, an item and a time"
        )));
    };
    if is_null(item)? || is_null(time)? {
        return Ok(None);
    }
    let name = item.cast::<PyString>().map_err(|_| {
        let kind = kind(item);
        PyTypeError::new_err(format!("an item of the history is `{kind}`: an item is `str`"))
    })?;
    Ok(Some((name.extract()?, seconds(time)?)))
}

/// Seconds since 1970 of a number or of a `datetime`, which is in UTC unless it says otherwise, as in Arrow.
fn seconds(time: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(seconds) = time.extract::<i64>() {
        return Ok(seconds);
    }
    let py = time.py();
    let seconds = match time.getattr_opt("tzinfo")? {
        Some(zone) if zone.is_none() => {
            let utc = PyDict::new(py);
            utc.set_item("tzinfo", py.import("datetime")?.getattr("timezone")?.getattr("utc")?)?;
            time.call_method("replace", (), Some(&utc))?.call_method0("timestamp")?
        }
        Some(_) => time.call_method0("timestamp")?,
        None => time.clone(),
    };
    // Whole numbers beside nulls are `float` in pandas.
    match seconds.extract::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok(seconds.floor() as i64),
        _ => Err(PyTypeError::new_err(format!(
            "a time of the history is `{}`: a time is seconds since 1970, or a `datetime`",
            kind(time)
        ))),
    }
}

/// The values of a list, or of a column.
fn rows<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    for method in TO_LIST {
        if let Some(method) = value.getattr_opt(method)? {
            return method.call0()?.extract();
        }
    }
    value.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "`{}` is not a list; give a list, a column of pyarrow, pandas or polars, or what has `to_pylist`, \
             `to_list` or `tolist`",
            kind(value)
        ))
    })
}

/// Whether a value is `None`, or what pandas has in its place.
fn is_null(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_none() {
        return Ok(true);
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(number.extract::<f64>()?.is_nan());
    }
    if value.is_instance_of::<PyString>() {
        return Ok(false);
    }
    Ok(matches!(&*value.get_type().name()?.to_cow()?, "NAType" | "NaTType"))
}

/// The name of a value's class, for messages.
fn kind(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map(|name| name.to_string()).unwrap_or_default()
}
