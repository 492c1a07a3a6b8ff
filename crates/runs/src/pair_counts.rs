//! Counts of the pairs of a corpus.

use std::fmt;
use std::ops::AddAssign;

use model::summary::grouped;
use serde::{Deserialize, Serialize};

/// The number of pairs read, and of those dropped for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairCounts {
    /// All pairs read.
    pub pairs: usize,
    /// Pairs with an empty side.
    pub empty: usize,
    /// Pairs with a side longer than `data.max_length`.
    pub long: usize,
    /// Pairs whose sides differ in length by more than `data.max_ratio`.
    pub uneven: usize,
}

impl PairCounts {
    /// The number of dropped pairs.
    pub fn dropped(&self) -> usize {
        self.empty + self.long + self.uneven
    }
}

impl AddAssign for PairCounts {
    fn add_assign(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.empty += other.empty;
        self.long += other.long;
        self.uneven += other.uneven;
    }
}

impl fmt::Display for PairCounts {
    /// `1,000 training pairs, 3 dropped (1 with an empty side, 2 too long)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} training pairs", grouped(self.pairs))?;
        let reasons = [
            (self.empty, "with an empty side"),
            (self.long, "too long"),
            (self.uneven, "less even than data.max_ratio"),
        ];
        let reasons: Vec<String> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, reason)| format!("{} {reason}", grouped(*count)))
            .collect();
        match reasons.is_empty() {
            true => Ok(()),
            false => write!(f, ", {} dropped ({})", grouped(self.dropped()), reasons.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_name_the_reasons() {
        let mut counts = PairCounts { pairs: 1998, ..PairCounts::default() };
        assert_eq!(counts.to_string(), "1,998 training pairs");
        counts += PairCounts { pairs: 2, empty: 1, uneven: 1, ..PairCounts::default() };
        let text = "2,000 training pairs, 2 dropped (1 with an empty side, 1 less even than data.max_ratio)";
        assert_eq!(counts.to_string(), text);
    }
}
