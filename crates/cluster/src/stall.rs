//! The process that keeps a job waiting.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Processes that did not answer in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Their ranks with their hosts.
    pub processes: Vec<(usize, String)>,
    /// The time waited.
    pub waited: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.processes.iter().map(|(rank, host)| format!("rank {rank} on {host}")).collect();
        write!(
            f,
            "no answer from {} for {} s (--rank-timeout); all processes end here",
            names.join(", "),
            self.waited.as_secs()
        )
    }
}

/// Returns the ranks at fault, given those that the root waits for, and the reports of others on whom they wait for. A rank
/// that reports is alive.
#[cfg_attr(not(any(test, feature = "mpi")), expect(dead_code, reason = "only several processes can stall"))]
pub fn at_fault(waiting_for: &[usize], reports: &[(usize, Vec<usize>)]) -> Vec<usize> {
    let alive: BTreeSet<usize> = reports.iter().map(|(rank, _)| *rank).collect();
    let suspects = waiting_for.iter().chain(reports.iter().flat_map(|(_, ranks)| ranks)).copied();
    let silent: BTreeSet<usize> = suspects.filter(|rank| *rank != 0 && !alive.contains(rank)).collect();
    match silent.is_empty() {
        true => waiting_for.to_vec(), // each waits for another
        false => silent.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_rank_is_at_fault() {
        assert_eq!(at_fault(&[2], &[]), [2]);
        assert_eq!(at_fault(&[1], &[(1, vec![2])]), [2], "1 only waits for 2");
        assert_eq!(at_fault(&[1, 2, 3], &[(1, vec![2]), (3, vec![0, 2])]), [2]);
        assert_eq!(at_fault(&[1], &[(1, vec![0])]), [1]);
    }

    #[test]
    fn a_stall_names_rank_and_host() {
        let stall = Stall { processes: vec![(2, "node-7".to_string())], waited: Duration::from_secs(60) };
        let message = stall.to_string();
        assert!(message.contains("rank 2 on node-7") && message.contains("60 s"), "{message}");
    }
}
