//! Import: a folder of Marian's files becomes a run folder.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use model::config::DecoderSelf;
use model::quantised::{self, Int8Rows};
use model::safetensors_writer::SafetensorsWriter;
use model::weights::{self, NamedTensor};
use model::{ConfigError, ModelConfig, Transformer};
use runs::config::{DecodingPrecision, LengthPenalty, PenaltyForm};
use runs::{DecodingConfig, layout};
use serde_json::json;
use text::{SpecialIds, Tokenizer};

use super::config::{self, Network};
use super::locate::{self, Located};
use super::model_file::{self, transpose};
use super::names::{self, Layout, MarianWeight};
use super::vocabulary;
use super::yaml::Settings;
use crate::downloaded::check_downloaded;
use crate::marian::positions::reorder_rows;
use crate::tensor::StoredTensor;
use crate::{Imported, InterchangeError, folder, run_files};

/// Settings of the decoder that change translations and have no counterpart, with the values that disable them.
const UNSUPPORTED: [(&str, &[&str]); 7] = [
    ("word-penalty", &["0", "0.0"]),
    ("shortlist", &[]),
    ("max-length-factor", &[]),
    ("allow-unk", &["false"]),
    ("output-sampling", &["false"]),
    ("force-decode", &["false"]),
    ("weights", &["1", "1.0"]),
];

/// Writes the run folder `output`, which must not exist or must be empty, from Marian's files in `input`.
///
/// # Errors
/// A file that is missing, damaged or inconsistent with the others, an option that is not supported, or an output path
/// that exists or cannot be written.
pub fn import(input: &Path, output: &Path, device: &Device) -> Result<Imported, InterchangeError> {
    import_in(DecodingPrecision::Float32, input, output, device)
}

/// As [`import`], with weights in a precision. In int8, integers of the file stay as they are, with its scale for every row;
/// matrices of other types are quantised. Weights are not stored in bfloat16.
///
/// # Errors
/// As [`import`].
pub fn import_in(
    precision: DecodingPrecision,
    input: &Path,
    output: &Path,
    device: &Device,
) -> Result<Imported, InterchangeError> {
    folder::check_vacant(output)?;
    check_downloaded(input)?;
    let located = locate::locate(input)?;
    let path = located.model.clone();
    let file = model_file::read(&path)?;
    let wrong = |found: String, expected: &str, remedy| InterchangeError::File {
        path: path.clone(),
        found,
        expected: expected.to_owned(),
        remedy,
    };
    let text = file.configuration.ok_or_else(|| {
        let remedy = "use a model that Marian saved with its configuration inside";
        wrong(format!("no {}", super::CONFIGURATION), "the configuration of the network", remedy)
    })?;
    let settings = Settings::new(&text).map_err(|(found, expected)| {
        wrong(format!("{found} in {}", super::CONFIGURATION), &expected, "fetch the file again")
    })?;
    let configured = |source| InterchangeError::Config { path: path.clone(), source };
    let Network { model, sizes } = config::read(&settings).map_err(configured)?;
    let [source, target] = vocabulary::read(&located, [sizes.source, sizes.target])?;
    let (decoding, skipped) = decoding(&located, &model)?;

    let mut stored =
        Stored { tensors: file.tensors, scales: file.scales, scales_taken: HashMap::new(), path: path.clone() };
    let network = Transformer::blank(&model, sizes, device).map_err(configured)?;
    let weights = weights::shapes(&network)
        .into_iter()
        .map(|(name, shape)| stored.take(name, shape, &model, [&source, &target]))
        .collect::<Result<Vec<_>, InterchangeError>>()?;
    stored.check_nothing_left()?;
    let note = json!({"from": "marian-nmt"}).to_string();
    let invalid = |source| InterchangeError::Weights { path: path.clone(), source };
    let written = run_files::run_files(&model, &decoding, [&source, &target]);
    match precision {
        DecodingPrecision::Float32 | DecodingPrecision::Bfloat16 => {
            folder::create_with_weights(output, &written, SafetensorsWriter::new(weights, &note).map_err(invalid)?)?;
        }
        DecodingPrecision::Int8 => {
            let rows = |tensor: &NamedTensor| stored.rows(tensor);
            let weights = quantised::to_safetensors(&weights, &note, rows).map_err(invalid)?;
            folder::create(output, &written.into_iter().chain([(layout::WEIGHTS, weights)]).collect::<Vec<_>>())?;
        }
    }
    Ok(Imported { config: model, decoding, skipped })
}

/// The decoding settings of the decoder's configuration, and those without counterpart.
fn decoding(located: &Located, model: &ModelConfig) -> Result<(DecodingConfig, Vec<String>), InterchangeError> {
    let Some((path, settings)) = &located.decoder else { return Ok((DecodingConfig::default(), Vec::new())) };
    let configured = |source| InterchangeError::Config { path: path.clone(), source };
    let number = |key: &str, default: f64| match settings.value(key) {
        None => Ok(default),
        Some(text) => text
            .parse::<f64>()
            .map_err(|_| configured(ConfigError::new(key, text, "a number", "correct it in this file"))),
    };
    let beam = number("beam-size", 1.0)?;
    let length_penalty = LengthPenalty { form: PenaltyForm::Power, alpha: number("normalize", 0.0)? };
    let decoding = DecodingConfig { beam: beam as usize, length_penalty, ..DecodingConfig::default() };
    decoding.validate(model).map_err(configured)?;
    let skipped = UNSUPPORTED.iter().filter_map(|(key, neutral)| {
        let found = settings.list(key);
        let set = found.iter().any(|value| !neutral.contains(&value.as_str()));
        set.then(|| format!("{key} = {}", found.join(" ")))
    });
    Ok((decoding, skipped.collect()))
}

/// The tensors of the model file that no weight has taken yet.
struct Stored {
    tensors: BTreeMap<String, StoredTensor>,
    /// Scales of 8-bit integers, by the names of the file.
    scales: BTreeMap<String, f32>,
    /// The same by the names of weights.
    scales_taken: HashMap<String, f32>,
    path: PathBuf,
}

impl Stored {
    fn wrong(&self, name: &str, found: String, expected: String) -> InterchangeError {
        let remedy = "fetch the files of one model";
        InterchangeError::Tensor { path: self.path.clone(), name: name.to_owned(), found, expected, remedy }
    }

    /// Takes the tensor of one weight of the network.
    fn take(
        &mut self,
        ours: String,
        shape: Vec<usize>,
        model: &ModelConfig,
        tokenizers: [&Tokenizer; 2],
    ) -> Result<NamedTensor, InterchangeError> {
        let recurrent = match model.decoder_self {
            DecoderSelf::Attention => false,
            DecoderSelf::Ssru => true,
        };
        let candidates = names::candidates(&ours, model.norm, recurrent);
        let found = candidates.iter().find_map(|weight| Some((weight, self.tensors.remove(&weight.name)?)));
        let Some((MarianWeight { name, layout }, tensor)) = found else {
            let name = candidates.first().map_or(ours.clone(), |weight| weight.name.clone());
            return Err(self.wrong(&name, "nothing".to_owned(), format!("a tensor for {ours}, {shape:?}")));
        };
        if let Some(&scale) = self.scales.get(name) {
            self.scales_taken.insert(ours.clone(), scale);
        }
        let (rows, width) = (shape[0], shape.iter().skip(1).product::<usize>());
        let expected = match layout {
            Layout::Transposed => vec![width, rows],
            Layout::Vector => vec![1, rows],
            Layout::Table => vec![rows - 1, width],
            Layout::TransposedTable => vec![width, rows - 1],
            Layout::TokenVector => vec![1, rows - 1],
        };
        let flat = expected[0] == 1 && tensor.shape == expected[1..];
        if tensor.shape != expected && !flat {
            return Err(self.wrong(name, format!("shape {:?}", tensor.shape), format!("{expected:?}")));
        }
        if tensor.values.iter().any(|value| !value.is_finite()) {
            return Err(self.wrong(name, "values that are not finite".to_owned(), "numbers".to_owned()));
        }
        let values = match layout {
            Layout::Transposed => transpose(&tensor.values, width, rows),
            Layout::Vector => tensor.values,
            Layout::Table | Layout::TokenVector => tensor.values,
            Layout::TransposedTable => transpose(&tensor.values, width, rows - 1),
        };
        let values = match layout {
            Layout::Transposed | Layout::Vector => values,
            Layout::Table | Layout::TransposedTable | Layout::TokenVector => {
                let [source, target] = tokenizers;
                let tokenizer = if ours == "embeddings.source" { source } else { target };
                with_padding(values, &shape, tokenizer)
            }
        };
        Ok(NamedTensor { name: ours, shape, values })
    }

    /// A matrix in int8: the integers of the file, if it holds integers.
    fn rows(&self, tensor: &NamedTensor) -> Int8Rows {
        let Some(scale) = self.scales_taken.get(&tensor.name) else { return quantised::rows(tensor) };
        // The quotients of integers and scale lie within half a unit of the integers.
        let values = tensor.values.iter().map(|value| (value * scale).round() as i8).collect();
        Int8Rows { values, scales: vec![1.0 / scale; tensor.shape[0]] }
    }

    fn check_nothing_left(&self) -> Result<(), InterchangeError> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => {
                let expected = "only the tensors of a model of this configuration".to_owned();
                Err(self.wrong(name, "it".to_owned(), expected))
            }
        }
    }
}

/// Adds the row of `<pad>`, zeros, from which the decoder starts, and puts all rows in the order of the ids here.
fn with_padding(mut values: Vec<f32>, shape: &[usize], tokenizer: &Tokenizer) -> Vec<f32> {
    values.resize(shape.iter().product(), 0.0);
    let ids = tokenizer.special_ids();
    if ids == SpecialIds::layout(shape[0]) { values } else { reorder_rows(values, &ids.original_ids(shape[0])) }
}
