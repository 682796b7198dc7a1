//! Dot products of one query with many int8 keys: how a datastore finds the nearest of them.
//!
//! Products and sums are integers, so every instruction set gives the same bits.

#[cfg(target_arch = "x86_64")]
use super::simd::AVX512;
use super::simd::{level, simd};

/// The largest magnitude of a query's entry with which no sum of `width` products overflows.
pub fn query_limit(width: usize) -> i16 {
    let limit = i32::MAX as usize / (128 * width.max(1));
    limit.min(i16::MAX as usize) as i16
}

simd! {
    fn dots_body(query: &[i16], keys: &[u8], out: &mut [i32]) {
        for (key, out) in keys.chunks_exact(query.len()).zip(out) {
            let mut sum = 0i32;
            for (q, k) in query.iter().zip(key) {
                sum += i32::from(*q) * i32::from(*k as i8);
            }
            *out = sum;
        }
    }
}

/// `outᵢ = query · keysᵢ` for the rows of `keys`, `(n, query.len())`, int8 in two's complement.
///
/// # Panics
/// If `keys` is not `out.len()` whole rows, or an entry of `query` is beyond [`query_limit`].
pub fn dots(query: &[i16], keys: &[u8], out: &mut [i32]) {
    assert_eq!(keys.len(), query.len() * out.len(), "{} rows of {}", out.len(), query.len());
    let limit = query_limit(query.len());
    assert!(query.iter().all(|q| (-limit..=limit).contains(q)), "an entry beyond {limit}");
    match level() {
        _ if query.is_empty() => {}
        #[cfg(target_arch = "x86_64")]
        AVX512 => {
            #[expect(unsafe_code, reason = "the instruction set is known only at run time")]
            // SAFETY: `cpu::variant` has found AVX-512 F, BW, VL and VNNI.
            unsafe {
                dots_avx512(query, keys, out);
            }
        }
        _ => dots_body(query, keys, out),
    }
}

/// Products and sums of 32 pairs in one instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn dots_avx512(query: &[i16], keys: &[u8], out: &mut [i32]) {
    use std::arch::x86_64::{
        _mm256_maskz_loadu_epi8, _mm512_cvtepi8_epi16, _mm512_dpwssd_epi32,
        _mm512_maskz_loadu_epi16, _mm512_reduce_add_epi32, _mm512_setzero_si512,
    };
    for (key, out) in keys.chunks_exact(query.len()).zip(out) {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (i, (query, key)) in query.chunks(WIDTH).zip(key.chunks(WIDTH)).enumerate() {
            let mask = u32::MAX >> (WIDTH - query.len());
            #[expect(unsafe_code, reason = "loads take pointers")]
            // SAFETY: both chunks have `query.len()` entries, and the mask names no others.
            let (query, key) = unsafe {
                (
                    _mm512_maskz_loadu_epi16(mask, query.as_ptr()),
                    _mm256_maskz_loadu_epi8(mask, key.as_ptr().cast()),
                )
            };
            let sum = &mut sums[i % 2];
            *sum = _mm512_dpwssd_epi32(*sum, query, _mm512_cvtepi8_epi16(key));
        }
        let sums = sums.map(|sum| _mm512_reduce_add_epi32(sum));
        *out = sums[0] + sums[1];
    }
}

/// Pairs of an instruction.
#[cfg(target_arch = "x86_64")]
const WIDTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{AVX512, FUSED, PORTABLE, tests::with_level};

    #[test]
    fn every_instruction_set_gives_the_exact_sums() {
        let width = 67;
        let limit = i64::from(query_limit(width));
        let query: Vec<i16> =
            (0..width as i64).map(|i| ((i * 7919) % (2 * limit) - limit) as i16).collect();
        let keys: Vec<u8> = (0..width * 9).map(|i| (i * 151 % 256) as u8).collect();
        let exact = |row: &[u8]| -> i64 {
            query.iter().zip(row).map(|(q, k)| i64::from(*q) * i64::from(*k as i8)).sum()
        };
        let exact: Vec<i64> = keys.chunks_exact(width).map(exact).collect();
        for level in [PORTABLE, FUSED, AVX512] {
            let work = || {
                let mut out = vec![0; 9];
                dots(&query, &keys, &mut out);
                out.into_iter().map(i64::from).collect::<Vec<_>>()
            };
            if let Some(found) = with_level(level, work) {
                assert_eq!(found, exact, "level {level}");
            }
        }
    }

    #[test]
    fn the_largest_entries_do_not_overflow() {
        for width in [1, 256, 1024, 4096] {
            let mut out = [0];
            dots(&vec![query_limit(width); width], &vec![0x80; width], &mut out);
            assert_eq!(i64::from(out[0]), -128 * i64::from(query_limit(width)) * width as i64);
        }
    }
}
