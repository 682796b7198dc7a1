//! Servers that share a store have the same lists, whichever of them was written to.

#[allow(dead_code, reason = "others that include it ask for more")]
#[path = "../../../../store/tests/server/mod.rs"]
mod server;

use std::time::{Duration, Instant};

use self::server::Server;
use super::*;

/// A server's recommendations on a store that it shares.
fn replica(address: &std::path::Path) -> anyhow::Result<(Store, Arc<Recommendations>)> {
    let store = Store::open(address)?;
    let replica = Arc::new(service(&store)?);
    replica.follow();
    Ok((store, replica))
}

#[test]
fn replicas_go_through_the_same_states_whoever_writes() -> anyhow::Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    for seed in 0..4 {
        let address = server.fresh()?;
        let replicas = [replica(&address)?, replica(&address)?];
        let mut rng = StdRng::seed_from_u64(seed);
        for step in 1..=120 {
            let (_, service) = &replicas[rng.random_range(0..2)];
            let index = service.index("default")?;
            act(&index, 3600, &mut rng)?;
            if step % 40 == 0 {
                for (number, (store, service)) in replicas.iter().enumerate() {
                    service.index("default")?.catch_up()?;
                    let what = format!("seed {seed}, step {step}, replica {number}");
                    assert_same(service, store, &what)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn replicas_that_write_at_the_same_time_agree_within_a_second() -> anyhow::Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let replicas = [replica(&address)?, replica(&address)?];
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let writers = replicas.iter().enumerate().flat_map(|(number, (_, service))| {
            (0..2).map(move |thread| (number as u64 * 2 + thread, service))
        });
        let writers: Vec<_> = writers
            .map(|(seed, service)| {
                scope.spawn(move || -> anyhow::Result<()> {
                    let mut rng = StdRng::seed_from_u64(seed);
                    for _ in 0..60 {
                        let index = service.index("default")?;
                        act(&index, 3600, &mut rng)?;
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("no writer panics"))
    })?;
    let expected = lists(&service(&replicas[0].0)?)?;
    let started = Instant::now();
    for (_, service) in &replicas {
        while lists(service)? != expected {
            assert!(started.elapsed() < Duration::from_secs(1), "they differ after a second");
        }
    }
    println!("the same after {:?}", started.elapsed());

    // A server that lost its connections catches up when it has them again.
    server.crash()?;
    server.up()?;
    let (mut writer, mut item) = (Err(anyhow::anyhow!("not yet")), 0);
    while writer.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "it never came back");
        item += 1;
        let new = Item { item_id: format!("new{item}"), ..Item::default() };
        writer = Ok(()).and(replicas[0].1.index("default")?.put_items(&[new]).map_err(Into::into));
    }
    let is_known = || -> anyhow::Result<bool> {
        let id = format!("new{item}");
        Ok(replicas[1].1.index("default")?.items().number(&id).is_some())
    };
    let restarted = Instant::now();
    while !is_known()? {
        assert!(restarted.elapsed() < Duration::from_secs(2), "it does not follow any more");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
