//! The device a run computes on.

use candle::Device;

use crate::{
    Error, Result,
    report::log::{Machine, assumed_watts},
};

/// Opens `cpu`, `cuda` or `cuda:N`.
pub fn open(name: &str) -> Result<Device> {
    let error = |reason: String| Error::Device { name: name.into(), reason };
    let ordinal = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        _ => name
            .strip_prefix("cuda:")
            .and_then(|ordinal| ordinal.parse().ok())
            .ok_or_else(|| error("choose `cpu` or `cuda:0`".into()))?,
    };
    if !cfg!(feature = "cuda") {
        return Err(error("this build has no CUDA; build it with `--features cuda`".into()));
    }
    Device::new_cuda(ordinal).map_err(|reason| error(reason.to_string()))
}

/// What the report says about the machine.
pub(crate) fn machine(name: &str) -> Machine {
    let cores = rayon::current_num_threads() as u32;
    let gpus = u32::from(name != "cpu");
    Machine { device: name.into(), devices: 1, cores, watts: assumed_watts(cores, gpus) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_named() {
        assert!(open("cpu").is_ok());
        let error = open("tpu").expect_err("there is none");
        assert_eq!(error.to_string(), "device `tpu`: choose `cpu` or `cuda:0`");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        let error = open("cuda:0").expect_err("there is no CUDA");
        assert!(error.to_string().contains("--features cuda"), "{error}");
    }
}
