//! Which instructions this machine has, asked once.

use std::sync::OnceLock;

/// The environment variable that forces a [`Variant`]: `portable`, `avx2` or `avx512`.
pub const ENV: &str = "DRAGOMAN_KERNELS";

/// The instructions that the kernels are written in. The same input gives the same bits within one
/// variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// Plain Rust, on every machine.
    Portable,
    /// The portable kernels, compiled for AVX2 and FMA.
    Avx2,
    /// AVX-512 with its bfloat16 and integer dot products (Zen 4 and later, Sapphire Rapids and
    /// later).
    Avx512,
}

/// The variant that the kernels of this process use: the best one of this machine, unless [`ENV`]
/// names another.
///
/// A name that is unknown, or that this machine cannot run, is ignored with a warning.
pub fn variant() -> Variant {
    static VARIANT: OnceLock<Variant> = OnceLock::new();
    *VARIANT.get_or_init(|| choose(std::env::var(ENV).ok().as_deref(), detect()))
}

fn choose(requested: Option<&str>, best: Variant) -> Variant {
    let wanted = match requested {
        None | Some("") => return best,
        Some("portable") => Variant::Portable,
        Some("avx2") => Variant::Avx2,
        Some("avx512") => Variant::Avx512,
        Some(other) => {
            tracing::warn!("{ENV}=`{other}` is none of portable, avx2, avx512; using {best:?}");
            return best;
        }
    };
    if wanted > best {
        tracing::warn!("this machine cannot run the {wanted:?} kernels; using {best:?}");
    }
    wanted.min(best)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn detect() -> Variant {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512vnni");
    match (avx2, avx512) {
        (true, true) => Variant::Avx512,
        (true, false) => Variant::Avx2,
        _ => Variant::Portable,
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn detect() -> Variant {
    Variant::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requested_variant_is_used_when_the_machine_can() {
        assert_eq!(choose(Some("portable"), Variant::Avx512), Variant::Portable);
        assert_eq!(choose(Some("avx512"), Variant::Avx512), Variant::Avx512);
    }

    #[test]
    fn an_unknown_variant_or_one_beyond_the_machine_gives_its_best() {
        assert_eq!(choose(Some("avx512"), Variant::Avx2), Variant::Avx2);
        assert_eq!(choose(Some("sse9"), Variant::Avx2), Variant::Avx2);
        assert_eq!(choose(None, Variant::Portable), Variant::Portable);
    }
}
