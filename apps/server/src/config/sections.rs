//! The sections of the settings. A field's name is unique across all sections.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::read::{limit, list};

/// What listens, and what it takes from the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Path before everything, such as `/translator`; empty for none.
    pub url_prefix: String,
    /// Threads that speak HTTP; 0 for one a core, at most four.
    pub threads: usize,
    /// Seconds that requests in flight get when the server stops.
    pub shutdown_timeout: u64,
    /// Whether the last address of `X-Forwarded-For` is the caller's: only behind a proxy.
    pub trust_forwarded_for: bool,
    /// Seconds that a client may pause while it sends a body or reads an answer.
    pub client_timeout: u64,
    /// Bodies that may be on their way at the same time; one client may have a quarter of them.
    pub body_slots: usize,
    /// Origins of other pages that may use `/api` and `/admin`, such as `https://shop.example`; `*`
    /// for all. Empty: our own pages alone.
    #[serde(deserialize_with = "list")]
    pub allowed_origins: Vec<String>,
    /// Host names under which `/api` and `/admin` answer without a key, besides addresses, names
    /// without a dot and names that only exist in a local network; `*` for all.
    #[serde(deserialize_with = "list")]
    pub allowed_hosts: Vec<String>,
}

/// What a request for a translation may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TranslationConfig {
    /// Languages to offer, by code; empty for all that the model has.
    #[serde(deserialize_with = "list")]
    pub load_only: Vec<String>,
    /// Most characters a text may have.
    #[serde(deserialize_with = "limit")]
    pub char_limit: Option<usize>,
    /// Most texts an array may have.
    #[serde(deserialize_with = "limit")]
    pub batch_limit: Option<usize>,
    /// Most alternatives a request may ask for.
    #[serde(deserialize_with = "limit")]
    pub alternatives_limit: Option<usize>,
    /// Most bytes of a request's body.
    pub body_limit: usize,
    /// Whether users may suggest better translations.
    pub suggestions: bool,
    /// Whether what anybody suggests is used from the next request on. Otherwise the keeper approves
    /// it first, but for what comes with a key, which is used for that key.
    pub suggestions_at_once: bool,
}

/// Which documents are translated, and how long they are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentsConfig {
    /// Whether to translate documents.
    pub files_translation: bool,
    /// Most bytes of a document.
    pub document_limit: usize,
    /// Most characters of text in a document.
    pub document_chars: usize,
    /// Most sentences of a document.
    pub document_sentences: usize,
    /// Most seconds that a document may be in work or wait.
    pub document_time: u64,
    /// Minutes that a translated document is kept.
    pub document_keep: u64,
    /// Documents that wait or are in work; one client may have a quarter of them.
    pub document_jobs: usize,
    /// Bytes of all documents and results, of which the oldest make room for new ones; one client may have a
    /// quarter.
    pub document_memory: usize,
    /// Documents in work at the same time.
    pub document_workers: usize,
}

/// The queue before the translation model, and its batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// Sentences that may wait or be in work; when all are taken, the answer is 503.
    pub queue_size: usize,
    /// Most sentences in one batch.
    pub batch_sentences: usize,
    /// Most characters in one batch, counted as its sentences times the longest.
    pub batch_chars: usize,
    /// Milliseconds a sentence waits for others to share its batch.
    pub batch_wait_ms: u64,
    /// Batches translated at the same time; each uses all cores as it can.
    pub batch_workers: usize,
    /// Sentences asked of translators on other machines at the same time.
    pub remote_workers: usize,
    /// Whether a thread of its own answers short requests while the others work on long ones.
    pub express: bool,
    /// Memory for translations of sentences seen before, in bytes; 0 for none.
    pub cache_bytes: usize,
}

/// Who needs a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// Whether API keys are known.
    pub api_keys: bool,
    /// Whether every request needs a key.
    pub require_api_key: bool,
    /// Regular expression: a request whose `Origin` does not match needs a key.
    pub require_api_key_origin: Option<String>,
    /// Where to get a key, for the message.
    pub get_api_key_link: Option<String>,
    /// URL to ask about keys that the store does not know, by a form POST of `api_key`.
    pub api_keys_remote: Option<String>,
    /// Bearer token of the admin API; without one the API is off.
    pub admin_key: Option<String>,
}

/// The Gorse-compatible API and how its lists are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecommendationConfig {
    /// Whether to serve the Gorse-compatible API under `/api` and `/t/NAME/api`.
    pub recommend: bool,
    /// Key that `/api` asks for in `X-API-Key`, beside the keys of the store; without any it is open.
    pub recommend_api_key: Option<String>,
    /// Most bytes of a body of that API.
    pub recommend_body_limit: usize,
    /// Most rows of a list in a body of that API; `/api/bulk` takes any number.
    pub recommend_row_limit: usize,
    /// Calls of that API that may wait or be in work; when all are taken, the answer is 503.
    pub recommend_queue_size: usize,
    /// Items in a list where the request does not say how many.
    pub default_n: usize,
    /// Whether feedback of an unknown user makes that user; else it is dropped.
    pub auto_insert_user: bool,
    /// Whether feedback on an unknown item makes that item; else it is dropped.
    pub auto_insert_item: bool,
    /// Feedback that says a user liked an item, such as `read>=3`; empty for all that is not negative.
    #[serde(deserialize_with = "list")]
    pub positive_feedback: Vec<String>,
    /// Feedback that says a user wants no more of an item, such as `rating<2`.
    #[serde(deserialize_with = "list")]
    pub negative_feedback: Vec<String>,
    /// Feedback that says a user saw an item and no more, such as `read`; it counts as liked only where
    /// `positive_feedback` names it. Empty for all that is neither positive nor negative.
    #[serde(deserialize_with = "list")]
    pub read_feedback: Vec<String>,
    /// How much a type of feedback counts for popularity, such as `buy=5`; 1 for the others.
    #[serde(deserialize_with = "list")]
    pub feedback_weights: Vec<String>,
    /// Whether items that a user touched may be recommended again.
    pub recommend_replacement: bool,
    /// How much less an item counts that is recommended again and that the user liked, above 0 and
    /// up to 1.
    pub positive_replacement_decay: f64,
    /// The same of an item that the user touched and is not known to like.
    pub read_replacement_decay: f64,
    /// What fills a list that is too short, in this order: `popular`, `latest`, `collaborative`, `item-to-item/NAME`,
    /// `user-to-user/NAME`, `external/NAME` and names of leaderboards.
    #[serde(deserialize_with = "list")]
    pub fallback: Vec<String>,
    /// Lists for everybody in an order of their own, as `name = score where filter`, such as
    /// `starred = count(feedback, .FeedbackType == 'star')`.
    #[serde(deserialize_with = "list")]
    pub leaderboards: Vec<String>,
    /// Most events of a history that a model is given, the newest.
    pub history_limit: usize,
    /// Hours in which popularity fades by half.
    pub popularity_half_life: f64,
    /// Days after its timestamp when an item leaves all lists; 0 for never.
    pub item_ttl: f64,
    /// Groups of users to compare, as `name=recommender:share`, with `model`, `live`, `popular` or
    /// `latest`; empty for one group.
    #[serde(deserialize_with = "list")]
    pub recommend_groups: Vec<String>,
    /// Names of recommenders that clients use, as `theirs=ours`, such as `most_starred=popular`.
    #[serde(deserialize_with = "list")]
    pub recommender_aliases: Vec<String>,
    /// Other services that recommend, as `name=http://…{user}…{n}…`, which answer with a list of items; the
    /// recommender `external/name` is one of them.
    #[serde(deserialize_with = "list")]
    pub external_recommenders: Vec<String>,
    /// Seconds that such a service may take; then the list is made without it.
    pub external_timeout: f64,
    /// Address of an API like OpenAI's whose language model puts the first items of a list in order, such as
    /// `http://127.0.0.1:11434/v1`.
    pub reranker_url: Option<String>,
    /// Name of the model there.
    pub reranker_model: Option<String>,
    /// Key for that address.
    pub reranker_key: Option<String>,
    /// How many items of a list it puts in order.
    pub reranker_top: usize,
    /// Seconds that it may take; then the order stays as it was.
    pub reranker_timeout: f64,
    /// What it is told of the user, a Jinja template of `feedback` and `items`.
    pub reranker_query: Option<String>,
    /// What it is told of each item, a Jinja template of `item`.
    pub reranker_document: Option<String>,
}

/// When and how the model that recommends is trained again while it is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainingConfig {
    /// How often, such as `12h` or `1d`; also `every`. Without it the model stays as it is.
    #[serde(alias = "every")]
    pub retrain_every: Option<String>,
    /// Settings of the training, such as `training/configs/recommend-shop.toml`; also `config`.
    #[serde(alias = "config")]
    pub retrain_config: Option<PathBuf>,
}

/// The web pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagesConfig {
    /// Whether to serve the pages.
    pub web_ui: bool,
    /// Language that the page starts with on the left.
    pub frontend_language_source: String,
    /// Language that the page starts with on the right.
    pub frontend_language_target: Option<String>,
    /// Milliseconds the page waits while one types.
    pub frontend_timeout: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 5000,
            url_prefix: String::new(),
            threads: 0,
            shutdown_timeout: 30,
            trust_forwarded_for: false,
            client_timeout: 20,
            body_slots: 512,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl Default for TranslationConfig {
    fn default() -> Self {
        Self {
            load_only: Vec::new(),
            char_limit: None,
            batch_limit: None,
            alternatives_limit: Some(10),
            body_limit: 4 << 20,
            suggestions: true,
            suggestions_at_once: false,
        }
    }
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        Self {
            files_translation: true,
            document_limit: 20 << 20,
            document_chars: 2_000_000,
            document_sentences: 50_000,
            document_time: 3600,
            document_keep: 30,
            document_jobs: 200,
            document_memory: 512 << 20,
            document_workers: 2,
        }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            queue_size: 1024,
            batch_sentences: 64,
            batch_chars: 8192,
            batch_wait_ms: 2,
            batch_workers: 1,
            remote_workers: 8,
            express: true,
            cache_bytes: 32 << 20,
        }
    }
}

impl RecommendationConfig {
    /// Types of feedback that say only that a user saw an item, whatever their value is.
    pub fn only_read(&self) -> Vec<String> {
        let kind =
            |text: &String| text.split(['<', '>']).next().unwrap_or_default().trim().to_owned();
        let named: Vec<String> =
            self.positive_feedback.iter().chain(&self.negative_feedback).map(kind).collect();
        let read = self.read_feedback.iter().filter(|text| !text.contains(['<', '>'])).map(kind);
        read.filter(|kind| !named.contains(kind)).collect()
    }
}

impl Default for RecommendationConfig {
    fn default() -> Self {
        Self {
            recommend: true,
            recommend_api_key: None,
            recommend_body_limit: 16 << 20,
            recommend_row_limit: 100_000,
            recommend_queue_size: 256,
            default_n: 10,
            auto_insert_user: true,
            auto_insert_item: true,
            positive_feedback: Vec::new(),
            negative_feedback: Vec::new(),
            read_feedback: Vec::new(),
            feedback_weights: Vec::new(),
            recommend_replacement: false,
            positive_replacement_decay: 1.0,
            read_replacement_decay: 1.0,
            fallback: vec!["popular".into(), "latest".into()],
            leaderboards: Vec::new(),
            history_limit: 200,
            popularity_half_life: 24.0 * 21.0,
            item_ttl: 0.0,
            recommend_groups: Vec::new(),
            recommender_aliases: Vec::new(),
            external_recommenders: Vec::new(),
            external_timeout: 0.5,
            reranker_url: None,
            reranker_model: None,
            reranker_key: None,
            reranker_top: 20,
            reranker_timeout: 2.0,
            reranker_query: None,
            reranker_document: None,
        }
    }
}

impl Default for PagesConfig {
    fn default() -> Self {
        Self {
            web_ui: true,
            frontend_language_source: "auto".into(),
            frontend_language_target: None,
            frontend_timeout: 500,
        }
    }
}
