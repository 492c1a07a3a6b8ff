//! What training starts from: nothing but the seed, another run's weights and vocabularies, or this run's own so far.

use std::path::Path;

use burn::tensor::Device;
use decode::TrainedModel;
use model::config::PositionKind;
use model::{ConfigError, ModelConfig, Transformer, weights};
use text::{TokenizerConfig, TokenizerKind};

use crate::checkpoint;
use crate::error::TrainError;
use crate::task::{Task, Vocabularies};
use runs::RunError;
use runs::config::{self, RunConfig};

/// The vocabularies that are there already: those of the run in `resumed`, or of the one that
/// `training.init_from` names.
///
/// # Errors
/// Files that are missing or damaged, or vocabularies of another kind than `[tokenizer]` asks for.
pub fn vocabularies(config: &RunConfig, resumed: Option<&Path>) -> Result<Option<Vocabularies>, TrainError> {
    match (resumed, &config.training.init_from) {
        (Some(run), _) => Ok(Some(Vocabularies::of_run(run)?)),
        (None, Some(run)) => {
            let found = Vocabularies::of_run(run).map_err(|source| TrainError::NothingToStartFrom(source.into()))?;
            if let Some(tokenizer) = &config.tokenizer {
                same_kind(tokenizer, &found, run).map_err(invalid)?;
            }
            Ok(Some(found))
        }
        (None, None) => Ok(None),
    }
}

/// Refuses a `[tokenizer]` of another kind than the vocabularies that are taken over. BPE-dropout is refused with it:
/// the configuration allows it for BPE alone.
fn same_kind(tokenizer: &TokenizerConfig, found: &Vocabularies, run: &Path) -> Result<(), ConfigError> {
    let name = |kind| match kind {
        TokenizerKind::Bpe => "\"bpe\"",
        TokenizerKind::Unigram => "\"unigram\"",
        TokenizerKind::Word => "\"word\"",
    };
    let kinds = [found.source.kind(), found.target.kind()];
    match kinds.into_iter().find(|kind| *kind != tokenizer.kind) {
        None => Ok(()),
        Some(kind) => Err(ConfigError::new(
            "tokenizer.kind",
            name(tokenizer.kind),
            format!("{}, as the vocabularies of training.init_from = {} are", name(kind), run.display()),
            format!("set tokenizer.kind = {} (and no dropout unless that is \"bpe\")", name(kind)),
        )),
    }
}

fn invalid(source: ConfigError) -> TrainError {
    RunError::Config { origin: "configuration".to_string(), source }.into()
}

/// The model before the first update, on a device that differentiates. A run that goes on from a checkpoint of its own
/// needs no other run any more.
///
/// # Errors
/// Another run whose folder cannot be read, or whose model is another one.
pub fn model(
    config: &RunConfig,
    task: &Task,
    resumed: Option<&Path>,
    device: &Device,
) -> Result<Transformer, TrainError> {
    let differentiating = device.clone().autodiff();
    let origin = config.training.init_from.as_ref().filter(|_| !resumed.is_some_and(checkpoint::exists));
    let Some(origin) = origin else {
        return Transformer::new(&config.model, task.sizes(), config.training.seed, &differentiating).map_err(invalid);
    };
    let trained = TrainedModel::open(origin, device).map_err(TrainError::NothingToStartFrom)?;
    if let Some(difference) = difference(&trained.config, &config.model) {
        return Err(TrainError::OtherModel { path: origin.clone(), difference });
    }
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

/// The first key in which the network of another run is not the one asked for. Shapes alone do not tell: heads, for one,
/// change none. What only training asks for may differ, and so may the longest sequence, unless positions are weights.
fn difference(there: &ModelConfig, now: &ModelConfig) -> Option<String> {
    let learned = [there, now].iter().any(|model| model.positions == PositionKind::Learned);
    let there = ModelConfig {
        dropout: now.dropout,
        attention_dropout: now.attention_dropout,
        ff_dropout: now.ff_dropout,
        max_length: if learned { there.max_length } else { now.max_length },
        ..there.clone()
    };
    config::first_difference("model", &there, now)
}
