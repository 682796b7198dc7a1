//! Bodies that are too large for memory, between asynchronous sockets and code that blocks.

use std::io::{self, Read, Write};

use actix_web::{body::BodyStream, rt::task::spawn_blocking, web::Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks that wait at most.
const WAITING: usize = 16;

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;

type Piece = Result<Bytes, io::Error>;

/// A body that `write` fills on a thread of its own, as fast as the client reads.
///
/// An error of `write` breaks the answer off: its status has been sent by then.
pub(crate) fn body<E: std::fmt::Display>(
    write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
) -> BodyStream<impl Stream<Item = Piece>> {
    let (sender, receiver) = channel(WAITING);
    drop(spawn_blocking(move || {
        let mut writer = Writer { sender, chunk: Vec::new() };
        let result = write(&mut writer).map_err(|error| error.to_string());
        let result = result.and_then(|()| writer.flush().map_err(|error| error.to_string()));
        if let Err(error) = result {
            let _ = writer.sender.blocking_send(Err(io::Error::other(error))); // nobody reads on
        }
    }));
    let next = |mut receiver: Receiver<Piece>| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    };
    BodyStream::new(stream::unfold(receiver, next))
}

/// Lets `read` read what comes, on a thread of its own.
pub(crate) async fn read<T: Send + 'static, E: std::fmt::Display>(
    mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    read: impl FnOnce(Reader) -> T + Send + 'static,
) -> Result<T, actix_web::error::BlockingError> {
    let (sender, receiver) = channel(WAITING);
    let done = actix_web::web::block(move || read(Reader { receiver, rest: Bytes::new() }));
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| io::Error::other(error.to_string()));
        let is_last = piece.is_err();
        if sender.send(piece).await.is_err() || is_last {
            break; // nobody reads on, or nothing more will come
        }
    }
    drop(sender);
    done.await
}

struct Writer {
    sender: Sender<Piece>,
    chunk: Vec<u8>,
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
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone");
        self.sender.blocking_send(Ok(chunk.into())).map_err(gone)
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

    use actix_web::body::MessageBody;

    use super::*;

    #[actix_web::test]
    async fn what_is_written_arrives_and_what_arrives_is_read() -> anyhow::Result<()> {
        let lines = 50_000usize;
        let write = move |writer: &mut dyn Write| -> io::Result<()> {
            (0..lines).try_for_each(|i| writeln!(writer, "line {i}"))
        };
        let mut pieces = Vec::new();
        let mut body = Box::pin(body(write));
        while let Some(piece) = std::future::poll_fn(|task| body.as_mut().poll_next(task)).await {
            pieces.push(Ok::<_, io::Error>(piece.map_err(|error| anyhow::anyhow!("{error}"))?));
        }
        assert!(pieces.len() > 2, "{} pieces", pieces.len());
        let count = |reader| io::BufReader::new(reader).lines().map_while(Result::ok).count();
        assert_eq!(read(stream::iter(pieces), count).await?, lines);
        Ok(())
    }
}
