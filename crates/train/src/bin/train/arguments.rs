//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Train a Transformer from a configuration file.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// Configuration file, such as configs/tiny.toml
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Run folder to write [default: runs/ and the configuration's name]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Override a key of the configuration, for example training.steps=500; may be repeated
    #[arg(long = "set", value_name = "TABLE.KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of all random numbers; short for --set training.seed=N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,
    /// Start from the weights and vocabularies of another run; short for --set training.init_from=RUN
    #[arg(long, value_name = "RUN")]
    init_from: Option<PathBuf>,
    /// Weights that do not change, such as encoder,embeddings; short for --set training.freeze=[…]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    freeze: Vec<String>,
    /// Resume the run from its last checkpoint, or start it if it does not exist
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// Start a new run if one exists; the old one is renamed to DIR.old-N
    #[arg(long)]
    pub overwrite: bool,
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Number of the GPU, from 0 [default: the best; with several processes on a host, one for each]
    #[arg(long, value_name = "N")]
    pub device_index: Option<usize>,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seconds after which a job of several processes ends if one of them does not answer
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub rank_timeout: u64,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// The largest integer of TOML.
const MAX_SEED: u64 = i64::MAX as u64;

impl Arguments {
    /// All overrides, those with an option of their own last.
    pub fn overrides(&self) -> Vec<String> {
        let quote = |path: &PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
        let freeze = toml::Value::from(self.freeze.clone());
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("training.seed={seed}")));
        overrides.extend(self.init_from.as_ref().map(|run| format!("training.init_from={}", quote(run))));
        overrides.extend((!self.freeze.is_empty()).then(|| format!("training.freeze={freeze}")));
        overrides
    }

    /// The run folder.
    pub fn output(&self) -> PathBuf {
        let name = self.config.file_stem().unwrap_or_default();
        self.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }
}
