//! The processes of one job, on one or several hosts, and the messages between them.
//!
//! A job is started by `mpirun` or `srun`. Its processes are numbered: rank 0 is the root, which owns the files. A process
//! that nobody else belongs to has rank 0 of 1, and needs no MPI.
//!
//! [`Cluster`] sends and receives; [`share`] deals work out; [`Identity`] compares the ranks; [`Stall`] names a process that does not answer.

mod connect;
mod identity;
#[cfg(feature = "mpi")]
mod mpi;
mod share;
mod stall;
mod threads;
#[cfg(any(test, feature = "mpi"))]
mod waiting_time;

use std::cell::Cell;
use std::time::{Duration, Instant};

pub use connect::ConnectError;
pub use identity::{Identity, UnfitRank, hash_of_file};
pub use share::share;
pub use stall::Stall;
pub use threads::ThreadLink;

/// The processes of a job, as one of them sees them.
#[derive(Debug)]
pub struct Cluster {
    link: Link,
    /// Bytes sent by [`exchange`](Self::exchange).
    sent: Cell<u64>,
    /// Time within [`exchange`](Self::exchange).
    exchanging: Cell<Duration>,
}

/// How long a process waits for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For the limit of the cluster: the other process computes as long as this one.
    Answer,
    /// For [`LONG`] times the limit: the other process may have to validate and to write files.
    Work,
    /// Without limit: the other process may wait for input.
    Input,
}

/// The factor by which the limit is longer for [`Patience::Work`].
pub const LONG: u32 = 10;

#[derive(Debug)]
enum Link {
    Alone,
    Threads(ThreadLink),
    #[cfg(feature = "mpi")]
    Mpi(mpi::Link),
}

impl Cluster {
    /// A process without others.
    pub fn alone() -> Self {
        Self::with(Link::Alone)
    }

    fn with(link: Link) -> Self {
        Self { link, sent: Cell::default(), exchanging: Cell::default() }
    }

    /// A process played by a thread, for tests without MPI.
    pub fn of_thread(link: ThreadLink) -> Self {
        Self::with(Link::Threads(link))
    }

    /// Joins the job that this process was started in, or returns a cluster of one. If another process does not answer for
    /// `limit`, `on_stall` is called in one process, and the job ends.
    ///
    /// # Errors
    /// A job of several processes and a build without MPI, or an MPI that does not start.
    pub fn connect(limit: Duration, on_stall: fn(&Stall)) -> Result<Self, ConnectError> {
        connect::connect(limit, on_stall)
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        match &self.link {
            Link::Alone => 0,
            Link::Threads(link) => link.rank(),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.rank(),
        }
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        match &self.link {
            Link::Alone => 1,
            Link::Threads(link) => link.size(),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.size(),
        }
    }

    /// Whether this is rank 0.
    pub fn is_root(&self) -> bool {
        self.rank() == 0
    }

    /// All ranks but this one, in order.
    pub fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let rank = self.rank();
        (0..self.size()).filter(move |other| *other != rank)
    }

    /// The host of a rank.
    pub fn host(&self, rank: usize) -> &str {
        match &self.link {
            Link::Alone => {
                assert_eq!(rank, 0, "a process alone has rank 0");
                "this host"
            }
            Link::Threads(_) => "this host",
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.host(rank),
        }
    }

    /// The number of this process among those on its host, and how many these are.
    pub fn local_rank(&self) -> (usize, usize) {
        let host = self.host(self.rank());
        let here: Vec<usize> = (0..self.size()).filter(|rank| self.host(*rank) == host).collect();
        (here.iter().filter(|rank| **rank < self.rank()).count(), here.len())
    }

    /// Sends a message to another process, which receives it by [`receive`](Self::receive).
    ///
    /// # Panics
    /// With a rank that is not another process.
    pub fn send(&self, to: usize, message: &[u8]) {
        match &self.link {
            Link::Alone => unreachable!("no process {to} for {} bytes", message.len()),
            Link::Threads(link) => link.send(to, message),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.send(to, message),
        }
    }

    /// Receives the next message of another process.
    ///
    /// # Panics
    /// With a rank that is not another process.
    pub fn receive(&self, from: usize, patience: Patience) -> Vec<u8> {
        match &self.link {
            Link::Alone => unreachable!("no process {from} to wait for, {patience:?}"),
            Link::Threads(link) => link.receive(from),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.receive(from, patience),
        }
    }

    /// Waits until all processes call this. MPI ends in all of them at once and without a limit; with this before it, a process
    /// that has stopped is named, and ended while no other one has begun to end.
    pub fn meet(&self) {
        if self.is_root() {
            self.others().for_each(|rank| drop(self.receive(rank, Patience::Answer)));
            self.others().for_each(|rank| self.send(rank, &[]));
        } else {
            self.send(0, &[]);
            self.receive(0, Patience::Answer);
        }
    }

    /// Sends and receives numbers, all at the same time. Values of one pair of processes arrive in the order in which they
    /// are sent; both sides know their number.
    ///
    /// # Panics
    /// With a rank that is not another process.
    pub fn exchange(&self, outgoing: &[(usize, &[f32])], incoming: &mut [(usize, &mut [f32])]) {
        let started = Instant::now();
        let bytes: usize = outgoing.iter().map(|(_, values)| size_of_val(*values)).sum();
        match &self.link {
            Link::Alone => assert!(outgoing.is_empty() && incoming.is_empty(), "no other process"),
            Link::Threads(link) => link.exchange(outgoing, incoming),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.exchange(outgoing, incoming),
        }
        self.sent.set(self.sent.get() + bytes as u64);
        self.exchanging.set(self.exchanging.get() + started.elapsed());
    }

    /// Bytes that this process sent by [`exchange`](Self::exchange), and the time it spent there, since the last call.
    pub fn take_traffic(&self) -> (u64, Duration) {
        (self.sent.take(), self.exchanging.take())
    }

    /// Ends all processes of the job at once.
    pub fn abort(&self, code: i32) -> ! {
        match &self.link {
            Link::Alone | Link::Threads(_) => std::process::exit(code),
            #[cfg(feature = "mpi")]
            Link::Mpi(link) => link.abort(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_alone_is_the_root_without_others() {
        let cluster = Cluster::alone();
        assert!((cluster.rank(), cluster.size(), cluster.is_root()) == (0, 1, true));
        assert_eq!((cluster.others().count(), cluster.local_rank()), (0, (0, 1)));
        cluster.exchange(&[], &mut []);
        assert_eq!(cluster.take_traffic().0, 0);
    }

    #[test]
    fn threads_send_and_receive_as_processes_do() {
        std::thread::scope(|scope| {
            for link in ThreadLink::all(3) {
                scope.spawn(move || {
                    let cluster = Cluster::of_thread(link);
                    let (rank, others) = (cluster.rank(), Vec::from_iter(cluster.others()));
                    let own = [rank as f32, 0.5];
                    let outgoing: Vec<(usize, &[f32])> = others.iter().map(|to| (*to, &own[..])).collect();
                    let mut received = [[0.0; 2]; 2];
                    let mut incoming: Vec<(usize, &mut [f32])> =
                        others.iter().copied().zip(received.iter_mut().map(|values| &mut values[..])).collect();
                    cluster.exchange(&outgoing, &mut incoming);
                    assert_eq!(received, [0, 1].map(|i| [others[i] as f32, 0.5]));
                    assert_eq!((cluster.take_traffic().0, cluster.local_rank()), (16, (rank, 3)));
                    cluster.send((rank + 1) % 3, &[rank as u8]);
                    assert_eq!(cluster.receive((rank + 2) % 3, Patience::Answer), [((rank + 2) % 3) as u8]);
                    cluster.meet();
                });
            }
        });
    }
}
