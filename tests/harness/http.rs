//! A small HTTP server on the loopback, whose answers a test writes: also those that go wrong.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path without the query, as it was sent.
    pub path: String,
    /// What stands behind `?`.
    pub query: String,
    /// Headers by their names in small letters.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What it is told, and what goes wrong with that.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The status; 0 closes the connection without an answer.
    pub status: u16,
    /// Headers, beside those of the body's length.
    pub headers: Vec<(String, String)>,
    /// The body; an answer to `HEAD` has only its length.
    pub body: Vec<u8>,
    /// Bytes of the body after which the connection is closed.
    pub cut: Option<usize>,
    /// How long the answer takes to begin.
    pub delay: Duration,
}

/// The server, which ends with the process.
#[derive(Debug)]
pub struct HttpServer {
    /// Where it listens, such as `http://127.0.0.1:40001`.
    pub url: String,
}

impl Reply {
    /// An answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl HttpServer {
    /// Starts a server that answers each request by `reply`.
    pub fn start(reply: impl Fn(Request) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let reply = Arc::new(reply);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let reply = Arc::clone(&reply);
                thread::spawn(move || answer(&stream, &*reply));
            }
        });
        Ok(Self { url })
    }
}

fn answer(stream: &TcpStream, reply: &dyn Fn(Request) -> Reply) -> io::Result<()> {
    let request = read(&mut BufReader::new(stream))?;
    let is_head = request.method == "HEAD";
    let Reply { status, headers, body, cut, delay } = reply(request);
    thread::sleep(delay);
    if status == 0 {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    head += &format!("Content-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if !is_head {
        stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())])?;
    }
    stream.flush()
}

fn read(reader: &mut impl BufRead) -> io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path: path.into(), query: query.into(), headers, body })
}
