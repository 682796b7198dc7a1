//! How long an all-to-all takes: latency and bandwidth between the ranks, for `training/scripts/scaling-model --measured`.
//!
//! ```sh
//! cargo build --release -p dragoman-core --features mpi --example exchange
//! mpirun -n 4 target/release/examples/exchange
//! ```

use std::time::Instant;

use dragoman_core::{
    Result,
    collective::{Mpi, Purpose, Ranks},
};

/// Calls of one size.
const CALLS: usize = 31;

fn main() -> Result<()> {
    let ranks = Ranks::new(Mpi::join()?);
    for log in [2, 6, 10, 14, 16, 18, 20] {
        let part = vec![1f32; 1 << log];
        let parts = vec![&part[..]; ranks.size()];
        let mut seconds = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            ranks.all_gather(Purpose::Statistics, &[])?; // all start together
            let started = Instant::now();
            ranks.all_to_all(Purpose::Tokens, &parts)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        if ranks.is_first() {
            let bytes = 4 * part.len() * (ranks.size() - 1);
            println!("'{bytes} {:.7}'", seconds[CALLS / 2]);
        }
    }
    Ok(())
}
