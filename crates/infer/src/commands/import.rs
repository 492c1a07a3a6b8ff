//! `infer import`: a Hugging Face Marian folder as a run folder.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use interchange::marian::{self, Imported};
use model::backend::{self, Backend};

use crate::tell;

#[derive(Args)]
pub struct ImportArguments {
    /// Folder with config.json, model.safetensors or pytorch_model.bin, source.spm, target.spm and vocab.json
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Run folder to write; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Nothing on standard error but errors
    #[arg(long)]
    quiet: bool,
}

pub fn run(arguments: ImportArguments) -> anyhow::Result<()> {
    let ImportArguments { input, output, quiet } = arguments;
    // `choose` says what to build with where there is nothing to choose from.
    let backend = plainest(&backend::compiled()).map_or_else(|| backend::choose(None), Ok)?;
    let device = backend.open().context("import needs no GPU where the build has a CPU (`--features flex`)")?;
    let Imported { left_out, decoding, .. } = marian::import(&input, &output, &device)?;
    if !quiet {
        if let Some(note) = marian::beam_differs(&decoding) {
            tell(format!("note: {note}"));
        }
        for setting in left_out {
            tell(format!("not taken over, as this program does not decode so: {setting}"));
        }
        tell(format!("written: {}", output.display()));
    }
    Ok(())
}

/// Where to unpack weights: nothing is computed, so a CPU if the build has one.
fn plainest(compiled: &[Backend]) -> Option<Backend> {
    compiled.iter().copied().min_by_key(|backend| backend.is_gpu())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_comes_before_any_gpu() {
        assert_eq!(plainest(&[Backend::Cuda, Backend::Wgpu, Backend::Ndarray, Backend::Flex]), Some(Backend::Ndarray));
        assert_eq!(plainest(&[Backend::Vulkan, Backend::Wgpu]), Some(Backend::Vulkan));
        assert_eq!(plainest(&[]), None);
    }
}
