//! Documents as jobs: read, translated a few sentences at a time, kept for a while, and forgotten.
//!
//! A job has a random name and no file: what it holds is in memory, within a budget that results leave
//! first. APIs
//! [`start`](DocumentService::start) a job, look at its [`status`](DocumentService::status), take its
//! [`result`](DocumentService::result), and [`remove`](DocumentService::remove) it, which also stops
//! it.

mod job;
mod shelf;

use std::{sync::Arc, time::Duration};

use actix_web::rt;
use bytes::Bytes;
use dragoman_documents::{Document, Kind, Limits, Settings, output_name};
use dragoman_text::Rewritten;
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, Span, debug_span};
use uuid::Uuid;

use crate::{
    config::DocumentsConfig,
    error::ServiceError,
    glossaries::Chosen,
    memory::MemoryRequest,
    service::{DocumentOrder, TranslationRequest, TranslationService},
    telemetry::{self, block},
};

pub(crate) use self::job::{DocumentStatus, State};
use self::{job::DocumentJob, shelf::Shelf};

/// Sentences that are translated between two looks at the progress.
const CHUNK: usize = 64;

/// Bytes of a form besides its document.
const FORM: usize = 64 << 10;

/// How long a job waits before it asks a queue again that was full.
const PATIENCE: Duration = Duration::from_millis(500);

/// Translates documents in the background.
pub(crate) struct DocumentService {
    config: DocumentsConfig,
    translation: Arc<TranslationService>,
    shelf: Arc<Shelf>,
    workers: Arc<Semaphore>,
}

/// A document to translate.
#[derive(Debug, Clone, Default)]
pub(crate) struct DocumentRequest {
    /// The name of the file, which says what kind of document it is.
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    /// The name of the result; without one it is `report.de.docx` for `report.docx`.
    pub(crate) result_name: Option<String>,
    /// The ending of the result's name, if another than that of the document is wanted.
    pub(crate) output: Option<String>,
    /// A code, or `auto`.
    pub(crate) source: String,
    pub(crate) target: String,
    /// Names of domains, or `auto` alone.
    pub(crate) domains: Vec<String>,
    /// Columns of a table to translate; empty for all.
    pub(crate) columns: Vec<String>,
    /// The terms to use.
    pub(crate) glossaries: Option<Chosen>,
    /// What to remember; nothing without it. Only what is exactly the same is used.
    pub(crate) memory: Option<MemoryRequest>,
    /// Whose characters it counts as, if anybody's.
    pub(crate) billed_to: Option<String>,
    /// What has to be known besides the name of the job to see it, if anything.
    pub(crate) secret: Option<String>,
    /// Most characters that the caller may send at once.
    pub(crate) char_limit: Option<usize>,
    /// Who sent it: one client may have a share of all jobs.
    pub(crate) client: String,
}

/// A translated document.
#[derive(Debug, Clone)]
pub(crate) struct Translated {
    /// The name of its file, such as `report.de.docx`.
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

impl DocumentService {
    /// Translates with `translation`, within the limits of `config`.
    pub(crate) fn new(config: &DocumentsConfig, translation: Arc<TranslationService>) -> Self {
        Self {
            config: config.clone(),
            translation,
            shelf: Arc::new(Shelf::new(config)),
            workers: Arc::new(Semaphore::new(config.document_workers)),
        }
    }

    /// Whether documents are translated here at all.
    pub(crate) fn is_on(&self) -> bool {
        self.config.files_translation
    }

    /// Most bytes of a form with a document in it.
    pub(crate) fn body_limit(&self) -> usize {
        self.config.document_limit.saturating_add(FORM)
    }

    /// Endings of names that are known, with their dots.
    pub(crate) fn endings(&self) -> Vec<String> {
        if self.is_on() { Kind::endings() } else { Vec::new() }
    }

    /// Starts to translate a document; the job goes on when the caller is gone.
    ///
    /// # Errors
    /// Fails when documents are off, a language, a domain or the format is not known, the document is
    /// larger than it may be, or there are too many jobs.
    pub(crate) fn start(&self, request: DocumentRequest) -> Result<Uuid, ServiceError> {
        if !self.is_on() {
            let reason = "Files translation are disabled on this server.";
            return Err(ServiceError::Disabled(reason.into()));
        }
        let request = DocumentRequest { name: plain_name(&request.name), ..request };
        let kind = Kind::of(&request.name).map_err(ServiceError::invalid)?;
        let output = kind.output(request.output.as_deref()).map_err(ServiceError::invalid)?;
        if request.bytes.len() > self.config.document_limit {
            return Err(ServiceError::TooLarge(self.config.document_limit));
        }
        let DocumentRequest { source, target, domains, .. } = &request;
        self.translation.check_document(source, target, domains)?;
        let secret = request.secret.as_deref();
        let job = DocumentJob::new(&request.name, request.bytes.len(), &request.client, secret);
        let job = Arc::new(job);
        let id = self.shelf.put(Arc::clone(&job))?;
        let work = Work {
            config: self.config.clone(),
            translation: Arc::clone(&self.translation),
            shelf: Arc::clone(&self.shelf),
            workers: Arc::clone(&self.workers),
            job: Arc::clone(&job),
            id,
            span: telemetry::linked(debug_span!(parent: None, "document")),
        };
        let task = rt::spawn(work.run((kind, output), request));
        job.set_task(task.abort_handle());
        Ok(id)
    }

    /// How far a job is; `None` when there is none of this name and secret, or no more.
    pub(crate) fn status(&self, id: Uuid, secret: Option<&str>) -> Option<DocumentStatus> {
        self.job(id, secret).map(|job| job.status())
    }

    /// What a job made, when it is done. From then on it is among the first that make room for others.
    pub(crate) fn result(&self, id: Uuid, secret: Option<&str>) -> Option<Translated> {
        self.job(id, secret)?.take()
    }

    /// The name of what a job made, when it is done.
    pub(crate) fn result_name(&self, id: Uuid) -> Option<String> {
        self.job(id, None)?.result_name()
    }

    fn job(&self, id: Uuid, secret: Option<&str>) -> Option<Arc<DocumentJob>> {
        self.shelf.get(id).filter(|job| job.is_for(secret))
    }

    /// Waits until a job has ended, in whatever way.
    pub(crate) async fn wait(&self, id: Uuid) -> Option<DocumentStatus> {
        let job = self.shelf.get(id)?;
        job.ended().await;
        Some(job.status())
    }

    /// Stops a job if it is in work, and forgets it and its result; `false` when there is none.
    pub(crate) fn remove(&self, id: Uuid, secret: Option<&str>) -> bool {
        self.job(id, secret).is_some() && self.shelf.remove(id)
    }
}

/// A job in work.
struct Work {
    config: DocumentsConfig,
    translation: Arc<TranslationService>,
    shelf: Arc<Shelf>,
    workers: Arc<Semaphore>,
    job: Arc<DocumentJob>,
    id: Uuid,
    span: Span,
}

impl Work {
    /// Translates the document, keeps the result for a while, and forgets it.
    async fn run(mut self, kinds: (Kind, Kind), request: DocumentRequest) {
        let limit = Duration::from_secs(self.config.document_time);
        let span = std::mem::replace(&mut self.span, Span::none()); // ends before the result is forgotten
        let translated = self.translate(kinds, request).instrument(span);
        match timeout(limit, translated).await {
            Ok(Ok(translated)) => self.job.finish(translated),
            Ok(Err(error)) => self.job.fail(error),
            Err(_) => {
                let seconds = limit.as_secs();
                let reason = format!("it took longer than {seconds} seconds; send less at a time");
                self.job.fail(ServiceError::Invalid(reason));
            }
        }
        self.shelf.resize(self.id, &self.job);
        tokio::time::sleep(Duration::from_secs(60 * self.config.document_keep)).await;
        self.shelf.remove(self.id);
    }

    async fn translate(
        &self,
        (kind, output): (Kind, Kind),
        request: DocumentRequest,
    ) -> Result<Translated, ServiceError> {
        let place = self.workers.acquire().await;
        let _place = place.map_err(|_| ServiceError::Internal("the server is stopping".into()))?;
        let name = request.result_name.as_deref().map(plain_name);
        let name = name.unwrap_or_else(|| output_name(&request.name, &request.target, output));
        let chars = request.char_limit.unwrap_or(usize::MAX).min(self.config.document_chars);
        let settings = Settings {
            columns: request.columns,
            target: request.target.clone(),
            output: Some(output),
            limits: Limits { chars, ..Limits::default() },
        };
        let bytes = request.bytes;
        let read = move || Document::read_kind(kind, bytes.to_vec(), &settings);
        let document = block(read).await?.map_err(ServiceError::invalid)?;
        let order = TranslationRequest {
            texts: vec![document.sample()],
            source: request.source,
            target: request.target,
            domains: request.domains,
            glossaries: request.glossaries,
            memory: request.memory,
            ..TranslationRequest::default()
        };
        let order = Arc::new(self.translation.order_document(order).await?);
        let chars = document.chars();
        self.job.begin(chars, order.detected.clone());
        let segment = {
            let order = Arc::clone(&order);
            move || {
                let mut document = document.segment(&order.source);
                let is_same = order.source == order.target;
                let remembered = if is_same { 0 } else { order.recall(&mut document)? };
                Ok::<_, ServiceError>((document, remembered))
            }
        };
        let (document, remembered) = block(segment).await??;
        let count = document.sentences().len();
        if count > self.config.document_sentences {
            let limit = self.config.document_sentences;
            let reason = format!("it has {count} sentences, and {limit} is the limit");
            return Err(ServiceError::Invalid(reason));
        }
        self.job.set_total(count, remembered);
        let mut rewritten = Vec::with_capacity(count);
        if order.source == order.target {
            rewritten.resize(count, Rewritten::Unchanged);
        } else {
            for chunk in document.sentences().chunks(CHUNK) {
                rewritten.extend(self.chunk(&order, chunk).await?);
                self.job.set_done(rewritten.len());
            }
        }
        let written = block(move || document.write(&rewritten)).await?;
        let bytes = written.map_err(ServiceError::invalid)?.into();
        if let Some(owner) = request.billed_to {
            self.translation.bill(owner, chars).await?;
        }
        Ok(Translated { name, bytes })
    }

    /// Translates a few sentences; where the queue is full it waits, because nobody waits for it.
    async fn chunk(
        &self,
        order: &DocumentOrder,
        sentences: &[dragoman_text::Sentence],
    ) -> Result<Vec<Rewritten>, ServiceError> {
        loop {
            match self.translation.translate_sentences(order, sentences).await {
                Err(ServiceError::Busy) => tokio::time::sleep(PATIENCE).await,
                answer => return answer,
            }
        }
    }
}

/// The name of a file without folders, and without what no name of a file needs.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    let plain: String = last.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let skip = plain.chars().count().saturating_sub(MAX_NAME);
    plain.chars().skip(skip).collect::<String>().trim_start_matches([' ', '.']).to_owned()
}

/// Characters of a name that are kept, from its end.
const MAX_NAME: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        assert_eq!(plain_name("../../etc/a b.docx"), "a b.docx");
        assert_eq!(plain_name("C:\\x\\büro\r\n\".odt"), "büro___.odt");
        assert_eq!(plain_name("..docx"), "docx");
        assert_eq!(plain_name(&format!("{}.txt", "x".repeat(500))).chars().count(), MAX_NAME);
    }
}
