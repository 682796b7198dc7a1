//! A model whose translations one can foresee: every word gets the target's code.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dragoman_core::{
    Error, Result,
    translate::{
        Hypothesis, LayerTrace, Leg, TokenTrace, Translate, Translation, TranslationJob, Visit,
    },
};
use serde_json::{Value, json};

/// "Hello, you." becomes "Hello-de, you-de."; some words make it behave otherwise.
#[derive(Debug, Default)]
pub(crate) struct Tagger {
    /// The sentences of each batch.
    pub(crate) batches: Mutex<Vec<Vec<String>>>,
    /// Milliseconds that a batch takes.
    pub(crate) delay: AtomicUsize,
    /// Put before the code, so that two models differ.
    pub(crate) mark: &'static str,
}

impl Tagger {
    pub(crate) fn slow(milliseconds: usize) -> Self {
        Self { delay: AtomicUsize::new(milliseconds), ..Self::default() }
    }

    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().expect("no test panics with it").clone()
    }

    pub(crate) fn sentences(&self) -> Vec<String> {
        self.batches().concat()
    }

    fn hypothesis(&self, job: &TranslationJob, rank: usize) -> Hypothesis {
        let rank_tag =
            if rank == 0 || job.text.contains("same") { String::new() } else { rank.to_string() };
        let word = |word: &str| {
            let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let end = &word[bare.len()..];
            match bare {
                "stammer" => format!("{bare} {bare}"),
                "verbatim" => word.to_owned(),
                // As real models do: such numbers carry words that are not prose.
                "2041" | "7351" | "3067" if !job.text.ends_with(bare) => word.to_owned(),
                "entity" => "&quot;entity&quot;".to_owned(),
                "" => word.to_owned(),
                _ => format!("{bare}-{}{}{rank_tag}{end}", self.mark, job.target),
            }
        };
        let mut words: Vec<String> = job.text.split_whitespace().map(word).collect();
        if job.text.contains("Swap") {
            words.reverse();
        }
        let text = match job.domains.first() {
            Some(domain) => format!("[{domain}] {}", words.join(" ")),
            None => words.join(" "),
        };
        let quality = (job.source == "en").then_some(72.0 - 10.0 * rank as f32);
        Hypothesis { quality, ..Hypothesis::new(text, -0.25 - rank as f32) }
    }
}

impl Translate for Tagger {
    fn languages(&self) -> Vec<String> {
        ["de", "en", "es", "fr", "pt-BR"].map(str::to_owned).to_vec()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        source == "en" || target == "en"
    }

    fn domains(&self) -> Vec<String> {
        vec!["it".into(), "medical".into()]
    }

    fn covers(&self, domain: &str, _: &str, target: &str) -> bool {
        matches!(domain, "it") || (domain == "medical" && target != "pt-BR")
    }

    fn detect_domain(&self, text: &str, _: &str, _: &str) -> Option<(String, f32)> {
        Some(("it".into(), if text.contains("kernel") { 0.9 } else { 0.2 }))
    }

    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        let texts: Vec<String> = jobs.iter().map(|job| job.text.clone()).collect();
        self.batches.lock().expect("no test panics with it").push(texts.clone());
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed) as u64));
        let has = |word| texts.iter().any(|text| text.contains(word));
        assert!(!has("panic"), "the model was asked to panic");
        if has("failing") {
            return Err(Error::Invalid("the model was asked to fail".into()));
        }
        let translate = |job: &TranslationJob| Translation {
            hypotheses: (0..job.num_hypotheses).map(|rank| self.hypothesis(job, rank)).collect(),
            legs: if job.trace { vec![leg(job)] } else { Vec::new() },
        };
        Ok(jobs.iter().map(translate).collect())
    }

    fn experts(&self) -> Value {
        json!([{ "name": "free.0", "kind": "free" }])
    }
}

fn leg(job: &TranslationJob) -> Leg {
    let visit = Visit { name: "free.0".into(), weight: 1.0 };
    let layer = LayerTrace { layer: "encoder.1".into(), experts: vec![visit] };
    let token = TokenTrace { text: job.text.clone(), layers: vec![layer] };
    let route = format!("{}-{}", job.source, job.target);
    Leg { route, source: vec![token.clone()], target: vec![token] }
}
