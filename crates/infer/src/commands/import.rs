//! `infer import`: writes a run folder from another program's model.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use interchange::huggingface::Family;
use interchange::{Format, Imported};
use model::backend::{self, Backend};
use runs::config::DecodingPrecision;

use crate::log::log_line;

#[derive(Args)]
pub struct Arguments {
    /// Folder of a Hugging Face model (config.json, …), or of Marian's own files (*.npz or *.bin, *.spm, *.yml)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Run folder to write; it must not exist or must be empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Format of the folder [default: recognised by its files]
    #[arg(long, value_enum)]
    format: Option<ImportFormat>,
    /// Number type of the weights: int8 keeps the integers of Marian's own files and quantises other matrices; otherwise run
    /// `infer quantise` on the imported folder
    #[arg(long, value_enum, default_value = "float32")]
    precision: StoredPrecision,
    /// Print only errors
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ImportFormat {
    Marian,
    T5,
    Bart,
    Mbart,
    M2m100,
    Pegasus,
    MarianNmt,
}

#[derive(Clone, Copy, ValueEnum)]
enum StoredPrecision {
    Float32,
    Int8,
}

/// Writes the run folder, and logs the settings without counterpart.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { input, output, format, precision, quiet } = arguments;
    let format = match format {
        None => interchange::recognise(&input)?,
        Some(ImportFormat::Marian) => Format::Marian,
        Some(ImportFormat::T5) => Format::HuggingFace(Family::T5),
        Some(ImportFormat::Bart) => Format::HuggingFace(Family::Bart),
        Some(ImportFormat::Mbart) => Format::HuggingFace(Family::MBart),
        Some(ImportFormat::M2m100) => Format::HuggingFace(Family::M2m100),
        Some(ImportFormat::Pegasus) => Format::HuggingFace(Family::Pegasus),
        Some(ImportFormat::MarianNmt) => Format::MarianNmt,
    };
    // Without any backend, the error of `choose` names the features to build with.
    let backend = prefer_cpu(&backend::compiled()).map_or_else(|| backend::choose(None), Ok)?;
    let device = backend.open().context("import needs no GPU if the build has a CPU backend (`--features flex`)")?;
    let imported = match (precision, format) {
        (StoredPrecision::Float32, _) => interchange::import(format, &input, &output, &device)?,
        (StoredPrecision::Int8, Format::MarianNmt) => {
            interchange::marian_nmt::import_in(DecodingPrecision::Int8, &input, &output, &device)?
        }
        (StoredPrecision::Int8, Format::Marian | Format::HuggingFace(_)) => {
            let found = format.description();
            anyhow::bail!(
                "--precision int8: found {found}, expected Marian's own files; import, then run `infer quantise`"
            )
        }
    };
    let Imported { skipped, decoding, .. } = imported;
    if !quiet {
        log_line(format!("format: {}", format.description()));
        if let Some(note) = interchange::beam_differs(format, &decoding) {
            log_line(format!("note: {note}"));
        }
        for setting in skipped {
            log_line(format!("skipped: {setting}{}", counterpart(&setting)));
        }
        log_line(format!("written: {}", output.display()));
    }
    Ok(())
}

/// What to do about a setting that a run folder does not have.
fn counterpart(setting: &str) -> &'static str {
    match setting.split([' ', '.']).next() {
        Some("shortlist") => "; decode with --shortlist FILE",
        Some("task_specific_params") => "; for this task, set decoding.source_prefix in config.toml",
        Some(_) | None => ", which has no counterpart",
    }
}

/// The backend that loads weights: a CPU backend if the build has one, since nothing is computed.
fn prefer_cpu(compiled: &[Backend]) -> Option<Backend> {
    compiled.iter().copied().min_by_key(|backend| backend.is_gpu())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_preferred_to_any_gpu() {
        assert_eq!(
            prefer_cpu(&[Backend::Cuda, Backend::Wgpu, Backend::Ndarray, Backend::Flex]),
            Some(Backend::Ndarray)
        );
        assert_eq!(prefer_cpu(&[Backend::Vulkan, Backend::Wgpu]), Some(Backend::Vulkan));
        assert_eq!(prefer_cpu(&[]), None);
    }
}
