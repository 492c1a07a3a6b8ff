//! Export: a run folder becomes a Marian folder.

use std::path::Path;

use model::safetensors_writer::SafetensorsWriter;
use model::weights::{NamedTensor, WeightsError};
use model::{ConfigError, ModelConfig, VocabularySizes};

use super::config::{Network, column_order};
use super::vocabulary::pretty;
use super::{config, files, generation, names, positions, vocabulary, weights_file};
use crate::huggingface::keys::PREFIX;
use crate::{InterchangeError, folder};
use runs::{DecodingConfig, SavedModel, layout};
use text::{SpecialIds, Tokenizer};

/// Writes the model of the run folder `run`, whose weights are `tensors`, to the Marian folder `output`.
///
/// `output` must not exist or must be empty. The exported model computes exactly the same function, and `[decoding]` becomes
/// `generation_config.json`. Outputs are the same, except as [`beam_differs`](super::beam_differs) describes and where they
/// reach the default limit, source length + 50, which Marian does not have.
///
/// # Errors
/// An option that Marian does not have, or an output path that exists or cannot be written.
pub fn export(
    saved: &SavedModel,
    tensors: Vec<NamedTensor>,
    decoding: &DecodingConfig,
    run: &Path,
    output: &Path,
) -> Result<(), InterchangeError> {
    folder::check_vacant(output)?;
    let configured = |source: ConfigError| InterchangeError::Config { path: run.join(layout::CONFIG), source };
    let SavedModel { config: model, sizes, source_tokenizer, target_tokenizer, .. } = saved;
    let ids = special_ids(source_tokenizer, target_tokenizer).map_err(configured)?;
    let network = Network { model: model.clone(), sizes: *sizes, end: ids.end, padding: ids.padding };
    let mut config = config::write(&network).map_err(configured)?;
    if !decoding.source_prefix.is_empty() {
        config[PREFIX] = decoding.source_prefix.clone().into();
    }
    let generation = generation::write(decoding, model, ids).map_err(configured)?;
    let path = run.join(layout::WEIGHTS);
    let weights = weights(tensors, model, *sizes, ids).map_err(|source| InterchangeError::Weights { path, source })?;

    let mut written = vec![(files::CONFIG, pretty(&config)), (files::GENERATION, pretty(&generation))];
    written.extend(vocabulary::write(source_tokenizer, target_tokenizer, model.max_length));
    folder::create_with_weights(output, &written, weights)
}

/// Returns the ids of the special tokens in Marian's files: those that the vocabularies were imported with.
///
/// # Errors
/// Two vocabularies with other ids: transformers has one for both sides.
fn special_ids(source: &Tokenizer, target: &Tokenizer) -> Result<SpecialIds, ConfigError> {
    let (ids, other) = (source.special_ids(), target.special_ids());
    if ids == other {
        return Ok(ids);
    }
    Err(ConfigError::new(
        "the vocabulary sizes",
        format!("{} and {}", source.vocab_size(), target.vocab_size()),
        "equal ones: in Marian <pad> has one id, the last of both",
        "train with tokenizer.joint = true, or with vocabularies of one size",
    ))
}

/// Returns the weights file with Marian's names, order of columns, and ids.
fn weights(
    from: Vec<NamedTensor>,
    config: &ModelConfig,
    sizes: VocabularySizes,
    ids: SpecialIds,
) -> Result<SafetensorsWriter, WeightsError> {
    let order = column_order(config);
    let mut tensors: Vec<NamedTensor> = Vec::new();
    for NamedTensor { name, shape, values } in from {
        let parameter = names::marian_parameter(&name).ok_or_else(|| WeightsError::Unexpected(name.clone()))?;
        let values = match (parameter.shared_axis, &order) {
            (Some(axis), Some(order)) => positions::reorder(&values, &shape, axis, order),
            _ => values,
        };
        let values = match names::vocabulary(&name, sizes) {
            Some(size) if ids != SpecialIds::layout(size) => positions::reorder_rows(values, &ids.new_ids(size)),
            _ => values,
        };
        let shape = if parameter.name == names::LOGITS_BIAS { vec![1, shape[0]] } else { shape };
        tensors.push(NamedTensor { name: parameter.name, shape, values });
    }
    tensors.extend(zero_biases(&tensors, sizes));
    weights_file::writer(tensors)
}

/// Zeros for the biases that Marian has and this model does not.
fn zero_biases(tensors: &[NamedTensor], sizes: VocabularySizes) -> Vec<NamedTensor> {
    let has = |name: &str| tensors.iter().any(|tensor| tensor.name == name);
    let zero = |name: String, shape: Vec<usize>| {
        let values = vec![0.0; shape.iter().product()];
        NamedTensor { name, shape, values }
    };
    let mut missing = Vec::new();
    for NamedTensor { name, shape, .. } in tensors {
        let layer = name.contains(".layers.").then(|| name.strip_suffix(".weight")).flatten();
        let bias = layer.map(|layer| format!("{layer}.bias"));
        missing.extend(bias.filter(|bias| !has(bias)).map(|bias| zero(bias, vec![shape[0]])));
    }
    if !has(names::LOGITS_BIAS) {
        missing.push(zero(names::LOGITS_BIAS.to_owned(), vec![1, sizes.target]));
    }
    missing
}
