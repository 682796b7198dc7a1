//! A loaded translation model behind [`Translate`]: text in, text out, by route or by pivot.

use std::{collections::BTreeMap, sync::Arc};

use rayon::prelude::*;

use crate::{
    Result,
    context::Context,
    decoding::{
        EncoderDecoder,
        bias::Bias,
        search::{Hypothesis as Found, SearchConfig, Sentences, TokenVisits, search_with},
    },
    detector::DomainDetector,
    directory::{Files, Loaded},
    kernels::packed::Packing,
    memory::{ExpertMemory, MemoryStats},
    moe::LayerRouting,
    params::Prefetcher,
    ragged::Ragged,
    register::{Register, RowRoute, Step},
    translate::{
        Hypothesis, Job, LayerTrace, Leg, TokenTrace, Translate, Translation, Visit, Wanted,
    },
    vocabulary::{Frame, Side, Vocabulary},
};

/// Sentences that are searched together at least: weights that are read for one serve all of them.
const MIN_TOGETHER: usize = 4;

/// Hypotheses kept of a sentence that is to use terms, at least.
const TERM_BEAM: usize = 8;

/// How a translator searches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TranslatorOptions {
    /// Hypotheses kept per sentence; 1 is greedy search.
    pub beam_size: usize,
    /// Exponent of the length that scores are divided by; none is that of the model.
    pub length_penalty: Option<f32>,
    /// In what weights are kept and multiplied; none is bfloat16 for the models that this suite
    /// trains, and int8 for those of other suites.
    pub packing: Option<Packing>,
    /// Longest piece of text in tokens; what is longer is translated piece by piece.
    pub max_tokens: usize,
    /// Bytes of packed experts that are kept in memory; none is no limit.
    pub expert_memory: Option<usize>,
}

impl Default for TranslatorOptions {
    fn default() -> Self {
        Self {
            beam_size: 1,
            length_penalty: None,
            packing: None,
            max_tokens: 200,
            expert_memory: None,
        }
    }
}

/// Translates with a model that is in memory.
#[derive(Debug)]
pub struct Translator {
    model: Box<dyn EncoderDecoder>,
    register: Register,
    vocabulary: Arc<dyn Vocabulary>,
    options: TranslatorOptions,
    memory: Option<ExpertMemory>,
    prefetcher: Option<Prefetcher>,
    detectors: Vec<DomainDetector>,
    bytes: u64,
}

/// One leg of one job: a text and the route it takes.
struct Task<'a> {
    /// Name of the leg, such as `en-de`.
    name: String,
    /// The route with its domains, as the model knows it.
    row_route: RowRoute,
    /// What stands around the text.
    frame: Frame,
    text: &'a str,
    num_hypotheses: usize,
    trace: bool,
    bias: Option<Bias>,
}

/// A piece of a text that the model sees at once.
struct Piece {
    task: usize,
    ids: Vec<u32>,
}

/// What became of a piece.
struct Answer<'a> {
    piece: &'a Piece,
    hypotheses: Vec<Found>,
    /// Where its source tokens went, the tag and the end included; only in a trace.
    visits: Vec<TokenVisits>,
}

impl Translator {
    /// Loads the model that `files` hold.
    pub fn open(files: &Files, options: TranslatorOptions) -> Result<Self> {
        let memory = ExpertMemory::new(options.expert_memory);
        let Loaded { model, params, register, vocabulary, detectors } =
            files.open_translation(&memory)?;
        let bytes = params.serving_bytes(packing(&model, &options), &memory);
        let prefetcher = match memory.is_limited() {
            true => Some(Prefetcher::start(&memory, packing(&model, &options))?),
            false => None, // each expert is read once, whoever comes first
        };
        let translator = Self::new(model, register, vocabulary, options)?;
        Ok(Self { memory: Some(memory), prefetcher, detectors, bytes, ..translator })
    }

    /// Puts a translator together; the weights of `model` lie on the CPU.
    pub fn new(
        model: impl EncoderDecoder + 'static,
        register: Register,
        vocabulary: Arc<dyn Vocabulary>,
        options: TranslatorOptions,
    ) -> Result<Self> {
        for route in &register.routes {
            let pair = [(&route.source, &route.target)].into_iter();
            let pair = pair.filter(|_| route.between.is_empty());
            for (source, target) in pair.chain(route.between.iter().map(|both| (both, both))) {
                vocabulary.frame(source, target)?;
            }
        }
        let (memory, prefetcher, detectors) = (None, None, Vec::new());
        let model = Box::new(model);
        let bytes = 0;
        Ok(Self { model, register, vocabulary, options, memory, prefetcher, detectors, bytes })
    }

    /// The register of experts and routes.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// In what weights are kept and multiplied.
    pub fn packing(&self) -> Packing {
        packing(&*self.model, &self.options)
    }

    /// Memory that the weights take once all of them have been used; 0 where they were there before.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The tokens of the model.
    pub fn vocabulary(&self) -> &dyn Vocabulary {
        &*self.vocabulary
    }

    /// Checks that a pair is translated, directly or through a third language.
    ///
    /// # Errors
    /// Fails when a language is unknown or nothing leads from one to the other.
    pub fn check_pair(&self, source: &str, target: &str) -> Result<()> {
        self.register.path(source, target).map(drop)
    }

    /// Translates every job, leg by leg.
    fn translate_all(&self, jobs: &[Job]) -> Result<Vec<Translation>> {
        let path =
            |job: &Job| self.register.path_with(&job.source, &job.target, &job.domains);
        let paths = jobs.iter().map(path).collect::<Result<Vec<_>>>()?;
        // What needs no translation keeps its text.
        let same = |job: &Job| Translation {
            hypotheses: vec![Hypothesis { text: job.text.clone(), score: 0.0 }],
            legs: Vec::new(),
        };
        let mut answers: Vec<Translation> = jobs.iter().map(same).collect();
        for leg in 0..2 {
            let members: Vec<usize> = (0..jobs.len()).filter(|&i| paths[i].len() > leg).collect();
            let texts: Vec<String> =
                members.iter().map(|&i| answers[i].hypotheses[0].text.clone()).collect();
            let mut tasks = Vec::with_capacity(members.len());
            for (&i, text) in members.iter().zip(&texts) {
                let is_last = paths[i].len() == leg + 1;
                let num_hypotheses = if is_last { jobs[i].num_hypotheses.max(1) } else { 1 };
                let bias = self.bias(&jobs[i].wanted).filter(|_| is_last);
                let (Step { route, source, target }, trace) = (&paths[i][leg], jobs[i].trace);
                let route = *route;
                let named = |e: &&crate::register::ExpertEntry| jobs[i].domains.iter().any(|d| d == e.short_name());
                let experts = self.register.domains_of(route).filter(named);
                let experts: Vec<String> = experts.map(|expert| expert.name.clone()).collect();
                let row_route = self.register.row_route(route, &experts);
                let frame = self.vocabulary.frame(source, target)?;
                let name = format!("{source}-{target}");
                tasks.push(Task { name, row_route, frame, text, num_hypotheses, trace, bias });
            }
            for (&i, mut answer) in members.iter().zip(self.run(&tasks)?) {
                let mut legs = std::mem::take(&mut answers[i].legs);
                legs.append(&mut answer.legs);
                answers[i] = Translation { legs, ..answer };
            }
        }
        Ok(answers)
    }

    /// The tokens of what a job wants, if it wants anything.
    fn bias(&self, wanted: &Wanted) -> Option<Bias> {
        if wanted.terms.is_empty() {
            return None;
        }
        let form = |form: &String| self.vocabulary.encode(Side::Target, form);
        let forms = |forms: &Vec<String>| forms.iter().map(form).collect();
        let terms = wanted.terms.iter().map(forms).collect();
        Some(Bias::new(terms))
    }

    /// Translates texts, each along its route, in one batch.
    fn run(&self, tasks: &[Task<'_>]) -> Result<Vec<Translation>> {
        let pieces = self.pieces(tasks);
        // Sentences that ask for different beams or traces cannot be searched together.
        let mut groups: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
        for (i, piece) in pieces.iter().enumerate() {
            let task = &tasks[piece.task];
            let beam_size = task.num_hypotheses.max(self.options.beam_size);
            let beam_size = if task.bias.is_some() { beam_size.max(TERM_BEAM) } else { beam_size };
            groups.entry((beam_size, task.trace)).or_default().push(i);
        }
        let mut answers: BTreeMap<usize, Answer<'_>> = BTreeMap::new();
        for ((beam_size, trace), members) in groups {
            // Two searches side by side wait for nobody; one on two threads does, at every product.
            let search = |members: Vec<usize>| {
                let batch: Vec<&Piece> = members.iter().map(|&i| &pieces[i]).collect();
                let found = self.search(&batch, tasks, beam_size, trace)?;
                Ok(members.into_iter().zip(found).collect::<Vec<_>>())
            };
            let hands = deal(members, self.most_hands(), |i| pieces[i].ids.len());
            let found: Result<Vec<_>> = hands.into_par_iter().map(search).collect();
            answers.extend(found?.into_iter().flatten());
        }
        let mut by_task: Vec<Vec<Answer<'_>>> = Vec::new();
        by_task.resize_with(tasks.len(), Vec::new);
        for answer in answers.into_values() {
            by_task[answer.piece.task].push(answer);
        }
        Ok(tasks.iter().zip(by_task).map(|(task, answers)| self.join(task, &answers)).collect())
    }

    /// Searches that may run side by side: one where tokens may compete for the places of an expert,
    /// because what comes out may not depend on the number of threads; and one under a budget of
    /// memory, because each search holds the experts of the layer it is in.
    fn most_hands(&self) -> usize {
        let is_limited = self.memory.as_ref().is_some_and(ExpertMemory::is_limited);
        if self.model.mixes_sentences() || is_limited { 1 } else { rayon::current_num_threads() }
    }

    /// Cuts the texts into pieces that fit the model.
    fn pieces(&self, tasks: &[Task<'_>]) -> Vec<Piece> {
        let texts: Vec<&str> = tasks.iter().map(|task| task.text).collect();
        let encoded = self.vocabulary.encode_batch(Side::Source, &texts);
        let limit = self.options.max_tokens.min(self.model.max_positions() / 2 - 2).max(1);
        let mut pieces = Vec::with_capacity(tasks.len());
        for (task, ids) in encoded.into_iter().enumerate() {
            self.cut(task, texts[task], ids, limit, &mut pieces);
        }
        pieces
    }

    /// Adds the pieces of `text`, whose tokens are `ids`: halves of halves, cut between words, until each
    /// has at most `limit` tokens.
    fn cut(&self, task: usize, text: &str, ids: Vec<u32>, limit: usize, pieces: &mut Vec<Piece>) {
        let middle = if ids.len() > limit { middle(text) } else { None };
        let Some(middle) = middle else {
            // A single character of more tokens than fit is cut within.
            pieces.extend(ids.chunks(limit).map(|ids| Piece { task, ids: ids.to_vec() }));
            return;
        };
        let (first, second) = text.split_at(middle);
        let halves =
            [first.trim_end(), second.trim_start()].into_iter().filter(|half| !half.is_empty());
        let halves: Vec<&str> = halves.collect();
        for (ids, half) in
            self.vocabulary.encode_batch(Side::Source, &halves).into_iter().zip(halves)
        {
            self.cut(task, half, ids, limit, pieces);
        }
    }

    /// Hypotheses of every piece, and where its source tokens went.
    fn search<'a>(
        &self,
        pieces: &[&'a Piece],
        tasks: &[Task<'_>],
        beam_size: usize,
        trace: bool,
    ) -> Result<Vec<Answer<'a>>> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut routes, mut starts) = (Vec::new(), Vec::new());
        for piece in pieces {
            let Task { row_route, frame, .. } = &tasks[piece.task];
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
        let encoded = self.model.encode(&ids, &layout, &routes, &context)?;
        let defaults = self.model.search_defaults();
        let length_penalty = self.options.length_penalty.unwrap_or(defaults.length_penalty);
        let stopping = defaults.stopping;
        let config = SearchConfig { beam_size, length_penalty, stopping, ..SearchConfig::greedy() };
        let outputs = self.vocabulary.outputs();
        let sentences = Sentences { routes: &routes, starts: &starts, outputs };
        let biases: Vec<Option<&Bias>> =
            pieces.iter().map(|piece| tasks[piece.task].bias.as_ref()).collect();
        let encoded_sentences = (&encoded, &sentences);
        let found = search_with(&*self.model, encoded_sentences, &biases, &config, &context)?;
        let visits = source_visits(&encoded.routing, &layout, trace);
        let answers = pieces.iter().zip(found).zip(visits);
        let answer = |((&piece, hypotheses), visits)| Answer { piece, hypotheses, visits };
        Ok(answers.map(answer).collect())
    }

    /// Puts the pieces of one text together again.
    fn join(&self, task: &Task<'_>, answers: &[Answer<'_>]) -> Translation {
        let count = answers.iter().map(|answer| answer.hypotheses.len()).min().unwrap_or(0);
        let hypothesis = |rank: usize| {
            let found = || answers.iter().map(|answer| &answer.hypotheses[rank]);
            let texts: Vec<String> = found().map(|f| self.vocabulary.decode(&f.tokens)).collect();
            let log_probs = found().flat_map(|found| &found.log_probs);
            let (sum, tokens) = log_probs.fold((0.0, 0usize), |(sum, n), p| (sum + p, n + 1));
            Hypothesis { text: texts.join(" "), score: sum / tokens.max(1) as f32 }
        };
        let mut hypotheses: Vec<Hypothesis> =
            (0..count.min(task.num_hypotheses)).map(hypothesis).collect();
        if hypotheses.is_empty() {
            hypotheses.push(Hypothesis { text: task.text.into(), score: 0.0 });
        }
        let legs = if task.trace { vec![self.leg(task, answers)] } else { Vec::new() };
        Translation { hypotheses, legs }
    }

    fn leg(&self, task: &Task<'_>, answers: &[Answer<'_>]) -> Leg {
        let (mut source, mut target) = (Vec::new(), Vec::new());
        for Answer { piece, hypotheses, visits } in answers {
            let visits = visits.get(task.frame.before.len()..).unwrap_or_default();
            let tokens = piece.ids.iter().zip(visits);
            source.extend(tokens.map(|(&id, visits)| self.token(Side::Source, id, visits)));
            if let Some(best) = hypotheses.first() {
                let tokens = best.tokens.iter().zip(&best.visits);
                target.extend(tokens.map(|(&id, visits)| self.token(Side::Target, id, visits)));
            }
        }
        Leg { route: task.name.clone(), source, target }
    }

    fn token(&self, side: Side, id: u32, visits: &TokenVisits) -> TokenTrace {
        let visit = |(name, weight): &(String, f32)| Visit { name: name.clone(), weight: *weight };
        let layer = |(layer, visits): &(String, Vec<(String, f32)>)| LayerTrace {
            layer: layer.clone(),
            experts: visits.iter().map(visit).collect(),
        };
        let text = self.vocabulary.token(side, id).unwrap_or_default();
        TokenTrace { text, layers: visits.iter().map(layer).collect() }
    }
}

/// In what the weights of `model` are kept: as asked for, or as fits it.
fn packing(model: &dyn EncoderDecoder, options: &TranslatorOptions) -> Packing {
    options.packing.unwrap_or_else(|| model.default_packing())
}

/// Deals `members` to at most `most` hands, so that all get as much of each length; few of them stay
/// together.
fn deal(mut members: Vec<usize>, most: usize, length: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let hands = most.min(members.len() / MIN_TOGETHER).max(1);
    members.sort_by_key(|&i| length(i));
    let hand = |first: usize| members.iter().skip(first).step_by(hands).copied().collect();
    (0..hands).map(hand).collect()
}

/// Where to cut `text` in two: behind the clause mark, else at the white space, else between the
/// characters nearest to the middle of it; `None` for a single character.
fn middle(text: &str) -> Option<usize> {
    let (mut clause, mut space, mut any) = (None, None, None);
    let mut before = text.chars().next()?;
    for (at, c) in text.char_indices().skip(1) {
        let nearest = |best: Option<usize>| match best {
            Some(best) if best.abs_diff(text.len() / 2) <= at.abs_diff(text.len() / 2) => {
                Some(best)
            }
            _ => Some(at),
        };
        let is_late = 4 * at > text.len() && 4 * at < 3 * text.len();
        let is_eastern = matches!(before, '，' | '；' | '：' | '、' | '。');
        let is_western =
            matches!(before, ',' | ';' | ':' | '.' | ')' | '–' | '—') && c.is_whitespace();
        if is_late && (is_eastern || is_western) {
            clause = nearest(clause);
        }
        if is_late && c.is_whitespace() {
            space = nearest(space);
        }
        any = nearest(any);
        before = c;
    }
    clause.or(space).or(any)
}

/// The visits of every token of every sentence.
fn source_visits(routing: &[LayerRouting], layout: &Ragged, trace: bool) -> Vec<Vec<TokenVisits>> {
    if !trace {
        return vec![Vec::new(); layout.len()];
    }
    let of_row = |row: usize| -> TokenVisits {
        let named = |layer: &LayerRouting| {
            let visits = layer.visits[row].iter();
            visits.map(|&(e, weight)| (layer.experts[e].clone(), weight)).collect()
        };
        routing.iter().map(|layer| (layer.layer.clone(), named(layer))).collect()
    };
    let of_sentence = |pair: &[usize]| (pair[0]..pair[1]).map(of_row).collect();
    layout.offsets().windows(2).map(of_sentence).collect()
}

impl Translate for Translator {
    fn languages(&self) -> Vec<String> {
        self.register.languages()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.register.leads(source, target)
    }

    fn is_direct(&self, source: &str, target: &str) -> bool {
        self.register.route(source, target).is_some()
    }

    fn domains(&self) -> Vec<String> {
        self.register.domain_names()
    }

    fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        self.register.covers(domain, source, target)
    }

    fn translate(&self, jobs: &[Job]) -> Result<Vec<Translation>> {
        // Inside of the pool, where a product costs no waiting for another thread to wake up.
        rayon::scope(|_| self.translate_all(jobs))
    }

    fn detect_domain(&self, text: &str, source: &str, target: &str) -> Option<(String, f32)> {
        let mut best: Option<(String, f32)> = None;
        for detector in &self.detectors {
            let domain = detector.name().split_once('.').map_or("", |(_, name)| name);
            if !self.covers(domain, source, target) {
                continue;
            }
            // A detector that cannot be read finds nothing.
            let probability = detector.probability(text).unwrap_or(0.0);
            if best.as_ref().is_none_or(|(_, best)| probability > *best) {
                best = Some((domain.into(), probability));
            }
        }
        best
    }

    fn can_want(&self, _: &str, _: &str) -> bool {
        true
    }

    fn placeholders(&self, _: &str, _: &str) -> usize {
        self.vocabulary.placeholders()
    }

    fn added(&self) -> BTreeMap<String, u64> {
        self.model.added()
    }

    fn memory(&self) -> Option<MemoryStats> {
        self.memory.as_ref().map(ExpertMemory::stats)
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::to_value(&self.register.experts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::middle;

    #[test]
    fn long_texts_are_cut_between_words_and_never_within_a_character() {
        let cut = |text: &str| middle(text).map(|at| text[at..].to_owned());
        assert_eq!(cut("one two, three four five").as_deref(), Some(" three four five"));
        assert_eq!(cut("one two three four").as_deref(), Some(" three four"));
        assert_eq!(cut("字典，学校").as_deref(), Some("学校"));
        assert_eq!(cut("字典学校").as_deref(), Some("学校"));
        assert_eq!(cut("🙂"), None);
    }
}
