//! The checks and preparations of a run, before it writes anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use decode::{DecodeError, TrainedModel};
use model::backend::Backend;
use model::config::PositionKind;
use model::device_index::LocalRank;
use model::weights::{self, WeightsError};
use model::{ConfigError, ModelConfig, Transformer, parameters};
use runs::config::{self, RunConfig, TrainingConfig};
use runs::{ExistingRun, IfExists, RunFolder, layout};

use super::checkpoint;
use super::vocabularies::initial_vocabularies;
use crate::error::TrainError;
use crate::optim::{Workers, lora};
use crate::task::Task;

/// The options of a run besides its configuration.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run folder.
    pub output: PathBuf,
    /// The action if the folder exists.
    pub if_exists: IfExists,
    /// The backend, among those compiled in.
    pub backend: Backend,
    /// The number of the device of a GPU backend; the default one if `None`, or that of this process among those on its host.
    pub device_index: Option<usize>,
    /// This process among those on its host.
    pub local: LocalRank,
    /// The file of the configuration, for messages.
    pub config_path: PathBuf,
}

/// A run that is ready to be trained. Nothing has been written yet.
#[derive(Debug)]
pub struct Run {
    pub(super) config: RunConfig,
    pub(super) task: Task,
    pub(super) model: Transformer,
    pub(super) output: PathBuf,
    pub(super) existing: ExistingRun,
    pub(super) device: Device,
    pub(super) workers: Workers,
    pub(super) config_path: PathBuf,
}

impl Run {
    /// Checks the configuration, the run folder and the corpora, reads the data and creates the initial model, without
    /// writing anything.
    ///
    /// # Errors
    /// A configuration, corpus, device or folder with which the run cannot start.
    pub fn prepare(config: RunConfig, options: RunOptions) -> Result<Self, TrainError> {
        let path = options.config_path.clone();
        Self::check(config, options).map_err(|error| error.in_configuration(&path))
    }

    fn check(mut config: RunConfig, options: RunOptions) -> Result<Self, TrainError> {
        let RunOptions { output, if_exists, backend, device_index, local, config_path } = options;
        config.validate_on(backend, &config_path)?;
        let device = backend.open_at(device_index, local).map_err(DecodeError::from)?;
        let existing = RunFolder::inspect(&output, if_exists, &config)?;
        match existing {
            ExistingRun::Resumable => config.validate_resumed(&output, &config_path)?,
            ExistingRun::None | ExistingRun::ToBackUp => config.validate_new(&config_path)?,
        }
        let vocabularies = initial_vocabularies(&config, &output, existing)?;
        if let Some(tokenizers) = &mut config.tokenizer {
            let [source, target] = match &vocabularies {
                Some(vocabularies) => [&vocabularies.source, &vocabularies.target].map(|side| side.normalization()),
                None => [tokenizers.source(), tokenizers.target()].map(|side| Some(side.rule())),
            };
            tokenizers.set_normalization(source, target);
        }
        let task = Task::new(&config, vocabularies)?;
        let model = frozen(initial_model(&config, &task, &output, existing, &device)?, &config.training)?;
        // A GPU computes one micro-batch after the other; on a CPU each core takes one.
        let cores = if backend.is_gpu() { 1 } else { rayon::current_num_threads() };
        let workers = Workers::new(cores.min(config.training.micro_batches))?;
        Ok(Self { config, task, model, output, existing, device, workers, config_path })
    }
}

/// Returns the model before the first update, on `device` with differentiation: drawn by the seed, or with the weights of
/// the run that `training.init_from` names. A run with a checkpoint of its own does not need the other run any more.
///
/// # Errors
/// Another run whose folder cannot be read, or whose model differs.
pub fn initial_model(
    config: &RunConfig,
    task: &Task,
    output: &Path,
    existing: ExistingRun,
    device: &Device,
) -> Result<Transformer, TrainError> {
    let differentiating = device.clone().autodiff();
    let has_checkpoint = existing == ExistingRun::Resumable && checkpoint::exists(output);
    let Some(origin) = config.training.init_from.as_ref().filter(|_| !has_checkpoint) else {
        return Transformer::new(&config.model, task.sizes(), config.training.seed, &differentiating)
            .map_err(TrainError::Config);
    };
    let trained = TrainedModel::open(origin, device).map_err(TrainError::InitFromRun)?;
    if let Some(difference) = difference(&trained.config, &config.model) {
        return Err(TrainError::OtherModel { path: origin.clone(), difference });
    }
    let same_text = |one: &text::Tokenizer, other: &text::Tokenizer| one.to_json() == other.to_json();
    if !same_text(&trained.source_tokenizer, &task.source_tokenizer)
        || !same_text(&trained.target_tokenizer, &task.target_tokenizer)
    {
        let (field, expected) = ("training.init_from", "a run with the vocabularies of this task");
        let found = origin.display().to_string();
        return Err(TrainError::Config(ConfigError::new(field, found, expected, "choose a run of the same task")));
    }
    let blank = Transformer::blank(&config.model, task.sizes(), &differentiating).map_err(TrainError::Config)?;
    let path = origin.join(layout::WEIGHTS);
    let differs = |source| TrainError::InitFrom { path: origin.clone(), source };
    let bytes = fs::read(&path).map_err(WeightsError::from).map_err(differs)?;
    let (tensors, _) = weights::from_safetensors(&bytes).map_err(differs)?;
    weights::check_numbers(&tensors).map_err(|source| TrainError::Weights { path, source })?;
    weights::load(blank, tensors).map_err(differs)
}

/// Names of linear layers, for messages.
const LINEAR_LAYERS: [&str; 6] = ["query", "key", "value", "output", "inner", "self_attention"];

/// Returns `model` without derivatives of the weights that `training.freeze` names, or of those that `training.lora` does
/// not adapt.
///
/// # Errors
/// A name without a weight, or none but frozen weights.
pub fn frozen(model: Transformer, training: &TrainingConfig) -> Result<Transformer, TrainError> {
    if training.freeze.is_empty() && training.lora.is_none() {
        return Ok(model);
    }
    let parts: BTreeSet<String> = weights::shapes(&model)
        .into_iter()
        .map(|(name, _)| name.split('.').next().unwrap_or_default().to_string())
        .collect();
    let parts = parts.into_iter().collect::<Vec<_>>().join(", ");
    if let Some(config) = &training.lora {
        return lora::freeze_others(model, config).map_err(|name| {
            let expected = "parts of names in model.safetensors, of matrices of linear layers";
            let remedy = format!("choose {}, or parts such as decoder.layers.0", LINEAR_LAYERS.join(", "));
            TrainError::Config(ConfigError::new("training.lora.matrices", format!("{name:?}"), expected, remedy))
        });
    }
    let model = parameters::freeze(model, &training.freeze).map_err(|name| {
        let expected = "names in model.safetensors, or their beginnings up to a dot";
        let remedy = format!("choose {parts}, or parts of these such as decoder.layers.0");
        TrainError::Config(ConfigError::new("training.freeze", format!("{name:?}"), expected, remedy))
    })?;
    match parameters::trainable(&model).is_empty() {
        false => Ok(model),
        true => Err(TrainError::Config(ConfigError::new(
            "training.freeze",
            "all weights",
            "at least one weight to train",
            "remove a name",
        ))),
    }
}

/// Returns the first key in which two networks differ. Comparing shapes is not enough: the number of heads, for example,
/// changes none. Dropout may differ, and so may the maximum length unless positions are weights.
fn difference(there: &ModelConfig, now: &ModelConfig) -> Option<String> {
    let learned = [there, now].iter().any(|model| model.positions == PositionKind::Learned);
    let there = ModelConfig {
        dropout: now.dropout,
        attention_dropout: now.attention_dropout,
        ff_dropout: now.ff_dropout,
        stack_dropout: now.stack_dropout,
        max_length: if learned { there.max_length } else { now.max_length },
        ..there.clone()
    };
    config::first_difference("model", &there, now)
}
