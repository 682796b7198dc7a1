//! The loop over tasks that all kernels share.

use rayon::prelude::*;

/// Work below this many operations stays on the calling thread: waking another one costs
/// microseconds.
pub const SMALL: usize = 2_000_000;

/// Runs `task` for each of `0..count`, on rayon's current threads when `work` (about: operations in
/// all) pays for it.
///
/// Which thread runs which task is not fixed, so a task's result must depend on its number alone.
pub fn for_each(count: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if count <= 1 || work < SMALL || rayon::current_num_threads() == 1 {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Runs `task` on each chunk of `chunk_len` elements of `data` with the chunk's number; like
/// [`for_each`] otherwise.
pub fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk_len: usize,
    work: usize,
    task: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    let chunk_len = chunk_len.max(1);
    if data.len() <= chunk_len || work < SMALL || rayon::current_num_threads() == 1 {
        data.chunks_mut(chunk_len).enumerate().for_each(|(i, chunk)| task(i, chunk));
    } else {
        let chunks = data.par_chunks_mut(chunk_len).enumerate().with_max_len(1);
        chunks.for_each(|(i, chunk)| task(i, chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_visited_once_whatever_the_work() {
        for work in [0, usize::MAX] {
            let mut data = vec![0; 1001];
            for_each_chunk(&mut data, 10, work, |i, chunk| {
                chunk.iter_mut().for_each(|x| *x += i + 1);
            });
            assert!(data.iter().enumerate().all(|(i, &x)| x == i / 10 + 1));
        }
    }
}
