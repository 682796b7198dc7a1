//! Writes what was learned as a model directory.

use std::path::Path;

use dragoman_core::directory::{RecommendationParts, WeightFormat, save_recommendation};

use super::RecommendationTask;
use crate::{Result, task::ExportNote, tasks::date::now};

impl RecommendationTask {
    /// Writes the model to `dir`, in f32, and says in its register what it learned from.
    pub(super) fn write_model(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()> {
        let created = now();
        let mut register = self.register.clone();
        for expert in &mut register.experts {
            expert.created.clone_from(&created);
            expert.metrics.insert("step".into(), note.step as f64);
            if let Some(evaluation) = note.evaluation {
                expert.metrics.insert(evaluation.chosen_by.clone(), evaluation.score);
            }
        }
        let parts = RecommendationParts {
            config: self.model.config(),
            register: &register,
            catalogue: &self.catalogue,
            blend: &self.blend,
            scorers: &self.scorers,
        };
        save_recommendation(dir, parts, &self.params, WeightFormat::F32)?;
        Ok(())
    }
}
