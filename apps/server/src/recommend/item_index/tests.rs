//! The lists and the queries of items that come, change and go.

use std::collections::BTreeMap;

use dragoman_store::Timestamp;
use serde_json::json;

use super::*;

fn item(id: &str, time: i64, categories: &[&str]) -> Item {
    Item {
        item_id: id.into(),
        timestamp: Timestamp::from_seconds(time),
        categories: categories.iter().map(|word| word.to_string()).collect(),
        labels: json!({ "shop": "x" }),
        ..Item::default()
    }
}

fn ids(catalogue: &ItemIndex, numbers: impl Iterator<Item = u32>) -> Vec<String> {
    numbers.map(|number| catalogue.entry(number).id.to_string()).collect()
}

#[test]
fn lists_follow_changes() {
    let mut catalogue = ItemIndex::new(100.0);
    let a = catalogue.put(&item("a", 1, &["x"]));
    let b = catalogue.put(&item("b", 2, &["x", "y"]));
    catalogue.put(&item("c", 2, &[]));
    assert_eq!(ids(&catalogue, catalogue.latest()), ["b", "c", "a"]);
    assert_eq!(catalogue.popular().count(), 0, "nobody touched anything");

    catalogue.touch(a, 1.0, 1000);
    catalogue.touch(b, 1.0, 1001);
    assert_eq!(ids(&catalogue, catalogue.popular()), ["b", "a"]);
    catalogue.touch(a, 1.0, 1000);
    assert_eq!(ids(&catalogue, catalogue.popular()), ["a", "b"]);

    assert_eq!(catalogue.put(&item("a", 9, &["y"])), a, "the number stays");
    assert_eq!(ids(&catalogue, catalogue.latest()), ["a", "b", "c"]);
    catalogue.put(&Item { is_hidden: true, ..item("a", 9, &["y"]) });
    catalogue.remove("c");
    assert_eq!(ids(&catalogue, catalogue.latest()), ["b"]);
    assert_eq!(ids(&catalogue, catalogue.popular()), ["b"]);
    assert_eq!(catalogue.categories(), BTreeMap::from([("x".into(), 1), ("y".into(), 1)]));
    catalogue.put(&item("d", 9, &["c:c"]));
    assert!(catalogue.categories().contains_key("c:c"));
}

#[test]
fn likeness_is_the_share_of_words() {
    let mut catalogue = ItemIndex::new(100.0);
    let a = catalogue.put(&item("a", 1, &["x", "y"]));
    let b = catalogue.put(&item("b", 2, &["y", "z"]));
    assert!(
        (catalogue.likeness(a, b) - 2.0 / 4.0).abs() < 1e-6,
        "y and the index of x, y, z, index"
    );
    assert!((catalogue.likeness(a, a) - 1.0).abs() < 1e-6);
}

#[test]
fn a_search_looks_at_identifiers_and_titles() {
    let mut catalogue = ItemIndex::new(100.0);
    catalogue.put(&Item { comment: "Blue Lamp".into(), ..item("i1", 1, &[]) });
    catalogue.put(&item("lamp-2", 1, &[]));
    catalogue.put(&item("chair", 1, &["Sea Blue"]));
    assert_eq!(catalogue.search("LAMP", 10).len(), 2);
    assert_eq!(catalogue.search("lamp", 1).len(), 1);
    let found = |text: &str| ids(&catalogue, catalogue.search(text, 10).into_iter());
    assert_eq!(found("lamp  BLUE"), ["i1"], "words in any order");
    assert_eq!(found("blue"), ["i1", "chair"], "categories count, after titles");
    assert_eq!(found("shop:x chair"), ["chair"], "so do labels");
}

#[test]
fn deleted_items_and_old_labels_are_forgotten() {
    let mut catalogue = ItemIndex::new(100.0);
    for round in 0..1000 {
        let labels = json!({ "round": round.to_string() });
        catalogue.put(&Item { labels, ..item("a", 1, &[]) });
    }
    assert!(catalogue.words() <= 3, "{} words for one label", catalogue.words());
    let a = catalogue.number("a").expect("it was put");
    catalogue.touch(a, 1.0, 1000);
    catalogue.remove("a");
    assert_eq!((catalogue.number("a"), catalogue.latest().count()), (None, 0));
    assert_eq!((catalogue.popular().count(), catalogue.label("round:999")), (0, None));
    let again = catalogue.put(&item("a", 1, &[]));
    assert!(again != a && catalogue.entry(again).serial > 0, "the old number is in quarantine");
    assert_eq!(ids(&catalogue, catalogue.latest()), ["a"]);
}
