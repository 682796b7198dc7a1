//! What an index of many vectors costs and finds.
//!
//! It is a measurement: `VECTORS=1000000 cargo test --release -p dragoman-server --lib many_vectors -- --ignored
//! --nocapture`

use std::{sync::Arc, time::Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Distance, cells::Cells};

/// Numbers of each vector.
const LEN: usize = 64;

/// Centres around which vectors lie, as embeddings of items do around kinds of items.
const CENTRES: usize = 1000;

/// Factors of which others are made, without any centre.
const FACTORS: usize = 16;

/// Queries that are timed, and those that are compared with the exact answer.
const QUERIES: [usize; 2] = [1000, 100];

type Numbered = Vec<(u32, Arc<[f32]>)>;

fn point(len: usize, rng: &mut StdRng) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn clustered(count: usize, rng: &mut StdRng) -> Numbered {
    let centres: Vec<Vec<f32>> = (0..CENTRES).map(|_| point(LEN, rng)).collect();
    let mut around = |number: usize| {
        let centre = &centres[number % CENTRES];
        centre.iter().zip(point(LEN, rng)).map(|(centre, noise)| centre + 0.5 * noise).collect()
    };
    (0..count).map(|number| (number as u32, around(number))).collect()
}

fn mixed(count: usize, rng: &mut StdRng) -> Numbered {
    let parts: Vec<Vec<f32>> = (0..FACTORS).map(|_| point(LEN, rng)).collect();
    let mut mix = || {
        let mut vector: Vec<f32> = point(LEN, rng).iter().map(|noise| 0.3 * noise).collect();
        for (part, factor) in parts.iter().zip(point(FACTORS, rng)) {
            vector.iter_mut().zip(part).for_each(|(sum, number)| *sum += factor * number);
        }
        vector.into()
    };
    (0..count).map(|number| (number as u32, mix())).collect()
}

/// Memory of this process in MiB: that it has now, and the most that it had.
fn memory() -> [u64; 2] {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() / 1024
    })
}

/// The ten nearest of `vectors`, by comparing all.
fn exact(vectors: &[(u32, Arc<[f32]>)], own: &[f32]) -> Vec<u32> {
    let distance = |other: &[f32]| Distance::Euclidean.between(own, other).unwrap_or(f32::INFINITY);
    let mut all: Vec<(f32, u32)> =
        vectors.iter().map(|(number, other)| (distance(other), *number)).collect();
    all.select_nth_unstable_by(10, |a, b| a.0.total_cmp(&b.0));
    all[..10].iter().map(|(_, number)| *number).collect()
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn index_of_many_vectors() -> anyhow::Result<()> {
    let count = std::env::var("VECTORS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut rng = StdRng::seed_from_u64(1);
    let clustered = clustered(count, &mut rng);
    measure("around centres", &clustered, &mut rng)?;
    drop(clustered);
    let mixed = mixed(count, &mut rng);
    measure("mixed of factors", &mixed, &mut rng)
}

fn measure(name: &str, vectors: &Numbered, rng: &mut StdRng) -> anyhow::Result<()> {
    let count = vectors.len();
    let [before, _] = memory();
    let started = Instant::now();
    let index = Cells::new(Distance::Euclidean, vectors, 0).map_err(anyhow::Error::msg)?;
    let seconds = started.elapsed().as_secs_f64();
    let [after, most] = memory();
    println!(
        "{count} vectors of {LEN} numbers {name}, {before} MiB: index made in {seconds:.1} s by the clock; with it \
         {after} MiB, at most {most} MiB"
    );
    let mut times = Vec::new();
    for _ in 0..QUERIES[0] {
        let (_, own) = &vectors[rng.random_range(0..count)];
        let started = Instant::now();
        let mut near: Vec<(f32, u32)> = index
            .near(own)
            .into_iter()
            .filter_map(|number| {
                Some((Distance::Euclidean.between(own, &vectors[number as usize].1)?, number))
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        times.push(started.elapsed());
        assert!(near.len() > 10 && near[0].0 == 0.0, "the vector itself is the nearest");
    }
    times.sort_unstable();
    let at = |share: f64| times[(share * times.len() as f64) as usize].as_secs_f64() * 1000.0;
    println!("a query: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
    let mut hits = 0;
    for _ in 0..QUERIES[1] {
        let (_, own) = &vectors[rng.random_range(0..count)];
        let found = index.near(own);
        hits += exact(vectors, own).iter().filter(|number| found.contains(number)).count();
    }
    let recall = hits as f64 / (10 * QUERIES[1]) as f64;
    println!("of the ten nearest {:.1} % are found", 100.0 * recall);
    assert!(recall > 0.9, "{recall}");
    Ok(())
}
