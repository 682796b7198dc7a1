//! Translation as a service: what every API of it asks, in whatever words.

use std::sync::Arc;

use dragoman_languages::{self as languages, Detected, LanguageDetector};
use dragoman_store::{MemoryOf, Store, Suggestion};
use dragoman_text::{Format, Rewritten, Sentence, xml};

use crate::{
    access::Caller,
    batcher::Batcher,
    config::TranslationConfig,
    error::{Result, ServiceError},
    glossaries::{Chosen, Glossaries},
    memory::{Memory, MemoryRequest},
    model::{Loaded, ModelHandle},
    telemetry::block,
    translate::{self, Domains, Done, Markup, Order, translate},
};

pub(crate) use crate::translate::DocumentOrder;

/// Alternatives at most, whatever is asked and allowed: one request must not hold all cores.
const MAX_ALTERNATIVES: usize = 20;

/// Characters of a traced request at most: a trace is a hundred times as large as its text.
const MAX_TRACE_CHARS: usize = 5000;

/// Guesses of a language given at most.
const MAX_GUESSES: usize = 3;

/// Translates, guesses languages and takes suggestions.
pub(crate) struct TranslationService {
    config: TranslationConfig,
    model: ModelHandle,
    detector: Arc<LanguageDetector>,
    batcher: Batcher,
    store: Store,
    glossaries: Arc<Glossaries>,
}

/// What a request asks for, as it came in.
#[derive(Debug, Clone, Default)]
pub(crate) struct TranslationRequest {
    pub(crate) texts: Vec<String>,
    /// Whether the texts came as an array, whose length has a limit.
    pub(crate) is_array: bool,
    /// A code, or `auto`.
    pub(crate) source: String,
    pub(crate) target: String,
    /// `text`, `html` or `xml`; without one it is text.
    pub(crate) format: Option<String>,
    pub(crate) markup: Markup,
    pub(crate) num_alternatives: usize,
    /// Names of domains, or `auto` alone.
    pub(crate) domains: Vec<String>,
    pub(crate) trace: bool,
    /// Whether attributes of HTML that readers see are translated, too.
    pub(crate) attributes: bool,
    /// Most characters a text may have.
    pub(crate) char_limit: Option<usize>,
    /// The terms to use.
    pub(crate) glossaries: Option<Chosen>,
    /// What to remember; nothing without it.
    pub(crate) memory: Option<MemoryRequest>,
}

impl TranslationService {
    /// Offers those languages of `model` that `config` names.
    pub(crate) fn new(
        config: &TranslationConfig,
        model: ModelHandle,
        batcher: Batcher,
        store: Store,
    ) -> Self {
        let detector = Arc::new(LanguageDetector::new());
        let glossaries = Arc::new(Glossaries::new(store.clone()));
        Self { config: config.clone(), model, detector, batcher, store, glossaries }
    }

    /// Reads what detection needs ahead of the first request, on a thread of its own.
    pub(crate) fn warm(&self) -> std::io::Result<()> {
        let detector = Arc::clone(&self.detector);
        let warm = move || detector.warm();
        std::thread::Builder::new().name("detect".into()).spawn(warm).map(drop)
    }

    /// The current model.
    pub(crate) fn model(&self) -> Arc<Loaded> {
        self.model.current()
    }

    /// Languages of `model` that are offered, sorted.
    pub(crate) fn languages(&self, model: &Loaded) -> Vec<String> {
        let mut known = model.model.languages();
        let only = &self.config.load_only;
        if !only.is_empty() {
            known.retain(|code| only.iter().any(|one| names(code, one)));
        }
        known
    }

    /// Warns of languages that are to be offered and that the model does not have; an error when none is
    /// left.
    pub(crate) fn check_languages(&self) -> Result<(), String> {
        let model = self.model();
        let (known, only) = (model.model.languages(), &self.config.load_only);
        for unknown in only.iter().filter(|one| !known.iter().any(|code| names(code, one))) {
            let has = known.join(", ");
            tracing::warn!("`load_only`: the model has no language `{unknown}`; it has {has}");
        }
        match self.languages(&model).is_empty() && !only.is_empty() {
            true => Err(format!(
                "`load_only` names no language of the model, which has {}",
                known.join(", ")
            )),
            false => Ok(()),
        }
    }

    /// Whether users may suggest better translations.
    pub(crate) fn takes_suggestions(&self) -> bool {
        self.config.suggestions
    }

    /// Translates texts, in their order.
    pub(crate) async fn translate(
        &self,
        request: TranslationRequest,
    ) -> Result<Vec<Done>, ServiceError> {
        let model = self.model();
        let known = self.languages(&model);
        let order = self.order(request, &model, &known)?;
        translate(order, &model, Arc::new(known), &self.detector, &self.batcher).await
    }

    /// Says whether a document can be translated between two languages, as text of these domains, before
    /// it is read.
    pub(crate) fn check_document(
        &self,
        source: &str,
        target: &str,
        domains: &[String],
    ) -> Result<(), ServiceError> {
        let model = self.model();
        let known = self.languages(&model);
        let request = TranslationRequest {
            texts: vec![String::new()],
            source: source.to_owned(),
            target: target.to_owned(),
            domains: domains.to_vec(),
            ..TranslationRequest::default()
        };
        let order = self.order(request, &model, &known)?;
        match &order.source {
            Some(source) if *source != order.target => {
                order.check_domains(source, model.model.as_ref())
            }
            _ => Ok(()), // it is guessed from the text, or the text stays as it is
        }
    }

    /// Decides on languages, domains, terms and memory for a document: the only text of `request` is some
    /// of its own.
    pub(crate) async fn order_document(
        &self,
        request: TranslationRequest,
    ) -> Result<DocumentOrder, ServiceError> {
        let model = self.model();
        let known = self.languages(&model);
        let order = self.order(request, &model, &known)?;
        translate::order_document(order, &model, Arc::new(known), &self.detector).await
    }

    /// Translates some sentences of a document.
    pub(crate) async fn translate_sentences(
        &self,
        order: &DocumentOrder,
        sentences: &[Sentence],
    ) -> Result<Vec<Rewritten>, ServiceError> {
        translate::translate_sentences(order, sentences, &self.batcher).await
    }

    /// Guesses the language of `text`, best first.
    pub(crate) async fn detect(&self, text: String) -> Result<Vec<Detected>, ServiceError> {
        let known = self.languages(&self.model());
        let detector = Arc::clone(&self.detector);
        let mut guesses = block(move || detector.detect(&text, &known)).await?;
        guesses.truncate(MAX_GUESSES);
        Ok(guesses)
    }

    /// Checks a request without doing what it asks for.
    pub(crate) fn check(&self, request: &TranslationRequest) -> Result<(), ServiceError> {
        let model = self.model();
        let known = self.languages(&model);
        self.order(request.clone(), &model, &known).map(drop)
    }

    /// The glossaries of `caller` that `names` name, by their identifiers or their names.
    pub(crate) async fn glossaries(
        &self,
        caller: &Caller,
        names: Vec<String>,
        strict: bool,
    ) -> Result<Option<Chosen>, ServiceError> {
        if names.is_empty() {
            return Ok(None);
        }
        let (glossaries, owner) = (Arc::clone(&self.glossaries), caller.owner.clone());
        block(move || glossaries.choose(&owner, &names, strict)).await?
    }

    /// Counts characters as used by `owner`.
    pub(crate) async fn bill(&self, owner: String, chars: usize) -> Result<(), ServiceError> {
        let store = self.store.clone();
        Ok(block(move || store.add_usage(&owner, chars as u64)).await??)
    }

    /// Remembers a better translation; when this returns it is on disk.
    pub(crate) async fn suggest(
        &self,
        owner: String,
        mut suggestion: Suggestion,
    ) -> Result<(), ServiceError> {
        let model = self.model();
        let known = self.languages(&model);
        known_domains(suggestion.domain.iter().cloned().collect(), &model)?;
        suggestion.target = resolve(&known, &suggestion.target)?;
        if !is_auto(&suggestion.source) {
            suggestion.source = resolve(&known, &suggestion.source)?;
        }
        let store = self.store.clone();
        // One's own memory takes it at once; what all share waits for the keeper, unless the settings
        // say otherwise.
        let is_remembered = suggestion.domain.is_none()
            && !is_auto(&suggestion.source)
            && (!owner.is_empty() || self.config.suggestions_at_once);
        let suggest = move || {
            store.suggest(&suggestion)?;
            match is_remembered {
                true => remember(&store, &owner, &suggestion),
                false => Ok(()),
            }
        };
        Ok(block(suggest).await??)
    }

    /// Checks a request, in upstream's order.
    fn order(
        &self,
        request: TranslationRequest,
        model: &Loaded,
        known: &[String],
    ) -> Result<Order, ServiceError> {
        let num_alternatives = match self.config.alternatives_limit {
            Some(limit) if request.num_alternatives > limit => {
                let reason = format!("alternatives parameter must be <= {limit}");
                return Err(ServiceError::Invalid(reason));
            }
            _ => request.num_alternatives.min(MAX_ALTERNATIVES),
        };
        self.check_sizes(&request)?;
        let is_auto = is_auto(&request.source);
        let source = if is_auto { None } else { Some(resolve(known, &request.source)?) };
        let target = resolve(known, &request.target)?;
        let format = match request.format.as_deref() {
            None | Some("text") => Format::Text,
            Some("html") => Format::Html,
            Some("xml") => Format::Xml,
            Some(other) => return Err(ServiceError::UnsupportedFormat(other.into())),
        };
        if let Some(source) = &source
            && *source != target
            && !model.model.can_translate(source, &target)
        {
            return Err(crate::translate::no_route(source, &target));
        }
        let domains = known_domains(request.domains, model)?;
        let num_chars: usize = request.texts.iter().map(|text| text.chars().count()).sum();
        if request.trace && num_chars > MAX_TRACE_CHARS {
            return Err(ServiceError::invalid(format_args!(
                "trace is limited to {MAX_TRACE_CHARS} characters, and this has {num_chars}"
            )));
        }
        if format == Format::Xml {
            request
                .texts
                .iter()
                .try_for_each(|text| xml::check(text))
                .map_err(ServiceError::invalid)?;
        }
        let TranslationRequest { texts, trace, attributes, markup, glossaries, memory, .. } =
            request;
        // What is remembered has no trace.
        let memory = memory.filter(|_| !trace);
        let memory = memory.map(|wish| Memory::new(self.store.clone(), wish));
        Ok(Order {
            texts,
            source,
            target,
            format,
            attributes,
            markup,
            num_alternatives,
            domains,
            trace,
            glossaries,
            memory,
        })
    }

    fn check_sizes(&self, request: &TranslationRequest) -> Result<(), ServiceError> {
        let exceeds = |size: usize, limit: usize| {
            ServiceError::invalid(format_args!("request ({size}) exceeds text limit ({limit})"))
        };
        let count = request.texts.len();
        if let Some(limit) = self.config.batch_limit
            && request.is_array
            && count > limit
        {
            return Err(exceeds(count, limit));
        }
        let Some(limit) = request.char_limit else { return Ok(()) };
        let mut sizes = request.texts.iter().map(|text| text.chars().count());
        sizes.find(|size| *size > limit).map_or(Ok(()), |size| Err(exceeds(size, limit)))
    }
}

/// Lets the memory of `owner` have what a suggestion says. Blocks.
pub(crate) fn remember(
    store: &Store,
    owner: &str,
    suggestion: &Suggestion,
) -> dragoman_store::Result<()> {
    let Suggestion { q, s, source, target, .. } = suggestion;
    let of = MemoryOf { owner, source, target };
    store.remember(of, &[(q.clone(), s.clone())]).map(drop)
}

/// Whether a client leaves the language to be guessed.
pub(crate) fn is_auto(source: &str) -> bool {
    source.trim().eq_ignore_ascii_case("auto")
}

/// Whether a setting that names a language means `code`.
fn names(code: &String, setting: &str) -> bool {
    languages::resolve(std::slice::from_ref(code), setting).is_some()
}

fn resolve(known: &[String], code: &str) -> Result<String, ServiceError> {
    let unknown = || ServiceError::UnsupportedLanguage(code.into());
    languages::resolve(known, code).map(str::to_owned).ok_or_else(unknown)
}

fn known_domains(named: Vec<String>, model: &Loaded) -> Result<Domains, ServiceError> {
    if named == ["auto"] {
        return Ok(Domains::Auto);
    }
    let known = model.model.domains();
    match named.iter().find(|domain| !known.contains(domain)) {
        None => Ok(Domains::Named(named)),
        Some(unknown) if known.is_empty() => Err(ServiceError::invalid(format_args!(
            "domain `{unknown}`: this model has no domains"
        ))),
        Some(unknown) => Err(ServiceError::invalid(format_args!(
            "domain `{unknown}` is not supported; this model has {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))),
    }
}
