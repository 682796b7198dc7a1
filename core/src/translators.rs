//! Several translation models as one: a pair goes to the first that translates it in one step, else to
//! the first that translates it at all, and what none does goes through a third language, from model
//! to model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Error, Result,
    memory::MemoryStats,
    translate::{Hypothesis, Translate, Translation, TranslationJob, Wanted},
};

/// Models, in the order in which they are asked.
pub struct Translators {
    models: Vec<Arc<dyn Translate>>,
    /// Languages of all models, sorted.
    languages: Vec<String>,
}

/// A part of the way from one language to another, by one model.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    model: usize,
    source: String,
    target: String,
}

impl std::fmt::Debug for Translators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Translators({} models)", self.models.len())
    }
}

impl Translators {
    /// Puts models together, in the order in which they are asked.
    pub fn new(models: Vec<Arc<dyn Translate>>) -> Self {
        let all: BTreeSet<String> = models.iter().flat_map(|model| model.languages()).collect();
        Self { models, languages: all.into_iter().collect() }
    }

    /// The first model that translates a pair in one step, or else the first that does at all.
    fn part(&self, source: &str, target: &str) -> Option<Part> {
        let mut able = None;
        for (i, model) in self.models.iter().enumerate() {
            if model.is_direct(source, target) {
                able = Some(i);
                break;
            }
            if able.is_none() && model.can_translate(source, target) {
                able = Some(i);
            }
        }
        let model = able?;
        Some(Part { model, source: source.into(), target: target.into() })
    }

    /// The way from one language to another: one part, or two through a third language.
    fn path(&self, source: &str, target: &str) -> Result<Vec<Part>> {
        let languages = &self.languages;
        for language in [source, target] {
            if !languages.iter().any(|known| known == language) {
                let (language, known) = (language.into(), languages.join(", "));
                return Err(Error::UnknownLanguage { language, known });
            }
        }
        if source == target {
            return Ok(Vec::new());
        }
        if let Some(part) = self.part(source, target) {
            return Ok(vec![part]);
        }
        // English first, as within a model.
        let english = languages.iter().filter(|language| *language == "en");
        let others = languages.iter().filter(|language| *language != "en");
        for pivot in english.chain(others) {
            let parts = [self.part(source, pivot), self.part(pivot, target)];
            if let [Some(first), Some(second)] = parts {
                return Ok(vec![first, second]);
            }
        }
        Err(Error::NoRoute { from: source.into(), to: target.into() })
    }

    /// The way of a job, each of whose domains a part of it covers.
    fn path_of(&self, job: &TranslationJob) -> Result<Vec<Part>> {
        let path = self.path(&job.source, &job.target)?;
        for domain in &job.domains {
            if path.iter().any(|part| self.covers_part(domain, part)) {
                continue;
            }
            let known = self.domains();
            let domain = domain.clone();
            return Err(match known.contains(&domain) {
                false => Error::unknown_domain(&domain, &known),
                true => {
                    let route = format!("{}-{}", job.source, job.target);
                    Error::DomainOfOtherRoutes { domain, route, routes: "other pairs".into() }
                }
            });
        }
        Ok(path)
    }

    fn covers_part(&self, domain: &str, part: &Part) -> bool {
        self.models[part.model].covers(domain, &part.source, &part.target)
    }

    /// What a model is asked for one part of a job.
    fn job_of(
        &self,
        job: &TranslationJob,
        part: &Part,
        text: &str,
        is_last: bool,
    ) -> TranslationJob {
        let covered = |domain: &&String| self.covers_part(domain, part);
        TranslationJob {
            source: part.source.clone(),
            target: part.target.clone(),
            domains: job.domains.iter().filter(covered).cloned().collect(),
            text: text.into(),
            num_hypotheses: if is_last { job.num_hypotheses } else { 1 },
            trace: job.trace,
            wanted: if is_last { job.wanted.clone() } else { Wanted::default() },
        }
    }
}

impl Translate for Translators {
    fn languages(&self) -> Vec<String> {
        self.languages.clone()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.path(source, target).is_ok()
    }

    fn is_direct(&self, source: &str, target: &str) -> bool {
        self.models.iter().any(|model| model.is_direct(source, target))
    }

    fn domains(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.models.iter().flat_map(|model| model.domains()).collect();
        all.into_iter().collect()
    }

    fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        let path = self.path(source, target).unwrap_or_default();
        path.iter().any(|part| self.covers_part(domain, part))
    }

    fn detect_domain(&self, text: &str, source: &str, target: &str) -> Option<(String, f32)> {
        let path = self.path(source, target).ok()?;
        let first = path.first()?;
        self.models[first.model].detect_domain(text, &first.source, &first.target)
    }

    fn can_want(&self, source: &str, target: &str) -> bool {
        let path = self.path(source, target).unwrap_or_default();
        path.last().is_some_and(|part| self.models[part.model].can_want(&part.source, &part.target))
    }

    fn is_remote(&self, source: &str, target: &str) -> bool {
        let path = self.path(source, target).unwrap_or_default();
        path.iter().any(|part| self.models[part.model].is_remote(&part.source, &part.target))
    }

    fn placeholders(&self, source: &str, target: &str) -> usize {
        let path = self.path(source, target).unwrap_or_default();
        let known = |part: &Part| self.models[part.model].placeholders(&part.source, &part.target);
        path.iter().map(known).min().unwrap_or(0)
    }

    fn added(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (name, rows) in self.models.iter().flat_map(|model| model.added()) {
            *sums.entry(name).or_default() += rows;
        }
        sums
    }

    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        let paths = jobs.iter().map(|job| self.path_of(job)).collect::<Result<Vec<_>>>()?;
        // What needs no translation keeps its text.
        let same = |job: &TranslationJob| Translation {
            hypotheses: vec![Hypothesis::new(job.text.clone(), 0.0)],
            legs: Vec::new(),
        };
        let mut answers: Vec<Translation> = jobs.iter().map(same).collect();
        for place in 0..2 {
            let mut by_model: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (i, path) in paths.iter().enumerate() {
                if let Some(part) = path.get(place) {
                    by_model.entry(part.model).or_default().push(i);
                }
            }
            for (model, members) in by_model {
                let own = |&i: &usize| {
                    let is_last = paths[i].len() == place + 1;
                    let text = &answers[i].hypotheses[0].text;
                    self.job_of(&jobs[i], &paths[i][place], text, is_last)
                };
                let own: Vec<TranslationJob> = members.iter().map(own).collect();
                for (i, mut answer) in members.into_iter().zip(self.models[model].translate(&own)?)
                {
                    let mut legs = std::mem::take(&mut answers[i].legs);
                    legs.append(&mut answer.legs);
                    answers[i] = Translation { legs, ..answer };
                }
            }
        }
        Ok(answers)
    }

    fn memory(&self) -> Option<MemoryStats> {
        let each = self.models.iter().filter_map(|model| model.memory());
        each.reduce(|sum, model| sum + model)
    }

    fn experts(&self) -> serde_json::Value {
        let all = self.models.iter().map(|model| model.experts());
        let all = all.flat_map(|experts| match experts {
            serde_json::Value::Array(experts) => experts,
            other => vec![other],
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the languages of each pair it knows behind the text.
    struct Marks(&'static str, Vec<(&'static str, &'static str)>);

    impl Translate for Marks {
        fn languages(&self) -> Vec<String> {
            let both = self.1.iter().flat_map(|(a, b)| [a.to_string(), b.to_string()]);
            both.collect::<BTreeSet<_>>().into_iter().collect()
        }

        fn can_translate(&self, source: &str, target: &str) -> bool {
            self.1.contains(&(source, target))
        }

        fn domains(&self) -> Vec<String> {
            vec![self.0.to_string()]
        }

        fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
            let answer = |job: &TranslationJob| {
                let domains = job.domains.join("+");
                let text =
                    format!("{} {}:{}-{}{domains}", job.text, self.0, job.source, job.target);
                let hypothesis = Hypothesis::new(text, 0.0);
                Translation { hypotheses: vec![hypothesis; job.num_hypotheses], legs: Vec::new() }
            };
            Ok(jobs.iter().map(answer).collect())
        }

        fn experts(&self) -> serde_json::Value {
            serde_json::json!([self.0])
        }
    }

    fn translators() -> Translators {
        let first = Marks("a", vec![("de", "en"), ("en", "de")]);
        let second = Marks("b", vec![("en", "fr"), ("de", "en"), ("fr", "es")]);
        Translators::new(vec![Arc::new(first), Arc::new(second)])
    }

    fn job(source: &str, target: &str, domains: &[&str]) -> TranslationJob {
        TranslationJob {
            source: source.into(),
            target: target.into(),
            domains: domains.iter().map(|domain| domain.to_string()).collect(),
            text: "x".into(),
            num_hypotheses: 2,
            trace: false,
            wanted: Default::default(),
        }
    }

    #[test]
    fn the_first_model_that_knows_a_pair_translates_it() -> Result<()> {
        let found = translators().translate(&[job("de", "en", &[]), job("en", "fr", &[])])?;
        let texts: Vec<&str> = found.iter().map(|found| &*found.hypotheses[0].text).collect();
        assert_eq!(texts, ["x a:de-en", "x b:en-fr"]);
        Ok(())
    }

    #[test]
    fn a_pair_that_none_knows_goes_through_a_third_language() -> Result<()> {
        let all = translators();
        assert_eq!(all.languages(), ["de", "en", "es", "fr"]);
        let found = all.translate(&[job("de", "fr", &["b"]), job("fr", "fr", &[])])?;
        assert_eq!(found[0].hypotheses[0].text, "x a:de-en b:en-frb");
        assert_eq!(found[0].hypotheses.len(), 2);
        assert_eq!(found[1].hypotheses[0].text, "x");
        assert!(!all.can_translate("es", "de"));
        Ok(())
    }

    #[test]
    fn what_is_unknown_is_named() {
        let all = translators();
        let error = |job: TranslationJob| all.translate(&[job]).expect_err("unknown").to_string();
        assert!(error(job("de", "tlh", &[])).contains("tlh"));
        assert!(error(job("es", "de", &[])).contains("no route"));
        assert!(error(job("de", "en", &["c"])).contains("unknown domain `c`"));
        assert!(error(job("de", "en", &["b"])).contains("does not cover de-en"));
        assert_eq!(all.experts(), serde_json::json!(["a", "b"]));
    }
}
