//! `infer export`: a run folder in the form that other programs read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use interchange::marian;
use runs::DecodingOverrides;

use crate::arguments::{MachineArguments, settings};
use crate::tell;

#[derive(Args)]
pub struct ExportArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Form of the output: a Hugging Face Marian folder, which transformers and CTranslate2 read
    #[arg(long, value_enum)]
    format: Format,
    /// Folder to write; must not exist, or be empty
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    machine: MachineArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Marian,
}

pub fn run(arguments: ExportArguments) -> anyhow::Result<()> {
    let ExportArguments { model, format, output, decoding, machine } = arguments;
    let trained = machine.open(&model)?;
    let decoding = settings(&decoding, &trained)?.decoding;
    match format {
        Format::Marian => marian::export(&trained, &decoding, &model, &output)?,
    }
    if !machine.quiet {
        if let Some(note) = marian::beam_differs(&decoding) {
            tell(format!("note: {note}"));
        }
        tell(format!("written: {}", output.display()));
    }
    Ok(())
}
