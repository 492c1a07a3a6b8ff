//! The device that computes, and the trained model opened on it.

use std::path::{Path, PathBuf};

use clap::Args;
use decode::TrainedModel;
use model::backend;
use model::device_index::LocalRank;
use model::summary::grouped;
use runs::config::DecodingPrecision;

use crate::log::log_line;

/// The device, the number of threads, and logging.
#[derive(Args)]
pub struct DeviceOptions {
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Number of the GPU, from 0 [default: the best; with several processes on a host, one for each]
    #[arg(long, value_name = "N")]
    pub device_index: Option<usize>,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Number type in which weights are multiplied: int8 and bfloat16 are faster and change some translations [default: that
    /// of the folder, float32 unless quantised]
    #[arg(long, value_name = "TYPE", value_enum)]
    pub precision: Option<DecodingPrecision>,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
    /// This process among those on its host
    #[arg(skip)]
    pub local: LocalRank,
}

impl DeviceOptions {
    /// Starts the chosen number of threads.
    ///
    /// # Errors
    /// A number of threads out of range.
    pub fn start_threads(&self) -> anyhow::Result<()> {
        Ok(runs::threads::start(self.threads)?)
    }

    /// Opens a run folder on the chosen device and logs its size.
    ///
    /// # Errors
    /// A number of threads out of range, a device or precision that is not available, or a folder that is not a run.
    pub fn open(&self, model: &Path) -> anyhow::Result<TrainedModel> {
        self.open_ensemble(&[model.to_path_buf()])
    }

    /// Opens run folders as one model and logs its size.
    ///
    /// # Errors
    /// As [`open`](Self::open); folders with different vocabularies.
    pub fn open_ensemble(&self, models: &[PathBuf]) -> anyhow::Result<TrainedModel> {
        self.start_threads()?;
        let backend = backend::choose(self.device.as_deref())?;
        let trained =
            TrainedModel::open_ensemble(models, &backend.open_at(self.device_index, self.local)?, self.precision)?;
        if !self.quiet {
            let parameters = grouped(trained.parameters());
            let precision = trained.engine.precision();
            let names: Vec<String> = models.iter().map(|model| model.display().to_string()).collect();
            log_line(format!(
                "{}: {parameters} parameters on {}, {precision}",
                names.join(" + "),
                backend.description()
            ));
        }
        Ok(trained)
    }
}
