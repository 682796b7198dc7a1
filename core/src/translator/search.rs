//! The search for the pieces of a batch: which of them are searched together, and what comes of each.

use tracing::{debug_span, field::Empty};

use super::{LegTask, Translator, pieces::Piece, trace::source_visits};
use crate::{
    Result,
    context::Context,
    decoding::{
        bias::Bias,
        hints::Hints,
        search::{Guidance, Hypothesis, SearchConfig, Sentences, TokenVisits, search_with},
    },
    memory::ExpertMemory,
    ragged::Ragged,
};

/// Sentences that are searched together at least: weights that are read for one serve all of them.
const MIN_TOGETHER: usize = 4;

/// What became of a piece.
pub(super) struct Answer<'a> {
    pub(super) piece: &'a Piece,
    pub(super) hypotheses: Vec<Hypothesis>,
    /// Where its source tokens went, the tag and the end included; only in a trace.
    pub(super) visits: Vec<TokenVisits>,
}

impl Translator {
    /// Searches that may run side by side: one where tokens may compete for the places of an expert,
    /// because what comes out may not depend on the number of threads; and one under a budget of
    /// memory, because each search holds the experts of the layer it is in.
    pub(super) fn most_shards(&self) -> usize {
        let is_limited = self.memory.as_ref().is_some_and(ExpertMemory::is_limited);
        if self.model.mixes_sentences() || is_limited { 1 } else { rayon::current_num_threads() }
    }

    /// What the lexicon says of a piece.
    fn hints(&self, piece: &Piece, tasks: &[LegTask<'_>]) -> Option<Hints> {
        let (lexicon, task) = (self.lexicon.as_ref()?, &tasks[piece.task]);
        lexicon.hints(&task.name, &piece.text, &*self.vocabulary)
    }

    /// Hypotheses of every piece, and where its source tokens went.
    pub(super) fn search<'a>(
        &self,
        pieces: &[&'a Piece],
        tasks: &[LegTask<'_>],
        beam_size: usize,
        trace: bool,
    ) -> Result<Vec<Answer<'a>>> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut routes, mut starts) = (Vec::new(), Vec::new());
        for piece in pieces {
            let LegTask { row_route, frame, .. } = &tasks[piece.task];
            let source = frame.source(&piece.ids);
            lengths.push(source.len());
            ids.extend(source);
            routes.push(*row_route);
            starts.push(frame.start.clone());
        }
        if let Some(prefetcher) = &self.prefetcher {
            prefetcher.want(self.model.expert_matrices(&routes));
        }
        let mut context = Context::inference(self.packing());
        context.trace = trace;
        let layout = Ragged::contiguous(&lengths);
        // As `i64`, the one whole number that attributes of OpenTelemetry have.
        let tokens = ids.len() as i64;
        let encoding =
            debug_span!("encode", dragoman.pieces = pieces.len() as i64, dragoman.tokens = tokens);
        let encoded = encoding.in_scope(|| self.model.encode(&ids, &layout, &routes, &context))?;
        drop(encoding);
        let defaults = self.model.search_defaults();
        let length_penalty = self.options.length_penalty.unwrap_or(defaults.length_penalty);
        let stopping = defaults.stopping;
        let config = SearchConfig { beam_size, length_penalty, stopping, ..SearchConfig::greedy() };
        let outputs = self.vocabulary.outputs();
        let sentences = Sentences { routes: &routes, starts: &starts, outputs };
        let biases: Vec<Option<&Bias>> =
            pieces.iter().map(|piece| tasks[piece.task].bias.as_ref()).collect();
        let encoded_sentences = (&encoded, &sentences);
        let hints: Vec<Option<Hints>> =
            pieces.iter().map(|piece| self.hints(piece, tasks)).collect();
        let (retrieval, begins) = (Some(&self.retrieval), &self.begins[..]);
        let guidance = Guidance { biases: &biases, retrieval, hints: &hints, begins };
        let decoding =
            debug_span!("decode", dragoman.beam = beam_size as i64, dragoman.tokens = Empty)
                .entered();
        let found = search_with(&*self.model, encoded_sentences, guidance, &config, &context)?;
        let tokens: usize = found.iter().flatten().map(|one| one.tokens.len()).sum();
        decoding.record("dragoman.tokens", tokens as i64);
        drop(decoding);
        let visits = source_visits(&encoded.routing, &layout, trace);
        let answers = pieces.iter().zip(found).zip(visits);
        let answer = |((&piece, hypotheses), visits)| Answer { piece, hypotheses, visits };
        Ok(answers.map(answer).collect())
    }
}

/// Splits `members` into at most `most` shards with as much of each length; few of them stay together.
pub(super) fn split(
    mut members: Vec<usize>,
    most: usize,
    length: impl Fn(usize) -> usize,
) -> Vec<Vec<usize>> {
    let shards = most.min(members.len() / MIN_TOGETHER).max(1);
    members.sort_by_key(|&i| length(i));
    let shard = |first: usize| members.iter().skip(first).step_by(shards).copied().collect();
    (0..shards).map(shard).collect()
}
