//! Models that recommend, with all of their catalogues.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context;
use dragoman_core::{Error, directory::Files, recommend::Recommend};

/// A model that recommends, and by name the same with other catalogues.
pub(crate) type Recommender = (Arc<dyn Recommend>, HashMap<String, Arc<dyn Recommend>>);

/// Loads the recommendation model that `files` hold, with each of its catalogues.
pub(crate) fn recommender(files: &Files) -> anyhow::Result<Recommender> {
    let load = || {
        let first = files.load_recommender()?;
        let register = files.register()?;
        let catalogue = |name: &str| Ok((name.to_string(), files.load_recommender_of(name)?));
        let others = register.catalogues().map(catalogue).collect::<Result<_, Error>>()?;
        Ok::<_, Error>((first, others))
    };
    load().context("loading the model that recommends")
}
