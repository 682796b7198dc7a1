//! Plain loops, compiled for the instructions of the machine they run on.

/// Defines a function whose body is compiled once for each [`Variant`](super::cpu::Variant), and
/// picked at run time.
///
/// The compiler then vectorises its loops as wide as the machine allows. It never reorders a sum,
/// so the results are the same bits in every variant.
macro_rules! vectorised {
    ($(#[$doc:meta])* $vis:vis fn $name:ident(
        $($arg:ident: $ty:ty),* $(,)?
    ) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                body($($arg),*)
            }

            match $crate::cpu::variant() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the variant was chosen for this machine.
                #[expect(unsafe_code, reason = "instructions that this machine has")]
                $crate::cpu::Variant::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                #[expect(unsafe_code, reason = "instructions that this machine has")]
                $crate::cpu::Variant::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}

pub(crate) use vectorised;
