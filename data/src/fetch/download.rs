//! Downloads one file into a `.part` beside it, and goes on with a `.part` that is there.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use ureq::{Agent, Body, http::Response};

use crate::{Error, Result};

/// How often a download that breaks off is taken up again before giving up.
const ATTEMPTS: usize = 4;

/// Downloads `url` to `PATH.part`, and returns the path of that.
pub(super) fn download(url: &str, path: &Path, progress: bool) -> Result<PathBuf> {
    let part = beside(path, "part");
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .http_status_as_error(false)
        .build()
        .into();
    let bar = if progress { ProgressBar::no_length() } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
            .expect("the template is valid"),
    );
    bar.set_message(path.file_name().unwrap_or_default().to_string_lossy().into_owned());

    let mut failure = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tracing::warn!(url, failure, "the download broke off; going on");
            std::thread::sleep(Duration::from_millis(500 * attempt as u64));
        }
        match go_on(&agent, url, &part, &bar) {
            Ok(()) => {
                bar.finish_and_clear();
                fs_err::remove_file(beside(&part, "etag")).ok(); // there need not be one
                return Ok(part);
            }
            Err(Trouble::BrokeOff(reason)) => failure = reason,
            Err(Trouble::Refused(reason)) => return Err(refused(url, reason)),
            Err(Trouble::Local(error)) => return Err(error.into()),
        }
    }
    Err(refused(url, format!("{failure}; run the command again to go on where it broke off")))
}

/// Why a download is not complete.
enum Trouble {
    /// Trying again may help.
    BrokeOff(String),
    /// It will not.
    Refused(String),
    /// The file could not be written.
    Local(std::io::Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Local(error)
    }
}

/// Asks for what is missing of `part`, and appends it.
fn go_on(agent: &Agent, url: &str, part: &Path, bar: &ProgressBar) -> Result<(), Trouble> {
    let etag_path = beside(part, "etag");
    // Without a mark of its version, half of an older file could be joined with half of a newer.
    let etag = fs_err::read_to_string(&etag_path).ok();
    let present = match &etag {
        Some(_) => fs_err::metadata(part).map_or(0, |metadata| metadata.len()),
        None => 0,
    };
    // What arrives is stored as it is, so it must not be packed for the way.
    let mut request = agent.get(url).header("Accept-Encoding", "identity");
    if let (Some(etag), 1..) = (&etag, present) {
        request = request.header("Range", format!("bytes={present}-")).header("If-Range", etag);
    }
    let response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) => Trouble::Refused(error.to_string()),
        _ => Trouble::BrokeOff(error.to_string()),
    })?;

    let start = match response.status().as_u16() {
        200 => 0,
        206 if range_start(&response) == Some(present) => present,
        // The part is longer than the file, or complete: without trust in it, start anew.
        206 | 416 => {
            fs_err::remove_file(part)?;
            return Err(Trouble::BrokeOff("the server has another file by now".into()));
        }
        500..=599 | 429 => {
            return Err(Trouble::BrokeOff(format!("the server answered {}", response.status())));
        }
        _ => return Err(Trouble::Refused(format!("the server answered {}", response.status()))),
    };
    if start == 0 {
        match header(&response, "etag").or_else(|| header(&response, "last-modified")) {
            // A weak mark does not promise the same bytes.
            Some(mark) if !mark.starts_with("W/") => fs_err::write(&etag_path, mark)?,
            _ => drop(fs_err::remove_file(&etag_path)),
        }
    }
    let length = header(&response, "content-length").and_then(|length| length.parse::<u64>().ok());
    let total = length.map(|length| start + length);
    if let Some(total) = total {
        bar.set_length(total);
    }
    bar.set_position(start);
    let size = append(response, part, start, bar)?;
    match total {
        Some(total) if size != total => {
            Err(Trouble::BrokeOff(format!("{size} of {total} bytes arrived")))
        }
        _ => Ok(()),
    }
}

/// Writes the body behind the first `start` bytes of `part`; returns the size of the file.
fn append(
    response: Response<Body>,
    part: &Path,
    start: u64,
    bar: &ProgressBar,
) -> Result<u64, Trouble> {
    let mut file = fs_err::OpenOptions::new().create(true).append(true).open(part)?;
    file.set_len(start)?;
    let mut body = response.into_body().into_reader();
    let (mut buffer, mut size) = (vec![0; 1 << 16], start);
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(Trouble::BrokeOff(error.to_string())),
        };
        file.write_all(&buffer[..count])?;
        size += count as u64;
        bar.set_position(size);
    }
    file.sync_all()?;
    Ok(size)
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// `100` of `Content-Range: bytes 100-199/200`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = header(response, "content-range")?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn refused(url: &str, reason: String) -> Error {
    Error::Fetch { what: url.to_owned(), reason }
}

/// `a.gz.part` of `a.gz`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
