//! A language model as a translation model.

use std::collections::BTreeSet;

use dragoman_core::{
    Error, Result,
    translate::{Hypothesis, Leg, Translate, Translation, TranslationJob},
};

use crate::{
    answer::translation,
    client::{Chat, Endpoint},
    pairs::Pair,
    prompt::instructions,
};

/// Sentences of one call that are asked at the same time.
const PARALLEL: usize = 4;

/// Translates the pairs it was given; each in one step.
#[derive(Debug)]
pub struct LlmTranslator {
    chat: Chat,
    pairs: Vec<Pair>,
}

impl LlmTranslator {
    /// Translates `pairs` by the model at `endpoint`, which is not asked anything yet.
    pub fn new(endpoint: Endpoint, pairs: Vec<Pair>) -> Self {
        Self { chat: Chat::new(endpoint), pairs }
    }

    fn translate_one(&self, job: &TranslationJob) -> Result<Translation> {
        if job.source == job.target {
            let hypothesis = Hypothesis::new(job.text.clone(), 0.0);
            return Ok(Translation { hypotheses: vec![hypothesis], legs: Vec::new() });
        }
        let said = self.chat.ask(&instructions(job), &job.text).map_err(Error::Remote)?;
        // Text that cannot be used is like that of any model: who asked sees that nothing was translated.
        let text = translation(&job.text, &said.text).unwrap_or_else(|| job.text.clone());
        let hypothesis = Hypothesis::new(text, said.score.unwrap_or(0.0));
        let route = format!("{}-{}", job.source, job.target);
        let leg = Leg { route, source: Vec::new(), target: Vec::new() };
        let legs = if job.trace { vec![leg] } else { Vec::new() };
        Ok(Translation { hypotheses: vec![hypothesis], legs })
    }
}

impl Translate for LlmTranslator {
    fn languages(&self) -> Vec<String> {
        let both = self.pairs.iter().flat_map(|pair| [&pair.source, &pair.target]);
        both.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.pairs.iter().any(|pair| pair.source == source && pair.target == target)
    }

    fn domains(&self) -> Vec<String> {
        Vec::new()
    }

    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        let mut answers = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(PARALLEL) {
            let found: Vec<Result<Translation>> = std::thread::scope(|scope| {
                let ask = |job| scope.spawn(move || self.translate_one(job));
                let threads: Vec<_> = batch.iter().map(ask).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect()
            });
            for answer in found {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }

    fn is_remote(&self, _: &str, _: &str) -> bool {
        true
    }

    fn can_want(&self, _: &str, _: &str) -> bool {
        true
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::json!([])
    }
}
