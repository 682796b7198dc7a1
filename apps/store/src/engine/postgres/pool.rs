//! Connections, and work on them from threads that block.
//!
//! The client is asynchronous, and whoever asks may be a thread of another runtime: the work is done by a
//! runtime of its own, and the asking thread waits for the answer.
//!
//! A thread that has begun a transaction is bound to its connection: all that it reads and writes until
//! the end of the transaction goes that way.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::sync_channel},
    thread::ThreadId,
    time::Duration,
};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, PoolError, RecyclingMethod,
};
use futures_util::future::join;
use tokio::runtime::Runtime;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
    error::Error as PgError,
};

use super::{
    address::{refusal, said, shown},
    layout,
    tls::{Connector, Tls},
    transaction::Bound,
};
use crate::{Error, Result};

/// Connections at most.
const CONNECTIONS: usize = 16;

/// How long a connection may take to be made, and one that is in use to come free.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// How long the server may leave what was sent to it unacknowledged: then it is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// Settings of each connection. Every query reads by a key of an index, whatever the planner believes of
/// tables that grew since it counted them; and a transaction that its process forgot ends.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off; \
     SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'";

/// Threads of the runtime that speaks with the server.
const THREADS: usize = 1;

pub(super) struct Pool {
    /// None while it is dropped.
    runtime: Option<Runtime>,
    pool: deadpool_postgres::Pool,
    pub(super) config: Config,
    pub(super) connector: Connector,
    pub(super) place: PathBuf,
    /// The connections that threads are bound to.
    bound: Mutex<HashMap<ThreadId, Bound>>,
    /// Why the server could not be asked the last time.
    lost: Mutex<Option<String>>,
}

impl Pool {
    /// Connects to the database at the address `place`, and makes what the store needs in it.
    pub(super) fn open(place: &std::path::Path) -> Result<Self> {
        let text = place.to_string_lossy().into_owned();
        let place = shown(place);
        let failed = |reason: String| Error::Open { path: shown(&place), reason };
        let (tls, rest) = Tls::of(&text).map_err(failed)?;
        let mut config = parse(&rest).map_err(failed)?;
        config.ssl_mode(if is_socket(&config) { SslMode::Disable } else { tls.driver_mode() });
        let connector = tls.connector().map_err(failed)?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("store-postgres").enable_all();
        let runtime = builder.build()?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), connector.clone(), recycling);
        let prepare = Hook::async_fn(|client, _| {
            Box::pin(
                async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) },
            )
        });
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .create_timeout(Some(PATIENCE.0))
            .wait_timeout(Some(PATIENCE.1))
            .post_create(prepare)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (bound, lost) = Default::default();
        let this = Self { runtime: Some(runtime), pool, config, connector, place, bound, lost };
        this.prepare()?;
        Ok(this)
    }

    /// Makes or migrates the tables.
    fn prepare(&self) -> Result<()> {
        let (pool, config, path) = (self.pool.clone(), self.config.clone(), self.place.clone());
        let prepared = self.wait(async move {
            let client = pool.get().await.map_err(|error| unreachable(&error, &config))?;
            layout::prepare(&client).await
        })?;
        prepared.map_err(|reason| Error::Open { path, reason })
    }

    /// Lets a connection do `work`, which changes nothing, and waits for it; where the connection turns out
    /// to be broken another one does it once more.
    pub(super) fn read<T, F>(&self, work: impl Fn(Arc<Object>) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PgError>> + Send,
    {
        if let Some(client) = self.bound_client() {
            return self.on_bound(client, work);
        }
        let (pool, config) = (self.pool.clone(), self.config.clone());
        let result = self.wait(async move {
            let mut is_again = false;
            loop {
                let client = pool.get().await.map_err(|error| unreachable(&error, &config))?;
                let client = Arc::new(client);
                match work(Arc::clone(&client)).await {
                    Err(error) if client.is_closed() && !is_again => {
                        tracing::debug!(%error, "a connection to PostgreSQL was broken");
                        is_again = true;
                    }
                    result => {
                        let is_lost = client.is_closed();
                        return result.map_err(|error| Failure { reason: said(&error), is_lost });
                    }
                }
            }
        })?;
        self.note(result)
    }

    /// Lets the connection `client` do `work`, and waits for it.
    pub(super) fn on<T, F>(
        &self,
        client: Arc<Object>,
        work: impl FnOnce(Arc<Object>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PgError>> + Send,
    {
        let result = self.wait(async move {
            let result = work(Arc::clone(&client)).await;
            let is_lost = client.is_closed();
            result.map_err(|error| Failure { reason: said(&error), is_lost })
        })?;
        self.note(result)
    }

    /// Lets the connection that this thread is bound to do `work`; what fails there breaks the transaction.
    pub(super) fn on_bound<T, F>(
        &self,
        client: Arc<Object>,
        work: impl FnOnce(Arc<Object>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PgError>> + Send,
    {
        self.on(client, work).inspect_err(|error| {
            self.bound(|bound| {
                bound.transaction.broken.get_or_insert_with(|| reason(error));
            });
        })
    }

    /// Lets the runtime do `work`, and waits for it.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let ended = || Error::Engine("the threads that speak with PostgreSQL have ended".into());
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        let (sender, answer) = sync_channel(1);
        runtime.spawn(async move {
            let _ = sender.send(work.await); // who no longer waits needs no answer
        });
        answer.recv().map_err(|_| ended())
    }

    /// A runtime for what goes on beside the asking threads.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Remembers whether the server could be asked.
    fn note<T>(&self, result: Result<T, Failure>) -> Result<T> {
        match result {
            Ok(value) => {
                *lock(&self.lost) = None;
                Ok(value)
            }
            Err(Failure { reason, is_lost }) => {
                if is_lost {
                    *lock(&self.lost) = Some(reason.clone());
                }
                Err(Error::Engine(reason))
            }
        }
    }

    /// Remembers that the server could not be asked.
    pub(super) fn lose(&self, error: &PgError) {
        *lock(&self.lost) = Some(format!("PostgreSQL: {}", refusal(error, &self.config)));
    }

    /// Why the server could not be asked the last time; none if it could.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.lost).clone()
    }

    /// Changes the transaction that this thread is bound to, if it is.
    pub(super) fn bound<T>(&self, change: impl FnOnce(&mut Bound) -> T) -> Option<T> {
        lock(&self.bound).get_mut(&std::thread::current().id()).map(change)
    }

    /// The connection that this thread is bound to.
    pub(super) fn bound_client(&self) -> Option<Arc<Object>> {
        self.bound(|bound| Arc::clone(&bound.transaction.client))
    }

    /// Binds this thread to a transaction.
    pub(super) fn bind(&self, bound: Bound) {
        lock(&self.bound).insert(std::thread::current().id(), bound);
    }

    /// Takes the transaction from this thread, if it is bound to one.
    pub(super) fn unbind(&self) -> Option<Bound> {
        lock(&self.bound).remove(&std::thread::current().id())
    }

    /// Starts a transaction by `begin`, and lets its connection do `read` without waiting in between. Nothing
    /// has been written when a broken connection is noticed here, so that another one is tried.
    pub(super) fn begin<T, F>(
        &self,
        begin: String,
        read: impl Fn(Arc<Object>) -> F + Send + 'static,
    ) -> Result<(Arc<Object>, T)>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PgError>> + Send,
    {
        let (pool, config) = (self.pool.clone(), self.config.clone());
        let begun = self.wait(async move {
            let mut is_again = false;
            loop {
                let client = pool.get().await.map_err(|error| unreachable(&error, &config))?;
                let client = Arc::new(client);
                let (begun, read) =
                    join(client.batch_execute(&begin), read(Arc::clone(&client))).await;
                match begun.and(read) {
                    Ok(read) => return Ok((client, read)),
                    Err(_) if client.is_closed() && !is_again => is_again = true,
                    Err(error) => {
                        let is_lost = client.is_closed();
                        if let Some(client) = Arc::into_inner(client) {
                            drop(Object::take(client)); // half a transaction may be open in it
                        }
                        return Err(Failure { reason: said(&error), is_lost });
                    }
                }
            }
        })?;
        self.note(begun)
    }
}

/// Why something could not be done.
struct Failure {
    reason: String,
    /// Whether the connection is gone.
    is_lost: bool,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason: format!("PostgreSQL: {reason}"), is_lost: true }
    }
}

/// Whether all hosts are sockets of this machine, which are never encrypted.
fn is_socket(config: &Config) -> bool {
    let is_socket = |host: &Host| !matches!(host, Host::Tcp(_));
    config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_socket)
}

/// The settings of a connection that an address names.
fn parse(text: &str) -> Result<Config, String> {
    let mut config: Config = text.parse().map_err(|error: PgError| {
        format!("{}; an address is postgres://USER:PASSWORD@HOST:PORT/DATABASE", said(&error))
    })?;
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_user().is_none()
        && let Ok(user) = std::env::var("PGUSER")
    {
        config.user(user);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE.0);
    }
    config.application_name(config.get_application_name().unwrap_or("dragoman").to_owned());
    config.keepalives_idle(SILENCE);
    config.tcp_user_timeout(SILENCE);
    Ok(config)
}

fn unreachable(error: &PoolError, config: &Config) -> String {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            refusal(error, config)
        }
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
            "all connections of this process were in use for 30 seconds".into()
        }
        PoolError::Timeout(_) => format!(
            "no connection within {} seconds; is the address right, and does a firewall let it through?",
            PATIENCE.0.as_secs()
        ),
        error => error.to_string(),
    }
}

/// What an error says, without the words that it gets again where it is told.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Engine(reason) => reason.clone(),
        error => error.to_string(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Pool {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, and may not do so within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("place", &self.place).finish_non_exhaustive()
    }
}
