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
    /// One of several processes, which MPI does not join.
    #[error(
        "{variable} = {size}: found a job of several processes that MPI does not join, so that each would do the whole work; \
         start it by the `mpirun` of the MPI that this program was built with, or by `srun --mpi=pmix`, or unset {variable}"
    )]
    NotJoined {
        /// The variable of the environment.
        variable: &'static str,
        /// The number of processes.
        size: usize,
    },
}

/// Variables that hold the number of processes, of which the first that is set counts: of Open MPI, of MPICH and its kin, of
/// `srun`.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];
/// Variables that one of the processes of a job has.
#[cfg(feature = "mpi")]
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];

#[cfg(feature = "mpi")]
pub(crate) fn connect(limit: Duration, on_stall: fn(&Stall)) -> Result<Cluster, ConnectError> {
    let alone = || match several() {
        Some((variable, size)) => Err(ConnectError::NotJoined { variable, size }),
        None => Ok(Cluster::alone()),
    };
    if !RANKS.iter().chain(&SIZES[..2]).any(|name| env::var_os(name).is_some()) {
        return alone();
    }
    let link = crate::mpi::Link::start(limit, on_stall)?;
    match link.size() {
        1 => alone(),
        _ => Ok(Cluster::with(crate::Link::Mpi(link))),
    }
}

#[cfg(not(feature = "mpi"))]
pub(crate) fn connect(_: Duration, _: fn(&Stall)) -> Result<Cluster, ConnectError> {
    match several() {
        Some((variable, size)) => Err(ConnectError::NoMpi { variable, size }),
        None => Ok(Cluster::alone()),
    }
}

/// The number of processes in the environment, with its variable, if it is more than one.
fn several() -> Option<(&'static str, usize)> {
    let size = |variable| Some((variable, env::var(variable).ok()?.parse().ok()?));
    SIZES.into_iter().find_map(size).filter(|(_, size)| *size > 1)
}
