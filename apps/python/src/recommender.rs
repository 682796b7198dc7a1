//! `dragoman.Recommender`

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use dragoman_core::{
    directory::Files,
    recommend::{Event, Query, Recommend},
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    columns::{History, Texts},
    raise, refuse_address,
};

/// A recommendation model.
#[pyclass(frozen, module = "dragoman")]
pub(crate) struct Recommender {
    model: Arc<dyn Recommend>,
    index: HashMap<String, u32>,
    made_of: (PathBuf, Option<String>),
}

#[pymethods]
impl Recommender {
    #[new]
    #[pyo3(signature = (model, *, catalogue = None))]
    fn new(py: Python<'_>, model: PathBuf, catalogue: Option<String>) -> PyResult<Self> {
        refuse_address(&model)?;
        let files = Files::Folder(model.clone());
        let load = || match &catalogue {
            Some(name) => files.load_recommender_of(name),
            None => files.load_recommender(),
        };
        let loaded = py.detach(load).map_err(raise)?;
        let index = loaded.items().iter().cloned().zip(0..).collect();
        Ok(Self { model: loaded, index, made_of: (model, catalogue) })
    }

    #[getter]
    fn items(&self) -> Vec<String> {
        self.model.items().to_vec()
    }

    #[pyo3(signature = (history, *, n = 10, labels = Texts::default(), now = None, keep_seen = false))]
    fn recommend(
        &self,
        py: Python<'_>,
        history: History,
        n: usize,
        labels: Texts,
        now: Option<i64>,
        keep_seen: bool,
    ) -> PyResult<Vec<(String, f32)>> {
        let mut events: Vec<Event> = history
            .0
            .iter()
            .filter_map(|(item, time)| {
                Some(Event { item: *self.index.get(item)?, kind: 0, value: 1.0, time: *time })
            })
            .collect();
        events.sort_by_key(|event| event.time);
        let now = now.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        // Nothing is known here of what others do now.
        let popularity = vec![0.0; self.model.items().len()];
        let query =
            Query { history: &events, labels: &labels.present, now, popularity: &popularity };
        let ranking = py.detach(|| self.model.rank(&[query])).map_err(raise)?.swap_remove(0);
        let seen: HashSet<u32> = match keep_seen {
            true => HashSet::new(),
            false => events.iter().map(|event| event.item).collect(),
        };
        Ok(self.best(&ranking.scores, n, |item| !seen.contains(&item)))
    }

    #[pyo3(signature = (item, *, n = 10))]
    fn similar(&self, py: Python<'_>, item: &str, n: usize) -> PyResult<Vec<(String, f32)>> {
        let Some(&own) = self.index.get(item) else {
            return Err(raise(format_args!("the model knows no item `{item}`")));
        };
        let scores = py.detach(|| self.model.similar(own)).map_err(raise)?;
        Ok(self.best(&scores, n, |other| other != own))
    }

    /// Other processes load the model again: its folder is pickled, not its weights.
    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((PathBuf,), Bound<'py, PyDict>)> {
        let options = PyDict::new(py);
        options.set_item("catalogue", &self.made_of.1)?;
        Ok(((self.made_of.0.clone(),), options))
    }

    fn __repr__(&self) -> String {
        format!("Recommender({:?})", self.made_of.0)
    }
}

impl Recommender {
    /// The `n` items with the greatest scores among those that are `allowed`; of equals the earlier.
    fn best(&self, scores: &[f32], n: usize, allowed: impl Fn(u32) -> bool) -> Vec<(String, f32)> {
        let mut items: Vec<u32> = (0..scores.len() as u32).filter(|&item| allowed(item)).collect();
        items.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        items.truncate(n);
        let named = |item: u32| (self.model.items()[item as usize].clone(), scores[item as usize]);
        items.into_iter().map(named).collect()
    }
}
