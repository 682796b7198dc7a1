//! The logs of the shared folder, where it is there: their sizes are known.

use std::{env, path::PathBuf};

use dragoman_data::interactions::Interactions;

/// A log of `DRAGOMAN_SHARED_DIR`, or of `../shared` beside the checkout.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into();
    let folder = env::var_os("DRAGOMAN_SHARED_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join("data/interactions").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn known_logs_have_their_known_sizes() -> anyhow::Result<()> {
    for (name, users, items, events) in [
        ("ml-100k", 943, 1682, 100_000),
        ("ml-1m-loo", 6040, 3416, 987_019),
        ("beauty", 22_363, 12_101, 198_502),
    ] {
        let Some(path) = shared(name) else { continue };
        let (log, faults) = Interactions::load(&path)?;
        assert_eq!(faults.count, 0, "{faults:?}");
        assert_eq!((log.users.len(), log.items.len(), log.len()), (users, items, events), "{name}");
        if log.has_times {
            let cuts = log.cuts(0.9)?;
            assert!(log.items.iter().filter(|item| item.categories.is_empty()).count() < 40);
            assert!((log.before(cuts.test).len() as f64 / events as f64 - 0.9).abs() < 1e-4);
        }
    }
    Ok(())
}

#[test]
fn movielens_latest_small_is_read_whole() -> anyhow::Result<()> {
    let Some(path) = shared("ml-latest-small") else { return Ok(()) };
    let (log, faults) = Interactions::load(&path)?;
    assert_eq!(faults.count, 0, "{faults:?}");
    // A copy with more rows than are published is read as it is: the published users are counted.
    let is_published = |id: &str| id.parse().is_ok_and(|id: u32| id <= 610);
    assert_eq!(log.users.iter().take_while(|user| is_published(&user.id)).count(), 610);
    assert_eq!(log.histories[..610].iter().map(Vec::len).sum::<usize>(), 100_836);
    let first = log.items.first().expect("there are items");
    assert_eq!((first.id.as_str(), first.categories.len()), ("1", 5));
    assert_eq!(first.labels, ["year:1995"]);
    Ok(())
}
