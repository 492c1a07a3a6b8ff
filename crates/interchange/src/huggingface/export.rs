//! Export: a run folder becomes a Hugging Face folder.

use std::path::Path;

use model::ConfigError;
use model::safetensors_writer::SafetensorsWriter;
use model::weights::{NamedTensor, WeightsError};
use runs::{DecodingConfig, SavedModel, layout};
use serde_json::json;
use text::{Role, SpecialIds, Tokenizer};

use super::{Family, Network, bart, keys, tokenizer_files};
use crate::marian::names::LOGITS_BIAS;
use crate::marian::positions::reorder_rows;
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
    let [start, forced] = starts(target_tokenizer, decoding, ids);
    let (end, padding) = (ids.end, ids.padding);
    let network = Network { model: model.clone(), vocab_size: size, tied: None, end, padding, start, forced };
    let mut config = family.write(&network).map_err(configured)?;
    let mut generation = generation::write(decoding, model, ids).map_err(configured)?;
    if family != Family::T5 {
        generation["decoder_start_token_id"] = json!(start);
        generation["forced_bos_token_id"] = json!(forced);
    }
    let vocabulary = tokenizer_files::write(family, source_tokenizer, target_tokenizer, decoding.languages());
    config["tokenizer_class"] = vocabulary.class.into();
    if !decoding.source_prefix.is_empty() {
        config[keys::PREFIX] = decoding.source_prefix.clone().into();
    }

    let weights = weights(family, tensors, &network, ids)
        .map_err(|source| InterchangeError::Weights { path: run.join(layout::WEIGHTS), source })?;
    let mut written = vec![(files::CONFIG, pretty(&config)), (files::GENERATION, pretty(&generation))];
    written.extend(vocabulary.files);
    folder::create_with_weights(output, &written, weights)
}

/// Returns the ids in the folder of the decoder's start and of the token that it is forced to begin with.
///
/// A language is that of `[decoding]`; without one, a translation names it.
fn starts(tokenizer: &Tokenizer, decoding: &DecodingConfig, ids: SpecialIds) -> [Option<u32>; 2] {
    let Some(template) = tokenizer.template() else { return [Some(ids.padding), None] };
    let original = ids.original_ids(tokenizer.vocab_size());
    let language = decoding.target_lang.as_ref().and_then(|language| template.languages.get(language));
    let id = |role: &Role| {
        let label = match role {
            Role::Label(label) => Some(label),
            Role::SourceLanguage => None,
            Role::TargetLanguage => language,
        };
        label.and_then(|label| tokenizer.id_of(label)).map(|id| original[id as usize] as u32)
    };
    [template.start.as_ref().and_then(id), template.before.first().and_then(id)]
}

/// Returns the weights file with the family's names and the folder's ids.
fn weights(
    family: Family,
    from: Vec<NamedTensor>,
    network: &Network,
    ids: SpecialIds,
) -> Result<SafetensorsWriter, WeightsError> {
    let size = network.vocab_size;
    let mut tensors = Vec::with_capacity(from.len());
    for NamedTensor { name: ours, shape, values } in from {
        let name = family.name(&ours, &network.model).ok_or_else(|| WeightsError::Unexpected(ours.clone()))?;
        let moved = ours.starts_with("embeddings.") && ids != SpecialIds::layout(size);
        let values = if moved { reorder_rows(values, &ids.new_ids(size)) } else { values };
        tensors.push(match ours.as_str() {
            "source_positions.table" | "target_positions.table" => bart::stored_positions(name, &shape, &values),
            "embeddings.output_bias" => NamedTensor { name, shape: vec![1, size], values },
            _ => NamedTensor { name, shape, values },
        });
    }
    if family.has_output_bias() && !network.model.output_bias {
        tensors.push(NamedTensor { name: LOGITS_BIAS.to_owned(), shape: vec![1, size], values: vec![0.0; size] });
    }
    weights_file::writer(tensors)
}
