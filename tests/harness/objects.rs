//! An object store on the loopback that speaks as S3 does, and fails as it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;

use crate::http::{HttpServer, Reply, Request};

/// The key that may read.
const KEY: &str = "key-of-the-tests";

/// A store; `BUCKET/KEY` names an object.
#[derive(Debug, Clone)]
pub struct ObjectServer {
    /// Its address, for `AWS_ENDPOINT`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// What goes wrong with an object.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered with a status, and no object.
    Status(u16),
    /// The connection ends after so many bytes.
    Cut(usize),
    /// Its bytes are other ones.
    Wrong,
    /// Its answer takes so long to begin.
    Slow(Duration),
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (usize, Vec<u8>)>,
    versions: usize,
    /// Faults of the objects whose names end so, each for some more requests.
    faults: Vec<(String, Fault, usize)>,
    requests: Vec<String>,
}

impl ObjectServer {
    /// Starts an empty store.
    pub fn start() -> Result<Self> {
        let state: Arc<Mutex<State>> = Arc::default();
        let of_server = Arc::clone(&state);
        let server = HttpServer::start(move |request| lock(&of_server).answer(&request))?;
        Ok(Self { url: server.url, state })
    }

    /// The variables by which a client finds the store, and may read.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", self.url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests"),
            ("AWS_REGION", "eu-central-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Puts an object in its place.
    pub fn put(&self, name: &str, content: impl Into<Vec<u8>>) {
        let mut state = lock(&self.state);
        state.versions += 1;
        let version = state.versions;
        state.objects.insert(name.into(), (version, content.into()));
    }

    /// Puts all files of the folder `from` below `to`, the register last.
    ///
    /// # Errors
    /// Fails when the folder cannot be read.
    pub fn upload(&self, from: &Path, to: &str) -> Result<()> {
        for entry in fs_err::read_dir(from)? {
            let entry = entry?;
            let name = format!("{to}/{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => self.upload(&entry.path(), &name)?,
                false => self.put(&name, fs_err::read(entry.path())?),
            }
        }
        Ok(())
    }

    /// Lets the next `count` answers to `GET` of objects whose names end with `name` go wrong.
    pub fn fail(&self, name: &str, fault: Fault, count: usize) {
        lock(&self.state).faults.push((name.into(), fault, count));
    }

    /// Ends all faults.
    pub fn mend(&self) {
        lock(&self.state).faults.clear();
    }

    /// The requests since the last call, as `GET bucket/name`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).requests)
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let name = request.path.trim_matches('/').replace("%3D", "=");
        self.requests.push(format!("{} {name}", request.method));
        let credential = format!("Credential={KEY}/");
        let is_known =
            request.headers.get("authorization").is_some_and(|key| key.contains(&credential));
        if !is_known {
            return error(403, "AccessDenied");
        }
        if request.query.contains("list-type=2") {
            return Reply::new(200, self.list(&name, &request.query));
        }
        let is_due =
            |end: &str, left: usize| request.method == "GET" && name.ends_with(end) && left > 0;
        let fault = self.faults.iter_mut().find(|(end, _, left)| is_due(end, *left));
        let fault = fault.map(|(_, fault, left)| {
            *left -= 1;
            fault.clone()
        });
        if let Some(Fault::Status(status)) = fault {
            return error(status, "Fault");
        }
        let Some((version, content)) = self.objects.get(&name) else {
            return error(404, "NoSuchKey");
        };
        let reply = ranged(request, content)
            .header("ETag", format!("\"{version}\""))
            .header("Last-Modified", "Fri, 01 Mar 2024 10:00:00 GMT");
        match fault {
            Some(Fault::Cut(bytes)) => Reply { cut: Some(bytes), ..reply },
            Some(Fault::Slow(delay)) => Reply { delay, ..reply },
            Some(Fault::Wrong) => {
                let body = reply.body.iter().map(|byte| byte ^ 1).collect();
                Reply { body, ..reply }
            }
            _ => reply,
        }
    }

    /// What is below a prefix, as XML.
    fn list(&self, bucket: &str, query: &str) -> String {
        let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix="));
        let prefix = prefix.unwrap_or_default().replace("%2F", "/");
        let start = format!("{bucket}/{prefix}");
        let names = self.objects.keys().filter_map(|name| name.strip_prefix(&start));
        let folders: BTreeSet<&str> =
            names.filter_map(|rest| Some(rest.split_once('/')?.0)).collect();
        let shown = |folder: &str| {
            format!("<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>")
        };
        let folders: String = folders.into_iter().map(shown).collect();
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>{bucket}</Name><Prefix>{prefix}</Prefix>\
             <KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>{folders}</ListBucketResult>"
        )
    }
}

/// An object, or the part of it that was asked for.
fn ranged(request: &Request, content: &[u8]) -> Reply {
    let range = request.headers.get("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let last = last.parse().unwrap_or(usize::MAX).min(content.len().checked_sub(1)?);
        Some((first.parse::<usize>().ok()?, last))
    });
    match range {
        None => Reply::new(200, content),
        Some((first, last)) if first <= last => {
            let shown = format!("bytes {first}-{last}/{}", content.len());
            Reply::new(206, &content[first..=last]).header("Content-Range", shown)
        }
        Some(_) => error(416, "InvalidRange"),
    }
}

fn error(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    Reply::new(status, body)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
