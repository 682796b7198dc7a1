//! Degrees of formality: the domains `formal` and `informal` of a model that was taught them.
//!
//! A style is learned like a domain, from pairs of sentences that are written so
//! (`dragoman expert add domain.formal --data …`).

use dragoman_core::translate::Translate;

use super::reply::Refused;
use crate::{error::ServiceError, input::Fields};

const FORMAL: &str = "formal";
const INFORMAL: &str = "informal";

/// The domains that `formality` asks for: none where the model does not know that degree and the
/// request only prefers it.
///
/// # Errors
/// Fails when the request insists on a degree that the model does not know in this direction.
pub(super) fn domains(
    fields: &Fields,
    (source, target): (Option<&str>, &str),
    known: &[String],
    model: &dyn Translate,
) -> Result<Vec<String>, Refused> {
    let (name, is_wish) = match fields.text("formality")? {
        None | Some("default") => return Ok(Vec::new()),
        Some("more") => (FORMAL, false),
        Some("prefer_more") => (FORMAL, true),
        Some("less") => (INFORMAL, false),
        Some("prefer_less") => (INFORMAL, true),
        Some(_) => return Err(Refused::value("formality")),
    };
    let covers = match source {
        Some(source) => model.covers(name, source, target),
        // Whatever the language turns out to be.
        None => {
            covering(name, known, target, model).count() == sources(known, target, model).count()
        }
    };
    match (covers && model.domains().iter().any(|domain| domain == name), is_wish) {
        (true, _) => Ok(vec![name.into()]),
        (false, true) => Ok(Vec::new()),
        (false, false) => {
            // In DeepL's words, which clients know; the documentation says how a model is taught it.
            let reason = "'formality' is not supported for given 'target_lang'.";
            Err(ServiceError::invalid(reason).into())
        }
    }
}

/// Whether translations into `target` can be formal or informal, from some language.
pub(super) fn is_supported(known: &[String], target: &str, model: &dyn Translate) -> bool {
    [FORMAL, INFORMAL].iter().any(|name| covering(name, known, target, model).next().is_some())
}

fn sources<'a>(
    known: &'a [String],
    target: &'a str,
    model: &'a dyn Translate,
) -> impl Iterator<Item = &'a String> {
    known.iter().filter(move |source| *source != target && model.can_translate(source, target))
}

fn covering<'a>(
    name: &'a str,
    known: &'a [String],
    target: &'a str,
    model: &'a dyn Translate,
) -> impl Iterator<Item = &'a String> {
    sources(known, target, model).filter(move |source| model.covers(name, source, target))
}
