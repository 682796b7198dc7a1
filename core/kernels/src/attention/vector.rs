//! The registers of each instruction set, for the one loop that the compiler does not vectorise well.

use super::super::math::fma;
use super::super::simd::PORTABLE;

/// A register of floats.
///
/// # Safety
/// The methods may only run on a machine with the instruction set of the implementing type.
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) unsafe trait Vector: Copy {
    /// Floats in a register.
    const WIDTH: usize;

    /// `x` in every place.
    unsafe fn splat(x: f32) -> Self;
    /// The first floats of `xs`.
    unsafe fn load(xs: &[f32]) -> Self;
    /// Writes the register over the first floats of `xs`.
    unsafe fn store(self, xs: &mut [f32]);
    /// `self·factor + sum`.
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self;
}

/// 16 floats without any promise.
#[expect(unsafe_code, reason = "the trait has an unsafe contract")]
// SAFETY: plain arithmetic runs anywhere.
unsafe impl Vector for [f32; 16] {
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; 16]
    }

    #[inline(always)]
    unsafe fn load(xs: &[f32]) -> Self {
        *xs.first_chunk().expect("16 floats")
    }

    #[inline(always)]
    unsafe fn store(self, xs: &mut [f32]) {
        xs[..16].copy_from_slice(&self);
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, mut sum: Self) -> Self {
        for i in 0..16 {
            sum[i] = fma::<PORTABLE>(self[i], factor[i], sum[i]);
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! vector {
    ($name:ident, $width:literal, $splat:ident, $load:ident, $store:ident, $fma:ident) => {
        #[expect(unsafe_code, reason = "the instruction set is known only at run time")]
        // SAFETY: the methods use the intrinsics of this register alone.
        unsafe impl Vector for std::arch::x86_64::$name {
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller has found the instruction set.
                unsafe { std::arch::x86_64::$splat(x) }
            }

            #[inline(always)]
            unsafe fn load(xs: &[f32]) -> Self {
                let xs: &[f32; $width] = xs.first_chunk().expect("a register of floats");
                // SAFETY: as above; the array is as long as the register, the load unaligned.
                unsafe { std::arch::x86_64::$load(xs.as_ptr()) }
            }

            #[inline(always)]
            unsafe fn store(self, xs: &mut [f32]) {
                let xs: &mut [f32; $width] = xs.first_chunk_mut().expect("a register of floats");
                // SAFETY: as above, for the store.
                unsafe { std::arch::x86_64::$store(xs.as_mut_ptr(), self) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
                // SAFETY: the caller has found the instruction set.
                unsafe { std::arch::x86_64::$fma(self, factor, sum) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector!(__m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps);
#[cfg(target_arch = "x86_64")]
vector!(__m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps);

#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the trait has an unsafe contract")]
// SAFETY: NEON is part of every aarch64 machine.
unsafe impl Vector for std::arch::aarch64::float32x4_t {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: NEON is part of every aarch64 machine.
        unsafe { std::arch::aarch64::vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(xs: &[f32]) -> Self {
        let xs: &[f32; 4] = xs.first_chunk().expect("a register of floats");
        // SAFETY: as above; the array is as long as the register.
        unsafe { std::arch::aarch64::vld1q_f32(xs.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(self, xs: &mut [f32]) {
        let xs: &mut [f32; 4] = xs.first_chunk_mut().expect("a register of floats");
        // SAFETY: as above, for the store.
        unsafe { std::arch::aarch64::vst1q_f32(xs.as_mut_ptr(), self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
        // SAFETY: NEON is part of every aarch64 machine.
        unsafe { std::arch::aarch64::vfmaq_f32(sum, self, factor) }
    }
}
