//! The clients that Gorse's users have, unchanged: `pygorse` from PyPI and `gorsejs` from npm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, skip::skip_unless_ci};
use serde_json::{Value, json};

/// Every call of the synchronous and the asynchronous client, with all answers in the end.
const PYTHON: &str = r#"
import asyncio, json, sys
from gorse import AsyncGorse, Gorse, GorseException

url, key = sys.argv[1], sys.argv[2]

def item(name, categories):
    return {"ItemId": name, "IsHidden": False, "Categories": categories, "Labels": {"letter": name},
            "Timestamp": "2024-01-02T00:00:00Z", "Comment": f"Item {name}"}

def user(name):
    return {"UserId": name, "Labels": ["young"], "Comment": ""}

def read(user, item):
    return {"FeedbackType": "read", "UserId": user, "ItemId": item, "Timestamp": "2024-02-03", "Value": 1}

def scores(list):
    return [score.id for score in list]

client = Gorse(url, key)
out = {}
out["insert_item"] = [client.insert_item(item(name, categories))["RowAffected"] for name, categories in
                      [("a", ["x"]), ("b", ["x", "y"]), ("c", []), ("d", ["y"])]]
out["insert_user"] = client.insert_user(user("bob"))
out["insert_users"] = client.insert_users([user("alice"), user("carol")])
out["insert_feedback"] = client.insert_feedback("read", "bob", "a", "2024-02-01", 1)
out["insert_feedbacks"] = client.insert_feedbacks([read("alice", "a"), read("alice", "b")])
out["list_feedbacks"] = client.list_feedbacks("read>=1", "alice")
out["get_recommend"] = scores(client.get_recommend("bob"))
out["in_category"] = scores(client.get_recommend("bob", "y", n=1, offset=0))
out["written_back"] = scores(client.get_recommend("carol", n=1, write_back_type="seen", write_back_delay="0s"))
out["seen"] = client.list_feedbacks("seen", "carol")
out["session"] = client.session_recommend([read("", "a")], n=2)
out["neighbors"] = client.get_neighbors("a", n=1)
feedbacks, cursor = client.get_feedbacks(2)
rest, end = client.get_feedbacks(9, cursor)
out["pages"] = [len(feedbacks), len(rest), cursor != "", end]
out["get_item"] = client.get_item("b")
out["update_item"] = client.update_item("b", is_hidden=True, comment="hidden")
out["updated"] = client.get_item("b")
out["search"] = client.search_items("item c")
out["items"] = [len(client.get_items(9)[0]), client.get_items(2)[1] != ""]
out["delete_feedback"] = client.delete_feedback("alice", "b")
out["delete_item"] = client.delete_item("d")
out["get_user"] = client.get_user("bob")
out["users"] = len(client.get_users(9)[0])
out["delete_user"] = client.delete_user("carol")
try:
    client.get_user("carol")
except GorseException as error:
    out["gone"] = [error.status_code, error.message]
try:
    Gorse(url, "wrong").get_users(1)
except GorseException as error:
    out["wrong"] = [error.status_code, error.message]

async def later():
    client = AsyncGorse(url, key)
    await client.insert_feedback("read", "dave", "a", "2024-02-01")
    return [scores(await client.get_recommend("dave")), await client.list_feedbacks("read", "dave"),
            (await client.get_users(9))[1], (await client.get_item("a"))["ItemId"]]

out["async"] = asyncio.run(later())
print(json.dumps(out))
"#;

/// The same with the client for JavaScript.
const NODE: &str = r#"
const { Gorse, GorseException } = require("gorsejs");
const [url, key] = process.argv.slice(1);

async function main() {
  const client = new Gorse({ endpoint: url, secret: key });
  const out = {};
  const item = (id, categories) => ({ ItemId: id, IsHidden: false, Categories: categories,
    Labels: ["l"], Timestamp: "2024-01-02T00:00:00Z", Comment: id });
  const read = (user, item) => ({ FeedbackType: "read", UserId: user, ItemId: item,
    Timestamp: "2024-02-03T00:00:00Z", Value: 1, Comment: "" });
  out.items = await client.upsertItems([item("a", ["x"]), item("b", ["x", "y"]), item("c", [])]);
  out.item = await client.upsertItem(item("d", ["y"]));
  out.user = await client.insertUser({ UserId: "bob", Labels: [], Comment: "" });
  out.feedback = await client.insertFeedbacks([read("bob", "a"), read("eve", "a"), read("eve", "b")]);
  out.again = await client.upsertFeedbacks([read("bob", "a")]);
  out.recommend = await client.getRecommend({ userId: "bob" });
  out.category = await client.getRecommend({ userId: "bob", category: "y", cursorOptions: { n: 1 } });
  out.back = await client.getRecommend({ userId: "kim", cursorOptions: { n: 1 }, writeBackType: "seen" });
  out.popular = await client.getPopular({ cursorOptions: { n: 1 } });
  out.latest = await client.getLatest({ category: "y" });
  out.session = await client.getSessionRecommend([read("", "a")]);
  out.inCategory = await client.getSessionRecommend([read("", "a")], { category: "x" });
  out.neighbors = await client.getItemNeighbors({ itemId: "a", cursorOptions: { n: 1 } });
  out.users = await client.getUserNeighbors({ userId: "bob" });
  await client.insertItemCategory("c", "z");
  out.categories = (await client.getItem("c")).Categories;
  await client.deleteItemCategory("c", "z");
  await client.updateItem("c", { IsHidden: true });
  out.hidden = (await client.getItem("c")).IsHidden;
  const first = await client.getItems({ n: 3 });
  const rest = await client.getItems({ n: 3, Cursor: first.Cursor });
  out.pages = [first.Items.length, rest.Items.length, rest.Cursor];
  out.ofUser = (await client.getUserFeedback("eve")).length;
  out.ofItem = (await client.getItemFeedbackByType("a", "read")).length;
  out.one = await client.getFeedback({ type: "read", userId: "bob", itemId: "a" });
  out.deleted = await client.deleteFeedback({ type: "read", userId: "bob", itemId: "a" });
  out.listed = (await client.getFeedbacks("read", { n: 9 })).Feedback.length;
  await client.deleteUser("bob");
  try {
    await client.getUser("bob");
  } catch (error) {
    out.gone = [error instanceof GorseException, error.code, error.message];
  }
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
"#;

/// A server that asks for a key, and the key.
async fn server() -> Result<(TestApp, String, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let store = ["store", "add-key", "--tenant", "default", "--store"];
    let key = Dragoman::new(store)?.args([dir.path()]).stdout()?.trim().to_owned();
    let options = Options { store: Some(dir.path().into()), ..Options::default() };
    Ok((TestApp::start(options).await?, key, dir))
}

fn in_venv(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv").join(path)
}

fn answers(output: &Output) -> Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Identifiers of a list of scores.
fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|one| one["Id"].as_str()).collect()
}

#[tokio::test]
async fn the_python_client_of_gorse_works() -> Result<()> {
    let python = in_venv("bin/python");
    let has_client = Command::new(&python).args(["-c", "import gorse"]).output();
    if !has_client.is_ok_and(|output| output.status.success()) {
        return skip_unless_ci(
            "clients",
            "there is no `pygorse` in `.venv`; `tests/run` installs it",
        );
    }
    let (app, key, _dir) = server().await?;
    let output = Command::new(python)
        .args(["-c", PYTHON, &app.url, &key])
        .env("NO_PROXY", "*")
        .env("PYTHONIOENCODING", "utf-8")
        .output()?;
    let out = answers(&output)?;
    let rows = |count: usize| json!({ "RowAffected": count });
    assert_eq!(out["insert_item"], json!([1, 1, 1, 1]));
    for (name, count) in [
        ("insert_user", 1),
        ("insert_users", 2),
        ("insert_feedback", 1),
        ("insert_feedbacks", 2),
        ("update_item", 1),
        ("delete_feedback", 1),
        ("delete_item", 1),
        ("delete_user", 1),
    ] {
        assert_eq!(out[name], rows(count), "{name}");
    }
    assert_eq!(out["list_feedbacks"].as_array().map(Vec::len), Some(2));
    assert_eq!(out["list_feedbacks"][0]["Timestamp"], "2024-02-03T00:00:00Z");
    assert_eq!(
        (out["get_recommend"][0].as_str(), out["in_category"].clone()),
        (Some("b"), json!(["b"]))
    );
    assert_eq!(out["seen"][0]["ItemId"], out["written_back"][0]);
    assert_eq!(ids(&out["session"])[0], "b");
    assert_eq!(ids(&out["neighbors"]), ["b"]);
    assert_eq!(out["pages"], json!([2, 2, true, ""]));
    assert_eq!(out["get_item"]["Labels"], json!({ "letter": "b" }));
    let updated =
        (&out["updated"]["IsHidden"], &out["updated"]["Comment"], &out["updated"]["Categories"]);
    assert_eq!(updated, (&json!(true), &json!("hidden"), &json!(["x", "y"])));
    assert_eq!(out["search"][0]["ItemId"], "c");
    assert_eq!((&out["items"], &out["users"]), (&json!([4, true]), &json!(3)));
    assert_eq!(out["get_user"], json!({ "UserId": "bob", "Labels": ["young"], "Comment": "" }));
    assert_eq!(out["gone"], json!([404, "user carol not found"]));
    assert_eq!(out["wrong"], json!([401, "unauthorized"]));
    assert_eq!(out["async"][0], json!(["c"]), "a was read, b is hidden and d is gone");
    assert_eq!(out["async"][1][0]["ItemId"], "a");
    assert_eq!(out["async"][3], "a");
    Ok(())
}

#[tokio::test]
async fn the_javascript_client_of_gorse_works() -> Result<()> {
    let modules = in_venv("node/node_modules");
    if !modules.join("gorsejs").exists() {
        return skip_unless_ci(
            "clients",
            "there is no `gorsejs` in `.venv/node`; `tests/run` installs it",
        );
    }
    let (app, key, _dir) = server().await?;
    let output = Command::new("node")
        .args(["-e", NODE, &app.url, &key])
        .env("NODE_PATH", modules)
        .env("NO_PROXY", "*")
        .output()?;
    let out = answers(&output)?;
    assert_eq!((&out["items"], &out["item"], &out["user"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!((&out["feedback"], &out["again"]), (&json!(3), &json!(1)));
    assert_eq!(out["recommend"][0], "b");
    assert_eq!(out["category"], json!(["b"]));
    assert_eq!(out["back"], json!(["a"]));
    assert_eq!(ids(&out["popular"]), ["a"]);
    assert_eq!(ids(&out["latest"]), ["b", "d"]);
    assert_eq!(ids(&out["session"])[0], "b");
    assert_eq!(ids(&out["inCategory"]), ["b"]);
    assert_eq!(ids(&out["neighbors"]), ["b"]);
    assert!(ids(&out["users"]).contains(&"eve"), "{}", out["users"]);
    assert_eq!((&out["categories"], &out["hidden"]), (&json!(["z"]), &json!(true)));
    assert_eq!(out["pages"], json!([3, 1, ""]), "the capital `Cursor` advances");
    assert_eq!((&out["ofUser"], &out["ofItem"]), (&json!(2), &json!(2)));
    assert_eq!(out["one"]["Value"], 1.0);
    assert_eq!(out["deleted"], json!({ "RowAffected": 1 }));
    assert_eq!(out["listed"], 2);
    assert_eq!(out["gone"], json!([true, 404, "user bob not found"]));
    Ok(())
}
