//! `infer import`: a Hugging Face Marian folder as a run folder.

use std::path::PathBuf;

use clap::Args;
use infer::marian::{self, Imported};
use model::backend;

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
    let Imported { left_out, .. } = marian::import(&input, &output, &backend::choose(None)?.open()?)?;
    if !quiet {
        for setting in left_out {
            eprintln!("not taken over, as this program does not decode so: {setting}");
        }
        eprintln!("written: {}", output.display());
    }
    Ok(())
}
