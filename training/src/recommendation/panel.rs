//! The systems that are compared: the baselines, and models beside them.

use std::sync::Arc;

use dragoman_core::recommend::Recommend;

use super::{
    baselines::{Baselines, Recent, Settings},
    ranking::Outcome,
    trial::Trial,
};
use crate::Result;

/// A model with a name for the table.
pub type Named = (String, Arc<dyn Recommend>);

/// The systems that are compared.
pub(super) struct Panel<'a> {
    baselines: Option<Baselines>,
    models: &'a [Named],
}

impl<'a> Panel<'a> {
    /// Models, and baselines with these settings that know what happened before a trial.
    pub(super) fn new(
        trial: &Trial,
        settings: Option<&Settings>,
        models: &'a [Named],
    ) -> Result<Self> {
        let baselines = settings.map(|known| Baselines::fit(trial, known)).transpose()?;
        Ok(Self { baselines, models })
    }

    /// What each recommends in a trial, baselines first.
    pub(super) fn ask(&self, trial: &Trial) -> Result<Vec<(String, Outcome)>> {
        let baselines = self.baselines.as_ref();
        let mut outcomes = baselines.map_or_else(Vec::new, |all| all.outcomes(trial));
        for (name, model) in self.models {
            outcomes.push((name.clone(), Outcome::of_model(trial, model.as_ref())?));
        }
        Ok(outcomes)
    }

    /// Tells the baselines what is popular at another moment.
    pub(super) fn follow(&mut self, recent: Recent) {
        if let Some(baselines) = &mut self.baselines {
            baselines.follow(recent);
        }
    }
}
