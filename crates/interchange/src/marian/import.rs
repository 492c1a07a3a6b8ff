//! Import: a Marian folder becomes a run folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use model::config::Tie;
use model::safetensors_writer::SafetensorsWriter;
use model::weights::{self, NamedTensor};
use model::{ConfigError, ModelConfig, Transformer, VocabularySizes};
use serde_json::json;

use super::config::Network;
use super::{config, files, generation, names, positions, vocabulary, weights_file};
use crate::downloaded::check_downloaded;
use crate::huggingface::keys::PREFIX;
use crate::tensor::StoredTensor;
use crate::{Imported, InterchangeError, folder, run_files};
use text::{SpecialIds, Tokenizer};

/// Stored sinusoids of encoder and decoder: checked against computed ones, then dropped.
const POSITIONS: [&str; 2] = ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"];

/// The embedding matrices.
const SHARED: &str = "model.shared.weight";
const ENCODER: &str = "model.encoder.embed_tokens.weight";
const DECODER: &str = "model.decoder.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";

/// The matrix here whose rows are the source's vocabulary alone.
const SOURCE: &str = "embeddings.source";

const ONE_MODEL: &str = "fetch the files of one model";

/// Writes the run folder `output`, which must not exist or must be empty, from the Marian folder `input`.
///
/// # Errors
/// A file that is missing, damaged or inconsistent with the others, an option that is not supported, or an output path
/// that exists or cannot be written.
pub fn import(input: &Path, output: &Path, device: &Device) -> Result<Imported, InterchangeError> {
    folder::check_vacant(output)?;
    check_downloaded(input)?;
    let path = input.join(files::CONFIG);
    if !path.is_file() {
        return Err(InterchangeError::NotMarian { path: input.to_owned(), missing: files::CONFIG });
    }
    let configured = |path: &Path| {
        let path = path.to_owned();
        move |source: ConfigError| InterchangeError::Config { path, source }
    };
    let read = |path: &Path| {
        let bytes = fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })?;
        config::parse(path, &bytes)
    };
    let settings = read(&path)?;
    let prefix = settings[PREFIX].as_str().unwrap_or_default().to_owned();
    let Network { mut model, sizes, end, padding } = config::read(&settings).map_err(configured(&path))?;

    // Older folders keep the settings of decoding in config.json.
    let generation_path = input.join(files::GENERATION);
    let (generation, generation_path) =
        if generation_path.is_file() { (read(&generation_path)?, generation_path) } else { (settings, path.clone()) };
    let mut generation = generation::read(&generation, &model, end, padding).map_err(configured(&generation_path))?;
    generation.decoding.source_prefix = prefix;
    let (source, target) = vocabulary::read(input, sizes, end, padding)?;

    let (stored, weights_path) = weights_file::read(input)?;
    let mut stored = Stored { tensors: stored, path: weights_path };
    stored.check_positions(&model)?;
    stored.unite_tied(model.tie)?;
    // A bias of zeros is no bias.
    model.output_bias = stored.has_output_bias();
    let network = Transformer::blank(&model, sizes, device).map_err(configured(&path))?;
    let weights = weights::shapes(&network)
        .into_iter()
        .map(|(name, shape)| stored.take(name, shape))
        .map(|tensor| Ok(in_layout(tensor?, sizes, &source, &target)))
        .collect::<Result<Vec<_>, InterchangeError>>()?;
    stored.check_nothing_left()?;

    let note = json!({"from": "marian"}).to_string();
    let weights = SafetensorsWriter::new(weights, &note)
        .map_err(|source| InterchangeError::Weights { path: stored.path, source })?;
    let written = run_files::run_files(&model, &generation.decoding, [&source, &target]);
    folder::create_with_weights(output, &written, weights)?;
    let generation::Generation { decoding, skipped } = generation;
    Ok(Imported { config: model, decoding, skipped })
}

/// Exchanges the rows of a matrix over the vocabulary, so that special tokens have the ids that they have here.
fn in_layout(tensor: NamedTensor, sizes: VocabularySizes, source: &Tokenizer, target: &Tokenizer) -> NamedTensor {
    let Some(size) = names::vocabulary(&tensor.name, sizes) else { return tensor };
    let ids = if tensor.name == SOURCE { source.special_ids() } else { target.special_ids() };
    if ids == SpecialIds::layout(size) {
        return tensor;
    }
    let values = positions::reorder_rows(tensor.values, &ids.original_ids(size));
    NamedTensor { values, ..tensor }
}

/// The tensors of the weights file that no weight has taken yet.
struct Stored {
    tensors: BTreeMap<String, StoredTensor>,
    path: PathBuf,
}

impl Stored {
    fn wrong(&self, name: &str, found: String, expected: String) -> InterchangeError {
        InterchangeError::Tensor { path: self.path.clone(), name: name.to_owned(), found, expected, remedy: ONE_MODEL }
    }

    /// Checks that stored positions are the computed sinusoids.
    fn check_positions(&mut self, model: &ModelConfig) -> Result<(), InterchangeError> {
        for name in POSITIONS {
            let Some(stored) = self.tensors.remove(name) else { continue };
            let checked = positions::check_sinusoids(&stored, model.max_length, model.d_model);
            checked.map_err(|(found, expected)| self.wrong(name, found, expected))?;
        }
        Ok(())
    }

    /// Keeps one copy of a tied matrix, under the first of its names, and checks that the others are equal.
    fn unite_tied(&mut self, tie: Tie) -> Result<(), InterchangeError> {
        let names: &[&str] = match tie {
            Tie::All => &[SHARED, ENCODER, DECODER, OUTPUT],
            Tie::Decoder => &[DECODER, OUTPUT],
            Tie::None => &[],
            Tie::Inputs => &[SHARED, ENCODER, DECODER],
        };
        let mut found = names.iter().filter_map(|name| Some((*name, self.tensors.remove(*name)?)));
        let Some((first, matrix)) = found.next() else { return Ok(()) };
        let copies: Vec<(&str, StoredTensor)> = found.collect();
        if let Some((name, _)) = copies.iter().find(|(_, copy)| *copy != matrix) {
            let expected = format!("a copy of `{first}`, with which config.json ties it");
            return Err(self.wrong(name, "other values".to_owned(), expected));
        }
        self.tensors.insert(names[0].to_owned(), matrix);
        Ok(())
    }

    fn has_output_bias(&mut self) -> bool {
        let bias = self.tensors.get(names::LOGITS_BIAS);
        let real = bias.is_some_and(|bias| bias.values.iter().any(|value| *value != 0.0));
        if !real {
            self.tensors.remove(names::LOGITS_BIAS);
        }
        real
    }

    /// Takes the tensor of one weight of the network.
    fn take(&mut self, ours: String, shape: Vec<usize>) -> Result<NamedTensor, InterchangeError> {
        let name = names::marian_parameter(&ours).map_or_else(|| ours.clone(), |parameter| parameter.name);
        let Some(found) = self.tensors.remove(&name) else {
            return Err(self.wrong(&name, "nothing".to_owned(), format!("a tensor of shape {shape:?}")));
        };
        let expected = if name == names::LOGITS_BIAS { vec![1, shape[0]] } else { shape.clone() };
        if found.shape != expected {
            return Err(self.wrong(&name, format!("shape {:?}", found.shape), format!("{expected:?}")));
        }
        if found.values.iter().any(|value| !value.is_finite()) {
            return Err(self.wrong(&name, "values that are not finite".to_owned(), "numbers".to_owned()));
        }
        Ok(NamedTensor { name: ours, shape, values: found.values })
    }

    fn check_nothing_left(&self) -> Result<(), InterchangeError> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => {
                let expected = "only the tensors of a Marian model of this configuration".to_owned();
                Err(self.wrong(name, "it".to_owned(), expected))
            }
        }
    }
}
