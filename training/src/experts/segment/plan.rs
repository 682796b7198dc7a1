//! Decides what the expert of a group of users will be: its start, and its route.

use dragoman_core::{
    recommend::rule::Rule,
    register::{ALL_USERS, ExpertEntry, ExpertKind, Register, Route},
};

use super::SegmentRequest;
use crate::{Error, Result};

/// An expert to be, and the route that comes with it.
#[derive(Debug, Clone)]
pub(super) struct SegmentPlan {
    pub(super) entry: ExpertEntry,
    pub(super) route: Route,
}

/// The route of the users that `request` means, with the experts of all users.
///
/// # Errors
/// Fails when the rule cannot be read, when the name of the route is taken, or when the model has no
/// segment experts.
pub(super) fn route(request: &SegmentRequest, register: &Register) -> Result<Route> {
    let rule: Rule = request.rule.parse().map_err(Error::Expert)?;
    let name = request.name.split_once('.').map_or("", |(_, name)| name);
    if register.routes.iter().any(|route| route.name == name) {
        let reason = format!("there is a route `{name}` already: choose another name");
        return Err(Error::Expert(reason));
    }
    let Some(users) = register.routes.first().filter(|route| !route.group.is_empty()) else {
        let reason = "this model was trained without segment experts (`segments.d_ff = 0`), and a \
                      new one starts as a copy of one: train a model with some";
        return Err(Error::Expert(reason.into()));
    };
    Ok(Route {
        name: name.into(),
        rule: Some(rule),
        group: users.group.clone(),
        ..Route::default()
    })
}

impl SegmentPlan {
    /// Plans an expert that starts as a copy of `parent`, in whose place it stands on `route`.
    pub(super) fn new(
        request: &SegmentRequest,
        parent: &str,
        register: &Register,
        route: &Route,
    ) -> Result<Self> {
        let is_segment = |expert: &&ExpertEntry| expert.kind == ExpertKind::Segment;
        let of_route = |route: &&Route| route.group.iter().any(|name| name == parent);
        let found = register.expert(parent).filter(is_segment);
        let (Some(parent), Some(host)) = (found, register.routes.iter().find(of_route)) else {
            let known = register.experts.iter().filter(is_segment);
            let known: Vec<&str> = known.map(|expert| expert.name.as_str()).collect();
            return Err(Error::Expert(format!(
                "`{parent}` is no segment expert of this model; it has {}",
                known.join(", ")
            )));
        };
        let d_ff = request.width.unwrap_or(parent.d_ff);
        let name = request.name.clone();
        let mut entry = ExpertEntry::new(name, ExpertKind::Segment, &parent.layers, d_ff);
        entry.parent = Some(parent.name.clone());
        let mut route = Route { group: host.group.clone(), ..route.clone() };
        for name in route.group.iter_mut().filter(|name| **name == parent.name) {
            name.clone_from(&request.name);
        }
        Ok(Self { entry, route })
    }

    /// The segment expert of all users that has the most weight, given the `shares` of all slots.
    pub(super) fn nearest<'a>(register: &'a Register, shares: &[f64]) -> &'a str {
        let group = register.routes.first().map_or(&[][..], |route| &route.group);
        let best = (0..group.len()).rev().max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
        best.map_or(ALL_USERS, |place| &group[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> Register {
        Register::for_segments(&["segment.new", "segment.power"], 8, &["layers.0".into()])
    }

    #[test]
    fn the_new_expert_stands_in_its_parents_place() -> Result<()> {
        let request = SegmentRequest::new("segment.lead", "events >= 50", "run".into());
        let register = register();
        let route = route(&request, &register)?;
        let parent = SegmentPlan::nearest(&register, &[0.2, 0.8]);
        let plan = SegmentPlan::new(&request, parent, &register, &route)?;
        assert_eq!(plan.route.group, ["segment.new", "segment.lead"]);
        assert_eq!(plan.route.name, "lead");
        assert_eq!(plan.entry.parent.as_deref(), Some("segment.power"));
        Ok(())
    }

    #[test]
    fn what_cannot_be_is_named() {
        let error = |rule: &str, parent: &str, register: &Register| {
            let request = SegmentRequest::new("segment.lead", rule, "run".into());
            let plan = route(&request, register)
                .and_then(|route| SegmentPlan::new(&request, parent, register, &route));
            plan.map_or_else(|error| error.to_string(), |_| String::new())
        };
        assert!(error("evnts > 1", "segment.new", &register()).contains("`evnts`"));
        let unknown = error("events > 1", "segment.old", &register());
        assert!(
            unknown.contains("`segment.old`") && unknown.contains("segment.power"),
            "{unknown}"
        );
        let dense = Register::for_segments(&[], 0, &[]);
        assert!(error("events > 1", "segment.new", &dense).contains("segments.d_ff"));
        let mut taken = register();
        taken.routes[0].name = "lead".into();
        assert!(error("events > 1", "segment.new", &taken).contains("already"));
    }
}
