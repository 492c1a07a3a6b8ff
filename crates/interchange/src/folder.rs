//! Where an import or export is put.

use std::fs;
use std::io;
use std::path::Path;

use super::MarianError;
use runs::{atomic, replaceable};

/// A file's name and bytes.
pub type NewFile = (&'static str, Vec<u8>);

/// Refuses a place where something is already.
///
/// # Errors
/// A file there, a folder that is not empty, or one that cannot be replaced, such as the working folder.
pub fn vacant(path: &Path) -> Result<(), MarianError> {
    let empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    match replaceable::why_not_replaceable(path) {
        _ if !empty => Err(MarianError::Occupied { path: path.to_owned() }),
        Some(reason) => Err(MarianError::NotReplaceable { path: path.to_owned(), reason }),
        None => Ok(()),
    }
}

/// Makes the folder `path` with `files` in it, whole or not at all.
///
/// # Errors
/// A place that is not [`vacant`], or where nothing can be written.
pub fn create(path: &Path, files: &[NewFile]) -> Result<(), MarianError> {
    vacant(path)?;
    atomic::create_folder(path, files).map_err(|error| MarianError::Write { path: error.path, source: error.source })
}
