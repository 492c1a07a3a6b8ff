//! What the ranks of a job must have in common.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use cluster::Cluster;
use model::backend::Backend;
use serde::{Deserialize, Serialize};

use super::announcement::{receive, send};
use crate::error::TrainError;

/// The program and the settings of a rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The version of this program.
    version: String,
    /// A hash of the program's file; 0 if it cannot be read.
    program: u64,
    /// The backend.
    device: String,
    /// A hash of the configuration file; `None` if this host has no such file, since the root sends its contents.
    config: Option<u64>,
    /// The overrides of the configuration.
    overrides: Vec<String>,
}

impl Member {
    /// Describes this process.
    pub fn of_this_process(backend: Backend, config: &Path, overrides: &[String]) -> Self {
        let hash = |path: &Path| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&fs::read(path).ok()?);
            Some(hasher.finish())
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_string(),
            program: env::current_exe().ok().and_then(|path| hash(&path)).unwrap_or_default(),
            device: backend.to_string(),
            config: hash(config),
            overrides: overrides.to_vec(),
        }
    }

    /// Compares all ranks at the root.
    ///
    /// # Errors
    /// The first rank that differs from the root.
    pub fn compare(&self, cluster: &Cluster) -> Result<(), TrainError> {
        if !cluster.is_root() {
            send(cluster, 0, self);
            return Ok(());
        }
        for rank in cluster.others() {
            let other: Self = receive(cluster, rank, false);
            if let Some((field, found, expected)) = self.difference(&other) {
                let host = cluster.host(rank).to_string();
                return Err(TrainError::RankDiffers { rank, host, field, found, expected });
            }
        }
        Ok(())
    }

    /// Returns the first field in which another rank differs, with its value there and here.
    fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let differing = |field, found: &dyn ToString, expected: &dyn ToString| {
            let (found, expected) = (found.to_string(), expected.to_string());
            (found != expected).then_some((field, found, expected))
        };
        let hexadecimal = |hash: u64| format!("{hash:016x}");
        let config = |member: &Self| member.config.map(hexadecimal).unwrap_or_default();
        differing("version", &other.version, &self.version)
            .or_else(|| {
                differing("hash of the program's file", &hexadecimal(other.program), &hexadecimal(self.program))
            })
            .or_else(|| differing("device", &other.device, &self.device))
            .or_else(|| {
                other.config.and_then(|_| differing("hash of the configuration file", &config(other), &config(self)))
            })
            .or_else(|| differing("--set", &other.overrides.join(" "), &self.overrides.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_compared() {
        let member = |change: fn(&mut Member)| {
            let mut member = Member {
                version: "1".to_string(),
                program: 7,
                device: "flex".to_string(),
                config: Some(5),
                overrides: vec!["training.steps=2".to_string()],
            };
            change(&mut member);
            member
        };
        let root = member(|_| {});
        assert_eq!(root.difference(&root), None);
        assert_eq!(root.difference(&member(|member| member.config = None)), None);
        type Change = fn(&mut Member);
        let changes: [(&str, Change); 5] = [
            ("version", |member| member.version = "2".to_string()),
            ("hash of the program's file", |member| member.program = 8),
            ("device", |member| member.device = "ndarray".to_string()),
            ("hash of the configuration file", |member| member.config = Some(6)),
            ("--set", |member| member.overrides.clear()),
        ];
        for (field, change) in changes {
            assert_eq!(root.difference(&member(change)).expect("a difference").0, field);
        }
    }
}
