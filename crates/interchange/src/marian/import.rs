//! From a Marian folder to a run folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use model::config::Tie;
use model::position::{SinusoidLayout, sinusoids};
use model::weights::{self, NamedTensor};
use model::{ConfigError, ModelConfig, Transformer};
use serde_json::json;
use toml::Table;

use super::config::Network;
use super::{MarianError, config, files, folder, generation, names, tensors, vocabulary};
use crate::pytorch::StoredTensor;
use runs::config::DecodingConfig;
use runs::layout;

/// What came out of a Marian folder.
#[derive(Debug)]
pub struct Imported {
    pub config: ModelConfig,
    pub decoding: DecodingConfig,
    /// Settings for decoding that this program does not have.
    pub left_out: Vec<String>,
}

/// Positions of the encoder and the decoder, which are sinusoids: checked and dropped.
const POSITIONS: [&str; 2] = ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"];

/// The matrices between ids and vectors.
const SHARED: &str = "model.shared.weight";
const ENCODER: &str = "model.encoder.embed_tokens.weight";
const DECODER: &str = "model.decoder.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";

/// How far stored sinusoids may be from ours, in half precision too.
const POSITIONS_TOLERANCE: f32 = 1e-3;

const ONE_MODEL: &str = "fetch the files of one model";

/// Makes a run folder `output`, which must not exist or be empty, of the Marian folder `input`.
///
/// # Errors
/// A file that is missing, damaged or at odds with the others; what this program does not do, named; a place that is
/// taken or cannot be written.
pub fn import(input: &Path, output: &Path, device: &Device) -> Result<Imported, MarianError> {
    folder::vacant(output)?;
    let path = input.join(files::CONFIG);
    if !path.is_file() {
        return Err(MarianError::NotMarian { path: input.to_owned(), missing: files::CONFIG });
    }
    let configured = |path: &Path| {
        let path = path.to_owned();
        move |source: ConfigError| MarianError::Config { path, source }
    };
    let read = |path: &Path| {
        let bytes = fs::read(path).map_err(|source| MarianError::Read { path: path.to_owned(), source })?;
        config::parse(path, &bytes)
    };
    let settings = read(&path)?;
    let Network { mut model, sizes } = config::read(&settings).map_err(configured(&path))?;

    // Until there was a file for them, these settings stood beside the others.
    let generation_path = input.join(files::GENERATION);
    let (generation, generation_path) =
        if generation_path.is_file() { (read(&generation_path)?, generation_path) } else { (settings, path.clone()) };
    let generation = generation::read(&generation, &model, sizes.target_pad()).map_err(configured(&generation_path))?;
    let (source, target) = vocabulary::read(input, sizes)?;

    let (stored, weights_path) = tensors::read(input)?;
    let mut stored = Stored { tensors: stored, path: weights_path };
    stored.check_positions(&model)?;
    stored.unite_tied(model.tie)?;
    // A bias of nothing but zeros is none.
    model.output_bias = stored.has_output_bias();
    let network = Transformer::blank(&model, sizes, device).map_err(configured(&path))?;
    let weights = weights::shapes(&network)
        .into_iter()
        .map(|(name, shape)| stored.take(name, shape))
        .collect::<Result<Vec<_>, MarianError>>()?;
    stored.check_nothing_left()?;

    let note = json!({"from": "marian"}).to_string();
    let weights = weights::to_safetensors(&weights, &note)
        .map_err(|source| MarianError::Weights { path: stored.path, source })?;
    let files = [
        (layout::CONFIG, config_file(&model, &generation.decoding).into_bytes()),
        (layout::SOURCE_TOKENIZER, source.to_json().into_bytes()),
        (layout::TARGET_TOKENIZER, target.to_json().into_bytes()),
        (layout::WEIGHTS, weights),
    ];
    folder::create(output, &files)?;
    let generation::Generation { decoding, left_out } = generation;
    Ok(Imported { config: model, decoding, left_out })
}

/// The tables of a run's configuration that have a meaning without training.
fn config_file(model: &ModelConfig, decoding: &DecodingConfig) -> String {
    let table = |name: &str, table: Table| Table::from_iter([(name.to_owned(), table.into())]).to_string();
    let (model, decoding) = (Table::try_from(model).unwrap_or_default(), Table::try_from(decoding).unwrap_or_default());
    format!("{}\n{}", table("model", model), table("decoding", decoding))
}

/// The tensors of the weights file that have not found their place yet.
struct Stored {
    tensors: BTreeMap<String, StoredTensor>,
    path: PathBuf,
}

impl Stored {
    fn wrong(&self, name: &str, found: String, expected: String) -> MarianError {
        MarianError::Tensor { path: self.path.clone(), name: name.to_owned(), found, expected, remedy: ONE_MODEL }
    }

    /// Stored positions have to be the sinusoids that are computed here.
    fn check_positions(&mut self, model: &ModelConfig) -> Result<(), MarianError> {
        let expected = [model.max_length, model.d_model];
        for name in POSITIONS {
            let Some(StoredTensor { shape, values }) = self.tensors.remove(name) else { continue };
            if shape != expected {
                return Err(self.wrong(name, format!("shape {shape:?}"), format!("{expected:?}")));
            }
            let computed = sinusoids(SinusoidLayout::Halves, model.max_length, model.d_model);
            let furthest = values.iter().zip(computed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            if furthest > POSITIONS_TOLERANCE || values.iter().any(|value| value.is_nan()) {
                let found = format!("numbers up to {furthest} away from Marian's sinusoids");
                return Err(self.wrong(name, found, "these sinusoids".to_owned()));
            }
        }
        Ok(())
    }

    /// Leaves one of each tied matrix, under the name that it is looked for. Others have to be copies of it.
    fn unite_tied(&mut self, tie: Tie) -> Result<(), MarianError> {
        let names: &[&str] = match tie {
            Tie::All => &[SHARED, ENCODER, DECODER, OUTPUT],
            Tie::Decoder => &[DECODER, OUTPUT],
            Tie::None => &[],
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

    /// The tensor for one of our weights.
    fn take(&mut self, ours: String, shape: Vec<usize>) -> Result<NamedTensor, MarianError> {
        let place = names::place(&ours).map_or_else(|| ours.clone(), |place| place.name);
        let Some(found) = self.tensors.remove(&place) else {
            return Err(self.wrong(&place, "nothing".to_owned(), format!("a tensor of shape {shape:?}")));
        };
        let expected = if place == names::LOGITS_BIAS { vec![1, shape[0]] } else { shape.clone() };
        if found.shape != expected {
            return Err(self.wrong(&place, format!("shape {:?}", found.shape), format!("{expected:?}")));
        }
        Ok(NamedTensor { name: ours, shape, values: found.values })
    }

    fn check_nothing_left(&self) -> Result<(), MarianError> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => {
                let expected = "only the tensors of a Marian model of this configuration".to_owned();
                Err(self.wrong(name, "it".to_owned(), expected))
            }
        }
    }
}
