//! The time for which a process waits.

use std::time::{Duration, Instant};

/// The longest time between two polls that counts in full.
const LONGEST: Duration = Duration::from_millis(100);

/// Time in which this process polled. Time in which it did not run itself, because its job or its machine was suspended,
/// does not count: in that time the others may not have run either.
#[derive(Debug)]
pub struct WaitingTime {
    polled: Instant,
    total: Duration,
}

impl WaitingTime {
    /// Begins to count at `now`.
    pub fn since(now: Instant) -> Self {
        Self { polled: now, total: Duration::ZERO }
    }

    /// Counts the time since the last poll; returns the total.
    pub fn poll(&mut self, now: Instant) -> Duration {
        self.total += (now - self.polled).min(LONGEST);
        self.polled = now;
        self.total
    }

    /// The time counted.
    pub fn total(&self) -> Duration {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_polls_does_not_count() {
        let mut now = Instant::now();
        let mut time = WaitingTime::since(now);
        for _ in 0..1000 {
            now += Duration::from_millis(2);
            time.poll(now);
        }
        assert_eq!(time.total(), Duration::from_secs(2));
        assert_eq!(time.poll(now + Duration::from_secs(3600)), Duration::from_millis(2100), "a suspended process");
    }
}
