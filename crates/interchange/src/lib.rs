//! Models of other programs: import into a run folder, export from one.
//!
//! Each [`Format`] is a folder of this crate:
//!
//! | [`Format`] | folder | read by | network | weights | tokenizer | `[decoding]` |
//! |---|---|---|---|---|---|---|
//! | [`Marian`](Format::Marian) | [`marian`] | transformers, CTranslate2 | `config.json` | `model.safetensors`; on import also `pytorch_model.bin` and shards of either | `source.spm`, `target.spm`, `vocab.json`; else `tokenizer.json` | `generation_config.json` |
//! | [`HuggingFace`](Format::HuggingFace) | [`huggingface`] | transformers | `config.json` | as Marian's | `spiece.model`, `sentencepiece.bpe.model`, `tokenizer.json`, or `vocab.json` with `merges.txt`; ByT5 has none | `generation_config.json` |
//! | [`MarianNmt`](Format::MarianNmt) | [`marian_nmt`] | Marian; import only | `special:model.yml` in the model | `*.npz`, `*.bin` | `*.spm`, or `*.vocab.yml` with `source.spm` and `target.spm` | `decoder.yml` |
//!
//! The modules of a format map its parts to those of a run folder. For Marian, [`marian::config`] maps the options of the
//! network, `marian::names` the weights, [`marian::positions`] the order of columns, and `marian::generation` the decoding
//! settings. An option without counterpart is rejected by name.
//!
//! All formats share [`tensor`] (stored tensors), [`safetensors`] and [`pytorch`] (their files), [`shards`], `downloaded` (files
//! that are not there yet), and `folder` (output folders that appear whole or not at all). A new format is a folder beside
//! `marian` and a variant of [`Format`].

mod archive;
mod downloaded;
mod error;
mod folder;
pub mod huggingface;
pub mod marian;
pub mod marian_nmt;
mod network_keys;
pub mod pytorch;
mod run_files;
pub mod safetensors;
pub mod shards;
pub mod tensor;

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use model::weights::NamedTensor;
use model::{ConfigError, ModelConfig};
use runs::{DecodingConfig, SavedModel, layout};
use text::Direction;

pub use error::InterchangeError;
use huggingface::Family;

/// Formats of other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Hugging Face Marian folder, as OPUS-MT models are published.
    Marian,
    /// A Hugging Face folder of a family with a table of its own.
    HuggingFace(huggingface::Family),
    /// Marian's own files, as its training and Firefox Translations write them.
    MarianNmt,
}

impl Format {
    /// The name in options, and its meaning.
    pub fn description(self) -> &'static str {
        match self {
            Format::Marian => "marian (a Hugging Face Marian folder)",
            Format::HuggingFace(Family::T5) => "t5 (a Hugging Face folder of T5, mT5, UMT5 or ByT5)",
            Format::HuggingFace(Family::Bart) => "bart (a Hugging Face folder of BART)",
            Format::HuggingFace(Family::MBart) => "mbart (a Hugging Face folder of mBART or mBART-50)",
            Format::HuggingFace(Family::M2m100) => "m2m100 (a Hugging Face folder of M2M100 or NLLB)",
            Format::HuggingFace(Family::Pegasus) => "pegasus (a Hugging Face folder of Pegasus)",
            Format::MarianNmt => "marian-nmt (Marian's own files)",
        }
    }
}

/// Returns the format of the model in a folder.
///
/// # Errors
/// A folder that does not exist, or has no files of any format.
pub fn recognise(folder: &Path) -> Result<Format, InterchangeError> {
    if !folder.is_dir() {
        return Err(InterchangeError::NoFolder { path: folder.to_owned() });
    }
    let path = folder.join("config.json");
    if path.is_file() {
        let bytes = fs::read(&path).map_err(|source| InterchangeError::Read { path: path.clone(), source })?;
        let settings = marian::config::parse(&path, &bytes)?;
        let Some(model_type) = settings["model_type"].as_str().filter(|model_type| *model_type != "marian") else {
            // Marian's import names what it misses in a configuration without a type.
            return Ok(Format::Marian);
        };
        let known = Family::ALL.into_iter().flat_map(Family::model_types);
        let expected = known.fold("one of marian".to_owned(), |list, name| format!("{list}, {name}"));
        let remedy = "translate with transformers, which knows such models";
        let source = ConfigError::new("model_type", model_type, expected, remedy);
        return Family::of(model_type).map(Format::HuggingFace).ok_or(InterchangeError::Config { path, source });
    }
    if marian_nmt::recognises(folder) {
        return Ok(Format::MarianNmt);
    }
    Err(InterchangeError::NotRecognised { path: folder.to_owned() })
}

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// The network of the new run folder.
    pub config: ModelConfig,
    /// The decoding settings of the new run folder.
    pub decoding: DecodingConfig,
    /// Decoding settings without counterpart, each as `key = value`.
    pub skipped: Vec<String>,
}

/// Writes the run folder `output`, which must not exist or must be empty, from the model in `input`.
///
/// # Errors
/// A file that is missing, damaged or inconsistent with the others, an option that is not supported, or an output path
/// that exists or cannot be written.
pub fn import(format: Format, input: &Path, output: &Path, device: &Device) -> Result<Imported, InterchangeError> {
    match format {
        Format::Marian => marian::import(input, output, device),
        Format::HuggingFace(family) => huggingface::import(family, input, output, device),
        Format::MarianNmt => marian_nmt::import(input, output, device),
    }
}

/// Writes the model of the run folder `run`, whose weights are `tensors`, to `output`. That folder must not
/// exist or must be empty.
///
/// # Errors
/// An option that the format does not support, or an output path that exists or cannot be written.
pub fn export(
    format: Format,
    saved: &SavedModel,
    tensors: Vec<NamedTensor>,
    decoding: &DecodingConfig,
    run: &Path,
    output: &Path,
) -> Result<(), InterchangeError> {
    for tokenizer in [&saved.source_tokenizer, &saved.target_tokenizer] {
        check_direction(tokenizer.direction())
            .map_err(|source| InterchangeError::Config { path: run.join(layout::CONFIG), source })?;
    }
    match format {
        Format::Marian => marian::export(saved, tensors, decoding, run, output),
        Format::HuggingFace(family) => huggingface::export(family, saved, tensors, decoding, run, output),
        Format::MarianNmt => Err(InterchangeError::ReadOnly),
    }
}

/// Rejects an order of tokens that no other program has.
fn check_direction(direction: Direction) -> Result<(), ConfigError> {
    match direction {
        Direction::LeftToRight => Ok(()),
        Direction::RightToLeft => Err(ConfigError::new(
            "tokenizer.direction",
            format!("{:?}", direction.name()),
            "\"left_to_right\", the order of the other programs",
            "train with it",
        )),
    }
}

/// Returns why beam search in programs that read `format` may answer differently under these settings, if it may.
pub fn beam_differs(format: Format, decoding: &DecodingConfig) -> Option<String> {
    match format {
        Format::Marian | Format::HuggingFace(_) => marian::beam_differs(decoding),
        Format::MarianNmt => None,
    }
}
