//! Aligned scratch memory that is kept for the next call: fresh pages cost more than the work done
//! in them.

use std::cell::RefCell;

/// Words of 32 bits that share a cache line.
const LINE: usize = 16;
/// What a thread keeps at most, in lines (512 MiB); the buffers longest unused are given back to
/// the system.
const KEEP: usize = 512 << 20 >> 6;

/// What fills buffers when the program looks for its own faults (`tests/sanitize`), where none is used
/// twice: not a number, and seen as soon as someone reads what they did not write.
const UNSET: u32 = 0x7fc0_dead;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LINE]);

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of 32-bit words that begins on a cache line.
#[derive(Default)]
pub(crate) struct Words {
    lines: Vec<Line>,
    len: usize,
}

impl Words {
    /// A buffer of `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0; LINE]); len.div_ceil(LINE)], len }
    }

    /// The words.
    #[expect(unsafe_code, reason = "lines are words, side by side")]
    pub(crate) fn get(&self) -> &[u32] {
        // SAFETY: `Line` is `repr(C)` over `[u32; 16]` without padding, and `len` words lie within
        // the lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// The words, to write.
    #[expect(unsafe_code, reason = "lines are words, side by side")]
    pub(crate) fn get_mut(&mut self) -> &mut [u32] {
        // SAFETY: as in `get`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Words that are lent for one call, with whatever was in them before.
///
/// They belong to their holder, not to the thread, so nested kernels cannot meet in them; when they
/// are dropped, the dropping thread keeps them for its next call.
#[derive(Default)]
pub struct Scratch(Words);

impl Scratch {
    /// Takes a buffer of `len` words; their values are unspecified.
    pub fn words(len: usize) -> Self {
        let needed = len.div_ceil(LINE);
        if cfg!(debug_assertions) {
            return Self(Words { lines: vec![Line([UNSET; LINE]); needed], len });
        }
        let lines = FREE.with_borrow_mut(|free| best_fit(free, needed));
        let lines = lines.unwrap_or_else(|| vec![Line([0; LINE]); needed]);
        Self(Words { lines, len })
    }

    /// The words.
    pub(crate) fn get(&self) -> &[u32] {
        self.0.get()
    }

    /// The words, to write.
    pub(crate) fn get_mut(&mut self) -> &mut [u32] {
        self.0.get_mut()
    }

    /// The words as numbers.
    #[expect(unsafe_code, reason = "every bit pattern is an f32")]
    pub fn floats(&self) -> &[f32] {
        let words = self.get();
        // SAFETY: `f32` has the size and alignment of `u32`, and every bit pattern is valid.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
    }

    /// The words as numbers, to write.
    #[expect(unsafe_code, reason = "every bit pattern is an f32")]
    pub fn floats_mut(&mut self) -> &mut [f32] {
        let words = self.get_mut();
        // SAFETY: as in `floats`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} words)", self.0.len)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.0.lines);
        if !lines.is_empty() && !cfg!(debug_assertions) {
            // A thread that is ending has no pool any more; then the buffer is simply freed.
            let _ = FREE.try_with(|free| keep(&mut free.borrow_mut(), lines));
        }
    }
}

/// The smallest free buffer that is long enough, but not so long that a larger request would miss
/// it.
fn best_fit(free: &mut Vec<Vec<Line>>, needed: usize) -> Option<Vec<Line>> {
    let longest = 2 * needed + 1024;
    let fits = |i: &usize| (needed..=longest).contains(&free[*i].len());
    let chosen = (0..free.len()).filter(fits).min_by_key(|&i| free[i].len())?;
    Some(free.remove(chosen))
}

fn keep(free: &mut Vec<Vec<Line>>, lines: Vec<Line>) {
    free.push(lines);
    while free.iter().map(Vec::len).sum::<usize>() > KEEP {
        free.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(debug_assertions))]
    fn a_buffer_is_aligned_long_enough_and_used_again() {
        let first = Scratch::words(1000);
        let address = first.get().as_ptr();
        assert_eq!(address as usize % 64, 0);
        assert_eq!(first.get().len(), 1000);
        drop(first);
        assert_eq!(Scratch::words(900).get().as_ptr(), address);
    }

    #[test]
    fn two_holders_never_share() {
        let (mut a, mut b) = (Scratch::words(10), Scratch::words(10));
        a.get_mut().fill(1);
        b.get_mut().fill(2);
        assert!(a.get().iter().all(|&x| x == 1));
    }
}
