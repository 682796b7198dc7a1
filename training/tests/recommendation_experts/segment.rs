//! A group of users gets an expert: they are recommended by it, and for all others nothing changes.

use std::path::Path;

use anyhow::{Context, Result};
use dragoman_core::directory::Edit;
use dragoman_data::interactions::Interactions;
use dragoman_training::{
    config::Budget,
    control::Control,
    experts::{self, SegmentAdded, SegmentOutcome, SegmentRequest, add_segment},
};

use super::shop::{copy, files, log, rankings, register};

const RULE: &str = "events >= 30";

fn request(work: &Path) -> SegmentRequest {
    SegmentRequest {
        data: "the generated shop".into(),
        licence: "made up".into(),
        budget: Budget { steps: 16, minutes: 0.0 },
        max_drop: 100.0,
        quiet: true,
        ..SegmentRequest::new("segment.lead", RULE, work.join("run"))
    }
}

fn add(model: &Path, request: &SegmentRequest, control: &Control) -> Result<SegmentOutcome> {
    Ok(add_segment(Edit::open(model)?, request, &log(), control)?)
}

fn added(outcome: SegmentOutcome) -> Result<SegmentAdded> {
    match outcome {
        SegmentOutcome::Added(added) => Ok(*added),
        SegmentOutcome::Stopped(step) => anyhow::bail!("stopped at step {step}"),
    }
}

#[test]
fn the_group_is_recommended_by_it_and_all_others_keep_their_bits() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = copy(dir.path())?;
    let (old_files, old_register, before) = (files(&model)?, register(&model)?, rankings(&model)?);
    let done = added(add(&model, &request(dir.path()), &Control::default())?)?;
    assert!(done.learners >= 20 && done.asked >= 5 && done.unknown > 0, "{done:?}");
    assert_eq!(done.scores[0].name, "NDCG@10");

    let new_files = files(&model)?;
    for (path, content) in old_files.iter().filter(|(path, _)| !path.ends_with("experts.json")) {
        assert!(new_files.get(path) == Some(content), "{} is as it was", path.display());
    }
    let after = rankings(&model)?;
    let mut group = 0;
    for ((events, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before == after, *events < 30, "a user of {events} events");
        let is_named = after.segments.iter().any(|(name, _)| name == "segment.lead");
        assert_eq!(is_named, *events >= 30);
        group += usize::from(is_named);
    }
    assert!((20..after.len()).contains(&group), "{group} users are of the group");

    let entry = register(&model)?.expert("segment.lead").cloned().context("it is there")?;
    assert_eq!(entry.trained_on[0].licence, "made up");
    assert_eq!(entry.trained_on[0].sha256.len(), 64);
    let parent = entry.parent.context("it has a parent")?;
    for name in ["steps", "seconds", "NDCG@10", "NDCG@10 before", "served NDCG@10"] {
        assert!(entry.metrics.contains_key(name), "{name}: {:?}", entry.metrics);
    }
    let report = fs_err::read_to_string(&done.report)?;
    assert!(report.contains("with and without the expert"));

    // Another name takes the route along; away with it, and the old register is back.
    experts::rename(Edit::open(&model)?, "segment.lead", "segment.top")?;
    assert_eq!(register(&model)?.routes[1].name, "top");
    assert!(register(&model)?.routes[1].group.contains(&"segment.top".to_string()));
    let users = rankings(&model)?;
    assert!(users.iter().zip(&after).all(|((_, a), (_, b))| a.scores == b.scores));
    let error = experts::remove(Edit::open(&model)?, &parent).expect_err("a route stands on it");
    assert!(error.to_string().contains("users"), "{error}");
    experts::remove(Edit::open(&model)?, "segment.top")?;
    assert_eq!(register(&model)?, old_register);
    assert_eq!(files(&model)?, old_files);
    Ok(())
}

#[test]
fn a_stop_leaves_the_model_whole_and_the_same_request_goes_on_bit_for_bit() -> Result<()> {
    let (whole, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let [one, other] = [copy(whole.path())?, copy(parts.path())?];
    added(add(&one, &request(whole.path()), &Control::default())?)?;
    let before = files(&other)?;
    let limited = || Control::default().with_step_limit(7);
    for step in [7, 14] {
        let stopped = add(&other, &request(parts.path()), &limited())?;
        assert_eq!(stopped, SegmentOutcome::Stopped(step));
        assert_eq!(files(&other)?, before);
    }
    let changed = SegmentRequest { rule: "events >= 31".into(), ..request(parts.path()) };
    let error = add(&other, &changed, &limited()).expect_err("that is another run");
    assert!(error.to_string().contains("`rule`"), "{error}");
    added(add(&other, &request(parts.path()), &limited())?)?;
    let hash = |model: &Path| -> Result<String> {
        Ok(register(model)?.expert("segment.lead").context("it is there")?.sha256.clone())
    };
    assert_eq!(hash(&one)?, hash(&other)?);
    Ok(())
}

#[test]
fn a_second_group_takes_nobody_from_the_first() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = copy(dir.path())?;
    added(add(&model, &request(dir.path()), &Control::default())?)?;
    let before = rankings(&model)?;
    let second = SegmentRequest {
        name: "segment.some".into(),
        rule: "events >= 10".into(),
        parent: Some("segment.lead".into()),
        width: Some(12),
        work: dir.path().join("second"),
        ..request(dir.path())
    };
    added(add(&model, &second, &Control::default())?)?;
    for ((events, before), (_, after)) in before.iter().zip(rankings(&model)?) {
        let is_second = (10..30).contains(events);
        assert_eq!(*before == after, !is_second, "a user of {events} events");
    }
    Ok(())
}

#[test]
fn what_cannot_be_added_is_named_and_changes_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = copy(dir.path())?;
    let before = files(&model)?;
    let request = request(dir.path());
    let with = |rule: &str| SegmentRequest { rule: rule.into(), ..request.clone() };
    for (request, part) in [
        (with("evnts >= 5"), "`evnts`"),
        (with("events >= 100000"), "matches 0 of"),
        (with("label = no:body"), "matches 0 of"),
        (with("events >= 30 and popularity > 1"), "widen the rule"),
        (SegmentRequest { parent: Some("segment.old".into()), ..request.clone() }, "segment.power"),
        (SegmentRequest { name: "segment.new".into(), ..request.clone() }, "already"),
        (SegmentRequest { name: "segment.users".into(), ..request.clone() }, "route `users`"),
        (SegmentRequest { name: "segment.a b".into(), ..request.clone() }, "no name"),
        (SegmentRequest { name: "domain.it".into(), ..request.clone() }, "no expert for a group"),
        (SegmentRequest { max_drop: -100.0, ..request.clone() }, "does no good"),
    ] {
        let error = add(&model, &request, &Control::default()).expect_err(part);
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert_eq!(files(&model)?, before, "{part}");
    }
    let edit = Edit::open(&model)?;
    let foreign = Interactions { items: Vec::new(), histories: Vec::new(), ..log() };
    let error = add_segment(edit, &request, &foreign, &Control::default()).expect_err("no items");
    assert!(error.to_string().contains("knows none"), "{error}");
    Ok(())
}
