//! Lists are a function of what is stored: whatever happened, a server that reads the store anew
//! makes the same ones.

mod replicas;

use dragoman_store::{Feedback, Item, ItemPatch, Mode, Store, Timestamp, User};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::*;
use crate::{config::RecommendationConfig, metrics::Metrics};

const USERS: u32 = 8;
const ITEMS: u32 = 12;

fn service(store: &Store) -> anyhow::Result<Recommendations> {
    let config = RecommendationConfig {
        positive_feedback: vec!["read>0".into(), "buy".into(), "view".into()],
        negative_feedback: vec!["read<0".into()],
        feedback_weights: vec!["buy=3".into(), "view=0.3".into()],
        ..RecommendationConfig::default()
    };
    let metrics = Metrics::new().recommend;
    Ok(Recommendations::new(&config, store.clone(), RecommenderHandle::default(), metrics)?)
}

/// The first places of a list.
fn first(n: usize) -> Place {
    Place { offset: 0, n }
}

/// Identifiers of every kind of list.
fn lists(service: &Recommendations) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let index = service.index("default")?;
    let ids = |list: Vec<Scored>| list.into_iter().map(|one| one.id).collect::<Vec<_>>();
    let filter = Filter::default();
    let mut lists = Vec::new();
    for name in [Named::Popular, Named::Latest] {
        let list = service.everybody(&index, &name, &filter, None, first(100))?;
        lists.push((format!("{name:?}"), ids(list)));
    }
    for user in (0..USERS).map(|user| format!("u{user}")) {
        let request = ListRequest {
            audience: Audience::User(user.clone()),
            filter: Filter::default(),
            offset: 0,
            n: 100,
            boost: Boost::default(),
            caps: Caps::default(),
            diversity: 0.3,
            explore: 0.2,
            seed: Some(1),
            explain: false,
            recommender: None,
        };
        lists.push((format!("for {user}"), ids(service.recommend(&index, &request)?.items)));
        lists.push((format!("near {user}"), ids(service.near_user(&index, &user, first(100))?)));
    }
    for item in (0..ITEMS).map(|item| format!("i{item}")) {
        for name in [Named::Neighbours, Named::Together, Named::Content] {
            let list = service.near_item(&index, &name, &item, &filter, None, first(100))?;
            lists.push((format!("{name:?} of {item}"), ids(list)));
        }
    }
    let items = index.items();
    let found = items.search("t1", 100).into_iter();
    lists.push(("search".into(), found.map(|number| items.entry(number).id.to_string()).collect()));
    let categories = items.categories().into_iter().map(|(name, count)| format!("{name} {count}"));
    lists.push(("categories".into(), categories.collect()));
    Ok(lists)
}

/// Does one thing at random; events of the future are `ahead` seconds ahead.
fn act(index: &TenantIndex, ahead: i64, rng: &mut StdRng) -> anyhow::Result<()> {
    let user = format!("u{}", rng.random_range(0..USERS));
    let id = format!("i{}", rng.random_range(0..ITEMS));
    let now = Timestamp::now().seconds;
    match rng.random_range(0..20) {
        0 => index.delete_item(&id)?,
        1 => index.delete_user(&user)?,
        2 => {
            let patch = ItemPatch { is_hidden: Some(rng.random()), ..ItemPatch::default() };
            index.patch_item(&id, patch)?;
        }
        3..=5 => {
            let tag = || format!("t{}", rng.random_range(0..4));
            index.put_items(&[Item {
                item_id: id,
                categories: std::iter::repeat_with(tag).take(2).collect(),
                labels: json!({ "round": now % 7, "embedding": [rng.random::<f32>(), 1.0] }),
                timestamp: Timestamp::from_seconds(now - rng.random_range(0..5_000_000_000)),
                ..Item::default()
            }])?;
        }
        6 => drop(index.delete_feedback(None, &user, &id)?),
        _ => {
            let kind = ["read", "read", "buy", "view"][rng.random_range(0..4)];
            // Some long ago, some in the same second, some in the future.
            let ago = [0, 1, 5, 90 * 86_400, 900 * 86_400, -ahead, -ahead][rng.random_range(0..7)];
            let row = Feedback {
                feedback_type: kind.into(),
                user_id: user,
                item_id: id,
                value: [0.0, 1.0, 2.0, -1.0, -3.0][rng.random_range(0..5)],
                timestamp: Timestamp::from_seconds(now - ago),
                ..Feedback::default()
            };
            let mode = [Mode::Add, Mode::Merge, Mode::Replace][rng.random_range(0..3)];
            index.put_feedback(&[row.clone(), Feedback { value: -2.0, ..row }], mode)?;
        }
    }
    Ok(())
}

fn assert_same(live: &Recommendations, store: &Store, what: &str) -> anyhow::Result<()> {
    let fresh = service(store)?;
    for (live, fresh) in lists(live)?.into_iter().zip(lists(&fresh)?) {
        assert_eq!(live, fresh, "{what}");
    }
    Ok(())
}

#[test]
fn every_list_is_the_same_after_a_restart() -> anyhow::Result<()> {
    for seed in 0..20 {
        let ahead = if seed < 2 { 1 } else { 3600 };
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let live = service(&store)?;
        let mut rng = StdRng::seed_from_u64(seed);
        for step in 0..60 {
            act(&*live.index("default")?, ahead, &mut rng)?;
            if step % 4 == 0 {
                let labels = [json!("m"), json!("f"), json!(["m", "tall"]), json!(null)];
                live.index("default")?.put_users(&[User {
                    user_id: format!("u{}", rng.random_range(0..USERS)),
                    labels: labels[rng.random_range(0..4)].clone(),
                    ..User::default()
                }])?;
            }
            if step % 7 == 0 {
                lists(&live)?; // fills what is remembered
            }
        }
        // What was to happen in a moment has happened.
        std::thread::sleep(std::time::Duration::from_millis(if ahead == 1 { 2100 } else { 0 }));
        assert_same(&live, &store, &format!("seed {seed}"))?;
    }
    Ok(())
}

#[test]
fn lists_follow_writers_side_by_side_and_a_reload_among_them() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path())?;
    let live = service(&store)?;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|seed| {
                let live = &live;
                scope.spawn(move || -> anyhow::Result<()> {
                    let mut rng = StdRng::seed_from_u64(100 + seed);
                    for step in 0..80 {
                        act(&*live.index("default")?, 3600, &mut rng)?;
                        match step % 20 {
                            5 => drop(lists(live)?),
                            10 => live.reload()?,
                            _ => {}
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("no writer panics"))
    })?;
    assert_same(&live, &store, "after all writers")
}

#[test]
fn feedback_brings_a_deleted_item_back_into_the_lists() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path())?;
    let live = service(&store)?;
    let index = live.index("default")?;
    let row = Feedback {
        feedback_type: "buy".into(),
        user_id: "u1".into(),
        item_id: "i1".into(),
        ..Feedback::default()
    };
    for _ in 0..3 {
        index.put_feedback(std::slice::from_ref(&row), Mode::Add)?;
        let is_shown = {
            let items = index.items();
            items.number("i1").is_some_and(|number| items.entry(number).is_shown)
        };
        assert!(is_shown);
        assert_same(&live, &store, "with the item")?;
        index.delete_item("i1")?;
        assert_eq!(
            (index.items().number("i1"), store.tenant("default")?.events().count()),
            (None, 0)
        );
        assert_same(&live, &store, "without it")?;
    }
    Ok(())
}

/// Items `i0`, `i1`, … with vectors of twelve numbers.
fn with_vectors(numbers: std::ops::Range<u32>, rng: &mut StdRng) -> Vec<Item> {
    let mut item = |number: u32| {
        let vector: Vec<f32> = (0..12).map(|_| rng.random_range(-1.0..1.0)).collect();
        let labels = json!({ "embedding": vector });
        Item { item_id: format!("i{number}"), labels, ..Item::default() }
    };
    numbers.map(&mut item).collect()
}

#[test]
fn the_nearest_of_many_vectors_are_found_and_every_change_is_known_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path())?;
    let service = service(&store)?;
    let index = service.index("default")?;
    let mut rng = StdRng::seed_from_u64(5);
    index.put_items(&with_vectors(0..10_050, &mut rng))?;
    let named = Named::of_item("embedding").expect("it is known");
    let near = |item: &str, n| -> anyhow::Result<Vec<String>> {
        let filter = Filter::default();
        let list = service.near_item(&index, &named, item, &filter, None, first(n))?;
        Ok(list.into_iter().map(|one| one.id).collect())
    };
    // The first answer compares all of them; an index takes over when it is made.
    let exact = near("i7", 10)?;
    let is_made = || index.vector_indexes.len() == 1;
    for _ in 0..600 {
        if is_made() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(is_made(), "the index takes more than a minute");
    let found = near("i7", 10)?;
    assert!(found.iter().filter(|id| exact.contains(id)).count() >= 9, "{found:?} {exact:?}");

    index.delete_item(&exact[0])?;
    let item = index.tenant.item("i7")?.expect("it was put");
    index.put_items(&[Item { item_id: "twin".into(), ..item }])?;
    let changed = near("i7", 10)?;
    assert_eq!(changed[0], "twin");
    assert!(!changed.contains(&exact[0]));
    assert_eq!(near("i7", 20_000)?.len(), 10_049, "a long list holds all of them");
    service.reload()?;
    assert_eq!(near("i7", 10)?[0], "twin");
    Ok(())
}
