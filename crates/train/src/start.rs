//! What training starts from: nothing but the seed, another run's weights and vocabularies, or this run's own so far.

use std::path::Path;

use burn::tensor::Device;
use infer::TrainedModel;
use model::{ConfigError, Transformer, weights};

use crate::checkpoint;
use crate::config::RunConfig;
use crate::error::TrainError;
use crate::task::{Task, Vocabularies};

/// The vocabularies that are there already: those of the run in `resumed`, or of the one that
/// `training.init_from` names.
///
/// # Errors
/// Files that are missing or damaged.
pub fn vocabularies(config: &RunConfig, resumed: Option<&Path>) -> Result<Option<Vocabularies>, TrainError> {
    match (resumed, &config.training.init_from) {
        (Some(run), _) => Ok(Some(Vocabularies::of_run(run)?)),
        (None, Some(run)) => {
            Vocabularies::of_run(run).map(Some).map_err(|source| TrainError::NothingToStartFrom(source.into()))
        }
        (None, None) => Ok(None),
    }
}

/// The model before the first update, on a device that differentiates. A run that goes on from a checkpoint of its own
/// needs no other run any more.
///
/// # Errors
/// Another run whose folder cannot be read, or whose model is of another shape.
pub fn model(
    config: &RunConfig,
    task: &Task,
    resumed: Option<&Path>,
    device: &Device,
) -> Result<Transformer, TrainError> {
    let differentiating = device.clone().autodiff();
    let invalid = |source| TrainError::Config { origin: "configuration".to_string(), source };
    let origin = config.training.init_from.as_ref().filter(|_| !resumed.is_some_and(checkpoint::exists));
    let Some(origin) = origin else {
        return Transformer::new(&config.model, task.sizes(), config.training.seed, &differentiating).map_err(invalid);
    };
    let trained = TrainedModel::open(origin, device).map_err(TrainError::NothingToStartFrom)?;
    let same_text = |one: &text::Tokenizer, other: &text::Tokenizer| one.to_json() == other.to_json();
    if !same_text(&trained.source_tokenizer, &task.source_tokenizer)
        || !same_text(&trained.target_tokenizer, &task.target_tokenizer)
    {
        let (field, expected) = ("training.init_from", "a run with the vocabularies of this task");
        let found = origin.display().to_string();
        return Err(invalid(ConfigError::new(field, found, expected, "choose a run of the same task")));
    }
    let blank = Transformer::blank(&config.model, task.sizes(), &differentiating).map_err(invalid)?;
    weights::load(blank, weights::collect(trained.network()?))
        .map_err(|source| TrainError::InitFrom { path: origin.clone(), source })
}
