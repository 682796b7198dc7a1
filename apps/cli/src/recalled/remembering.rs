//! A model that is asked only for sentences that nobody has translated before.

use std::collections::BTreeMap;

use dragoman_core::{
    Error, Result,
    memory::MemoryStats,
    translate::{Hypothesis, Translate, Translation, TranslationJob},
};

use super::Recalled;

/// A model before which a memory is asked, for each sentence.
pub(crate) struct Remembering<'a> {
    model: &'a dyn Translate,
    memory: &'a Recalled,
}

impl<'a> Remembering<'a> {
    /// Asks `memory`, and `model` for what is not there.
    pub(crate) fn new(model: &'a dyn Translate, memory: &'a Recalled) -> Self {
        Self { model, memory }
    }

    /// What is remembered for the sentence of `job`.
    fn remembered(&self, job: &TranslationJob) -> Result<Option<Translation>> {
        // The remembered translation need not have the terms that the job asks for.
        if job.trace || !job.wanted.terms.is_empty() {
            return Ok(None);
        }
        let found = self.memory.find(&job.source, &job.target, &job.text);
        let found = found.map_err(|error| Error::Invalid(format!("{error:#}")))?;
        let answer =
            |text| Translation { hypotheses: vec![Hypothesis::new(text, 0.0)], legs: Vec::new() };
        Ok(found.map(answer))
    }
}

impl Translate for Remembering<'_> {
    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        let remembered: Vec<Option<Translation>> =
            jobs.iter().map(|job| self.remembered(job)).collect::<Result<_>>()?;
        let is_open =
            |(job, known): (&TranslationJob, &Option<_>)| known.is_none().then(|| job.clone());
        let open: Vec<TranslationJob> = jobs.iter().zip(&remembered).filter_map(is_open).collect();
        let mut found = match open.is_empty() {
            true => Vec::new(),
            false => self.model.translate(&open)?,
        }
        .into_iter();
        let answer = |known: Option<Translation>| {
            known.unwrap_or_else(|| found.next().expect("an answer for every job"))
        };
        Ok(remembered.into_iter().map(answer).collect())
    }

    fn languages(&self) -> Vec<String> {
        self.model.languages()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.model.can_translate(source, target)
    }

    fn is_direct(&self, source: &str, target: &str) -> bool {
        self.model.is_direct(source, target)
    }

    fn domains(&self) -> Vec<String> {
        self.model.domains()
    }

    fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        self.model.covers(domain, source, target)
    }

    fn detect_domain(&self, text: &str, source: &str, target: &str) -> Option<(String, f32)> {
        self.model.detect_domain(text, source, target)
    }

    fn added(&self) -> BTreeMap<String, u64> {
        self.model.added()
    }

    fn placeholders(&self, source: &str, target: &str) -> usize {
        self.model.placeholders(source, target)
    }

    fn can_want(&self, source: &str, target: &str) -> bool {
        self.model.can_want(source, target)
    }

    fn is_remote(&self, source: &str, target: &str) -> bool {
        self.model.is_remote(source, target)
    }

    fn memory(&self) -> Option<MemoryStats> {
        self.model.memory()
    }

    fn experts(&self) -> serde_json::Value {
        self.model.experts()
    }
}
