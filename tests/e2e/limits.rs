//! Two servers that count requests together: in the database of their store, or in Redis.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, binary::signal, skip::skip_unless_ci};
use serde_json::{Value, json};

use super::replicas::server::Server;

/// Requests a minute from one address, or with one key.
const LIMIT: usize = 60;

/// Refusals before an address is banned: more than any test but that of bans has.
const THRESHOLD: usize = 150;

const ADMIN: &str = "let me in";

/// A server with limits.
async fn limited(options: Options) -> Result<TestApp> {
    let options = options
        .env("DRAGOMAN_ADMIN_KEY", ADMIN)
        .env("DRAGOMAN_API_KEYS", "true")
        .env("DRAGOMAN_TRUST_FORWARDED_FOR", "true")
        .env("DRAGOMAN_REQ_LIMIT", LIMIT.to_string())
        .env("DRAGOMAN_REQ_FLOOD_THRESHOLD", THRESHOLD.to_string());
    TestApp::start(options).await
}

/// The status that `app` answers with to the client at `address`, who may have a key.
async fn ask(app: &TestApp, address: &str, key: Option<&str>) -> Result<u16> {
    let request = app.post("/detect").header("X-Forwarded-For", address);
    let mut body = json!({ "q": "Where is the station?" });
    if let Some(key) = key {
        body["api_key"] = key.into();
    }
    Ok(request.json(&body).send().await?.status().as_u16())
}

/// Asks the servers in turn, and returns how many requests were answered with each of two statuses; all have to be.
async fn in_turn(
    apps: [&TestApp; 2],
    address: &str,
    key: Option<&str>,
    [good, bad]: [u16; 2],
) -> Result<[usize; 2]> {
    let mut counts = [0, 0];
    for i in 0..2 * LIMIT {
        let status = ask(apps[i % 2], address, key).await?;
        let place = [good, bad].iter().position(|known| *known == status);
        counts[place.with_context(|| format!("{status} is neither {good} nor {bad}"))?] += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(counts)
}

/// Fails unless both servers together let in about what one would.
async fn hold_together(apps: [&TestApp; 2], address: &str, key: Option<&str>) -> Result<()> {
    let started = Instant::now();
    let [let_in, refused] = in_turn(apps, address, key, [200, 429]).await?;
    let paid = started.elapsed().as_secs() as usize + 1;
    println!("{let_in} of {} in {paid} s for {address}, refused {refused}", 2 * LIMIT);
    ensure!(let_in >= LIMIT, "{let_in} let in, and one server lets {LIMIT} in");
    ensure!(let_in <= LIMIT + LIMIT / 3 + paid, "{let_in} let in within {paid} s");
    Ok(())
}

/// Fails unless what one server counts of an address holds on the other as well.
async fn ban_and_count_together([one, other]: [&TestApp; 2]) -> Result<()> {
    // The limit of wrong keys is the default.
    let wrong = in_turn([one, other], "10.0.0.2", Some("a guess"), [403, 429]).await?;
    ensure!((20..30).contains(&wrong[0]), "{wrong:?} wrong keys were looked at, and refused");
    for _ in 0..LIMIT + THRESHOLD + 10 {
        ask(one, "10.0.0.3", None).await?;
    }
    ensure!(ask(one, "10.0.0.3", None).await? == 403, "no ban");
    let started = Instant::now();
    while ask(other, "10.0.0.3", None).await? != 403 {
        ensure!(started.elapsed() < Duration::from_secs(2), "no ban on the other server");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(ask(other, "10.0.0.4", None).await? == 200, "others are not banned");
    Ok(())
}

/// Fails unless a server counts alone while the store of limits is away, and says so once.
async fn count_alone(
    app: &TestApp,
    stop: impl FnOnce() -> Result<()>,
    start: impl FnOnce() -> Result<()>,
) -> Result<()> {
    const AWAY: &str = "limits are counted by this server alone";
    const BACK: &str = "limits are shared again";
    stop()?;
    let mut slowest = Duration::ZERO;
    for i in 0..LIMIT + 30 {
        let started = Instant::now();
        let status = ask(app, "10.0.0.5", None).await?;
        slowest = slowest.max(started.elapsed());
        ensure!(i >= LIMIT || status == 200, "request {i} is answered with {status}");
        ensure!([200, 429].contains(&status), "request {i} is answered with {status}");
    }
    ensure!(ask(app, "10.0.0.5", None).await? == 429, "its own count still holds");
    println!("slowest answer without the store of limits: {slowest:?}");
    app.until_logged(AWAY).await?;
    tokio::time::sleep(Duration::from_secs(3)).await; // it is asked again meanwhile
    start()?;
    app.until_logged(BACK).await?;
    let log = app.log();
    ensure!(log.matches(AWAY).count() == 1 && log.matches(BACK).count() == 1, "{log}");
    Ok(())
}

#[tokio::test]
async fn servers_with_one_database_count_together() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let options = || Options { store: Some(address.clone()), ..Options::default() };
    let (one, other) = (limited(options()).await?, limited(options()).await?);
    hold_together([&one, &other], "10.0.0.1", None).await?;

    let body = json!({ "req_limit": LIMIT });
    let made = one.post("/admin/keys").bearer_auth(ADMIN).json(&body).send().await?;
    let made: Value = made.error_for_status()?.json().await?;
    let key = made["key"].as_str().context("a key")?;
    let started = Instant::now();
    while ask(&other, "10.0.0.9", Some(key)).await? != 200 {
        ensure!(started.elapsed() < Duration::from_secs(2), "the key is unknown");
    }
    tokio::time::sleep(Duration::from_secs(1)).await; // and that request is paid
    hold_together([&one, &other], "10.0.0.6", Some(key)).await?;
    let rows = server.sql("SELECT string_agg(name, ' ') FROM s0.dragoman_limits")?;
    ensure!(rows.contains("minute:") && rows.contains("key:"), "{rows}");
    ensure!(!rows.contains("10.0.0.1") && !rows.contains(key), "{rows}");

    ban_and_count_together([&one, &other]).await?;
    count_alone(&one, || server.crash(), || server.up()).await
}

#[tokio::test]
async fn servers_with_stores_of_their_own_count_together_in_redis() -> Result<()> {
    let Some(mut redis) = Redis::start("servers_count_together_in_redis")? else { return Ok(()) };
    let address = format!("127.0.0.1:{}", redis.port);
    let ours = Options::default().env("DRAGOMAN_LIMITS_STORE", format!("redis://{address}"));
    let theirs = Options::default().arg("--req-limit-storage").arg(format!("valkey://{address}/0"));
    let (one, other) = (limited(ours).await?, limited(theirs).await?);
    hold_together([&one, &other], "10.0.0.1", None).await?;
    ban_and_count_together([&one, &other]).await?;
    let redis = std::cell::RefCell::new(&mut redis);
    count_alone(&one, || redis.borrow_mut().stop(), || redis.borrow_mut().up()).await
}

#[tokio::test]
async fn a_store_of_limits_that_is_not_there_is_a_warning_and_no_address_an_error() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("redis://:s3cret@127.0.0.1:{port}");
    let app = TestApp::start(Options::default().env("DRAGOMAN_LIMITS_STORE", address)).await?;
    app.until_logged("limits are counted by this server alone").await?;
    app.until_logged("is it running").await?;
    ensure!(ask(&app, "10.0.0.1", None).await? == 200);
    ensure!(!app.log().contains("s3cret"), "{}", app.log());

    let words = ["serve", "--req-limit-storage", "localhost:6379"];
    let error = Dragoman::new(words)?.failure()?;
    ensure!(error.contains("`redis://127.0.0.1:6379`"), "{error}");
    Ok(())
}

/// A server of Redis or Valkey with nothing on disk, stopped when it is dropped.
struct Redis {
    program: &'static str,
    port: u16,
    child: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    /// None where neither is installed, which `test` then says.
    fn start(test: &str) -> Result<Option<Self>> {
        let is_there = |program: &&str| {
            let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        let Some(program) = ["redis-server", "valkey-server"].into_iter().find(is_there) else {
            skip_unless_ci(test, "there is no redis-server")?;
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Self::spawn(program, port, &folder)?;
        Ok(Some(Self { program, port, child, folder }))
    }

    fn spawn(program: &str, port: u16, folder: &tempfile::TempDir) -> Result<Child> {
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let child = command.current_dir(folder.path()).stdout(Stdio::null()).spawn()?;
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(started.elapsed() < Duration::from_secs(30), "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(child)
    }

    fn stop(&mut self) -> Result<()> {
        signal(&self.child, "KILL")?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again.
    fn up(&mut self) -> Result<()> {
        self.child = Self::spawn(self.program, self.port, &self.folder)?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may not run
        let _ = self.child.wait();
    }
}
