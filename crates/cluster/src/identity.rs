//! What the processes of a job must have in common.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Cluster, Patience};

/// The program and the settings of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Names and values; an absent value is not compared.
    fields: Vec<(String, Option<String>)>,
    /// The processor, which may differ.
    processor: String,
    /// Why the process cannot begin.
    failure: Option<String>,
}

/// A rank that failed before the job began, or that differs from the root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rank {rank} on {host}: {reason}")]
pub struct UnfitRank {
    /// The rank.
    pub rank: usize,
    /// Its host.
    pub host: String,
    /// Its error, or what differs.
    pub reason: String,
}

impl Identity {
    /// Describes this process: the version of its program, a hash of the program's file, and the processor.
    pub fn of_this_process(version: &str) -> Self {
        let program = env::current_exe().ok().and_then(|path| hash_of_file(&path));
        Self { fields: Vec::new(), processor: processor(), failure: None }
            .with("version", Some(version.to_string()))
            .with("hash of the program's file", program)
    }

    /// Adds a field, which is not compared with a rank that lacks its value.
    pub fn with(mut self, field: &str, value: Option<String>) -> Self {
        self.fields.push((field.to_string(), value));
        self
    }

    /// Adds the error of a process that cannot begin.
    pub fn failing(self, failure: Option<String>) -> Self {
        Self { failure, ..self }
    }

    /// Compares all ranks at the root, which gets a note if some have another processor.
    ///
    /// # Errors
    /// The first rank that failed or that differs from the root.
    ///
    /// # Panics
    /// If a rank sends something else.
    pub fn compare(&self, cluster: &Cluster) -> Result<Option<String>, UnfitRank> {
        if !cluster.is_root() {
            cluster.send(0, &serde_json::to_vec(self).expect("text alone"));
            return Ok(None);
        }
        let mut note = None;
        // All are received first, so that no rank waits for the root after an error.
        let others: Vec<(usize, Vec<u8>)> =
            cluster.others().map(|rank| (rank, cluster.receive(rank, Patience::Answer))).collect();
        for (rank, message) in others {
            let other: Self = serde_json::from_slice(&message).expect("all ranks begin alike");
            let host = cluster.host(rank).to_string();
            if let Some(reason) = self.difference(&other).or(other.failure) {
                return Err(UnfitRank { rank, host, reason });
            }
            if other.processor != self.processor {
                note.get_or_insert_with(|| {
                    format!(
                        "rank {rank} on {host} computes on {}, rank 0 on {}: they may round differently, so the result \
                         may differ in last bits from that of one process",
                        other.processor, self.processor
                    )
                });
            }
        }
        Ok(note)
    }

    /// Returns the first field in which another rank differs, with its value there and here.
    fn difference(&self, other: &Self) -> Option<String> {
        let mut pairs = self.fields.iter().zip(&other.fields);
        pairs.find_map(|((field, expected), (_, found))| match (found, expected) {
            (Some(found), Some(expected)) if found != expected => {
                Some(format!("{field}: found {found}, expected {expected} as at rank 0; start all ranks alike"))
            }
            (Some(_) | None, Some(_) | None) => None,
        })
    }
}

/// Returns a hash of a file, or `None` if it cannot be read.
pub fn hash_of_file(path: &Path) -> Option<String> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(path).ok()?);
    Some(format!("{:016x}", hasher.finish()))
}

/// The name of the processor and the vector instructions that kernels choose by.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        Some(line.split_once(':')?.1.trim())
    };
    let flags: Vec<&str> = value("flags").unwrap_or_default().split(' ').collect();
    let vectors = ["fma", "avx2", "avx512f", "avx512vl", "avx512_bf16", "avx512_vnni", "amx_tile"];
    let vectors: Vec<&str> = vectors.into_iter().filter(|name| flags.contains(name)).collect();
    format!("{} ({})", value("model name").unwrap_or(env::consts::ARCH), vectors.join(" "))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::ThreadLink;

    fn identity(setting: &str, config: Option<&str>, processor: &str) -> Identity {
        let fields = [("--set", Some(setting)), ("configuration", config)];
        let fields = fields.map(|(name, value)| (name.to_string(), value.map(str::to_string))).to_vec();
        Identity { fields, processor: processor.to_string(), failure: None }
    }

    #[test]
    fn each_field_is_compared_unless_absent() {
        let root = identity("a", Some("b"), "x");
        assert_eq!(root.difference(&identity("a", None, "y")), None);
        let difference = |other: Identity| root.difference(&other).expect("a difference");
        assert!(difference(identity("c", Some("b"), "x")).starts_with("--set: found c, expected a as at rank 0"));
        assert!(difference(identity("a", Some("c"), "x")).starts_with("configuration: found c, expected b"));
        let other = Identity::of_this_process("1").difference(&Identity::of_this_process("2"));
        assert!(other.is_some_and(|reason| reason.starts_with("version: found 2, expected 1")));
    }

    #[test]
    fn the_error_of_a_rank_is_that_of_the_root() {
        thread::scope(|scope| {
            for link in ThreadLink::all(3) {
                scope.spawn(move || {
                    let cluster = Cluster::of_thread(link);
                    let failure = (cluster.rank() == 1).then(|| "no such device".to_string());
                    let compared = identity("a", None, "x").failing(failure).compare(&cluster);
                    let message = compared.err().map(|error| error.to_string());
                    assert_eq!(message.as_deref(), cluster.is_root().then_some("rank 1 on this host: no such device"));
                });
            }
        });
    }

    #[test]
    fn another_processor_is_noted() {
        for (processors, noted) in [(["x", "x", "y"], true), (["x", "x", "x"], false)] {
            thread::scope(|scope| {
                for (link, processor) in ThreadLink::all(3).into_iter().zip(processors) {
                    scope.spawn(move || {
                        let cluster = Cluster::of_thread(link);
                        let note = identity("a", None, processor).compare(&cluster).expect("equal settings");
                        assert_eq!(note.is_some(), noted && cluster.is_root());
                        assert!(
                            note.is_none_or(|note| note.starts_with("rank 2 on this host computes on y, rank 0 on x"))
                        );
                    });
                }
            });
        }
    }
}
