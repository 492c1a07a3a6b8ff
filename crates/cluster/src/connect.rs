//! Joining the job that a process was started in.

use std::env;
use std::time::Duration;

use crate::{Cluster, Stall};

/// A job that cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Several processes, and a build without MPI.
    #[error(
        "{variable} = {size}: found a job of several processes and a build without MPI, where each process would do the \
         whole work; build with `--features mpi`, start a single process, or unset {variable}"
    )]
    NoMpi {
        /// The variable of the environment.
        variable: &'static str,
        /// The number of processes.
        size: usize,
    },
    /// MPI does not start.
    #[error("MPI does not start: {0}")]
    Start(String),
}

/// Variables that hold the number of processes: of Open MPI, of MPICH and its kin, of `srun`.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];
/// Variables that one of the processes of a job has.
#[cfg(feature = "mpi")]
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];

#[cfg(feature = "mpi")]
pub(crate) fn connect(limit: Duration, on_stall: fn(&Stall)) -> Result<Cluster, ConnectError> {
    if !RANKS.iter().chain(&SIZES[..2]).any(|name| env::var_os(name).is_some()) {
        return Ok(Cluster::alone());
    }
    let link = crate::mpi::Link::start(limit, on_stall)?;
    Ok(match link.size() {
        1 => Cluster::alone(),
        _ => Cluster::with(crate::Link::Mpi(link)),
    })
}

#[cfg(not(feature = "mpi"))]
pub(crate) fn connect(_: Duration, _: fn(&Stall)) -> Result<Cluster, ConnectError> {
    let size = |name| env::var(name).ok()?.parse::<usize>().ok();
    match SIZES.into_iter().find_map(|variable| size(variable).filter(|size| *size > 1).map(|size| (variable, size))) {
        Some((variable, size)) => Err(ConnectError::NoMpi { variable, size }),
        None => Ok(Cluster::alone()),
    }
}
