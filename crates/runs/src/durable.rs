//! Files and folders that appear whole or not at all: written beside their place, synced and renamed, so that neither a
//! reader nor a power cut meets half of one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::failpoint;

/// An I/O error with the file and what was being done.
pub fn write_error(path: &Path, action: &'static str) -> impl Fn(std::io::Error) -> RunError {
    let path = path.to_path_buf();
    move |source| RunError::Write { path: path.clone(), action, source }
}

/// Writes a file and waits until it is on disk.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut file = File::create(path).map_err(write_error(path, "creating the file"))?;
    failpoint::step();
    file.write_all(bytes).map_err(write_error(path, "writing"))?;
    failpoint::step();
    file.sync_all().map_err(write_error(path, "syncing"))?;
    failpoint::step();
    Ok(())
}

/// Makes a folder if there is none, in one that is there.
pub fn make_folder(path: &Path) -> Result<(), RunError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir(path).map_err(write_error(path, "creating the folder"))?;
    failpoint::step();
    sync_parent(path)
}

/// Replaces a file as a whole.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let beside = scratch(path);
    write_file(&beside, bytes)
        .and_then(|()| rename(&beside, path))
        .and_then(|()| sync_parent(path))
        .inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Fills a folder beside `path` and moves it there; an empty folder in its place is replaced.
pub fn replace_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<(), RunError>) -> Result<(), RunError> {
    let beside = scratch(path);
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(write_error(&beside, "removing the remains of an earlier attempt"))?;
    }
    fs::create_dir(&beside).map_err(write_error(&beside, "creating the folder"))?;
    failpoint::step();
    fill(&beside)
        .and_then(|()| sync_folder(&beside))
        .and_then(|()| rename(&beside, path))
        .and_then(|()| sync_parent(path))
        .inspect_err(|_| drop(fs::remove_dir_all(&beside)))
}

fn rename(beside: &Path, path: &Path) -> Result<(), RunError> {
    fs::rename(beside, path).map_err(write_error(path, "moving into place"))?;
    failpoint::step();
    Ok(())
}

/// `runs/.tiny.partial` for `runs/tiny`.
fn scratch(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.partial", name(path)))
}

/// The last part of a path, without the slash that may follow it.
pub fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn sync_parent(path: &Path) -> Result<(), RunError> {
    sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes names in a folder durable. Only Unix can open a folder for that; elsewhere the rename itself must do.
fn sync_folder(path: &Path) -> Result<(), RunError> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(write_error(path, "syncing the folder"))?;
    }
    failpoint::step();
    Ok(())
}
