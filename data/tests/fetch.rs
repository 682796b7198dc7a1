//! Downloads from a small server on loopback that breaks off, changes its mind, or is down.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use dragoman_data::fetch::Fetcher;

/// What the server has, and how it behaves.
#[derive(Clone, Default)]
struct Behaviour {
    body: Vec<u8>,
    etag: Option<&'static str>,
    /// Hang up after so many bytes of a body, as often as this many times.
    cut: (usize, usize),
    status: Option<u16>,
}

/// A server whose behaviour tests may change, and the request heads it has seen.
struct Server {
    base: String,
    behaviour: Arc<Mutex<Behaviour>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base = format!("http://{}/", listener.local_addr()?);
        let behaviour = Arc::new(Mutex::new(behaviour));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (shared, seen) = (Arc::clone(&behaviour), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let behaviour = &mut shared.lock().expect("no test panics with the lock");
                let Ok(head) = read_head(&stream) else { continue };
                // Before the answer, after which a test may ask for it.
                seen.lock().expect("no test panics with the lock").push(head.clone());
                let _hung_up = answer(stream, &head, behaviour);
            }
        });
        Ok(Self { base, behaviour, heads })
    }

    fn fetcher(&self, dir: &tempfile::TempDir) -> Fetcher {
        Fetcher { dir: dir.path().into(), base: Some(self.base.clone()), progress: false }
    }

    fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().expect("no test panics with the lock"));
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test panics with the lock").clone()
    }
}

fn read_head(stream: &TcpStream) -> Result<String> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    Ok(head)
}

/// Answers the request with this head.
fn answer(mut stream: TcpStream, head: &str, behaviour: &mut Behaviour) -> Result<()> {
    let lower = head.to_ascii_lowercase();
    let value = |name: &str| {
        let line = lower.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    if let Some(status) = behaviour.status {
        write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(());
    }
    let same = value("if-range").is_none_or(|mark| Some(mark.as_str()) == behaviour.etag);
    let range = value("range").filter(|_| same);
    let from = range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let start = from.unwrap_or(0);
    let body = behaviour.body.get(start..).unwrap_or_default();
    match from {
        Some(_) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\n",
            behaviour.body.len() - 1,
            behaviour.body.len()
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    if let Some(etag) = behaviour.etag {
        write!(stream, "ETag: {etag}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    let length = match &mut behaviour.cut {
        (_, 0) => body.len(),
        (length, times) => {
            *times -= 1;
            body.len().min(*length)
        }
    };
    stream.write_all(&body[..length])?;
    Ok(())
}

fn body() -> Vec<u8> {
    (0..100_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn a_download_is_recorded_and_checked_later() -> Result<()> {
    let server = Server::start(Behaviour { body: body(), ..Default::default() })?;
    let dir = tempfile::tempdir()?;
    let fetcher = server.fetcher(&dir);
    let path = fetcher.fetch("tatoeba/en-de")?;
    assert_eq!(fs_err::read(&path)?, body());
    assert!(path.ends_with("tatoeba/de-en.tmx.gz"));
    assert!(server.heads()[0].starts_with("GET /OPUS-Tatoeba/v2023-04-12/tmx/de-en.tmx.gz"));
    let record = fetcher.record()?;
    let fetched = record.get("tatoeba/de-en.tmx.gz").context("recorded")?;
    assert_eq!((fetched.bytes, fetched.licence.as_str()), (400_000, "CC BY 2.0 FR"));
    assert!(fetched.url.starts_with("https://object.pouta.csc.fi/"), "the base is not recorded");

    assert_eq!(fetcher.fetch("tatoeba/de-en")?, path);
    assert_eq!(server.heads().len(), 1, "what is there is not fetched again");
    Ok(())
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() -> Result<()> {
    let behaviour =
        Behaviour { body: body(), etag: Some("\"a\""), cut: (150_000, 2), status: None };
    let server = Server::start(behaviour)?;
    let dir = tempfile::tempdir()?;
    let path = server.fetcher(&dir).fetch("ml-100k")?;
    assert_eq!(fs_err::read(path)?, body());
    let heads = server.heads();
    assert_eq!(heads.len(), 3);
    assert!(heads[2].to_lowercase().contains("range: bytes=300000-"), "{}", heads[2]);
    Ok(())
}

#[test]
fn a_later_run_goes_on_too() -> Result<()> {
    let behaviour = Behaviour { body: body(), etag: Some("\"a\""), cut: (1_000, 4), status: None };
    let server = Server::start(behaviour)?;
    let dir = tempfile::tempdir()?;
    let error = server.fetcher(&dir).fetch("ml-100k").err().context("four cuts are too many")?;
    assert!(error.to_string().contains("run the command again"), "{error}");
    assert!(!dir.path().join("ml-100k.zip").exists());

    let path = server.fetcher(&dir).fetch("ml-100k")?;
    assert_eq!(fs_err::read(path)?, body());
    let last = server.heads().pop().context("requests came")?.to_lowercase();
    assert!(last.contains("range: bytes=4000-"), "{last}");
    let left: Vec<_> = fs_err::read_dir(dir.path())?.flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "the file and the record: {left:?}");
    Ok(())
}

#[test]
fn two_versions_are_never_joined() -> Result<()> {
    for etag in [Some("\"a\""), None] {
        let server =
            Server::start(Behaviour { body: body(), etag, cut: (1_000, 4), status: None })?;
        let dir = tempfile::tempdir()?;
        assert!(server.fetcher(&dir).fetch("ml-100k").is_err());
        let newer: Vec<u8> = body().into_iter().rev().collect();
        server.change(|behaviour| {
            behaviour.body = newer.clone();
            behaviour.etag = etag.map(|_| "\"b\"");
        });
        assert_eq!(fs_err::read(server.fetcher(&dir).fetch("ml-100k")?)?, newer);
    }
    Ok(())
}

#[test]
fn a_changed_file_is_refused() -> Result<()> {
    let server = Server::start(Behaviour { body: body(), ..Default::default() })?;
    let dir = tempfile::tempdir()?;
    let path = server.fetcher(&dir).fetch("ml-1m")?;
    fs_err::write(&path, "altered")?;
    let message = server.fetcher(&dir).fetch("ml-1m").err().context("altered here")?.to_string();
    assert!(message.contains("ml-1m.zip") && message.contains("fetched.json"), "{message}");

    fs_err::remove_file(&path)?;
    server.change(|behaviour| behaviour.body[7] ^= 1);
    assert!(server.fetcher(&dir).fetch("ml-1m").is_err(), "altered there");
    assert!(!path.exists());
    server.change(|behaviour| behaviour.body[7] ^= 1);
    assert_eq!(fs_err::read(server.fetcher(&dir).fetch("ml-1m")?)?, body());
    Ok(())
}

#[test]
fn a_missing_file_is_an_error_at_once() -> Result<()> {
    let server = Server::start(Behaviour { status: Some(404), ..Default::default() })?;
    let dir = tempfile::tempdir()?;
    let message = server.fetcher(&dir).fetch("wmt17").err().context("404")?.to_string();
    assert!(message.contains("404") && message.contains("/wmt17/"), "{message}");
    assert_eq!(server.heads().len(), 1);
    Ok(())
}
