//! What every engine must do, checked against a map in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Store, server::Server};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Apply(usize, Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Clear(usize),
    /// Changes of both trees in one transaction, which is kept or not.
    Alone(Vec<Step>, bool),
    Range(usize, Vec<u8>, Option<Vec<u8>>),
    Get(usize, Vec<Vec<u8>>),
    Flush,
    Reopen,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, b'a', b'b', 254, 255]), 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let inner = prop_oneof![
        4 => simple().boxed(),
        1 => (prop::collection::vec(simple(), 1..3)).prop_map(|steps| Step::Alone(steps, true)).boxed(),
    ];
    prop_oneof![
        12 => simple().boxed(),
        4 => (prop::collection::vec(inner, 1..6), any::<bool>())
            .prop_map(|(steps, is_kept)| Step::Alone(steps, is_kept)).boxed(),
        1 => Just(Step::Flush).boxed(),
        1 => Just(Step::Reopen).boxed(),
    ]
}

fn simple() -> impl Strategy<Value = Step> {
    let row = (bytes(), prop::option::weighted(0.7, bytes()));
    prop_oneof![
        6 => (0..2usize, prop::collection::vec(row, 1..8)).prop_map(|(tree, rows)| Step::Apply(tree, rows)),
        1 => (0..2usize).prop_map(Step::Clear),
        4 => (0..2usize, bytes(), prop::option::of(bytes())).prop_map(|(tree, from, to)| Step::Range(tree, from, to)),
        4 => (0..2usize, prop::collection::vec(bytes(), 1..4)).prop_map(|(tree, keys)| Step::Get(tree, keys)),
    ]
}

fn name(tree: usize) -> &'static str {
    ["one", "two:ö"][tree]
}

fn follow(kind: EngineKind, dir: &Path, steps: &[Step]) -> anyhow::Result<()> {
    let mut database = Database::open(dir, Some(kind))?;
    let mut maps = [Map::new(), Map::new()];
    for step in steps {
        match step {
            Step::Flush => database.flush()?,
            Step::Reopen => {
                database.flush()?;
                drop(database);
                database = Database::open(dir, None)?;
            }
            step => take(&database, &mut maps, step)?,
        }
    }
    for (i, map) in maps.iter().enumerate() {
        let found: Map = database.tree(name(i)).iter().collect::<Result<_>>()?;
        anyhow::ensure!(found == *map, "{kind}: {found:?}, not {map:?}");
        let last = database.tree(name(i)).last()?;
        anyhow::ensure!(last == map.last_key_value().map(|(k, v)| (k.clone(), v.clone())));
    }
    Ok(())
}

fn take(database: &Database, maps: &mut [Map; 2], step: &Step) -> anyhow::Result<()> {
    let (kind, tree) = (database.kind(), |i: usize| database.tree(name(i)));
    match step {
        Step::Apply(i, rows) => {
            tree(*i).apply(rows.clone())?;
            for (key, value) in rows {
                match value {
                    Some(value) => drop(maps[*i].insert(key.clone(), value.clone())),
                    None => drop(maps[*i].remove(key)),
                }
            }
        }
        Step::Clear(i) => {
            tree(*i).clear()?;
            maps[*i].clear();
        }
        Step::Alone(steps, is_kept) => {
            let before = maps.clone();
            let is_kept = *is_kept || !database.is_shared();
            let mut wrong = Ok(());
            let done = tree(0).alone(|| {
                wrong = steps.iter().try_for_each(|step| take(database, maps, step));
                if is_kept { Ok(()) } else { Err(Error::Invalid("not kept".into())) }
            });
            wrong?;
            anyhow::ensure!(done.is_ok() == is_kept, "{kind}: {done:?}");
            if !is_kept {
                *maps = before;
            }
        }
        Step::Range(i, from, to) => {
            let to = to.clone().unwrap_or_else(|| vec![255; 9]);
            let found: Vec<Row> =
                tree(*i).range(from.clone(), to.clone()).collect::<Result<_>>()?;
            let is_in = |key: &Vec<u8>| key >= from && *key < to;
            let expected: Vec<Row> = maps[*i]
                .iter()
                .filter(|(key, _)| is_in(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            anyhow::ensure!(found == expected, "{kind}: {found:?}, not {expected:?}");
            let mut back: Vec<Row> =
                tree(*i).range(from.clone(), to).rev().collect::<Result<_>>()?;
            back.reverse();
            anyhow::ensure!(back == expected, "{kind}, backwards: {back:?}, not {expected:?}");
        }
        Step::Get(i, keys) => {
            let values: Vec<_> = keys.iter().map(|key| maps[*i].get(key).cloned()).collect();
            anyhow::ensure!(tree(*i).get_many(keys)? == values, "{kind}: {keys:?}");
            anyhow::ensure!(tree(*i).get(&keys[0])? == values[0], "{kind}: {keys:?}");
        }
        Step::Flush | Step::Reopen => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn an_engine_is_a_sorted_map_that_lasts(steps in prop::collection::vec(step(), 1..40)) {
        for kind in EngineKind::ALL {
            let dir = tempfile::tempdir()?;
            follow(kind, dir.path(), &steps).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }
}

#[test]
fn postgres_is_a_sorted_map_that_lasts() -> anyhow::Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let config =
        ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = prop::test_runner::TestRunner::new(config);
    let histories = prop::collection::vec(step(), 1..40);
    let run = runner.run(&histories, |steps| {
        let address = server.fresh().map_err(|error| TestCaseError::fail(error.to_string()))?;
        follow(EngineKind::Postgres, &address, &steps)
            .map_err(|error| TestCaseError::fail(format!("{error:?}")))
    });
    Ok(run?)
}

/// A place for a store of each engine; that of PostgreSQL where it is installed.
fn places(
    server: Option<&Server>,
) -> anyhow::Result<Vec<(EngineKind, PathBuf, tempfile::TempDir)>> {
    let mut places = Vec::new();
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir()?;
        places.push((kind, dir.path().to_owned(), dir));
    }
    if let Some(server) = server {
        places.push((EngineKind::Postgres, server.fresh()?, tempfile::tempdir()?));
    }
    Ok(places)
}

#[test]
fn writers_and_readers_of_one_tree_see_whole_batches() -> anyhow::Result<()> {
    let server = Server::start()?;
    for (kind, place, _dir) in places(server.as_ref())? {
        let database = Database::open(&place, Some(kind))?;
        std::thread::scope(|scope| {
            for writer in 0..4u8 {
                let (tree, database) = (database.tree("t"), database.clone());
                scope.spawn(move || {
                    for i in 0..50u8 {
                        // Two rows of a batch always have the same value.
                        let rows = [0, 1].map(|side| (vec![writer, side], Some(vec![i])));
                        tree.apply(rows.to_vec()).expect("it can be written");
                        if i % 10 == 0 {
                            database.flush().expect("it can be flushed");
                        }
                    }
                });
            }
        });
        let found: Vec<Row> = database.tree("t").iter().collect::<Result<_>>()?;
        assert_eq!(found.len(), 8, "{kind}");
        assert!(found.iter().all(|(_, value)| *value == [49]), "{kind}: {found:?}");
    }
    Ok(())
}

#[test]
fn a_database_that_is_opened_anew_keeps_what_no_flush_had_written() -> anyhow::Result<()> {
    let server = Server::start()?;
    for (kind, place, _dir) in places(server.as_ref())? {
        let database = Database::open(&place, Some(kind))?;
        let tree = database.tree("t");
        tree.insert("flushed", "1")?;
        database.flush()?;
        tree.insert("waiting", "2")?;
        tree.remove("flushed")?;
        let mut reader = tree.iter();
        assert!(reader.next().is_some());
        drop(reader);
        database.recover()?;
        assert_eq!(tree.get("waiting")?.as_deref(), Some(b"2".as_slice()), "{kind}");
        assert_eq!(tree.get("flushed")?, None, "{kind}");
        tree.insert("later", "3")?;
        database.flush()?;
        drop((tree, database));
        let keys: Vec<_> = Database::open(&place, None)?.tree("t").iter().collect::<Result<_>>()?;
        assert_eq!(keys.len(), 2, "{kind}");
    }
    Ok(())
}

#[test]
fn a_folder_of_another_engine_or_of_none_that_we_know_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    assert_eq!(EngineKind::of(dir.path())?, None);
    drop(Store::open_with(dir.path(), Some(EngineKind::Redb))?);
    assert_eq!(Store::open(dir.path())?.engine(), EngineKind::Redb);
    let error = Store::open_with(dir.path(), Some(EngineKind::Sled)).expect_err("redb keeps it");
    assert!(error.to_string().contains("migrate --to sled"), "{error}");
    fs::write(dir.path().join(MARKER), "rocks\n")?;
    let error = Store::open(dir.path()).expect_err("nobody knows it").to_string();
    assert!(error.contains("`rocks`"), "{error}");
    Ok(())
}
