//! Removes experts, renames them, undoes changes, and extracts a route. Nothing is trained.

use std::path::Path;

use dragoman_core::{
    directory::{Edit, Files, forget_catalogue},
    register::{ExpertEntry, ExpertKind, LanguageTag, Register, Route},
};

use super::plan::Kind;
use crate::{Error, Result};

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

fn unknown(register: &Register, name: &str) -> Error {
    let known: Vec<&str> = register.experts.iter().map(|expert| expert.name.as_str()).collect();
    refuse(format!("no expert `{name}`; this model has {}", known.join(", ")))
}

/// Takes an expert out of the model, that of a pair or of a group of users with its route.
///
/// # Errors
/// Refuses what another expert or route stands on: an expert of several routes, the tag of a
/// language that others translate into, the last route.
pub fn remove(edit: Edit, name: &str) -> Result<()> {
    let mut register = edit.register().clone();
    let Some(entry) = register.expert(name).cloned() else { return Err(unknown(&register, name)) };
    let routes: Vec<String> = (register.routes.iter())
        .filter(|route| route.group.contains(&entry.name))
        .map(|route| route.name.clone())
        .collect();
    if !entry.kind.is_of_domain() {
        // Users for whom there is no other route take the first one.
        let is_needed = entry.kind == ExpertKind::Segment
            && register.routes.first().is_some_and(|first| routes.contains(&first.name));
        if routes.len() != 1 || register.routes.len() == 1 || is_needed {
            return Err(refuse(format!(
                "`{name}` cannot be taken away: the routes {} stand on it",
                routes.join(", ")
            )));
        }
        if let Some(tag) = &entry.tag {
            let other =
                |route: &&Route| route.target == tag.language && !routes.contains(&route.name);
            if let Some(other) = register.routes.iter().find(other) {
                return Err(refuse(format!(
                    "`{name}` holds the tag of `{}`, which {} needs: take that away first",
                    tag.language, other.name
                )));
            }
        }
    }
    if entry.kind == ExpertKind::Catalogue {
        forget_catalogue(&mut register, entry.short_name());
    }
    register.routes.retain(|route| !routes.contains(&route.name));
    register.experts.retain(|expert| expert.name != name);
    for expert in &mut register.experts {
        let covered = !expert.routes.is_empty();
        expert.routes.retain(|route| !routes.contains(route));
        if covered && expert.routes.is_empty() {
            return Err(refuse(format!(
                "`{}` covers nothing but {}: take it away first",
                expert.name,
                routes.join(", ")
            )));
        }
    }
    Ok(edit.commit(&register)?)
}

/// Undoes the last change of a model, and says which experts came back and which are gone.
///
/// # Errors
/// Fails when there is nothing to undo: the last three changes are kept.
pub fn undo(edit: Edit) -> Result<Undone> {
    let after = edit.register().clone();
    let before = edit.undo()?;
    let missing = |of: &Register, other: &Register| -> Vec<String> {
        let same = |a: &ExpertEntry| {
            other.experts.iter().any(|b| (&b.name, &b.file) == (&a.name, &a.file))
        };
        of.experts.iter().filter(|expert| !same(expert)).map(|e| e.name.clone()).collect()
    };
    Ok(Undone { restored: missing(&before, &after), removed: missing(&after, &before) })
}

/// What an undone change had done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Experts that are there again, or as they were.
    pub restored: Vec<String>,
    /// Experts that are gone, or no longer as they were.
    pub removed: Vec<String>,
}

/// Gives an expert another name of the same kind; its weights stay as they are.
pub fn rename(edit: Edit, old: &str, new: &str) -> Result<()> {
    let kind = |name: &str| name.split_once('.').map(|(kind, _)| kind.to_string());
    if kind(old) != kind(new) || Kind::of(new).is_err() {
        return Err(refuse(format!(
            "`{new}` cannot be a name of `{old}`: the part before the point says what an expert is for, \
             and stays"
        )));
    }
    if old.starts_with("pair.") {
        return Err(refuse(format!(
            "`{old}` says which languages its route translates between, and stays"
        )));
    }
    let mut register = edit.register().clone();
    if register.expert(new).is_some() {
        return Err(refuse(format!("there is an expert `{new}` already")));
    }
    let Some(entry) = register.experts.iter_mut().find(|expert| expert.name == old) else {
        return Err(unknown(&register, old));
    };
    let before = entry.clone();
    entry.name = new.into();
    edit.copy_expert(entry, &before)?;
    let is_catalogue = before.kind == ExpertKind::Catalogue;
    for expert in &mut register.experts {
        if expert.parent.as_deref() == Some(old) {
            expert.parent = Some(new.into());
        }
    }
    let short = |name: &str| name.split_once('.').map(|(_, name)| name.to_string());
    for route in &mut register.routes {
        // The route of a group of users, or of a catalogue, is called as its expert.
        let is_own = route.rule.is_some() || is_catalogue;
        if is_own && Some(&route.name) == short(old).as_ref() {
            route.name = short(new).unwrap_or_default();
        }
        for name in route.group.iter_mut().filter(|name| *name == old) {
            *name = new.into();
        }
    }
    if let (true, Some(old), Some(new)) = (is_catalogue, short(old), short(new)) {
        edit.copy_catalogue(&mut register, &old, &new)?;
    }
    Ok(edit.commit(&register)?)
}

/// Writes what `route` (such as `en-de+it`) needs into the new folder `out`: a model of its own,
/// with equal outputs.
pub fn extract(files: &Files, route: &str, out: &Path) -> Result<Register> {
    if out.join("experts.json").exists() {
        let out = out.display();
        return Err(refuse(format!("there is a model in `{out}` already; name another folder")));
    }
    let mut register = files.register()?;
    let mut parts = route.split('+');
    let pair = parts.next().unwrap_or_default();
    let Some(index) = register.routes.iter().position(|other| other.name == pair) else {
        let known: Vec<&str> = register.routes.iter().map(|route| route.name.as_str()).collect();
        return Err(refuse(format!("no route `{pair}`; this model has {}", known.join(", "))));
    };
    let mut wanted = register.routes[index].group.clone();
    for domain in parts {
        // One that is trained and one of retrieval may share the name of a domain.
        let named = register.domains_of(index).filter(|expert| expert.short_name() == domain);
        let named: Vec<String> = named.map(|expert| expert.name.clone()).collect();
        match named.is_empty() {
            false => wanted.extend(named),
            true => {
                let known: Vec<&str> =
                    register.domains_of(index).map(|expert| expert.short_name()).collect();
                let known = if known.is_empty() { "no domains".into() } else { known.join(", ") };
                return Err(refuse(format!("no domain `{domain}` for {pair}; it has {known}")));
            }
        }
    }
    let target = register.routes[index].target.clone();
    let has_tag =
        |tag: &Option<LanguageTag>| tag.as_ref().is_some_and(|tag| tag.language == target);
    if let Some(owner) = register.experts.iter().find(|expert| has_tag(&expert.tag))
        && !wanted.contains(&owner.name)
    {
        return Err(refuse(format!(
            "the tag of `{target}` lies in `{}`, which {pair} does not use: it cannot stand alone",
            owner.name
        )));
    }
    register.routes = vec![register.routes.swap_remove(index)];
    register.experts.retain(|expert| wanted.contains(&expert.name));
    for expert in &mut register.experts {
        expert.routes.retain(|route| route == pair);
    }
    register.check().map_err(refuse)?;
    Ok(files.copy_to(out, &register)?)
}
