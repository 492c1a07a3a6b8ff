//! Training of a prepared run, by one process or as the root of several.

use std::sync::atomic::AtomicBool;

use cluster::Cluster;
use model::ConfigError;
use runs::{ExistingRun, RunFolder};

use super::observer::Observer;
use super::prepare::Run;
use super::ranks::Ranks;
use super::trainer::{Outcome, Place, Trainer};
use crate::error::TrainError;

impl Run {
    /// Trains to the last step, or until `stop` is set.
    ///
    /// Matrix products have the precision of the process, so `main` calls
    /// [`MatmulPrecision::set_process_wide`](runs::config::MatmulPrecision::set_process_wide) before.
    ///
    /// # Errors
    /// A folder that cannot be written, a checkpoint or data that cannot be read, a loss that is not finite, or a device that
    /// fails.
    pub fn train(self, observer: &mut impl Observer, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        self.train_together(observer, stop, &Cluster::alone())
    }

    /// As [`train`](Self::train), as the root of a cluster, whose other processes [follow](super::ranks::Follower).
    ///
    /// # Errors
    /// As [`train`](Self::train); then the other processes still wait. More processes than micro-batches, or a process
    /// that fails.
    pub fn train_together(
        self,
        observer: &mut impl Observer,
        stop: &AtomicBool,
        cluster: &Cluster,
    ) -> Result<Outcome, TrainError> {
        let Self { config, task, model, output, existing, device, workers, config_path } = self;
        check_processes(cluster.size(), config.training.micro_batches)
            .map_err(|error| error.in_configuration(&config_path))?;
        if existing == ExistingRun::ToBackUp {
            RunFolder::back_up(&output)?;
        }
        let ranks = Ranks::new(cluster);
        let outcome = Trainer::new(&config, &task, model, Place { path: &output, existing }, device, workers, ranks)?
            .train(observer, stop)?;
        ranks.end();
        Ok(outcome)
    }
}

/// Rejects more processes than micro-batches.
fn check_processes(processes: usize, micro_batches: usize) -> Result<(), TrainError> {
    if processes <= micro_batches {
        return Ok(());
    }
    let expected = format!("at least {processes}, one for each process");
    let remedy = "raise it (training.max_tokens is divided by it), or start fewer processes";
    Err(TrainError::Config(ConfigError::new("training.micro_batches", micro_batches, expected, remedy)))
}
