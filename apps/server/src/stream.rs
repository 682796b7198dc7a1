//! Bodies that are too large for memory, between asynchronous sockets and code that blocks.
//!
//! Each runs on a thread of its own, a bounded number of them at a time, and ends when the client
//! pauses for too long.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, body::BodyStream, error::PayloadError, web::Bytes};
use futures_util::{
    Stream, StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel, error::TrySendError},
    oneshot,
};

use crate::{
    body::{Pace, Place, Places},
    client::Clients,
    config::HttpConfig,
    error::ServiceError,
};

/// Chunks that wait at most.
const WAITING: usize = 4;

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;

/// Transfers at the same time.
const TRANSFERS: usize = 16;

/// How often a writer looks whether its client has read on.
const LOOK: Duration = Duration::from_millis(5);

type Piece = Result<Bytes, io::Error>;

/// What both ends of an answer know of why it breaks off.
type Failure = Arc<Mutex<Option<String>>>;

/// Runs transfers; clones share the places for them.
#[derive(Clone)]
pub(crate) struct Transfers {
    places: Arc<Places>,
    pace: Pace,
    clients: Clients,
}

impl Transfers {
    /// As patient as `config`.
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            places: Arc::new(Places::new(TRANSFERS)),
            pace: Pace::new(config),
            clients: Clients { trust_forwarded_for: config.trust_forwarded_for },
        }
    }

    /// A place for the transfer of `request`, or a refusal at once.
    pub(crate) fn place(&self, request: &HttpRequest) -> Result<Place, ServiceError> {
        self.places.take(&self.clients.of(request))
    }

    /// A body that `write` fills as fast as the client reads.
    ///
    /// An error of `write` breaks the answer off: its status has been sent by then.
    pub(crate) fn write<E: std::fmt::Display>(
        &self,
        place: Place,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
    ) -> Result<BodyStream<LocalBoxStream<'static, Piece>>, ServiceError> {
        let (sender, receiver) = channel(WAITING);
        let failure = Failure::default();
        let mut writer = Writer { sender, chunk: Vec::new(), patience: self.pace.pause() };
        let noted = Arc::clone(&failure);
        let work = move || {
            let result = write(&mut writer).map_err(|error| error.to_string());
            let result = result.and_then(|()| writer.flush().map_err(|error| error.to_string()));
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
            drop((writer, place)); // the reader looks at `noted` after the last chunk
        };
        spawn(work)?;
        let next = |(mut receiver, failure): (Receiver<Piece>, Failure)| async move {
            let piece = match receiver.recv().await {
                Some(piece) => piece,
                None => {
                    let reason = failure.lock().unwrap_or_else(PoisonError::into_inner).take()?;
                    Err(io::Error::other(reason))
                }
            };
            Some((piece, (receiver, failure)))
        };
        Ok(BodyStream::new(stream::unfold((receiver, failure), next).fuse().boxed_local()))
    }

    /// The pieces of a body until one does not come in time.
    pub(crate) fn paced(
        &self,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
    ) -> LocalBoxStream<'static, Result<Bytes, PayloadError>> {
        self.pace.limit(payload)
    }

    /// Lets `read` read what comes of a [paced](Self::paced) body.
    pub(crate) async fn read<T: Send + 'static, E: std::fmt::Display>(
        &self,
        place: Place,
        mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
        read: impl FnOnce(Reader) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (sender, receiver) = channel(WAITING);
        let (reply, answer) = oneshot::channel();
        let work = move || {
            let result = read(Reader { receiver, rest: Bytes::new() });
            drop(place);
            let _ = reply.send(result); // or the client is gone
        };
        spawn(work)?;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| io::Error::other(error.to_string()));
            let is_last = piece.is_err();
            if sender.send(piece).await.is_err() || is_last {
                break; // nobody reads on, or nothing more will come
            }
        }
        drop(sender);
        answer.await.map_err(|_| ServiceError::Internal("a transfer broke off".into()))
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), ServiceError> {
    let thread = std::thread::Builder::new().name("transfer".into()).spawn(work);
    thread.map(drop).map_err(|error| ServiceError::Internal(error.to_string()))
}

struct Writer {
    sender: Sender<Piece>,
    chunk: Vec<u8>,
    /// How long the client may leave all chunks where they are.
    patience: Duration,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        let mut piece: Piece = Ok(chunk.into());
        let since = Instant::now();
        loop {
            piece = match self.sender.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(piece)) => piece,
                Err(TrySendError::Closed(_)) => {
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"));
                }
            };
            if since.elapsed() >= self.patience {
                let reason = "the client does not read";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What comes, for code that blocks.
pub(crate) struct Reader {
    receiver: Receiver<Piece>,
    rest: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;

    use super::*;
    use actix_web::{body::MessageBody, rt::time::sleep};

    fn transfers(client_timeout: u64) -> Transfers {
        Transfers::new(&HttpConfig { client_timeout, ..HttpConfig::default() })
    }

    fn place(transfers: &Transfers) -> anyhow::Result<Place> {
        Ok(transfers.places.take("client")?)
    }

    #[actix_web::test]
    async fn what_is_written_arrives_and_what_arrives_is_read() -> anyhow::Result<()> {
        let lines = 50_000usize;
        let write = move |writer: &mut dyn Write| -> io::Result<()> {
            (0..lines).try_for_each(|i| writeln!(writer, "line {i}"))
        };
        let transfers = transfers(20);
        let mut pieces = Vec::new();
        let mut body = Box::pin(transfers.write(place(&transfers)?, write)?);
        while let Some(piece) = std::future::poll_fn(|task| body.as_mut().poll_next(task)).await {
            pieces.push(Ok::<_, io::Error>(piece.map_err(|error| anyhow::anyhow!("{error}"))?));
        }
        assert!(pieces.len() > 2, "{} pieces", pieces.len());
        let count = |reader| io::BufReader::new(reader).lines().map_while(Result::ok).count();
        let read = transfers.read(place(&transfers)?, stream::iter(pieces), count);
        assert_eq!(read.await?, lines);
        Ok(())
    }

    #[actix_web::test]
    async fn a_client_that_pauses_loses_its_place() -> anyhow::Result<()> {
        let transfers = transfers(1);
        let held: Vec<Place> = (0..3).map(|_| place(&transfers)).collect::<anyhow::Result<_>>()?;
        let first = stream::iter([Ok(Bytes::from_static(b"begun"))]);
        let never = transfers.paced(first.chain(stream::pending()));
        let read = |mut reader: Reader| io::read_to_string(&mut reader).map_err(|e| e.to_string());
        let result = transfers.read(place(&transfers)?, never, read).await?;
        assert!(result.is_err_and(|error| error.contains("in time")));

        // Nobody reads this one: its writer gives up, and its place is free again.
        let endless = |writer: &mut dyn Write| -> io::Result<()> {
            loop {
                writer.write_all(&[0; 4096])?;
            }
        };
        let body = transfers.write(place(&transfers)?, endless)?;
        assert!(transfers.places.take("client").is_err(), "a client has a share of the places");
        let mut freed = false;
        for _ in 0..60 {
            sleep(Duration::from_millis(50)).await;
            freed = freed || transfers.places.take("client").is_ok();
        }
        assert!(freed, "the place is still taken");
        let mut body = Box::pin(body);
        let mut is_broken = false;
        while let Some(piece) = std::future::poll_fn(|task| body.as_mut().poll_next(task)).await {
            is_broken = piece.is_err();
        }
        assert!(is_broken, "half an answer must not look like a whole one");
        drop(held);
        Ok(())
    }
}
