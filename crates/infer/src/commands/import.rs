//! `infer import`: writes a run folder from a Hugging Face Marian folder.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use interchange::{Format, Imported};
use model::backend::{self, Backend};

use crate::log::log_line;

#[derive(Args)]
pub struct Arguments {
    /// Folder with config.json, model.safetensors or pytorch_model.bin, source.spm, target.spm and vocab.json
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Run folder to write; it must not exist or must be empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Print only errors
    #[arg(long)]
    quiet: bool,
}

/// Writes the run folder, and logs the settings without counterpart.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { input, output, quiet } = arguments;
    // Without any backend, the error of `choose` names the features to build with.
    let backend = prefer_cpu(&backend::compiled()).map_or_else(|| backend::choose(None), Ok)?;
    let device = backend.open().context("import needs no GPU if the build has a CPU backend (`--features flex`)")?;
    let Imported { skipped, decoding, .. } = interchange::import(Format::Marian, &input, &output, &device)?;
    if !quiet {
        if let Some(note) = interchange::beam_differs(Format::Marian, &decoding) {
            log_line(format!("note: {note}"));
        }
        for setting in skipped {
            log_line(format!("skipped, not supported by this decoder: {setting}"));
        }
        log_line(format!("written: {}", output.display()));
    }
    Ok(())
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
