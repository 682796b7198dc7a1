//! Reads bodies of requests: bounded in bytes, in time, and in how many are on their way.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest,
    error::PayloadError,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::time::timeout;

use crate::{client::Clients, config::HttpConfig, error::ServiceError};

/// Share of all places that one client may have.
const SHARE: usize = 4;

/// Bytes of all bodies that are on their way; one client may have its share of them.
const BUDGET: usize = 256 << 20;

/// Bytes a second that a client has to send at least, measured over the whole body.
const SLOWEST: usize = 8 << 10;

/// Reads bodies for all handlers.
pub(crate) struct Bodies {
    places: Places,
    pace: Pace,
    clients: Clients,
}

impl Bodies {
    /// As many bodies at once, and as slow ones, as `config` allows.
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            places: Places::new(config.body_slots),
            pace: Pace::new(config),
            clients: Clients { trust_forwarded_for: config.trust_forwarded_for },
        }
    }

    /// Reads the body of `request`, of at most `limit` bytes.
    pub(crate) async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
        limit: usize,
    ) -> Result<Bytes, ServiceError> {
        let mut place = self.places.take(&self.clients.of(request))?;
        let mut pieces = self.pace.limit(payload);
        let mut body = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| match error {
                PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                    ServiceError::TooSlow(self.pace.pause.as_secs())
                }
                error => ServiceError::invalid(error),
            })?;
            if body.len() + piece.len() > limit {
                return Err(ServiceError::TooLarge(limit));
            }
            place.grow(piece.len())?;
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

/// How slowly a client may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pause: Duration,
}

impl Pace {
    /// As patient as `config`.
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self { pause: Duration::from_secs(config.client_timeout) }
    }

    /// How long a client may pause.
    pub(crate) fn pause(self) -> Duration {
        self.pause
    }

    /// The pieces of a body until one does not come in time, which is an error and the last.
    pub(crate) fn limit<S>(self, pieces: S) -> LocalBoxStream<'static, Result<Bytes, PayloadError>>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
    {
        let state = Some((pieces, Instant::now(), 0));
        let next = move |state: Option<(S, Instant, usize)>| async move {
            let (mut pieces, since, bytes) = state?;
            let allowed = self.pause + Duration::from_secs((bytes / SLOWEST) as u64);
            let left = allowed.saturating_sub(since.elapsed()).min(self.pause);
            match timeout(left, pieces.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(piece))) => {
                    let bytes = bytes + piece.len();
                    Some((Ok(piece), Some((pieces, since, bytes))))
                }
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Err(_) => {
                    let reason = "the body did not come in time";
                    let error = io::Error::new(io::ErrorKind::TimedOut, reason);
                    Some((Err(PayloadError::Io(error)), None))
                }
            }
        };
        stream::unfold(state, next).fuse().boxed_local()
    }
}

/// Places that clients take, each client a share of them at most.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    share: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    bytes: usize,
    by_client: HashMap<String, Own>,
}

/// What one client has taken.
#[derive(Debug, Default)]
struct Own {
    count: usize,
    bytes: usize,
}

/// A place that is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    client: String,
    bytes: usize,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    /// `limit` places.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, share: limit.div_ceil(SHARE), taken: Arc::default() }
    }

    /// Takes a place for `client`, or refuses at once.
    pub(crate) fn take(&self, client: &str) -> Result<Place, ServiceError> {
        let mut taken = lock(&self.taken);
        let own = taken.by_client.get(client).map_or(0, |own| own.count);
        if taken.count >= self.limit || own >= self.share {
            return Err(ServiceError::Busy);
        }
        taken.count += 1;
        taken.by_client.entry(client.to_owned()).or_default().count += 1;
        Ok(Place { client: client.to_owned(), bytes: 0, taken: Arc::clone(&self.taken) })
    }
}

impl Place {
    /// Takes room for `bytes` more, or refuses.
    fn grow(&mut self, bytes: usize) -> Result<(), ServiceError> {
        let mut taken = lock(&self.taken);
        let own = taken.by_client.get(&self.client).map_or(0, |own| own.bytes);
        if taken.bytes + bytes > BUDGET || own + bytes > BUDGET / SHARE {
            return Err(ServiceError::Busy);
        }
        taken.bytes += bytes;
        self.bytes += bytes;
        taken.by_client.entry(self.client.clone()).or_default().bytes += bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.count -= 1;
        taken.bytes -= self.bytes;
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            own.count -= 1;
            own.bytes -= self.bytes;
            if own.count == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_on_their_way_are_bounded() -> anyhow::Result<()> {
        let places = Places::new(8);
        let (mut one, mut other) = (places.take("a")?, places.take("a")?);
        one.grow(BUDGET / SHARE - 1)?;
        assert_eq!(other.grow(2).err(), Some(ServiceError::Busy));
        places.take("b")?.grow(2)?;
        drop(one);
        other.grow(2)?;
        drop(other);
        assert_eq!(lock(&places.taken).bytes, 0);
        Ok(())
    }

    #[test]
    fn one_client_leaves_places_for_others() {
        let places = Places::new(8);
        let own: Vec<Place> = (0..2).filter_map(|_| places.take("a").ok()).collect();
        assert_eq!(own.len(), 2);
        assert_eq!(places.take("a").err(), Some(ServiceError::Busy));
        let others: Vec<Place> = (0..9).filter_map(|i| places.take(&i.to_string()).ok()).collect();
        assert_eq!(others.len(), 6, "8 places in all");
        drop(own);
        assert!(places.take("a").is_ok());
        drop(others);
        assert!(lock(&places.taken).by_client.is_empty() && lock(&places.taken).count == 0);
    }
}
