//! Errors of writing, and names made durable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::failpoint;

/// A file or folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {action} failed: {source}; check that the folder exists, is writable and has room")]
pub struct WriteError {
    /// The path of the failed operation, which may be a partial name.
    pub path: PathBuf,
    /// The failed operation, such as "writing".
    pub action: &'static str,
    /// The cause.
    pub source: io::Error,
}

/// Returns the conversion of an I/O error at `path` into a [`WriteError`].
pub fn write_error(path: &Path, action: &'static str) -> impl Fn(io::Error) -> WriteError + use<> {
    let path = path.to_path_buf();
    move |source| WriteError { path: path.clone(), action, source }
}

/// The parent folder, `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the name of a file or folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), WriteError> {
    sync_folder(parent(path))
}

/// Makes the names in a folder durable. Only Unix can open a folder for that.
pub(crate) fn sync_folder(path: &Path) -> Result<(), WriteError> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(write_error(path, "syncing the folder"))?;
    }
    failpoint::step();
    Ok(())
}
