//! Writers of one process that share a transaction.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_store::{DEFAULT_TENANT, Error, Feedback, Insert, Mode, Store, Tenant};

use super::{event, server::Server};

/// Lets 16 threads write 20 events each; returns which were acknowledged.
fn crowd(tenant: &Tenant, write: impl Fn(&Tenant, i64) -> bool + Sync) -> Vec<(i64, bool)> {
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let (all, write) = (&all, &write);
            scope.spawn(move || {
                for i in (0..20).map(|i| writer * 1000 + i) {
                    let is_written = write(tenant, i);
                    all.lock().expect("nobody panics").push((i, is_written));
                }
            });
        }
    });
    all.into_inner().expect("nobody panics")
}

fn ensure_stored(tenant: &Tenant, written: &[(i64, bool)]) -> Result<()> {
    for (i, is_written) in written {
        let Feedback { user_id, item_id, .. } = event(*i);
        let is_there = tenant.feedback("read", &user_id, &item_id)?.is_some();
        ensure!(is_there == *is_written, "event {i}: acknowledged {is_written}, there {is_there}");
        let history = tenant.events_of(&user_id, &item_id, "read")?;
        ensure!(history.len() == usize::from(*is_written), "event {i}: {history:?}");
    }
    Ok(())
}

/// Rows of the log of changes, of which each transaction leaves one.
fn transactions(server: &Server, address: &std::path::Path) -> Result<usize> {
    let address = address.display().to_string();
    let schema = address.rsplit("%3D").next().context("a schema")?;
    Ok(server.sql(&format!("SELECT count(*) FROM {schema}.dragoman_changes"))?.parse()?)
}

#[test]
fn writers_of_one_process_share_a_commit() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let store = Store::open(&address)?;
    let tenant = store.tenant(DEFAULT_TENANT)?;
    let before = transactions(&server, &address)?;
    let written = crowd(&tenant, |tenant, i| {
        tenant.put_feedback(&[event(i)], Mode::Add, Insert::BOTH).is_ok()
    });
    ensure!(written.iter().all(|(_, is_written)| *is_written));
    ensure_stored(&tenant, &written)?;
    let count = transactions(&server, &address)? - before;
    println!("{} writes in {count} transactions", written.len());
    ensure!(count * 2 < written.len(), "{} writes in {count} transactions", written.len());
    Ok(())
}

#[test]
fn a_writer_that_fails_takes_back_its_own_and_nothing_else() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let store = Store::open(&address)?;
    let tenant = store.tenant(DEFAULT_TENANT)?;
    let written = crowd(&tenant, |tenant, i| {
        let done = tenant.alone(|| {
            tenant.put_feedback(&[event(i)], Mode::Add, Insert::BOTH)?;
            match i % 3 {
                0 => Err(Error::Invalid("a change of mind".into())),
                _ => Ok(()),
            }
        });
        assert!(done.is_ok() || matches!(&done, Err(Error::Invalid(_))), "{done:?}");
        done.is_ok()
    });
    ensure!(written.iter().all(|(i, is_written)| *is_written == (i % 3 != 0)));
    ensure_stored(&tenant, &written)
}

#[test]
fn a_commit_that_fails_is_an_error_of_all_who_share_it() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let store = Store::open(&address)?;
    let tenant = store.tenant(DEFAULT_TENANT)?;
    server.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF position('i3007'::bytea IN NEW.key) > 0 THEN RAISE 'not this one'; END IF; \
         RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON s0.dragoman_rows \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
    )?;
    let written = crowd(&tenant, |tenant, i| {
        match tenant.put_feedback(&[event(i)], Mode::Add, Insert::BOTH) {
            Ok(_) => true,
            Err(error) => {
                assert!(error.to_string().contains("not this one"), "{error}");
                false
            }
        }
    });
    ensure!(written.contains(&(3007, false)));
    let refused = written.iter().filter(|(_, is_written)| !is_written).count();
    println!("{refused} of {} refused", written.len());
    ensure!(refused < written.len() / 2, "only those of one transaction are: {refused}");
    ensure_stored(&tenant, &written)
}

/// Prints how many single events a second are acknowledged, and how long one takes.
#[test]
#[ignore = "it measures: run it alone, with --ignored --nocapture"]
fn throughput_of_single_events() -> Result<()> {
    const TIME: Duration = Duration::from_secs(4);
    let Some(server) = Server::start()? else { return Ok(()) };
    for writers in [1, 16] {
        let folder = tempfile::tempdir()?;
        for place in [folder.path(), &server.fresh()?] {
            let store = Store::open(place)?;
            let tenant = store.tenant(DEFAULT_TENANT)?;
            let taken = Mutex::new(Vec::new());
            let started = Instant::now();
            std::thread::scope(|scope| {
                for writer in 0..writers {
                    let (tenant, taken) = (tenant.clone(), &taken);
                    scope.spawn(move || {
                        for i in 0.. {
                            let asked = Instant::now();
                            let row = [event(writer * 1_000_000 + i)];
                            tenant.put_feedback(&row, Mode::Add, Insert::BOTH).expect("written");
                            if started.elapsed() > TIME {
                                return;
                            }
                            taken.lock().expect("nobody panics").push(asked.elapsed());
                        }
                    });
                }
            });
            let mut taken = taken.into_inner().expect("nobody panics");
            taken.sort_unstable();
            let rate = taken.len() as f64 / TIME.as_secs_f64();
            let [middle, most] =
                [0.5, 0.99].map(|share| taken[(taken.len() as f64 * share) as usize]);
            let kind = store.engine();
            println!("{kind}, {writers} writers: {rate:.0}/s, p50 {middle:.1?}, p99 {most:.1?}");
        }
    }
    Ok(())
}
