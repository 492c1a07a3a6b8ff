//! Processes joined by MPI. All messages are non-blocking and polled, so that a process that does not answer is noticed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::hint;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use mpi::Rank;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::request::{self, LocalScope, Request, StaticScope};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{Equivalence, MatchedReceiveVec};

use crate::stall::{Stall, at_fault};
use crate::waiting_time::WaitingTime;
use crate::{ConnectError, LONG, Patience};

/// A message of bytes.
const MESSAGE: i32 = 1;
/// Numbers of an exchange.
const NUMBERS: i32 = 2;
/// The ranks that a process waits for, to the root.
const REPORT: i32 = 3;

/// Polls before the first pause.
const SPINS: u32 = 2000;
/// The longest pause between two polls.
const PAUSE: Duration = Duration::from_micros(200);
/// The time from the end by one rank to that by the next, in which MPI ends all processes.
const TURN: Duration = Duration::from_secs(5);

/// The link of a process to the others of its job.
pub struct Link {
    world: SimpleCommunicator,
    hosts: Vec<String>,
    limit: Duration,
    on_stall: fn(&Stall),
    /// Ends MPI when it is dropped, which must be last.
    _universe: Universe,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("rank", &self.rank()).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Drop for Link {
    /// Ends the job if this process panics: the others would wait for it.
    fn drop(&mut self) {
        if thread::panicking() {
            self.abort(101);
        }
    }
}

type Pending<'a, 's, T> = (usize, Request<'a, [T], &'s LocalScope<'a>>);

impl Link {
    /// Starts MPI and gathers the hosts' names.
    pub fn start(limit: Duration, on_stall: fn(&Stall)) -> Result<Self, ConnectError> {
        let universe = mpi::initialize().ok_or_else(|| ConnectError::Start("it was started before".to_string()))?;
        let world = universe.world();
        let host = mpi::environment::processor_name().map_err(|error| ConnectError::Start(error.to_string()))?;
        let mut link = Self { world, hosts: Vec::new(), limit, on_stall, _universe: universe };
        link.hosts = link.gather_everywhere(&host);
        Ok(link)
    }

    /// Returns the texts of all processes, in each of them.
    fn gather_everywhere(&self, own: &str) -> Vec<String> {
        let others: Vec<usize> = (0..self.size()).filter(|rank| *rank != self.rank()).collect();
        others.iter().for_each(|to| self.send(*to, own.as_bytes()));
        let text = |rank: usize| match rank == self.rank() {
            true => own.to_string(),
            false => String::from_utf8_lossy(&self.receive(rank, Patience::Answer)).into_owned(),
        };
        (0..self.size()).map(text).collect()
    }

    pub fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    pub fn size(&self) -> usize {
        self.world.size() as usize
    }

    pub fn host(&self, rank: usize) -> &str {
        self.hosts.get(rank).map_or("an unknown host", String::as_str)
    }

    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }

    pub fn send(&self, to: usize, message: &[u8]) {
        request::scope(|scope| {
            let request = self.world.process_at_rank(to as Rank).immediate_send_with_tag(scope, message, MESSAGE);
            self.complete(vec![(to, request)]);
        });
    }

    pub fn receive(&self, from: usize, patience: Patience) -> Vec<u8> {
        let process = self.world.process_at_rank(from as Rank);
        let mut wait = Wait::new(self, patience);
        loop {
            if let Some((message, status)) = process.immediate_matched_probe_with_tag(MESSAGE) {
                let mut bytes = vec![0; status.count(u8::equivalent_datatype()) as usize];
                request::scope(|scope| {
                    let request = message.immediate_matched_receive_into(scope, &mut bytes[..]);
                    self.complete(vec![(from, request)]); // of a long message only the beginning has arrived
                });
                return bytes;
            }
            wait.pause(&[from]);
        }
    }

    pub fn exchange(&self, outgoing: &[(usize, &[f32])], incoming: &mut [(usize, &mut [f32])]) {
        request::scope(|scope| {
            let mut pending = Vec::with_capacity(outgoing.len() + incoming.len());
            for (from, values) in incoming {
                let process = self.world.process_at_rank(*from as Rank);
                pending.push((*from, process.immediate_receive_into_with_tag(scope, &mut **values, NUMBERS)));
            }
            for (to, values) in outgoing {
                let process = self.world.process_at_rank(*to as Rank);
                pending.push((*to, process.immediate_send_with_tag(scope, *values, NUMBERS)));
            }
            self.complete(pending);
        });
    }

    /// Polls until all requests are done.
    fn complete<'a, 's, T: Equivalence>(&self, mut pending: Vec<Pending<'a, 's, T>>) {
        let mut wait = Wait::new(self, Patience::Answer);
        loop {
            let unfinished = |(rank, request): Pending<'a, 's, T>| request.test().err().map(|request| (rank, request));
            pending = pending.into_iter().filter_map(unfinished).collect();
            if pending.is_empty() {
                return;
            }
            let ranks: Vec<usize> = pending.iter().map(|(rank, _)| *rank).collect();
            wait.pause(&ranks);
        }
    }
}

/// One wait for other processes, and what is done when it takes too long.
struct Wait<'a> {
    link: &'a Link,
    /// The time after which the job ends, if there is one.
    limit: Option<Duration>,
    time: WaitingTime,
    spins: u32,
    reported: bool,
    /// Reports of others in this wait, at the root.
    reports: RefCell<Vec<(usize, Vec<usize>)>>,
    /// Whether reports of earlier waits have been dropped.
    cleared: bool,
}

impl<'a> Wait<'a> {
    fn new(link: &'a Link, patience: Patience) -> Self {
        let (time, reports) = (WaitingTime::since(Instant::now()), RefCell::default());
        let limit = match patience {
            Patience::Answer => Some(link.limit),
            Patience::Work => Some(link.limit * LONG),
            Patience::Input => None,
        };
        Self { link, limit, time, spins: 0, reported: false, reports, cleared: false }
    }

    /// Passes the time until the next poll. A process other than the root reports half-way whom it waits for. At the limit
    /// the root ends the job; the others do so a quarter of the limit later, in turn, in case the root itself does not answer.
    fn pause(&mut self, waiting_for: &[usize]) {
        self.spins += 1;
        if self.spins < SPINS {
            hint::spin_loop();
            if self.spins.is_multiple_of(16) {
                thread::yield_now();
            }
            return;
        }
        thread::sleep(PAUSE);
        let Some(limit) = self.limit else { return };
        let elapsed = self.time.poll(Instant::now());
        match self.link.rank() {
            0 => {
                if elapsed > limit / 4 && !self.cleared {
                    self.collect_reports();
                    self.reports.take();
                    self.cleared = true;
                }
                if elapsed > limit {
                    self.collect_reports();
                    self.end(at_fault(waiting_for, &self.reports.borrow()));
                }
            }
            rank => {
                if elapsed > limit / 2 && !self.reported {
                    self.reported = true;
                    self.report(waiting_for);
                }
                if elapsed > limit + limit / 4 + TURN * rank as u32 {
                    self.end(waiting_for.to_vec());
                }
            }
        }
    }

    /// Sends the root the ranks that this one waits for. Does not wait for the end of the transfer, since the root may have
    /// stopped; the values must outlive it.
    fn report(&self, waiting_for: &[usize]) {
        let ranks: &'static [i32] = waiting_for.iter().map(|rank| *rank as i32).collect::<Vec<_>>().leak();
        let request = self.link.world.process_at_rank(0).immediate_send_with_tag(StaticScope, ranks, REPORT);
        mem::forget(request);
    }

    fn collect_reports(&self) {
        let anyone = self.link.world.any_process();
        while let Some((message, status)) = anyone.immediate_matched_probe_with_tag(REPORT) {
            let (ranks, _) = (message, status).matched_receive_vec::<i32>();
            let ranks = ranks.into_iter().map(|rank| rank as usize).collect();
            self.reports.borrow_mut().push((status.source_rank() as usize, ranks));
        }
    }

    fn end(&self, ranks: Vec<usize>) -> ! {
        let ranks: BTreeSet<usize> = ranks.into_iter().collect();
        let processes = ranks.into_iter().map(|rank| (rank, self.link.host(rank).to_string())).collect();
        (self.link.on_stall)(&Stall { processes, waited: self.time.total() });
        self.link.abort(1)
    }
}
