//! A model file of Marian: tensors, and the configuration among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{bin, npz};
use crate::InterchangeError;
use crate::tensor::StoredTensor;

/// What a file has and what it should have.
pub type Wrong = (String, String);

/// The contents of a model file.
#[derive(Debug)]
pub struct ModelFile {
    /// The parameters, in Marian's orientation: `[in, out]`, and `[vocabulary, width]` for tables.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// The scales of tensors of 8-bit integers: a value is the integer divided by the scale.
    pub scales: BTreeMap<String, f32>,
    /// The text of `special:model.yml`.
    pub configuration: Option<String>,
}

/// Returns whether a file has the name and the beginning of a model file.
pub fn recognises(path: &Path, start: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz") => true,
        Some("bin") => bin::recognises(start),
        Some(_) | None => false,
    }
}

/// Reads a model file.
///
/// # Errors
/// A file that cannot be read, or that is damaged.
pub fn read(path: &Path) -> Result<ModelFile, InterchangeError> {
    let unreadable = |source| InterchangeError::Read { path: path.to_owned(), source };
    let read = if path.extension().is_some_and(|extension| extension == "npz") {
        npz::read(&mut fs::File::open(path).map_err(unreadable)?)
    } else {
        bin::read(&fs::read(path).map_err(unreadable)?)
    };
    read.map_err(|(found, expected)| {
        let remedy = "fetch the file again, or the model in float32";
        InterchangeError::File { path: path.to_owned(), found, expected, remedy }
    })
}

/// Returns whether a tensor is of no use here: factors of integer products, and other programs' notes.
pub fn is_ignored(name: &str) -> bool {
    name.ends_with("_QuantMultA") || name.starts_with("special:")
}

/// Returns whether a matrix has a row per token; all others have a column per output.
pub fn is_table(name: &str) -> bool {
    name.ends_with("Wemb") || name.ends_with("_Wt")
}

/// Transposes a matrix `[rows, columns]` in row-major order.
pub fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}
