//! The states of the decoder over sentences whose targets are known.

use dragoman_core::{
    context::Context,
    decoding::EncoderDecoder,
    directory::Loaded,
    kernels::softmax::LogitRows,
    models::translation::{Example, IGNORED, TranslationBatch},
    register::RowRoute,
    retrieval::{Builder, NEIGHBOURS, Observation, Section, gate::voted},
    vocabulary::Frame,
};

use crate::{Result, control::Control};

/// Sentences that go through the model together.
const TOGETHER: usize = 64;
/// States that say how keys are rounded.
const SAMPLE: usize = 1 << 15;
/// Sentences that a gate is fitted to.
const OBSERVED: usize = 400;
/// One in so many sentences is observed with its own entries: what is stored may be asked for again.
const KNOWN: usize = 4;

/// A pair of texts as tokens.
pub(super) struct Sentence {
    pub(super) source: Vec<u32>,
    pub(super) target: Vec<u32>,
    pub(super) frame: Frame,
}

/// Computes the states of one route.
pub(super) struct States<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) route: RowRoute,
}

impl States<'_> {
    /// The entries of `sentences`, and the sentence of each; none if `control` says stop.
    pub(super) fn section(
        &self,
        sentences: &[Sentence],
        control: &Control,
    ) -> Result<Option<(Section, Vec<u32>)>> {
        let width = self.loaded.model.config().d_model;
        let mut builder: Option<Builder> = None;
        let mut waiting: Vec<(Vec<f32>, u32, u32)> = Vec::new();
        // Sentences of one length go together; which entry is which does not depend on it.
        let mut order: Vec<u32> = (0..sentences.len() as u32).collect();
        order.sort_by_key(|&i| sentences[i as usize].target.len());
        // What says how keys are rounded is of all lengths.
        let stride = sentences.len().div_ceil(TOGETHER).max(1);
        let chunks: Vec<Vec<u32>> = (0..stride)
            .map(|first| order.iter().skip(first).step_by(stride).copied().collect())
            .collect();
        for chunk in chunks {
            if control.is_stopped() {
                return Ok(None);
            }
            self.each(sentences, &chunk, |hidden, label, sentence| match &mut builder {
                Some(builder) => builder.push(hidden, label, sentence),
                None => waiting.push((hidden.to_vec(), label, sentence)),
            })?;
            if builder.is_none() && waiting.len() >= SAMPLE {
                builder = Some(filled(std::mem::take(&mut waiting), width));
            }
        }
        let builder = builder.unwrap_or_else(|| filled(waiting, width));
        Ok(Some(builder.finish()))
    }

    /// Calls `f` with every state of the sentences `chosen`, the token that followed and the number of
    /// the sentence.
    fn each(
        &self,
        sentences: &[Sentence],
        chosen: &[u32],
        mut f: impl FnMut(&[f32], u32, u32),
    ) -> Result<()> {
        let (batch, hidden, width) = self.forward(sentences, chosen)?;
        for ((number, start), length) in
            chosen.iter().zip(batch.target_layout.offsets()).zip(batch.target_layout.lengths())
        {
            for row in *start..start + length {
                if batch.labels[row] != IGNORED {
                    f(&hidden[row * width..(row + 1) * width], batch.labels[row], *number);
                }
            }
        }
        Ok(())
    }

    /// The states of all rows of the sentences `chosen`.
    fn forward(
        &self,
        sentences: &[Sentence],
        chosen: &[u32],
    ) -> Result<(TranslationBatch, Vec<f32>, usize)> {
        let Loaded { model, vocabulary, .. } = self.loaded;
        let example = |&number: &u32| {
            let Sentence { source, target, frame } = &sentences[number as usize];
            Example::new(self.route, [source, target], frame, vocabulary.outputs())
        };
        let examples: Vec<Example> = chosen.iter().map(example).collect();
        let batch = TranslationBatch::new(&examples, None);
        let output = model.forward(&batch, &self.context())?;
        let hidden = output.hidden.flatten_all()?.to_vec1::<f32>()?;
        Ok((batch, hidden, model.config().d_model))
    }

    /// The pass is the one that serving makes.
    fn context(&self) -> Context {
        Context::inference(self.loaded.model.default_packing())
    }

    /// What the neighbours of some sentences are and what the model thinks of them; none if `control`
    /// says stop. `of_entry` is the sentence of each entry where they hold these sentences, none where
    /// they hold others.
    pub(super) fn observe(
        &self,
        section: &Section,
        of_entry: Option<&[u32]>,
        sentences: &[Sentence],
        control: &Control,
    ) -> Result<Option<Vec<Observation>>> {
        let every = sentences.len().div_ceil(OBSERVED).max(1);
        let observed: Vec<u32> = (0..sentences.len() as u32).step_by(every).collect();
        let Loaded { model, vocabulary, .. } = self.loaded;
        let rows = LogitRows {
            width: model.config().vocab_size,
            first_output: vocabulary.outputs().first as usize,
        };
        let mut observations = Vec::new();
        for (at, number) in observed.into_iter().enumerate() {
            if control.is_stopped() {
                return Ok(None);
            }
            let (batch, hidden, width) = self.forward(sentences, &[number])?;
            let shape = (batch.labels.len(), width);
            let states = candle::Tensor::from_slice(&hidden, shape, &candle::Device::Cpu)?;
            let logits = model.logits(&states, &self.context())?.flatten_all()?.to_vec1::<f32>()?;
            let (best, tokens, sums) = rows.best(&logits, 1);
            for (row, &label) in batch.labels.iter().enumerate().filter(|(_, l)| **l != IGNORED) {
                let log_prob = |token: u32| logits[row * rows.width + token as usize] - sums[row];
                let state = &hidden[row * width..(row + 1) * width];
                for is_new in [true, false] {
                    // Of other texts all is seen as it is.
                    let is_left_out = match of_entry {
                        Some(_) => !is_new && !at.is_multiple_of(KNOWN),
                        None => is_new,
                    };
                    if is_left_out {
                        continue;
                    }
                    let own = |place: usize| {
                        is_new && of_entry.is_some_and(|of_entry| of_entry[place] == number)
                    };
                    let neighbours = section.nearest(state, NEIGHBOURS, own);
                    observations.push(Observation {
                        of_voted: log_prob(voted(&neighbours)),
                        neighbours,
                        best: (tokens[row], best[row] - sums[row]),
                        label: (label, log_prob(label)),
                        is_new,
                    });
                }
            }
        }
        Ok(Some(observations))
    }
}

/// A builder that has these entries.
fn filled(entries: Vec<(Vec<f32>, u32, u32)>, width: usize) -> Builder {
    let sample: Vec<f32> = entries.iter().flat_map(|(hidden, _, _)| hidden).copied().collect();
    let mut builder = Builder::new(&sample, width);
    for (hidden, label, sentence) in entries {
        builder.push(&hidden, label, sentence);
    }
    builder
}
