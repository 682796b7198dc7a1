//! One source, compiled for each instruction set, chosen when the program runs.
//!
//! The binary is baseline x86-64. [`simd!`] compiles a function body once portably, once for AVX2
//! and once for AVX-512, and the compiler vectorises its loops for each. Where a kernel is written by
//! hand for each instruction set, it asks [`level`] which one to run. Nothing else chooses.
//!
//! A process always takes the same path, so the bits of a result depend on the machine alone. The two
//! AVX paths of [`simd!`] give the same bits: sums run in [`LANES`] fixed lanes on either.

#[cfg(target_arch = "x86_64")]
use super::cpu::{self, Variant};

/// Separate multiplication and addition.
pub(super) const PORTABLE: u8 = 0;
/// Fused multiply-add without a promise of wide registers.
pub(super) const FUSED: u8 = 1;
/// 32 registers of 16 floats, with products of bfloat16 and of int8.
#[cfg(any(test, target_arch = "x86_64"))]
pub(super) const AVX512: u8 = 2;

/// Partial sums that every reduction keeps, whatever the width of the registers.
pub(super) const LANES: usize = 16;

/// The instruction set that the kernels of this process use.
pub(super) fn level() -> u8 {
    #[cfg(test)]
    if let Some(level) = tests::FORCED.get() {
        return level;
    }
    #[cfg(target_arch = "x86_64")]
    match cpu::variant() {
        Variant::Avx512 => AVX512,
        Variant::Avx2 => FUSED,
        Variant::Portable => PORTABLE,
    }
    // Elsewhere one instruction set is all there is.
    #[cfg(not(target_arch = "x86_64"))]
    if cfg!(target_arch = "aarch64") { FUSED } else { PORTABLE }
}

/// Declares `fn name<ISA>(…)`, whose body is compiled for every instruction set.
///
/// `ISA` is a constant in the body, to hand on to the `#[inline(always)]` helpers that it calls. A
/// body that never fuses a multiplication with an addition does without, and has the same bits on
/// every path.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident(
        $($arg:ident: $ty:ty),* $(,)?
    ) $(-> $ret:ty)? $body:block) => {
        $crate::simd::simd! {
            $(#[$meta])* $vis fn $name<_ISA>($($arg: $ty),*) $(-> $ret)? $body
        }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$isa:ident>(
        $($arg:ident: $ty:ty),* $(,)?
    ) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const $isa: u8>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::simd::AVX512 }>($($arg),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::simd::FUSED }>($($arg),*)
                }

                #[expect(unsafe_code, reason = "the instruction set is known only at run time")]
                match $crate::simd::level() {
                    // SAFETY: `cpu::variant` has found AVX-512 F, BW, DQ and VL, AVX2 and FMA.
                    $crate::simd::AVX512 => unsafe { avx512($($arg),*) },
                    // SAFETY: `cpu::variant` has found AVX2 and FMA.
                    $crate::simd::FUSED => unsafe { avx2($($arg),*) },
                    _ => body::<{ $crate::simd::PORTABLE }>($($arg),*),
                }
            }

            #[cfg(target_arch = "aarch64")]
            {
                body::<{ $crate::simd::FUSED }>($($arg),*)
            }

            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            {
                body::<{ $crate::simd::PORTABLE }>($($arg),*)
            }
        }
    };
}
pub(super) use simd;

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// The instruction set that a test asks for on this thread.
        pub(super) static FORCED: Cell<Option<u8>> = const { Cell::new(None) };
    }

    /// Runs `work` in a pool of `threads` threads.
    pub(crate) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a small pool starts").install(work)
    }

    /// Runs `work` as a machine of instruction set `level` would, if this one can.
    pub(crate) fn with_level<R: Send>(level: u8, work: impl FnOnce() -> R + Send) -> Option<R> {
        let supported = level <= super::level();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .start_handler(move |_| FORCED.set(Some(level)))
            .build();
        supported.then(|| pool.expect("a small pool starts").install(work))
    }

    /// Asserts that `work` gives the same bits in pools of 1, 2 and 4 threads, and on both AVX
    /// paths, and nearly the same on the portable one; gives the result back.
    pub(crate) fn everywhere_equal(work: impl Fn() -> Vec<f32> + Sync) -> Vec<f32> {
        let bits = |xs: &[f32]| xs.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let result = with_threads(1, &work);
        for threads in [2, 4] {
            assert_eq!(bits(&with_threads(threads, &work)), bits(&result), "{threads} threads");
        }
        if let (Some(wide), Some(fused)) = (with_level(AVX512, &work), with_level(FUSED, &work)) {
            assert_eq!(bits(&wide), bits(&fused), "the AVX paths differ");
        }
        if let Some(portable) = with_level(PORTABLE, &work) {
            for (i, (x, y)) in portable.iter().zip(&result).enumerate() {
                let close = (x - y).abs() <= 2e-5 * (1.0 + y.abs()) || x.to_bits() == y.to_bits();
                assert!(close, "value {i} is {x} on the portable path and {y} here");
            }
        }
        result
    }

    /// Asserts that `xs` and the reference `ys` agree within `tolerance · max(1, |y|)`.
    pub(crate) fn assert_close(name: &str, xs: &[f32], ys: &[f64], tolerance: f64) {
        assert_eq!(xs.len(), ys.len(), "{name}: length");
        for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
            let error = (f64::from(x) - y).abs();
            assert!(error <= tolerance * y.abs().max(1.0), "{name}[{i}] is {x}, should be {y}");
        }
    }

    /// `len` numbers between -1 and 1, the same for the same `seed`.
    pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..len).map(|_| rng.random_range(-1.0..1.0f32)).collect()
    }
}
