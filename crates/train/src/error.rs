//! Everything that can go wrong in training.

use std::io;
use std::path::PathBuf;

use decode::DecodeError;
use model::weights::WeightsError;
use runs::RunError;
use text::TextError;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("cannot read {path}: {source}; restore it, or start anew with --overwrite")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} already holds a run; continue it with --resume, or start anew with --overwrite (the old one is kept beside it)"
    )]
    Exists { path: PathBuf },
    #[error("{path} exists but is not a run folder (no config.toml); choose another --output")]
    NotARun { path: PathBuf },
    #[error("{path} cannot give its place to a run: {reason}; name another --output, such as a folder inside it")]
    NotReplaceable { path: PathBuf, reason: &'static str },
    #[error(
        "training.init_from = {path}: it is the run that --overwrite sets aside; choose another --output, so that a run \
         can be begun from it again"
    )]
    OwnOrigin { path: PathBuf },
    #[error("{path} was made with another configuration ({difference}); resume with the same one, or use --overwrite")]
    OtherConfig { path: PathBuf, difference: String },
    #[error(
        "{path} was made with another {split} corpus than task.{split} holds now; restore that corpus, or start anew \
         with --overwrite"
    )]
    OtherCorpus { path: PathBuf, split: &'static str },
    #[error("{path} holds {found}, expected {expected}; restore it, or start anew with --overwrite")]
    Damaged { path: PathBuf, found: String, expected: &'static str },
    #[error(
        "{path} has {found} bytes, but the checkpoint counts on {expected}: it was changed from outside; restore it, \
         or start anew with --overwrite"
    )]
    Metrics { path: PathBuf, found: u64, expected: u64 },
    #[error("checkpoint {path}: {reason}; {remedy}")]
    Checkpoint { path: PathBuf, reason: String, remedy: &'static str },
    #[error(
        "{path} is missing, without which there is nothing to go on from; restore it, or start anew with --overwrite \
         (`infer` needs none)"
    )]
    NoCheckpoints { path: PathBuf },
    #[error("{path}: {source}")]
    Weights { path: PathBuf, source: WeightsError },
    #[error("training.init_from = {path}: another model ({difference}); set [model] as in that run's config.toml")]
    OtherModel { path: PathBuf, difference: String },
    #[error("training.init_from = {path}: {source}; set [model] as in that run's config.toml")]
    InitFrom { path: PathBuf, source: WeightsError },
    #[error("training.init_from: {0}")]
    NothingToStartFrom(#[source] DecodeError),
    #[error("{0}")]
    Data(String),
    #[error("{origin}: {source}")]
    Vocabulary { origin: String, source: TextError },
    #[error(
        "{path} was changed while the run read it: found {found} pairs in an epoch, expected the very {expected} that it \
         began with; restore it and go on with --resume, which refuses checkpoints that have learned from the change, or \
         start anew with --overwrite"
    )]
    CorpusChanged { path: String, found: usize, expected: usize },
    #[error(
        "the checkpoint has learned from other text than {path} holds: it was changed while the run read it; remove the \
         newest folder in checkpoints/ to resume from the one before it, or start anew with --overwrite"
    )]
    LearnedElsewhere { path: String },
    #[error("at step {step} the loss is {loss}; lower training.learning_rate, or raise training.warmup_steps")]
    Diverged { step: u64, loss: f64 },
    #[error("the device failed: {0}")]
    Device(String),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
