//! A loaded translation model behind [`Translate`]: text in, text out, by route or by pivot.

use std::{collections::BTreeMap, sync::Arc};

use rayon::prelude::*;
use tracing::Span;

use self::{
    pieces::Piece,
    search::{Answer, split},
};
use crate::{
    Error, Result,
    decoding::{EncoderDecoder, bias::Bias},
    detector::DomainDetector,
    directory::{Files, Loaded},
    kernels::packed::Packing,
    lexicon::Lexicon,
    memory::{ExpertMemory, MemoryStats},
    params::Prefetcher,
    quality::{Calibration, Signals},
    register::{ExpertEntry, Register, RowRoute, Step},
    retrieval::{Datastore, Retrieval, Section},
    translate::{Hypothesis, Translate, Translation, TranslationJob, Wanted},
    vocabulary::{Frame, Side, Vocabulary, word_beginnings},
};

mod pieces;
mod search;
mod trace;

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
    retrieval: Retrieval,
    calibration: Option<Calibration>,
    lexicon: Option<Lexicon>,
    /// Whether each token begins a word, where there is a lexicon.
    begins: Vec<bool>,
    bytes: u64,
}

/// One leg of one job: a text and the route it takes.
struct LegTask<'a> {
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

impl Translator {
    /// Loads the model that `files` hold.
    pub fn open(files: &Files, options: TranslatorOptions) -> Result<Self> {
        let memory = ExpertMemory::new(options.expert_memory);
        let mut loaded = files.open_translation(&memory)?;
        let bytes = loaded.params.serving_bytes(packing(&loaded.model, &options), &memory);
        let prefetcher = match memory.is_limited() {
            true => Some(Prefetcher::start(&memory, packing(&loaded.model, &options))?),
            false => None, // each expert is read once, whoever comes first
        };
        let retrieval = files.retrieval(&loaded.register)?;
        let calibration = files.calibration(&loaded.register)?;
        let detectors = std::mem::take(&mut loaded.detectors);
        let translator = Self::of_loaded(loaded, options)?;
        let memory = Some(memory);
        Ok(Self { memory, prefetcher, detectors, retrieval, calibration, bytes, ..translator })
    }

    /// Translates with a model that was loaded on the CPU, and with its lexicon.
    pub fn of_loaded(loaded: Loaded, options: TranslatorOptions) -> Result<Self> {
        let Loaded { model, register, vocabulary, lexicon, .. } = loaded;
        let translator = Self::new(model, register, vocabulary, options)?;
        let Some(lexicon) = lexicon else { return Ok(translator) };
        Ok(translator.with_lexicon(lexicon))
    }

    /// The same with a lexicon in place of its own.
    pub fn with_lexicon(self, lexicon: Lexicon) -> Self {
        let begins = word_beginnings(&*self.vocabulary);
        Self { lexicon: Some(lexicon), begins, ..self }
    }

    /// The lexicon, if there is one.
    pub fn lexicon(&self) -> Option<&Lexicon> {
        self.lexicon.as_ref()
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
        let (retrieval, bytes) = (Retrieval::default(), 0);
        Ok(Self {
            model,
            register,
            vocabulary,
            options,
            memory,
            prefetcher,
            detectors,
            retrieval,
            calibration: None,
            lexicon: None,
            begins: Vec::new(),
            bytes,
        })
    }

    /// The same with the retrieval expert `entry`, whose entries for each route are `sections`.
    ///
    /// # Errors
    /// Fails when the register cannot take it.
    pub fn with_retrieval(
        mut self,
        entry: ExpertEntry,
        sections: BTreeMap<u32, Section>,
    ) -> Result<Self> {
        let bit = 1 << self.register.domain_experts().count().min(63);
        self.retrieval.push(Datastore::new(entry.name.clone(), bit, sections));
        self.register.experts.push(entry);
        self.register.check().map_err(Error::Invalid)?;
        Ok(self)
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
    fn translate_all(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        let path =
            |job: &TranslationJob| self.register.path_with(&job.source, &job.target, &job.domains);
        let paths = jobs.iter().map(path).collect::<Result<Vec<_>>>()?;
        // What needs no translation keeps its text.
        let same = |job: &TranslationJob| Translation {
            hypotheses: vec![Hypothesis::new(job.text.clone(), 0.0)],
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
                let named = |e: &&ExpertEntry| jobs[i].domains.iter().any(|d| d == e.short_name());
                let experts = self.register.domains_of(route).filter(named);
                let experts: Vec<String> = experts.map(|expert| expert.name.clone()).collect();
                let row_route = self.register.row_route(route, &experts);
                let frame = self.vocabulary.frame(source, target)?;
                let name = format!("{source}-{target}");
                tasks.push(LegTask { name, row_route, frame, text, num_hypotheses, trace, bias });
            }
            for (&i, mut answer) in members.iter().zip(self.run(&tasks)?) {
                let mut legs = std::mem::take(&mut answers[i].legs);
                legs.append(&mut answer.legs);
                answers[i] = Translation { legs, ..answer };
            }
        }
        if let Some(calibration) = &self.calibration {
            for (job, answer) in jobs.iter().zip(&mut answers) {
                for hypothesis in &mut answer.hypotheses {
                    let signals = hypothesis.signals.as_ref();
                    hypothesis.quality = signals.and_then(|signals| {
                        calibration.estimate(&job.source, &job.target, signals)
                    });
                }
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
    fn run(&self, tasks: &[LegTask<'_>]) -> Result<Vec<Translation>> {
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
            let span = Span::current();
            let search = |members: Vec<usize>| {
                let _within = span.enter(); // whichever thread this is
                let batch: Vec<&Piece> = members.iter().map(|&i| &pieces[i]).collect();
                let found = self.search(&batch, tasks, beam_size, trace)?;
                Ok(members.into_iter().zip(found).collect::<Vec<_>>())
            };
            let shards = split(members, self.most_shards(), |i| pieces[i].ids.len());
            let found: Result<Vec<_>> = shards.into_par_iter().map(search).collect();
            answers.extend(found?.into_iter().flatten());
        }
        let mut by_task: Vec<Vec<Answer<'_>>> = Vec::new();
        by_task.resize_with(tasks.len(), Vec::new);
        for answer in answers.into_values() {
            by_task[answer.piece.task].push(answer);
        }
        Ok(tasks.iter().zip(by_task).map(|(task, answers)| self.join(task, &answers)).collect())
    }

    /// Puts the pieces of one text together again.
    fn join(&self, task: &LegTask<'_>, answers: &[Answer<'_>]) -> Translation {
        let count = answers.iter().map(|answer| answer.hypotheses.len()).min().unwrap_or(0);
        let hypothesis = |rank: usize| {
            let found = || answers.iter().map(|answer| &answer.hypotheses[rank]);
            let texts: Vec<String> = found().map(|f| self.vocabulary.decode(&f.tokens)).collect();
            let log_probs = || found().flat_map(|found| &found.log_probs);
            let (sum, tokens) = log_probs().fold((0.0, 0usize), |(sum, n), p| (sum + p, n + 1));
            let (text, mean) = (texts.join(" "), sum / tokens.max(1) as f32);
            let signals = Signals {
                mean,
                lowest: log_probs().copied().fold(0.0, f32::min),
                source_tokens: answers.iter().map(|answer| answer.piece.ids.len()).sum(),
                target_tokens: tokens,
                copied: Signals::copied(task.text, &text),
            };
            Hypothesis { signals: Some(signals), ..Hypothesis::new(text, mean) }
        };
        let mut hypotheses: Vec<Hypothesis> =
            (0..count.min(task.num_hypotheses)).map(hypothesis).collect();
        if hypotheses.is_empty() {
            hypotheses.push(Hypothesis::new(task.text.into(), 0.0));
        }
        let legs = if task.trace { vec![self.leg(task, answers)] } else { Vec::new() };
        Translation { hypotheses, legs }
    }
}

/// In what the weights of `model` are kept: as asked for, or as fits it.
fn packing(model: &dyn EncoderDecoder, options: &TranslatorOptions) -> Packing {
    options.packing.unwrap_or_else(|| model.default_packing())
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

    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        // Inside of the pool, where a product costs no waiting for another thread to wake up.
        let span = Span::current();
        rayon::scope(|_| span.in_scope(|| self.translate_all(jobs)))
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
        let mut added = self.model.added();
        added.extend(self.retrieval.lookups());
        added
    }

    fn memory(&self) -> Option<MemoryStats> {
        self.memory.as_ref().map(ExpertMemory::stats)
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::to_value(&self.register.experts).unwrap_or_default()
    }
}
