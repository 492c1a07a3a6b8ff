//! Where to compute, and the trained model that is opened there.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use decode::TrainedModel;
use model::backend;
use model::summary::grouped;

use crate::tell;

/// Where to compute, and what to say of it.
#[derive(Args)]
pub struct MachineArguments {
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Threads to compute with [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Nothing on standard error but errors
    #[arg(long)]
    pub quiet: bool,
}

impl MachineArguments {
    /// Opens a run folder on the device asked for, and says what it is.
    pub fn open(&self, model: &Path) -> anyhow::Result<TrainedModel> {
        if let Some(threads) = self.threads {
            anyhow::ensure!(threads > 0, "--threads = 0: expected at least 1");
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
        }
        let backend = backend::choose(self.device.as_deref())?;
        let trained = TrainedModel::open(model, &backend.open()?)?;
        if !self.quiet {
            let parameters = grouped(trained.engine.parameters());
            tell(format!("{}: {parameters} parameters on {backend}, float32", model.display()));
        }
        Ok(trained)
    }
}
