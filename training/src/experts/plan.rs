//! Decides what a new expert will be: its kind, layers, routes and start.

use dragoman_core::{
    config::TranslationConfig,
    register::{ExpertEntry, ExpertKind, LanguageTag, Register, Route},
    tokenizer::Tokenizer,
    vocabulary::Vocabulary,
};

use super::request::AddRequest;
use crate::{Error, Result, evaluate::LanguagePair};

/// An expert to be, with the route that comes with it.
#[derive(Debug, Clone)]
pub(super) struct ExpertPlan {
    pub(super) entry: ExpertEntry,
    /// New routes: one of a pair expert, none of a domain.
    pub(super) routes: Vec<Route>,
}

/// What `name` says: a domain, trained or of retrieval, a pair, a group of users, or a second catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Domain,
    Retrieval,
    Pair(LanguagePair),
    Segment,
    Catalogue,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

impl Kind {
    /// Reads and checks the name of an expert to add.
    pub(super) fn of(name: &str) -> Result<Self> {
        let wrong = || {
            refuse(format!(
                "`{name}` is no name for a new expert: it is `domain.NAME`, `memory.NAME`, \
                 `segment.NAME` or `catalogue.NAME`, with letters, digits, `-` and `_`, or `pair.xx-yy` with two \
                 language codes"
            ))
        };
        let (kind, rest) = name.split_once('.').ok_or_else(wrong)?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_plain = (1..=40).contains(&rest.len()) && rest.chars().all(is_letter);
        match kind {
            "domain" | "memory" if rest == "auto" => {
                Err(refuse("`auto` asks for the best domain, so none can be called that"))
            }
            "catalogue" if rest == "default" => {
                Err(refuse("`default` is the tenant that has the first catalogue"))
            }
            "catalogue" if rest.chars().any(|c| c.is_ascii_uppercase()) => {
                Err(refuse("a catalogue is called as its tenant, in lower-case letters"))
            }
            "domain" if is_plain => Ok(Self::Domain),
            "memory" if is_plain => Ok(Self::Retrieval),
            "segment" if is_plain => Ok(Self::Segment),
            "catalogue" if is_plain => Ok(Self::Catalogue),
            "pair" => rest.parse().map(Self::Pair).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// What a plan needs to know of the model.
#[derive(Clone, Copy)]
pub(super) struct Model<'a> {
    pub(super) register: &'a Register,
    pub(super) config: &'a TranslationConfig,
    pub(super) vocabulary: &'a dyn Vocabulary,
}

impl ExpertPlan {
    /// Plans a domain expert that covers `directions`.
    pub(super) fn domain(
        request: &AddRequest,
        register: &Register,
        config: &TranslationConfig,
        directions: &[(String, String)],
    ) -> Result<Self> {
        if request.parent.is_some() {
            return Err(refuse("`--parent` is for pair experts; a domain is added beside them"));
        }
        let mut routes = Vec::new();
        for (source, target) in directions {
            let Some(route) = register.route(source, target) else {
                let known: Vec<&str> = register.routes.iter().map(|r| r.name.as_str()).collect();
                return Err(refuse(format!(
                    "the model has no route {source}-{target}, only {}; add `pair.{source}-{target}` \
                     first",
                    known.join(", ")
                )));
            };
            let name = &register.routes[route].name;
            if !routes.contains(name) {
                routes.push(name.clone()); // one route may join many languages
            }
        }
        let layers = layers(config, request.lora.is_some())?;
        let d_ff = request.width.unwrap_or(2 * d_ff_of_experts(register, config));
        let entry = ExpertEntry::new(request.name.clone(), ExpertKind::Domain, &layers, d_ff);
        let parent = request.lora.map(|_| "shared".to_string());
        let entry = ExpertEntry { routes, lora: request.lora, parent, ..entry };
        Ok(Self { entry, routes: Vec::new() })
    }

    /// Plans a pair expert that starts as a copy of `parent`.
    pub(super) fn pair(
        request: &AddRequest,
        pair: &LanguagePair,
        parent: &ExpertEntry,
        model: Model<'_>,
    ) -> Result<Self> {
        let Model { register, config, vocabulary } = model;
        let Some(route) = register.routes.iter().find(|route| route.group.contains(&parent.name))
        else {
            return Err(refuse(format!("`{}` has no route to start from", parent.name)));
        };
        let d_ff = request.width.unwrap_or(2 * parent.d_ff);
        let layers = layers(config, false)?;
        let mut entry = ExpertEntry::new(request.name.clone(), ExpertKind::Pair, &layers, d_ff);
        entry.parent = Some(parent.name.clone());
        if vocabulary.frame(&pair.source, &pair.target).is_err() {
            let free = vocabulary.tokenizer().map(Tokenizer::free_tags);
            let Some(&id) = free.iter().flatten().next() else {
                return Err(refuse(format!("no tag is left for the language `{}`", pair.target)));
            };
            entry.tag = Some(LanguageTag { language: pair.target.clone(), id });
        }
        let mut route = Route { name: pair.to_string(), ..route.clone() };
        (route.source, route.target) = (pair.source.clone(), pair.target.clone());
        for name in route.group.iter_mut().filter(|name| **name == parent.name) {
            name.clone_from(&request.name);
        }
        Ok(Self { entry, routes: vec![route] })
    }
}

/// Pair experts that may be the parent of one for `pair`: those that share a language on its side.
pub(super) fn possible_parents<'a>(
    request: &AddRequest,
    pair: &LanguagePair,
    register: &'a Register,
) -> Result<Vec<&'a ExpertEntry>> {
    let of_pairs = |expert: &&ExpertEntry| expert.kind == ExpertKind::Pair;
    if let Some(name) = &request.parent {
        return match register.expert(name).filter(of_pairs) {
            Some(parent) => Ok(vec![parent]),
            None => {
                let known = register.experts.iter().filter(of_pairs);
                let known: Vec<&str> = known.map(|expert| expert.name.as_str()).collect();
                Err(refuse(format!(
                    "`{name}` is no pair expert of this model; it has {}",
                    known.join(", ")
                )))
            }
        };
    }
    let shares = |route: &&Route| route.source == pair.source || route.target == pair.target;
    let near: Vec<&Route> = register.routes.iter().filter(shares).collect();
    let routes = if near.is_empty() { register.routes.iter().collect() } else { near };
    let of_route =
        |route: &Route| route.group.iter().find_map(|name| register.expert(name).filter(of_pairs));
    let parents: Vec<&ExpertEntry> = routes.into_iter().filter_map(of_route).collect();
    match parents.is_empty() {
        true => Err(refuse("this model has no pair expert to start from")),
        false => Ok(parents),
    }
}

/// Refuses a name that is taken, and a pair that the model knows.
pub(super) fn check_new(name: &str, kind: &Kind, register: &Register) -> Result<()> {
    if register.expert(name).is_some() {
        return Err(refuse(format!(
            "there is an expert `{name}` already: choose another name, or take it away first with \
             `dragoman expert remove {name}`"
        )));
    }
    if let Kind::Pair(pair) = kind
        && register.route(&pair.source, &pair.target).is_some()
    {
        return Err(refuse(format!(
            "the model translates {pair} already, and an added expert changes no old route: add a \
             domain for it"
        )));
    }
    Ok(())
}

/// All layers that can take an expert; a low-rank one needs a network that every token visits.
fn layers(config: &TranslationConfig, low_rank: bool) -> Result<Vec<String>> {
    let names = |side: &'static str, count| (0..count).map(move |i| format!("{side}.{i}"));
    let all =
        names("encoder", config.encoder_layers).chain(names("decoder", config.decoder_layers));
    let without_shared = config.moe.as_ref().is_some_and(|moe| moe.shared_d_ff == 0);
    let grouped = config.moe_layers();
    let layers: Vec<String> =
        all.filter(|name| !(low_rank && without_shared && grouped.contains(name))).collect();
    match layers.is_empty() {
        true => {
            Err(refuse("no layer of this model has a shared expert for a low-rank one to change"))
        }
        false => Ok(layers),
    }
}

/// The usual width of an expert in this model.
fn d_ff_of_experts(register: &Register, config: &TranslationConfig) -> usize {
    let of_groups = |expert: &&ExpertEntry| expert.kind != ExpertKind::Domain;
    register.experts.iter().find(of_groups).map_or(config.d_ff / 4, |expert| expert.d_ff).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_the_expert_is() {
        assert_eq!(Kind::of("domain.it").ok(), Some(Kind::Domain));
        assert_eq!(Kind::of("memory.it").ok(), Some(Kind::Retrieval));
        assert_eq!(Kind::of("segment.lead").ok(), Some(Kind::Segment));
        let pair = LanguagePair { source: "en".into(), target: "it".into() };
        assert_eq!(Kind::of("pair.en-it").ok(), Some(Kind::Pair(pair)));
        for wrong in [
            "it",
            "domain.",
            "domain.a b",
            "domain.auto",
            "memory.auto",
            "catalogue.default",
            "catalogue.Books",
            "pair.en",
            "free.1",
            "domain.x/y",
        ] {
            assert!(Kind::of(wrong).is_err(), "`{wrong}`");
        }
    }

    #[test]
    fn a_parent_shares_a_language_on_its_side() -> Result<()> {
        let pairs = [("en", "de"), ("de", "en"), ("fr", "nl")].map(|(a, b)| (a.into(), b.into()));
        let register = Register::for_pairs(&pairs, 4, 8, &["encoder.1".into()]);
        let parents = |name: &str| -> Result<Vec<String>> {
            let request = AddRequest::new(&format!("pair.{name}"), Vec::new(), "run".into());
            let parents = possible_parents(&request, &name.parse()?, &register)?;
            Ok(parents.iter().map(|parent| parent.name.clone()).collect())
        };
        assert_eq!(parents("en-it")?, ["pair.en-de"]);
        assert_eq!(parents("it-en")?, ["pair.de-en"]);
        assert_eq!(parents("it-pt")?.len(), 3, "all, where none is near");
        Ok(())
    }
}
