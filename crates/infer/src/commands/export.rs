//! `infer export`: writes a run folder in the format of another program.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use decode::{DecodeError, TrainedModel};
use interchange::Format;
use interchange::huggingface::Family;
use model::safetensors_reader::SafetensorsReader;
use runs::{DecodingOverrides, layout};

use crate::log::log_line;
use crate::options::{DeviceOptions, UsageError, settings};

#[derive(Args)]
#[command(mut_arg("precision", |precision| precision.hide(true)))]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Output format: a Hugging Face folder of Marian, as read by transformers and CTranslate2, or of another
    /// family
    #[arg(long, value_enum)]
    format: ExportFormat,
    /// Folder to write; it must not exist or must be empty
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    device: DeviceOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExportFormat {
    Marian,
    T5,
    Bart,
    Mbart,
    M2m100,
    Pegasus,
}

/// Writes the folder.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, format, output, decoding, device } = arguments;
    if device.precision.is_some() {
        let message = "--precision: expected no type, since other programs read float32; remove it";
        return Err(UsageError::new(ErrorKind::ArgumentConflict, message).into());
    }
    let trained = device.open(&model)?;
    let decoding = settings(&decoding, &trained)?.decoding;
    let format = match format {
        ExportFormat::Marian => Format::Marian,
        ExportFormat::T5 => Format::HuggingFace(Family::T5),
        ExportFormat::Bart => Format::HuggingFace(Family::Bart),
        ExportFormat::Mbart => Format::HuggingFace(Family::MBart),
        ExportFormat::M2m100 => Format::HuggingFace(Family::M2m100),
        ExportFormat::Pegasus => Format::HuggingFace(Family::Pegasus),
    };
    let path = model.join(layout::WEIGHTS);
    // The weights of the engine are not needed any more.
    let TrainedModel { saved, engine, .. } = trained;
    drop(engine);
    let tensors = SafetensorsReader::open(&path).and_then(SafetensorsReader::read_all);
    let tensors = tensors.map_err(|source| DecodeError::Weights { path, source })?;
    interchange::export(format, &saved, tensors, &decoding, &model, &output)?;
    if !device.quiet {
        if let Some(note) = interchange::beam_differs(format, &decoding) {
            log_line(format!("note: {note}"));
        }
        log_line(format!("written: {}", output.display()));
    }
    Ok(())
}
