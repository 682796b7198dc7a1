//! The device a run computes on.

use candle::Device;

use crate::{
    Error, Result,
    report::log::{Machine, assumed_watts},
};

/// What tells a process its number among those on its machine: Open MPI, Intel MPI and MPICH, Slurm.
const LOCAL_RANK: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

/// Opens `cpu`, `cuda:N`, or `cuda`: the GPU of this process's number on its machine, in turn where
/// there are more processes than GPUs.
pub fn open(name: &str) -> Result<Device> {
    let error = |reason: String| Error::Device { name: name.into(), reason };
    let ordinal = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => None,
        _ => {
            let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
            Some(number.ok_or_else(|| error("choose `cpu`, `cuda` or `cuda:0`".into()))?)
        }
    };
    if !cfg!(feature = "cuda") {
        return Err(error("this build has no CUDA; build it with `--features cuda`".into()));
    }
    let rank = || local_rank(|name| std::env::var(name).ok());
    let ordinal = ordinal.unwrap_or_else(|| rank() % gpus().max(1));
    Device::new_cuda(ordinal).map_err(|reason| error(reason.to_string()))
}

/// The number of this process among those on its machine, of the `variables` that its launcher set.
fn local_rank(variables: impl Fn(&str) -> Option<String>) -> usize {
    LOCAL_RANK.iter().find_map(|name| variables(name)?.parse().ok()).unwrap_or(0)
}

/// GPUs that this process may use.
#[cfg(feature = "cuda")]
fn gpus() -> usize {
    let count = candle::cuda_backend::cudarc::driver::CudaContext::device_count();
    count.ok().and_then(|count| count.try_into().ok()).unwrap_or(0)
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> usize {
    0
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
        assert_eq!(error.to_string(), "device `tpu`: choose `cpu`, `cuda` or `cuda:0`");
    }

    #[test]
    fn launchers_say_which_process_of_its_machine_this_is() {
        let by = |set: &'static str| move |name: &str| (name == set).then(|| "3".to_string());
        assert_eq!(local_rank(by("OMPI_COMM_WORLD_LOCAL_RANK")), 3);
        assert_eq!(local_rank(by("SLURM_LOCALID")), 3);
        assert_eq!(local_rank(by("HOME")), 0);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        let error = open("cuda:0").expect_err("there is no CUDA");
        assert!(error.to_string().contains("--features cuda"), "{error}");
    }
}
