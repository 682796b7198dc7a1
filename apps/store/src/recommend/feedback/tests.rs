//! Rows and events together: added, merged, replaced, removed.

use super::*;
use crate::{DEFAULT_TENANT, Store};

const BOTH: Insert = Insert::BOTH;

fn tenant(dir: &tempfile::TempDir) -> Result<Tenant> {
    Store::open(dir.path())?.tenant(DEFAULT_TENANT)
}

fn row(kind: &str, user: &str, item: &str, value: f64, seconds: i64) -> Feedback {
    Feedback {
        feedback_type: kind.into(),
        user_id: user.into(),
        item_id: item.into(),
        value,
        timestamp: Timestamp::from_seconds(seconds),
        ..Feedback::default()
    }
}

fn history(tenant: &Tenant, user: &str) -> Result<Vec<(String, f64, i64)>> {
    let short = |event: Event| (event.item_id, event.value, event.time.seconds);
    tenant.history(user).map(|event| event.map(short)).collect()
}

#[test]
fn adding_sums_up_and_keeps_the_sequence() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    tenant.put_feedback(&[row("read", "u", "a", 1.0, 20)], Mode::Add, BOTH)?;
    tenant.put_feedback(&[row("read", "u", "a", 2.0, 10)], Mode::Add, BOTH)?;
    tenant.put_feedback(&[row("read", "u", "b", 1.0, 15)], Mode::Add, BOTH)?;

    let found = tenant.feedback("read", "u", "a")?.expect("it was written");
    assert_eq!((found.value, found.timestamp.seconds, found.updated.seconds), (3.0, 10, 20));
    let sequence = [("a".into(), 1.0, 20), ("b".into(), 1.0, 15), ("a".into(), 2.0, 10)];
    assert_eq!(history(&tenant, "u")?, sequence);
    assert_eq!(tenant.events().count(), 3);
    assert!(tenant.user("u")?.is_some() && tenant.item("b")?.is_some(), "both were made");
    Ok(())
}

#[test]
fn replacing_leaves_one_event() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    for seconds in [1, 2, 3] {
        tenant.put_feedback(&[row("read", "u", "a", 1.0, seconds)], Mode::Add, BOTH)?;
    }
    let written = tenant.put_feedback(&[row("read", "u", "a", 7.0, 9)], Mode::Replace, BOTH)?;
    assert_eq!(written.changes.len(), 1);
    let Change { before, after, removed, is_new, .. } = &written.changes[0];
    assert_eq!((*before, *after, removed.len(), *is_new), (Some(3.0), 7.0, 3, true));
    assert_eq!(history(&tenant, "u")?, [("a".into(), 7.0, 9)]);
    assert_eq!(tenant.events_of_item("a").count(), 1);
    let twice = [row("read", "u", "a", 1.0, 10), row("read", "u", "a", 2.0, 11)];
    tenant.put_feedback(&twice, Mode::Replace, BOTH)?;
    assert_eq!(history(&tenant, "u")?, [("a".into(), 2.0, 11)]);
    Ok(())
}

#[test]
fn merging_twice_is_merging_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    let rows = [row("read", "u", "a", 1.0, 1), row("read", "u", "a", 2.0, 2)];
    for _ in 0..3 {
        tenant.put_feedback(&rows, Mode::Merge, BOTH)?;
        let found = tenant.feedback("read", "u", "a")?.expect("it was written");
        assert_eq!((found.value, history(&tenant, "u")?.len()), (3.0, 2));
    }
    Ok(())
}

#[test]
fn lists_and_deletions_know_kind_user_and_item() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    let rows = [
        row("like", "u", "a", 1.0, 1),
        row("read", "u", "a", 1.0, 2),
        row("read", "u", "b", 1.0, 3),
        row("read", "v", "a", 1.0, 4),
    ];
    tenant.put_feedback(&rows, Mode::Add, BOTH)?;
    assert_eq!(tenant.feedback_types()?, ["like", "read"]);
    assert_eq!(tenant.feedback_of_user("u", None)?.len(), 3);
    assert_eq!(tenant.feedback_of_user("u", Some("read"))?.len(), 2);
    assert_eq!(tenant.feedback_of_item("a", None)?.len(), 3);
    assert_eq!(tenant.feedback_of_item("a", Some("read"))?.len(), 2);
    assert_eq!(tenant.feedback_of_pair("u", "a")?.len(), 2);
    assert_eq!(tenant.all_feedback(Some(&rows[2].key())).count(), 2);

    assert_eq!(tenant.delete_feedback(Some("like"), "u", "a")?.0, 1);
    assert_eq!(tenant.delete_feedback(Some("like"), "u", "a")?.0, 0);
    assert_eq!(tenant.delete_feedback(None, "u", "a")?.0, 1);
    assert_eq!(history(&tenant, "u")?, [("b".into(), 1.0, 3)]);
    tenant.delete_item("a")?;
    assert_eq!((tenant.item("a")?, tenant.history("v").count()), (None, 0));
    tenant.delete_user("u")?;
    assert_eq!((tenant.all_feedback(None).count(), tenant.events().count()), (0, 0));
    Ok(())
}

#[test]
fn rows_of_unknown_users_are_dropped_when_none_are_made() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    tenant.put_items(&[Item { item_id: "a".into(), ..Item::default() }])?;
    let rows = [row("read", "u", "a", 1.0, 1), row("read", "u", "b", 1.0, 1)];
    let written = tenant.put_feedback(&rows, Mode::Add, Insert { users: true, items: false })?;
    assert_eq!((written.changes.len(), tenant.all_feedback(None).count()), (1, 1));
    let nan = [row("read", "u", "a", f64::NAN, 1)];
    assert!(tenant.put_feedback(&nan, Mode::Add, BOTH).is_err());
    Ok(())
}

#[test]
fn sums_stay_finite() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    for seconds in [1, 1, 2] {
        tenant.put_feedback(&[row("read", "u", "a", 1e308, seconds)], Mode::Add, BOTH)?;
    }
    let found = tenant.feedback("read", "u", "a")?.expect("it was written");
    assert_eq!(found.value, f64::MAX);
    assert_eq!(history(&tenant, "u")?, [("a".into(), 1e308, 2), ("a".into(), f64::MAX, 1)]);
    tenant.put_feedback(&[row("read", "u", "a", f64::MIN, 3)], Mode::Merge, BOTH)?;
    assert_eq!(tenant.feedback("read", "u", "a")?.expect("it is there").value, 0.0);
    Ok(())
}

#[test]
fn a_change_says_what_it_did_to_the_row() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?.deferred();
    let change = |mode, value, seconds| {
        let rows = [row("read", "u", "a", value, seconds)];
        let written = tenant.put_feedback(&rows, mode, BOTH)?;
        let Change { is_new, before, after, .. } = written.changes[0];
        anyhow::Ok((is_new, before, after))
    };
    assert_eq!(change(Mode::Add, 1.0, 1)?, (true, None, 1.0));
    assert_eq!(change(Mode::Add, 1.0, 1)?, (false, Some(1.0), 2.0));
    assert_eq!(change(Mode::Merge, 5.0, 1)?, (false, Some(2.0), 5.0));
    assert_eq!(change(Mode::Add, -3.0, 2)?, (true, Some(5.0), 2.0));
    assert_eq!(change(Mode::Replace, 4.0, 2)?, (true, Some(2.0), 4.0));
    tenant.commit()?;
    Ok(())
}

#[test]
fn history_can_end_at_a_moment() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let tenant = tenant(&dir)?;
    let rows: Vec<Feedback> = (1..=5).map(|i| row("read", "u", &i.to_string(), 1.0, i)).collect();
    tenant.put_feedback(&rows, Mode::Add, BOTH)?;
    let until = Timestamp::from_seconds(3);
    let found: Vec<Event> = tenant.history_before("u", Some(until)).collect::<Result<_>>()?;
    assert_eq!(found.iter().map(|event| event.time.seconds).collect::<Vec<_>>(), [3, 2, 1]);
    Ok(())
}
