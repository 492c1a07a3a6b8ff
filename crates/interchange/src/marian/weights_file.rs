//! The weights of a Marian folder: one file, or shards with an index.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use model::safetensors_writer::SafetensorsWriter;
use model::weights::{NamedTensor, WeightsError};

use super::files;
use crate::tensor::StoredTensor;
use crate::{InterchangeError, pytorch, safetensors, shards};

/// Reads the tensors of the first of these that exists, and returns its path with them: `model.safetensors`,
/// `model.safetensors.index.json` with its shards, `pytorch_model.bin`, `pytorch_model.bin.index.json` with its shards.
///
/// # Errors
/// A folder with none of these, or a file that cannot be read.
pub fn read(folder: &Path) -> Result<(BTreeMap<String, StoredTensor>, PathBuf), InterchangeError> {
    type Read = fn(&Path) -> Result<BTreeMap<String, StoredTensor>, InterchangeError>;
    let forms: [(&str, Read); 4] = [
        (files::WEIGHTS, safetensors::read),
        (files::WEIGHTS_INDEX, |path| shards::read(path, safetensors::read)),
        (files::PYTORCH_WEIGHTS, read_pytorch),
        (files::PYTORCH_WEIGHTS_INDEX, |path| shards::read(path, read_pytorch)),
    ];
    let found = forms.into_iter().map(|(name, read)| (folder.join(name), read)).find(|(path, _)| path.is_file());
    let (path, read) =
        found.ok_or_else(|| InterchangeError::NotMarian { path: folder.to_owned(), missing: files::WEIGHTS })?;
    Ok((read(&path)?, path))
}

fn read_pytorch(path: &Path) -> Result<BTreeMap<String, StoredTensor>, InterchangeError> {
    let unreadable = |source| InterchangeError::Read { path: path.to_owned(), source };
    match pytorch::read_file(&mut File::open(path).map_err(unreadable)?) {
        Ok(tensors) => Ok(tensors.into_iter().collect()),
        Err((found, expected)) => {
            let remedy = "fetch the file again, or convert it to model.safetensors";
            Err(InterchangeError::File { path: path.to_owned(), found, expected, remedy })
        }
    }
}

/// Returns a safetensors file of these tensors, as transformers reads it.
///
/// # Errors
/// A tensor whose shape does not fit its values.
pub fn writer(tensors: Vec<NamedTensor>) -> Result<SafetensorsWriter, WeightsError> {
    // The one entry of metadata that transformers requires.
    SafetensorsWriter::with_metadata(tensors, ("format", "pt"))
}
