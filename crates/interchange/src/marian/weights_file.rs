//! The weights file of a Marian folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::files;
use crate::tensor::StoredTensor;
use crate::{InterchangeError, pytorch, safetensors};

/// Reads the tensors of `model.safetensors`, or else of `pytorch_model.bin`, and returns the file's path with them.
///
/// # Errors
/// A folder with neither file, or a file that cannot be read.
pub fn read(folder: &Path) -> Result<(BTreeMap<String, StoredTensor>, PathBuf), InterchangeError> {
    let path = [files::WEIGHTS, files::PYTORCH_WEIGHTS].map(|name| folder.join(name)).into_iter().find(|p| p.is_file());
    let path = path.ok_or_else(|| InterchangeError::NotMarian { path: folder.to_owned(), missing: files::WEIGHTS })?;
    let bytes = fs::read(&path).map_err(|source| InterchangeError::Read { path: path.clone(), source })?;
    if path.ends_with(files::WEIGHTS) {
        return Ok((safetensors::read(&bytes, &path)?, path));
    }
    match pytorch::read(&bytes) {
        Ok(tensors) => Ok((tensors.into_iter().collect(), path)),
        Err((found, expected)) => {
            let remedy = "download the file again, or convert it to model.safetensors";
            Err(InterchangeError::File { path, found, expected, remedy })
        }
    }
}
