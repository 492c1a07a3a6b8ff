//! Export: a run folder becomes a Hugging Face folder.

use std::path::Path;

use model::ConfigError;
use model::weights::{NamedTensor, WeightsError};
use runs::{DecodingConfig, SavedModel, layout};
use text::SpecialIds;

use super::{Family, Network, keys, tokenizer_files};
use crate::marian::positions::reorder;
use crate::marian::vocabulary::pretty;
use crate::marian::{files, generation, weights_file};
use crate::{InterchangeError, folder};

/// Writes the model of the run folder `run`, whose weights are `tensors`, to the folder `output` of a `family`.
///
/// `output` must not exist or must be empty. The exported model computes exactly the same function. Special tokens have the
/// ids that they were imported with.
///
/// # Errors
/// An option that the family does not have, or an output path that exists or cannot be written.
pub fn export(
    family: Family,
    saved: &SavedModel,
    tensors: Vec<NamedTensor>,
    decoding: &DecodingConfig,
    run: &Path,
    output: &Path,
) -> Result<(), InterchangeError> {
    folder::check_vacant(output)?;
    let configured = |source: ConfigError| InterchangeError::Config { path: run.join(layout::CONFIG), source };
    let SavedModel { config: model, sizes, source_tokenizer, target_tokenizer, .. } = saved;
    if source_tokenizer.labels() != target_tokenizer.labels() {
        let found = format!("vocabularies of {} and {} entries", sizes.source, sizes.target);
        let remedy = "train with tokenizer.joint = true, or export in the format marian";
        return Err(configured(ConfigError::new("the vocabularies", found, "one for both sides", remedy)));
    }
    let (ids, size) = (source_tokenizer.special_ids(), sizes.target);
    let network = Network { model: model.clone(), vocab_size: size, tied: None, end: ids.end, padding: ids.padding };
    let mut config = family.write(&network).map_err(configured)?;
    let generation = generation::write(decoding, model, ids).map_err(configured)?;
    let vocabulary = tokenizer_files::write(source_tokenizer);
    config["tokenizer_class"] = vocabulary.class.into();
    if !decoding.source_prefix.is_empty() {
        config[keys::PREFIX] = decoding.source_prefix.clone().into();
    }

    let weights = weights(family, tensors, &network, ids)
        .map_err(|source| InterchangeError::Weights { path: run.join(layout::WEIGHTS), source })?;
    let mut written =
        vec![(files::CONFIG, pretty(&config)), (files::GENERATION, pretty(&generation)), (files::WEIGHTS, weights)];
    written.extend(vocabulary.files);
    folder::create(output, &written)
}

/// Returns the weights file with the family's names and the folder's ids.
fn weights(
    family: Family,
    from: Vec<NamedTensor>,
    network: &Network,
    ids: SpecialIds,
) -> Result<Vec<u8>, WeightsError> {
    let size = network.vocab_size;
    let mut tensors = Vec::with_capacity(from.len());
    for NamedTensor { name: ours, shape, values } in from {
        let name = family.name(&ours, &network.model).ok_or_else(|| WeightsError::Unexpected(ours.clone()))?;
        let moved = ours.starts_with("embeddings.") && ids != SpecialIds::layout(size);
        let values = if moved { reorder(&values, &shape, 0, &ids.new_ids(size)) } else { values };
        tensors.push(NamedTensor { name, shape, values });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    weights_file::write(&tensors)
}
