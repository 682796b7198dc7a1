//! How a model gets from one language to another.

use super::{ExpertEntry, Register};
use crate::{Error, Result};

/// A route with the languages that it leads from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Index of the route.
    pub route: usize,
    /// Language that it starts from.
    pub source: String,
    /// Language that it leads to.
    pub target: String,
}

impl Register {
    /// The way from `source` to `target`: one step, or two through a third language.
    ///
    /// # Errors
    /// Fails when a language is unknown or nothing leads from one to the other.
    pub fn path(&self, source: &str, target: &str) -> Result<Vec<Step>> {
        if let Some(step) = self.step(source, target) {
            return Ok(vec![step]);
        }
        let languages = self.languages();
        for language in [source, target] {
            if !languages.iter().any(|known| known == language) {
                let (language, known) = (language.into(), languages.join(", "));
                return Err(Error::UnknownLanguage { language, known });
            }
        }
        // English first: it has the most text, and so the best legs.
        let english = languages.iter().filter(|language| *language == "en");
        let others = languages.iter().filter(|language| *language != "en");
        for pivot in english.chain(others) {
            let legs = [self.step(source, pivot), self.step(pivot, target)];
            if let [Some(first), Some(second)] = legs {
                return Ok(vec![first, second]);
            }
        }
        Err(Error::NoRoute { from: source.into(), to: target.into() })
    }

    /// Whether something leads from `source` to `target`; quick where nothing does, for lists of all pairs.
    pub fn leads(&self, source: &str, target: &str) -> bool {
        let is_known = |language: &str| {
            self.routes.iter().any(|route| {
                [&route.source, &route.target]
                    .into_iter()
                    .chain(&route.between)
                    .any(|l| l == language)
            })
        };
        self.route(source, target).is_some()
            || (is_known(source) && is_known(target) && self.path(source, target).is_ok())
    }

    /// The step from one language to another, if a route leads there.
    fn step(&self, source: &str, target: &str) -> Option<Step> {
        let route = self.route(source, target)?;
        Some(Step { route, source: source.into(), target: target.into() })
    }

    /// The way from `source` to `target`, on which a route knows each of the `domains`.
    ///
    /// # Errors
    /// As [`Register::path`], and when a domain is unknown or of other routes.
    pub fn path_with(&self, source: &str, target: &str, domains: &[String]) -> Result<Vec<Step>> {
        if !domains.is_empty() {
            let known = self.domain_names();
            if let Some(domain) = domains.iter().find(|domain| !known.contains(domain)) {
                return Err(Error::unknown_domain(domain, &known));
            }
        }
        if source == target {
            return Ok(Vec::new());
        }
        let path = self.path(source, target)?;
        let covering = |step: &Step| self.domains_of(step.route);
        let knows = |domain: &&String| {
            path.iter().flat_map(covering).any(|expert| expert.short_name() == **domain)
        };
        match domains.iter().find(|domain| !knows(domain)) {
            None => Ok(path),
            Some(domain) => {
                let covered = |e: &&ExpertEntry| e.short_name() == domain;
                let mut routes: Vec<&str> = Vec::new();
                for route in self.domain_experts().filter(covered).flat_map(|e| &e.routes) {
                    if !routes.contains(&route.as_str()) {
                        routes.push(route);
                    }
                }
                let routes = routes.join(", ");
                let (domain, route) = (domain.clone(), format!("{source}-{target}"));
                Err(Error::DomainOfOtherRoutes { domain, route, routes })
            }
        }
    }

    /// Names of the domain experts without their kind, sorted.
    pub fn domain_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.domain_experts().map(|expert| expert.short_name().to_string()).collect();
        names.sort();
        names.dedup(); // a trained expert and one of retrieval may share a domain
        names
    }

    /// Whether the expert of `domain` has a part in the way from `source` to `target`.
    pub fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        let path = self.path(source, target).unwrap_or_default();
        path.iter().any(|step| self.domains_of(step.route).any(|e| e.short_name() == domain))
    }
}
