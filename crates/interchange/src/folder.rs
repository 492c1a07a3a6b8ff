//! The folder that an import or export writes.

use std::fs;
use std::io;
use std::path::Path;

use model::safetensors_writer::SafetensorsWriter;
use runs::{atomic, layout, replaceable};

use crate::InterchangeError;

/// A file's name and bytes.
pub type NewFile = (&'static str, Vec<u8>);

/// Rejects an output path that exists and is not an empty folder.
///
/// # Errors
/// A file, a folder that is not empty, or one that cannot be replaced, such as the working folder.
pub fn check_vacant(path: &Path) -> Result<(), InterchangeError> {
    let empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !empty {
        return Err(InterchangeError::Occupied { path: path.to_owned() });
    }
    match replaceable::why_not_replaceable(path) {
        Some(reason) => Err(InterchangeError::NotReplaceable { path: path.to_owned(), reason }),
        None => Ok(()),
    }
}

/// Creates the folder `path` with `files` in it, whole or not at all.
///
/// # Errors
/// A path that is not [vacant](check_vacant) or cannot be written.
pub fn create(path: &Path, files: &[NewFile]) -> Result<(), InterchangeError> {
    check_vacant(path)?;
    atomic::create_folder(path, files)
        .map_err(|error| InterchangeError::Write { path: error.path, source: error.source })
}

/// Creates the folder `path` with `files` and `model.safetensors` in it, whole or not at all.
///
/// # Errors
/// As [`create`].
pub fn create_with_weights(path: &Path, files: &[NewFile], weights: SafetensorsWriter) -> Result<(), InterchangeError> {
    check_vacant(path)?;
    let created = atomic::replace_folder(path, |folder| {
        files.iter().try_for_each(|(name, bytes)| atomic::write_file(&folder.join(name), bytes))?;
        atomic::write_file_by(&folder.join(layout::WEIGHTS), |file| weights.write(file))
    });
    created.map_err(|error: atomic::WriteError| InterchangeError::Write { path: error.path, source: error.source })
}
