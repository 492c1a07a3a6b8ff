//! Folders that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::MarianError;

/// A file's name and bytes.
pub type NewFile = (&'static str, Vec<u8>);

/// Refuses a place where something is already.
///
/// # Errors
/// A file there, or a folder that is not empty.
pub fn vacant(path: &Path) -> Result<(), MarianError> {
    let empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if empty { Ok(()) } else { Err(MarianError::Occupied { path: path.to_owned() }) }
}

/// Makes the folder `path` with `files` in it: written beside its place, synced, renamed.
///
/// # Errors
/// A place that is not [`vacant`], or where nothing can be written.
pub fn create(path: &Path, files: Vec<NewFile>) -> Result<(), MarianError> {
    vacant(path)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MarianError::Write { path, source }
    };
    let beside = beside(path);
    fs::create_dir_all(&beside).map_err(failed(&beside))?;
    let written = files.into_iter().try_for_each(|(name, bytes)| {
        let file = beside.join(name);
        write(&file, &bytes).map_err(failed(&file))
    });
    let renamed = written.and_then(|()| {
        // Renaming onto an empty folder works on some systems alone.
        drop(fs::remove_dir(path));
        fs::rename(&beside, path).map_err(failed(path))
    });
    if renamed.is_err() {
        drop(fs::remove_dir_all(&beside));
    }
    renamed
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `out/marian` is written as `out/marian.partial-PID`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.components().as_path().as_os_str().to_owned();
    name.push(format!(".partial-{}", std::process::id()));
    PathBuf::from(name)
}
