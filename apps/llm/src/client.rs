//! Requests to the server of the language model: what is sent, what is tried again, and what is said
//! when it does not answer.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use ureq::http::{Response, header::RETRY_AFTER};

/// How often a request is tried at most.
const TRIES: u32 = 3;

/// How long a server may ask to wait before the next try.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Bytes of an answer at most: a sentence is short.
const MAX_BYTES: u64 = 1 << 20;

/// Where the language model is, and how it is called.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Address of the API up to its version, such as `http://127.0.0.1:11434/v1`.
    pub url: String,
    /// Name of the model there, such as `qwen3:8b`.
    pub model: String,
    /// Sent as a bearer token, if there is one.
    pub key: Option<String>,
    /// How long an answer may take, with all tries.
    pub timeout: Duration,
}

/// Calls one endpoint.
#[derive(Debug)]
pub struct Chat {
    endpoint: Endpoint,
    agent: ureq::Agent,
}

/// What the model said.
#[derive(Debug, Clone)]
pub struct Said {
    /// All of it, with its thoughts if it wrote any.
    pub text: String,
    /// Mean log-probability of its tokens, where the server tells.
    pub score: Option<f32>,
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    logprobs: Option<LogProbs>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct LogProbs {
    content: Option<Vec<TokenLogProb>>,
}

#[derive(Deserialize)]
struct TokenLogProb {
    logprob: f32,
}

/// Why a try failed, and whether another may help.
enum Trouble {
    /// After so long, if the server said.
    Again(String, Option<Duration>),
    Final(String),
}

impl Chat {
    /// A client of `endpoint`, which is not asked anything yet.
    pub fn new(endpoint: Endpoint) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Self { agent: config.build().into(), endpoint }
    }

    /// What the model says to `text` under `instructions`; blocks.
    ///
    /// # Errors
    /// Says what the server answered, or that it did not.
    pub fn ask(&self, instructions: &str, text: &str) -> Result<Said, String> {
        let deadline = Instant::now() + self.endpoint.timeout;
        let mut tries = 0;
        loop {
            tries += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let (reason, wait) = match self.try_once(instructions, text, left) {
                Ok(said) => return Ok(said),
                Err(Trouble::Final(reason)) => return Err(self.named(&reason)),
                Err(Trouble::Again(reason, wait)) => (reason, wait),
            };
            let wait = wait.unwrap_or(Duration::from_millis(250 << tries)).min(LONGEST_WAIT);
            if tries == TRIES || Instant::now() + wait >= deadline {
                return Err(self.named(&reason));
            }
            tracing::debug!(reason, tries, "the language model is asked again");
            std::thread::sleep(wait);
        }
    }

    fn try_once(&self, instructions: &str, text: &str, left: Duration) -> Result<Said, Trouble> {
        let Endpoint { url, model, key, .. } = &self.endpoint;
        let body = json!({
            "model": model,
            "messages": [
                { "role": "system", "content": instructions },
                { "role": "user", "content": text },
            ],
            "temperature": 0,
            "seed": 0,
            "stream": false,
            "logprobs": true,
            "max_tokens": 256 + 4 * text.chars().count(),
        });
        let mut request = self
            .agent
            .post(format!("{}/chat/completions", url.trim_end_matches('/')))
            .config()
            .timeout_global(Some(left.max(Duration::from_millis(1))))
            .build();
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send_json(&body).map_err(|error| match error {
            ureq::Error::BadUri(_) => Trouble::Final(error.to_string()),
            _ => Trouble::Again(error.to_string(), None),
        })?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(MAX_BYTES).read_to_string();
        let text = text.map_err(|error| Trouble::Again(error.to_string(), None))?;
        if !status.is_success() {
            let reason = format!("it answered {status}: {}", beginning(&text));
            return Err(match status.as_u16() {
                408 | 429 | 500..=599 => Trouble::Again(reason, wait_of(&response)),
                _ => Trouble::Final(reason),
            });
        }
        let reply: Reply = serde_json::from_str(&text).map_err(|error| {
            Trouble::Final(format!(
                "its answer is no chat completion ({error}): {}",
                beginning(&text)
            ))
        })?;
        let choice = reply.choices.into_iter().next();
        let choice = choice.ok_or_else(|| Trouble::Final("its answer has no choices".into()))?;
        let log_probs = choice.logprobs.and_then(|all| all.content).filter(|all| !all.is_empty());
        let mean = |all: Vec<TokenLogProb>| {
            all.iter().map(|token| token.logprob).sum::<f32>() / all.len() as f32
        };
        let score = log_probs.map(mean);
        Ok(Said { text: choice.message.content.unwrap_or_default(), score })
    }

    /// `reason` with the name of the model and its address.
    fn named(&self, reason: &str) -> String {
        let Endpoint { url, model, .. } = &self.endpoint;
        format!("the language model `{model}` at {url} cannot be asked: {reason}")
    }
}

/// How long the server asks to wait.
fn wait_of<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The first words of an answer, to show in a message.
fn beginning(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(200) {
        line.truncate(end);
        line.push('…');
    }
    line
}
