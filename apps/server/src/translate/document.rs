//! Documents, whose sentences come a few at a time, with languages and domains decided before.

use std::sync::Arc;

use dragoman_core::translate::{TranslationJob, Wanted};
use dragoman_documents::Segmented;
use dragoman_languages::{Detected, LanguageDetector};
use dragoman_text::{Glossary, Options, Rewritten, Sentence, Session};

use super::{Order, Prepared, hypotheses, prepare};
use crate::{
    batcher::Batcher, error::ServiceError, memory::Memory, model::Loaded, telemetry::block,
};

/// A document on its way: what is known before its sentences are translated.
pub(crate) struct DocumentOrder {
    model: Arc<Loaded>,
    pub(crate) source: String,
    pub(crate) target: String,
    /// The guessed language, if it was to be guessed.
    pub(crate) detected: Option<Detected>,
    domains: Vec<String>,
    glossary: Option<Arc<Glossary>>,
    memory: Option<Memory>,
}

impl DocumentOrder {
    /// Takes what is remembered for `document`, and says for how many sentences that was. Blocks.
    pub(crate) fn recall(&self, document: &mut Segmented) -> Result<usize, ServiceError> {
        let Some(memory) = &self.memory else { return Ok(0) };
        let (source, target) = (self.source.as_str(), self.target.as_str());
        document.recall(|text| memory.recall_exact(text, source, target))
    }
}

/// Decides on languages and domains for a document that `order` describes, by the sample that is its
/// only text.
pub(crate) async fn order_document(
    order: Order,
    model: &Arc<Loaded>,
    known: Arc<Vec<String>>,
    detector: &Arc<LanguageDetector>,
) -> Result<DocumentOrder, ServiceError> {
    let target = order.target.clone();
    let prepare = {
        let (model, detector) = (Arc::clone(model), Arc::clone(detector));
        move || {
            let mut texts = prepare(&order, &model, &known, &detector)?;
            let Prepared { source, detected, domains, .. } = texts.remove(0);
            let terms = order.glossaries.as_ref().map(|chosen| chosen.terms(&source, &target));
            let glossary = terms.transpose()?.flatten();
            let memory = order.memory;
            Ok(DocumentOrder { model, source, target, detected, domains, glossary, memory })
        }
    };
    block(prepare).await?
}

/// Translates some sentences of a document.
pub(crate) async fn translate_sentences(
    order: &DocumentOrder,
    sentences: &[Sentence],
    batcher: &Batcher,
) -> Result<Vec<Rewritten>, ServiceError> {
    let options = Options {
        source: order.source.clone(),
        target: order.target.clone(),
        placeholders: order.model.model.placeholders(&order.source, &order.target),
        glossary: order.glossary.clone(),
        ..Options::default()
    };
    let mut session = Session::of_sentences(sentences, &options);
    loop {
        let segments = session.segments();
        if segments.is_empty() {
            return Ok(session.rewritten());
        }
        let job = |text: String| TranslationJob {
            source: order.source.clone(),
            target: order.target.clone(),
            domains: order.domains.clone(),
            text,
            num_hypotheses: 1,
            trace: false,
            wanted: Wanted::default(),
        };
        let jobs = segments.into_iter().map(job).collect();
        let answers = batcher.translate(&order.model, jobs).await?;
        let accept = move || {
            session.accept(&answers.iter().map(hypotheses).collect::<Vec<_>>());
            session
        };
        session = block(accept).await?;
    }
}
