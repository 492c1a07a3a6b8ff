//! `infer quantise`: writes a run folder with weights in int8, of about a quarter of the size.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use decode::DecodeError;
use model::quantised;
use model::weights::{self, WeightsError};
use runs::{SavedModel, atomic, layout, replaceable};

use crate::log::log_line;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Folder to write; it must not exist or must be empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Print only errors
    #[arg(long)]
    quiet: bool,
}

/// Quantises the weights, and copies all other files but those of folders, such as checkpoints.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, output, quiet } = arguments;
    let shown = output.display();
    let vacant = fs::read_dir(&output).map_or(!output.exists(), |mut entries| entries.next().is_none());
    anyhow::ensure!(vacant, "{shown}: found something, expected nothing or an empty folder; choose another --output");
    if let Some(reason) = replaceable::why_not_replaceable(&output) {
        anyhow::bail!("{shown}: cannot be replaced, {reason}; choose another --output");
    }
    SavedModel::open(&model).map_err(DecodeError::from)?;
    let path = model.join(layout::WEIGHTS);
    let wrong = |source| DecodeError::Weights { path: path.clone(), source };
    let bytes = fs::read(&path).map_err(WeightsError::from).map_err(wrong)?;
    let (tensors, note) = weights::from_safetensors(&bytes).map_err(wrong)?;
    let note = note.ok_or(WeightsError::Foreign).map_err(wrong)?;
    let quantised = quantised::to_safetensors(&tensors, &note, quantised::rows).map_err(wrong)?;
    let mut others = Vec::new();
    let listing = || format!("{}: cannot be read", model.display());
    for entry in fs::read_dir(&model).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        let name = entry.file_name();
        // Hidden files are the lock and the remains of other processes.
        if entry.path().is_file() && name != layout::WEIGHTS && !name.to_string_lossy().starts_with('.') {
            others.push((name, entry.path()));
        }
    }
    let sizes = [bytes.len(), quantised.len()].map(|size| size as f64 / (1 << 20) as f64);
    atomic::replace_folder(&output, |folder| {
        for (name, path) in &others {
            let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
            atomic::write_file(&folder.join(name), &bytes)?;
        }
        atomic::write_file(&folder.join(layout::WEIGHTS), &quantised).map_err(anyhow::Error::from)
    })?;
    if !quiet {
        log_line(format!("written: {shown}, weights of {:.1} MiB instead of {:.1}", sizes[1], sizes[0]));
    }
    Ok(())
}
