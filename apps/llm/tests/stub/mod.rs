//! A server on the loopback that speaks as those of language models do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

/// Status, headers of one line each, and body of a reply.
pub(crate) type Reply = (u16, &'static str, String);

/// A server that replies to each request as it is told.
pub(crate) struct Stub {
    /// Address of its API.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Stub {
    /// Starts a server that answers each request, whose number from 0 on and body are given, by `reply`.
    pub(crate) fn start(
        reply: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (seen, reply) = (Arc::clone(&requests), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                thread::spawn(move || answer(stream, &seen, &*reply));
            }
        });
        Ok(Self { url, requests })
    }

    /// The bodies of the requests so far, each with the header `authorization`.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().expect("no thread panicked").clone()
    }
}

/// A chat completion that says `text`.
pub(crate) fn said(text: &str) -> Reply {
    let choice =
        serde_json::json!({ "index": 0, "message": { "role": "assistant", "content": text } });
    (200, "", serde_json::json!({ "object": "chat.completion", "choices": [choice] }).to_string())
}

fn answer(
    stream: TcpStream,
    seen: &Mutex<Vec<Value>>,
    reply: &dyn Fn(usize, &Value) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => key = value.trim().into(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut body: Value = serde_json::from_slice(&body)?;
    body["authorization"] = key.into();
    let number = {
        let mut seen = seen.lock().expect("no thread panicked");
        seen.push(body.clone());
        seen.len() - 1
    };
    let (status, headers, text) = reply(number, &body);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
