//! Two servers on one database: what one is told the other knows, and one that is killed loses nothing.

#[allow(dead_code, reason = "the tests of the store ask for more")]
#[path = "../../apps/store/tests/server/mod.rs"]
pub(super) mod server;

use std::{
    collections::HashSet,
    io::copy,
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, app::answer};
use serde_json::{Value, json};

use self::server::{PASSWORD, Server};

/// The key of the admin API.
const ADMIN: &str = "let me in";

/// Writers at the same time.
const WRITERS: usize = 8;

/// A server on the database at `address`.
async fn replica(address: &Path) -> Result<TestApp> {
    let options = Options { store: Some(address.into()), ..Options::default() };
    TestApp::start(options.env("DRAGOMAN_ADMIN_KEY", ADMIN)).await
}

/// Waits until `path` of `app` answers what `is_so` accepts, a second at most.
async fn soon(app: &TestApp, path: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let reply = app.get(path).bearer_auth(ADMIN).send().await?;
        let value: Value = reply.json().await.unwrap_or_default();
        if is_so(&value) {
            println!("{path}: {:?}", started.elapsed());
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(1), "{path} after a second: {value}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a list names `id`.
fn names(list: &Value, id: &str) -> bool {
    list.as_array().into_iter().flatten().any(|one| one["Id"] == id || one["ItemId"] == id)
}

#[tokio::test]
async fn what_one_replica_is_told_the_other_knows_within_a_second() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let (one, other) = (replica(&address).await?, replica(&address).await?);

    // Lists from memory: items, what is popular, what a user did.
    let items: Vec<Value> = (0..5).map(|i| json!({ "ItemId": format!("i{i}") })).collect();
    one.post("/api/items").json(&items).send().await?.error_for_status()?;
    soon(&other, "/api/latest?n=50", |list| (0..5).all(|i| names(list, &format!("i{i}")))).await?;
    let row = |user: &str, item: &str| json!([{ "FeedbackType": "read", "UserId": user, "ItemId": item }]);
    for user in ["u1", "u2"] {
        other.post("/api/feedback").json(&row(user, "i3")).send().await?.error_for_status()?;
    }
    soon(&one, "/api/popular?n=1", |list| list[0]["Id"] == "i3" && list[0]["Score"] != 0).await?;
    soon(&one, "/api/user/u2", |user| user["UserId"] == "u2").await?;
    one.client.delete(format!("{}/api/item/i4", one.url)).send().await?.error_for_status()?;
    soon(&other, "/api/latest?n=50", |list| !names(list, "i4") && names(list, "i3")).await?;

    // Suggestions, and what is approved of them.
    let moon = json!({ "q": "The moon is shining.", "s": "Es scheint der Mond.", "source": "en", "target": "de" });
    ensure!(one.json("/suggest", &moon).await?.0 == 200);
    ensure!(other.json("/suggest", &moon).await?.0 == 200);
    soon(&other, "/admin/suggestions", |list| list["counts"]["pending"] == 1).await?;
    let reply = other.get("/admin/suggestions").bearer_auth(ADMIN).send().await?;
    let list: Value = reply.json().await?;
    let id = list["suggestions"][0]["id"].as_u64().context("it has one")?;
    let judge = other.client.put(format!("{}/admin/suggestions/{id}", other.url));
    let judged = judge.bearer_auth(ADMIN).json(&json!({ "status": "approved" })).send().await?;
    ensure!(judged.status() == 200, "{}", judged.status());
    ensure!(one.translate("The moon is shining.", "en", "de").await? == "Es scheint der Mond.");

    // Keys: what needs one, and what is let in.
    let made = one.post("/admin/keys").bearer_auth(ADMIN).json(&json!({ "tenant": "default" }));
    let key: Value = made.send().await?.error_for_status()?.json().await?;
    let key = key["key"].as_str().context("a key")?.to_owned();
    let status = async |key: Option<&str>| -> Result<u16> {
        let request = other.get("/api/popular");
        let request = key.map_or(request.try_clone(), |key| Some(request.header("X-API-Key", key)));
        Ok(request.context("it can be sent")?.send().await?.status().as_u16())
    };
    let started = Instant::now();
    while (status(None).await?, status(Some(&key)).await?) != (401, 200) {
        ensure!(started.elapsed() < Duration::from_secs(1), "the key is unknown after a second");
    }
    println!("a key: {:?}", started.elapsed());
    let gone = one.client.delete(format!("{}/admin/keys/{key}", one.url)).bearer_auth(ADMIN);
    gone.send().await?.error_for_status()?;
    let started = Instant::now();
    while status(Some(&key)).await? != 401 {
        ensure!(started.elapsed() < Duration::from_secs(1), "the key still opens");
    }
    Ok(())
}

#[tokio::test]
async fn a_replica_that_is_killed_under_load_loses_nothing() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let mut replicas = [replica(&address).await?, replica(&address).await?];
    let url = balance(replicas.iter().map(|replica| replica.url.clone()).collect())?;
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let (count, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (client, url) = (client.clone(), format!("{url}/api/feedback"));
        let (count, is_over) = (Arc::clone(&count), Arc::clone(&is_over));
        writers.push(tokio::spawn(async move {
            let (mut acknowledged, mut refused, mut broken) = (Vec::new(), Vec::new(), 0);
            for i in 0.. {
                if is_over.load(Ordering::Relaxed) == 1 {
                    break;
                }
                let (user, item) = (format!("u{writer}"), format!("i{writer}.{i}"));
                let row = json!([{ "FeedbackType": "read", "UserId": user, "ItemId": item }]);
                match client.post(&url).json(&row).send().await {
                    Ok(reply) if reply.status() == 200 => {
                        acknowledged.push((user, item));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(reply) => refused.push(reply.status()),
                    Err(_) => broken += 1,
                }
            }
            (acknowledged, refused, broken)
        }));
    }
    let until = async |wanted: usize| -> Result<()> {
        let started = Instant::now();
        while count.load(Ordering::Relaxed) < wanted {
            ensure!(started.elapsed() < Duration::from_secs(60), "the writers stand still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    until(200).await?;
    replicas[0].signal("KILL")?;
    replicas[0].wait()?;
    let killed = count.load(Ordering::Relaxed);
    until(killed + 200).await?;
    is_over.store(1, Ordering::Relaxed);

    let (mut acknowledged, mut broken) = (Vec::new(), 0);
    for writer in writers {
        let (mine, refused, lost) = writer.await?;
        ensure!(refused.is_empty(), "{refused:?}");
        acknowledged.extend(mine);
        broken += lost;
    }
    println!("{} acknowledged, {broken} broken off by the kill", acknowledged.len());
    ensure!(broken <= WRITERS, "{broken} requests broke off, and {WRITERS} were in flight");
    let survivor = &replicas[1];
    let mut found = HashSet::new();
    let mut cursor = String::new();
    loop {
        let query = [("n", "1000"), ("cursor", cursor.as_str())];
        let page: Value = survivor.get("/api/feedback").query(&query).send().await?.json().await?;
        for row in page["Feedback"].as_array().into_iter().flatten() {
            let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            found.insert((field("UserId"), field("ItemId")));
        }
        cursor = page["Cursor"].as_str().unwrap_or_default().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    let lost: Vec<_> = acknowledged.iter().filter(|row| !found.contains(*row)).collect();
    ensure!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    // The survivor's memory has what the killed one wrote, as far as it was committed.
    let path = format!("/api/latest?n={}", found.len() + 10);
    soon(survivor, &path, |list| found.iter().all(|(_, item)| names(list, item))).await?;
    Ok(())
}

#[tokio::test]
async fn commands_work_on_a_database_beside_its_servers() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.over_tcp(PASSWORD);
    let app = replica(&address).await?;
    let store = |args: &[&str]| -> Result<Dragoman> {
        Ok(Dragoman::new(["store", "--store"])?.args([&address]).args(args))
    };
    let rows =
        "{\"ItemId\":\"a\"}\n{\"FeedbackType\":\"read\",\"UserId\":\"u\",\"ItemId\":\"b\"}\n";
    store(&["import", "-"])?.stdin(rows).stdout()?;
    soon(&app, "/api/latest?n=9", |list| names(list, "a") && names(list, "b")).await?;
    let exported = store(&["export"])?.stdout()?;
    ensure!(exported.contains("\"ItemId\":\"a\""), "{exported}");
    ensure!(store(&["check"])?.stdout()?.contains("2 items"));
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("backup.jsonl").to_string_lossy().into_owned();
    store(&["backup", &file])?.stdout()?;
    ensure!(fs_err::read_to_string(&file)? == exported, "a backup is an export");
    let folder = dir.path().join("folder");
    let import = Dragoman::new(["store", "--store"])?.args([&folder]).args(["import", &file]);
    import.stdout()?;
    let moved = Dragoman::new(["store", "export", "--store"])?.args([&folder]).stdout()?;
    ensure!(moved == exported, "the folder holds the same");
    for args in [["migrate", "--to", "redb"].as_slice(), &["salvage", &file]] {
        let error = store(args)?.failure()?;
        ensure!(error.contains("PostgreSQL keeps this store"), "{error}");
    }
    // The password is in no output of a server or of a command.
    let wrong = server.over_tcp("n0t.this");
    let error = Dragoman::new(["serve", "--store"])?.args([&wrong]).failure()?;
    ensure!(error.contains("PGPASSWORD") && !error.contains("n0t.this"), "{error}");
    let secret = PASSWORD.split('@').next().unwrap_or_default();
    ensure!(!app.log().contains(secret), "{}", app.log());
    let help = Dragoman::new(["serve", "--help"])?.env("DRAGOMAN_STORE", &address).stdout()?;
    ensure!(!help.contains(secret), "{help}");
    Ok(())
}

#[tokio::test]
async fn without_its_database_a_server_translates() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let app = replica(&server.fresh()?).await?;
    let text = "Good morning. Where is the station?";
    let before = app.translate(text, "en", "de").await?;
    server.crash()?;
    health_within(&app, 503, Duration::from_secs(5)).await?;
    let live = app.get("/health/live").send().await?.status();
    ensure!(live == 200, "a restart mends no database, and /health/live is {live}");
    let started = Instant::now();
    ensure!(app.translate(text, "en", "de").await? == before, "without the database");
    ensure!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let event = json!([{ "FeedbackType": "read", "UserId": "u1", "ItemId": "i1" }]);
    let status = app.post("/api/feedback").json(&event).send().await?.status();
    ensure!(status == 500, "a write is answered with {status}");
    let body = json!({ "text": [text], "target_lang": "DE" });
    let status = app.post("/v2/translate").json(&body).send().await?.status();
    ensure!(status == 200, "a call that counts characters is answered with {status}");
    server.up()?;
    health_within(&app, 200, Duration::from_secs(20)).await
}

/// Waits until `/health` answers with `status`.
async fn health_within(app: &TestApp, status: u16, patience: Duration) -> Result<()> {
    let started = Instant::now();
    while answer(app.get("/health")).await?.0 != status {
        ensure!(started.elapsed() < patience, "/health is not {status} after {patience:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Prints how many requests one server answers, and how many two do.
#[tokio::test]
#[ignore = "it measures: run it alone, with --ignored --nocapture"]
async fn throughput_of_one_and_two_replicas() -> Result<()> {
    const CLIENTS: usize = 16;
    const TIME: Duration = Duration::from_secs(5);
    let Some(server) = Server::start()? else { return Ok(()) };
    for count in [0, 1, 2] {
        let (folder, address) = (tempfile::tempdir()?, server.fresh()?);
        let mut replicas = Vec::new();
        for _ in 0..count.max(1) {
            let place = if count == 0 { folder.path() } else { &address };
            replicas.push(replica(place).await?);
        }
        let url = balance(replicas.iter().map(|replica| replica.url.clone()).collect())?;
        for number in 0..CLIENTS {
            let row = |i: usize| json!({ "FeedbackType": "read", "UserId": format!("u{number}"), "ItemId": format!("i{i}") });
            let rows: Vec<Value> = (0..200).map(row).collect();
            replicas[0].post("/api/feedback").json(&rows).send().await?.error_for_status()?;
        }
        for what in ["lists", "feedback", "translations"] {
            let started = Instant::now();
            let mut clients = Vec::new();
            for number in 0..CLIENTS {
                let (client, url) = (reqwest::Client::builder().no_proxy().build()?, url.clone());
                clients.push(tokio::spawn(async move {
                    let mut answered = 0;
                    while started.elapsed() < TIME {
                        let user = format!("u{number}");
                        let row = json!([{ "FeedbackType": "read", "UserId": user, "ItemId": format!("i{}", 200 + answered) }]);
                        let body = json!({ "q": "The cat sleeps.", "source": "en", "target": "de" });
                        let request = match what {
                            "feedback" => client.post(format!("{url}/api/feedback")).json(&row),
                            "lists" => client.get(format!("{url}/api/recommend/{user}?n=10")),
                            _ => client.post(format!("{url}/translate")).json(&body),
                        };
                        let reply = request.send().await?;
                        ensure!(reply.status() == 200, "{what}: {}", reply.status());
                        reply.bytes().await?;
                        answered += 1;
                    }
                    Ok(answered)
                }));
            }
            let mut answered = 0;
            for client in clients {
                answered += client.await??;
            }
            let rate = answered as f64 / started.elapsed().as_secs_f64();
            let place = if count == 0 { "sled" } else { "PostgreSQL" };
            println!("{place}, {} servers: {rate:.0} {what}/s", count.max(1));
        }
    }
    Ok(())
}

/// A balancer that gives each connection to the next server that takes it; its URL.
fn balance(urls: Vec<String>) -> Result<String> {
    let servers: Vec<String> =
        urls.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let serve = move || {
        let clients = listener.incoming().map_while(std::io::Result::ok);
        for (turn, client) in clients.enumerate() {
            let order = (0..servers.len()).map(|i| &servers[(turn + i) % servers.len()]);
            let Some(server) = order.filter_map(|one| TcpStream::connect(one).ok()).next() else {
                continue;
            };
            let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else {
                continue;
            };
            std::thread::spawn(move || {
                let _ = copy(&mut from, &mut to); // either end may hang up
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let _ = copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    };
    std::thread::Builder::new().name("balancer".into()).spawn(serve)?; // ends with the tests
    Ok(url)
}
