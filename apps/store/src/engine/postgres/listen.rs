//! A connection that hears of changes as they are committed, and removes old rows of the log.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, time::Instant};
use tokio_postgres::{AsyncMessage, Config};

use super::{Heard, Pool, limits, tls::Connector};

/// How long after a lost connection another one is made.
const AGAIN: Duration = Duration::from_millis(250);

/// How often everything is looked at without a notice.
const LOOK: Duration = Duration::from_secs(20);

/// How often old rows are removed.
const PRUNE: Duration = Duration::from_secs(60);

/// Removes rows that every replica has read, or will not read any more: one that was away for so long reads
/// everything anew ([`crate::engine::FORGOTTEN`]).
const OLD: &str = "DELETE FROM dragoman_changes WHERE id IN \
     (SELECT id FROM dragoman_changes ORDER BY id LIMIT 20000) AND at < now() - interval '10 minutes'";

/// Calls `heard` with the tree of each change by others than `origin`, and with none whenever changes may
/// have been missed.
pub(super) fn start(pool: &Arc<Pool>, origin: i64, heard: Heard) {
    let (sender, mut queue) = mpsc::unbounded_channel::<Option<String>>();
    let (config, weak) = (pool.config.clone(), Arc::downgrade(pool));
    let connector = pool.connector.clone();
    pool.spawn(async move {
        while weak.strong_count() > 0 {
            if let Err(error) = follow(&config, &connector, origin, &weak, &sender).await {
                tracing::debug!(%error, "no connection that hears of changes");
                if let Some(pool) = weak.upgrade() {
                    pool.lose(&error);
                }
            }
            if sender.is_closed() {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
    // What is done about a notice blocks: not on the runtime, and several notices of a tree at once.
    let work = move || {
        while let Some(first) = queue.blocking_recv() {
            let mut trees = vec![first];
            while let Ok(tree) = queue.try_recv() {
                trees.push(tree);
            }
            trees.sort_unstable();
            trees.dedup();
            match trees[0] {
                None => heard(None), // all of them
                Some(_) => trees.iter().flatten().for_each(|tree| heard(Some(tree))),
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("store-follow".into()).spawn(work) {
        tracing::error!(%error, "changes of other replicas are not heard of");
    }
}

/// Listens until the connection is lost.
async fn follow(
    config: &Config,
    connector: &Connector,
    origin: i64,
    pool: &Weak<Pool>,
    sender: &mpsc::UnboundedSender<Option<String>>,
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(connector.clone()).await?;
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    let (heard, mut notices) = mpsc::unbounded_channel();
    let pump = tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(notice)) => {
                    if heard.send(notice.payload().to_owned()).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(error) => return tracing::debug!(%error, "the listening connection is lost"),
            }
        }
    });
    let result = attend(&client, origin, &mut notices, pool, sender).await;
    pump.abort();
    result
}

/// Passes notices on.
async fn attend(
    client: &tokio_postgres::Client,
    origin: i64,
    notices: &mut mpsc::UnboundedReceiver<String>,
    pool: &Weak<Pool>,
    sender: &mpsc::UnboundedSender<Option<String>>,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("SET enable_seqscan = off; LISTEN dragoman").await?;
    let schema: String = client.query_one("SELECT current_schema()::text", &[]).await?.get(0);
    let (prefix, own) = (format!("{schema}:"), format!("{origin}:"));
    let _ = sender.send(None); // what came before this connection
    let (mut pruned, mut looked) = (Instant::now(), Instant::now());
    while pool.strong_count() > 0 {
        match tokio::time::timeout(LOOK, notices.recv()).await {
            Ok(Some(payload)) => {
                let notice = payload.strip_prefix(&prefix).filter(|rest| !rest.starts_with(&own));
                if let Some((_, tree)) = notice.and_then(|rest| rest.split_once(':')) {
                    let _ = sender.send(Some(tree.to_owned()));
                }
            }
            Ok(None) => return Ok(()), // the connection is lost
            Err(_) => client.batch_execute("SELECT 1").await?,
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            let _ = sender.send(None);
        }
        if pruned.elapsed() > PRUNE {
            pruned = Instant::now();
            for old in [OLD, limits::OLD] {
                while client.execute(old, &[]).await? == 20_000 {}
            }
        }
    }
    Ok(())
}
