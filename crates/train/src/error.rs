//! Errors of training.

use std::path::{Path, PathBuf};

use decode::DecodeError;
use model::ConfigError;
use model::weights::WeightsError;
use rayon::ThreadPoolBuildError;
use runs::RunError;
use runs::atomic::WriteError;
use text::TextError;

/// A run that cannot be prepared, or that fails while it trains.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A checkpoint that cannot be used.
    #[error("checkpoint {path}: {reason}; {remedy}")]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// The fault.
        reason: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A weights file that cannot be read or written.
    #[error("{path}: {source}")]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: WeightsError,
    },
    /// `training.init_from` with a model of another `[model]` table.
    #[error("training.init_from = {path}: another model ({difference}); set [model] as in that run's config.toml")]
    OtherModel {
        /// The file or folder.
        path: PathBuf,
        /// The first key that differs, with both values.
        difference: String,
    },
    /// `training.init_from` with weights that do not fit.
    #[error("training.init_from = {path}: {source}{}", remedy_for_other_model(.source))]
    InitFrom {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: WeightsError,
    },
    /// `training.init_from` with a folder that cannot be opened.
    #[error("training.init_from: {0}")]
    InitFromRun(#[source] DecodeError),
    /// A value of the configuration that cannot be used. [`Run::prepare`](crate::Run::prepare) names the file instead.
    #[error("configuration: {0}")]
    Config(#[source] ConfigError),
    /// Data without a usable example.
    #[error("{0}")]
    Data(String),
    /// A corpus that can be read only once, although it would be read in each epoch.
    #[error(
        "{path}: found a pipe with more than data.shuffle_buffer = {shuffle_buffer} pairs, which can be read only once, \
         expected a file: a corpus of that size is read again in each epoch; write it to a file, or raise \
         data.shuffle_buffer"
    )]
    Pipe {
        /// The file.
        path: PathBuf,
        /// The limit of pairs.
        shuffle_buffer: usize,
    },
    /// A corpus on which no vocabulary can be trained.
    #[error("{origin}: {message}")]
    Vocabulary {
        /// The corpus or the setting.
        origin: String,
        /// The cause, with the names of the keys in question.
        message: String,
    },
    /// A corpus that was changed during training.
    #[error(
        "{path} changed during training: found {found} pairs in an epoch, expected the same {expected} as at the start; \
         restore it and resume with --resume, which rejects checkpoints that have learned from the change, or start a \
         new run with --overwrite"
    )]
    CorpusChanged {
        /// The file or folder.
        path: String,
        /// Pairs found.
        found: usize,
        /// Pairs expected.
        expected: usize,
    },
    /// A checkpoint that was trained on other text than the corpus now has.
    #[error(
        "the checkpoint was trained on other text than {path} has now, which changed during training; remove the \
         newest folder in checkpoints/ to resume from the one before it, or start a new run with --overwrite"
    )]
    LearnedElsewhere {
        /// The file or folder.
        path: String,
    },
    /// A loss that is not finite.
    #[error("at step {step} the loss is {loss}; lower training.learning_rate, or raise training.warmup_steps")]
    Diverged {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// Weights that are not finite after an update.
    #[error(
        "at step {step} the update makes weights infinite or NaN; lower training.learning_rate, or raise training.warmup_steps"
    )]
    InfiniteWeights {
        /// The step.
        step: u64,
    },
    /// A rank that failed.
    #[error("rank {rank} on {host}: {message}")]
    RankFailed {
        /// The rank.
        rank: usize,
        /// Its host.
        host: String,
        /// Its message.
        message: String,
    },
    /// A rank whose weights are not those of the root.
    #[error(
        "rank {rank} on {host} has other weights than rank 0 after step {step}: a fault in memory or on the way; resume \
         with --resume from the last checkpoint, which was compared"
    )]
    WeightsDiffer {
        /// The rank.
        rank: usize,
        /// Its host.
        host: String,
        /// The step.
        step: u64,
    },
    /// A device that fails.
    #[error("the device failed: {0}")]
    Device(String),
    /// A device without room for a tensor.
    #[error(
        "the device is out of memory: found no room for {tensor}; in a new run, lower training.max_tokens, raise \
         training.micro_batches, or on a GPU set training.recompute = true; checkpoints written so far are complete"
    )]
    OutOfMemory {
        /// The tensor.
        tensor: String,
    },
    /// A system without another thread.
    #[error(transparent)]
    Threads(#[from] ThreadPoolBuildError),
    /// A configuration or run folder that cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Text that cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A model that cannot be opened or decoded with.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl From<WriteError> for TrainError {
    fn from(error: WriteError) -> Self {
        RunError::from(error).into()
    }
}

/// What helps, besides the remedy of the error itself, if weights belong to another network.
fn remedy_for_other_model(error: &WeightsError) -> &'static str {
    match error {
        WeightsError::Missing(_) | WeightsError::Unexpected(_) | WeightsError::Shape { .. } => {
            "; set [model] as in that run's config.toml"
        }
        WeightsError::Read(_)
        | WeightsError::Format(_)
        | WeightsError::Dtype { .. }
        | WeightsError::Quantised { .. }
        | WeightsError::NotANumber(_)
        | WeightsError::Foreign => "",
    }
}

impl TrainError {
    /// The same error, which names the file of the configuration if one of its values is at fault.
    pub(crate) fn in_configuration(self, path: &Path) -> Self {
        let Self::Config(source) = self else { return self };
        RunError::Config { origin: path.display().to_string(), source }.into()
    }

    /// The error of a device, from burn's message, which may begin with work that was skipped after the failure.
    pub(crate) fn of_device(error: &impl ToString) -> Self {
        let message = error.to_string();
        let size =
            ["can't allocate buffer of size: ", "out of device memory allocating "].into_iter().find_map(|before| {
                let (_, after) = message.split_once(before)?;
                Some(after.chars().take_while(char::is_ascii_digit).collect::<String>())
            });
        match size {
            Some(size) => Self::OutOfMemory { tensor: format!("a tensor of {size} bytes") },
            None if message.to_lowercase().replace('-', " ").contains("out of memory") => {
                Self::OutOfMemory { tensor: "a tensor".into() }
            }
            None => Self::Device(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_weights_of_another_network_need_another_model() {
        let name = || "encoder.norm.weight".to_string();
        for (source, of_network) in [
            (WeightsError::Missing(name()), true),
            (WeightsError::Unexpected(name()), true),
            (WeightsError::Shape { name: name(), found: vec![2], expected: vec![3] }, true),
            (WeightsError::Quantised { name: name() }, false),
            (WeightsError::NotANumber(name()), false),
        ] {
            let message = TrainError::InitFrom { path: "base".into(), source }.to_string();
            assert!(message.starts_with("training.init_from = base: tensor `encoder.norm.weight`"), "{message}");
            assert_eq!(message.contains("set [model] as in"), of_network, "{message}");
        }
    }

    #[test]
    fn a_device_out_of_memory_is_recognised() {
        for (message, expected) in [
            (
                "skipped\nCaused by:\n  can't allocate buffer of size: 1450442752\nNo backtrace",
                "a tensor of 1450442752 bytes;",
            ),
            ("out of device memory allocating 4096 bytes\n", "a tensor of 4096 bytes;"),
            ("An out-of-memory error happened during launch", "for a tensor;"),
            ("wgpu error: Out of Memory", "for a tensor;"),
        ] {
            let found = TrainError::of_device(&message).to_string();
            assert!(found.starts_with("the device is out of memory: ") && found.contains(expected), "{found}");
        }
        assert_eq!(TrainError::of_device(&"lost").to_string(), "the device failed: lost");
    }
}
