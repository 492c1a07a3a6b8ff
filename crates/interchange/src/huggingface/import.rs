//! Import: a Hugging Face folder becomes a run folder.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use model::config::Tie;
use model::safetensors_writer::SafetensorsWriter;
use model::weights::{self, NamedTensor};
use model::{ConfigError, Transformer, VocabularySizes};
use serde_json::{Value, json};
use text::SpecialIds;

use super::stored::Stored;
use super::tokenizer::Tokenizers;
use super::{Family, Network, keys, tokenizer};
use crate::downloaded::check_downloaded;
use crate::marian::positions::reorder_rows;
use crate::marian::{config, files, generation};
use crate::{Imported, InterchangeError, folder, run_files};

/// Keys of `generation_config.json` that name tokens by role.
const ROLES: [&str; 2] = ["decoder_start_token_id", "forced_bos_token_id"];

/// Writes the run folder `output`, which must not exist or must be empty, from the folder `input` of a model of
/// `family`.
///
/// # Errors
/// A file that is missing, damaged or inconsistent with the others, an option that is not supported, or an output path
/// that exists or cannot be written.
pub fn import(family: Family, input: &Path, output: &Path, device: &Device) -> Result<Imported, InterchangeError> {
    folder::check_vacant(output)?;
    check_downloaded(input)?;
    let path = input.join(files::CONFIG);
    let configured = |path: &Path| {
        let path = path.to_owned();
        move |source: ConfigError| InterchangeError::Config { path, source }
    };
    let settings = read_json(&path)?;
    check_family(family, &settings).map_err(configured(&path))?;
    let network = family.read(&settings).map_err(configured(&path))?;

    // Older folders keep the settings of decoding in config.json.
    let generation_path = input.join(files::GENERATION);
    let (generation, generation_path) = if generation_path.is_file() {
        (read_json(&generation_path)?, generation_path)
    } else {
        (settings.clone(), path.clone())
    };
    let Network { end, padding, .. } = network;
    let mut read = generation::read(&generation, &network.model, end, padding).map_err(configured(&generation_path))?;
    if generation_path != path {
        read.skipped.extend(keys::unknown_generation(&generation));
    }
    read.skipped.extend(keys::task_prefixes(&settings));
    let prefix = keys::Keys::new(&settings).name(keys::PREFIX, "").map_err(configured(&path))?;
    read.decoding.source_prefix = prefix.to_owned();
    let files = tokenizer::Files { folder: input, settings: &settings, generation: &generation };
    let Tokenizers { source: tokenizer, target, languages: [source_lang, target_lang], starts, skipped } =
        tokenizer::read(&files, &network, family)?;
    // The tokenizers hold these as roles.
    let held = ROLES.into_iter().zip(starts).filter_map(|(key, id)| Some(format!("{key} = {}", id?)));
    let held: Vec<String> = held.collect();
    read.skipped.retain(|entry| !held.contains(entry));
    read.skipped.extend(skipped);
    read.decoding.source_lang = source_lang;
    read.decoding.target_lang = target_lang;

    let mut stored = Stored::read(input)?;
    let (embeddings, own) = family.matrices();
    stored.drop_all(family.unused());
    stored.unite(embeddings)?;
    let mut model = network.model;
    stored.settle_positions(family, &mut model)?;
    let tied = stored.decide_tying(embeddings[0], own, network.tied)?;
    model.tie = if tied { Tie::All } else { Tie::Inputs };
    let sizes = VocabularySizes::joint(network.vocab_size);
    let blank = Transformer::blank(&model, sizes, device).map_err(configured(&path))?;
    let ids = tokenizer.special_ids();
    let take = |(ours, shape): (String, Vec<usize>)| {
        let name = family.name(&ours, &model).unwrap_or_else(|| ours.clone());
        let mut values = stored.take(&name, &shape)?;
        if ours.starts_with("embeddings.") && ids != SpecialIds::layout(sizes.target) {
            values = reorder_rows(values, &ids.original_ids(sizes.target));
        }
        Ok(NamedTensor { name: ours, shape, values })
    };
    let weights = weights::shapes(&blank).into_iter().map(take).collect::<Result<Vec<_>, InterchangeError>>()?;
    stored.check_nothing_left()?;

    let note = json!({"from": settings["model_type"]}).to_string();
    let weights = SafetensorsWriter::new(weights, &note)
        .map_err(|source| InterchangeError::Weights { path: stored.path, source })?;
    let written = run_files::run_files(&model, &read.decoding, [&tokenizer, &target]);
    folder::create_with_weights(output, &written, weights)?;
    Ok(Imported { config: model, decoding: read.decoding, skipped: read.skipped })
}

fn read_json(path: &Path) -> Result<Value, InterchangeError> {
    let bytes = fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })?;
    config::parse(path, &bytes)
}

fn check_family(family: Family, settings: &Value) -> Result<(), ConfigError> {
    let found = &settings["model_type"];
    if found.as_str().is_some_and(|found| family.model_types().contains(&found)) {
        return Ok(());
    }
    let expected = format!("one of {}", family.model_types().join(", "));
    let remedy = "give the format of this model, or none, so that it is recognised";
    Err(ConfigError::new("model_type", config::shown(found), expected, remedy))
}
