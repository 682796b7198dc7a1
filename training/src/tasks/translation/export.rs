//! Writes what was learned as a model directory.

use std::path::Path;

use dragoman_core::{
    directory::{TranslationParts, WeightFormat, save_translation},
    register::{ExpertEntry, ExpertKind, Register, TrainedOn},
};

use super::TranslationTask;
use crate::{Result, task::ExportNote, tasks::date::now};

impl TranslationTask {
    /// Writes the model to `dir`, in f32, and says in its register what it learned from.
    pub(super) fn write_model(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()> {
        let created = now();
        let mut register = self.register.clone();
        for expert in &mut register.experts {
            expert.created.clone_from(&created);
            expert.trained_on = self.trained_on();
            add_scores(expert, &self.register, note);
        }
        let parts = TranslationParts {
            config: &self.config.model,
            register: &register,
            vocabulary: &*self.vocabulary,
        };
        save_translation(dir, parts, &self.all, WeightFormat::F32)?;
        if let Some(bias) = &self.bias {
            bias.write(dir)?;
        }
        Ok(())
    }

    /// The packed corpus, by the labels of what is in it.
    fn trained_on(&self) -> Vec<TrainedOn> {
        let header = self.corpus.header();
        let mut labels: Vec<_> = header.segments.iter().map(|s| s.label.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        let (name, sha256) = (labels.join(", "), header.sha256.clone());
        vec![TrainedOn { name, sha256, licence: String::new() }]
    }
}

/// Notes for the expert of a direction how well that direction is translated.
fn add_scores(expert: &mut ExpertEntry, register: &Register, note: &ExportNote<'_>) {
    expert.metrics.insert("step".into(), note.step as f64);
    let (ExpertKind::Pair, Some(evaluation)) = (expert.kind, note.evaluation) else { return };
    let own = |route: &&dragoman_core::register::Route| route.group.contains(&expert.name);
    let Some(route) = register.routes.iter().find(own) else { return };
    for row in evaluation.rows.iter().filter(|row| row.label.starts_with(&route.name)) {
        if let Some(score) = row.scores.get(&evaluation.chosen_by) {
            expert.metrics.insert(format!("{} {}", evaluation.chosen_by, row.label), *score);
        }
    }
}
