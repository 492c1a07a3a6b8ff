//! Partial names: `.tiny.partial` for `tiny`, locked while a process writes there.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::failpoint;
use crate::sync::{WriteError, parent, sync_parent, write_error};

/// Removes the remains of killed processes from a folder: everything with a partial name that no process is writing. A
/// failure is ignored, since these files are never read.
pub fn remove_remains(folder: &Path) {
    remove_abandoned(folder, |name| name.starts_with('.') && name.contains(PARTIAL));
}

/// The part of a partial name behind the name of the file or folder.
const PARTIAL: &str = ".partial";

/// A file or folder under its partial name, locked by this process.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    pub(crate) handle: File,
}

impl Partial {
    /// Creates the first partial name of `path` that no other process uses, after removing the remains of killed ones.
    pub(crate) fn claim(
        path: &Path,
        action: &'static str,
        create: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<Self, WriteError> {
        let first = partial_name(path, 1);
        let prefix = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
        remove_abandoned(parent(path), |name| name.strip_prefix(&prefix).is_some_and(is_number_suffix));
        for number in 1.. {
            let path = partial_name(path, number);
            let handle = match create(&path) {
                Ok(handle) => handle,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(write_error(&path, action)(error)),
            };
            // Before the lock is taken, another process may take the file for an abandoned one and remove it.
            let removed = match handle.try_lock() {
                Ok(()) => !is_at(&handle, &path),
                Err(TryLockError::WouldBlock) => true,
                Err(TryLockError::Error(_)) => false, // a file system without locks
            };
            if !removed {
                return Ok(Self { path, handle });
            }
        }
        unreachable!("the numbers do not end")
    }

    pub(crate) fn move_to(&self, path: &Path) -> Result<(), WriteError> {
        fs::rename(&self.path, path).map_err(write_error(path, "moving into place"))?;
        failpoint::step();
        sync_parent(path)
    }
}

/// `.tiny.partial` for 1, `.tiny.partial-2` for 2.
fn partial_name(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(PARTIAL);
    if number > 1 {
        name.push(format!("-{number}"));
    }
    path.with_file_name(name)
}

/// Returns whether this is what follows `.partial` in a partial name.
fn is_number_suffix(suffix: &str) -> bool {
    suffix.is_empty() || suffix.strip_prefix('-').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remove_abandoned(folder: &Path, is_partial: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_partial(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        // While the handle is open the lock is ours, so that no other process writes there meanwhile.
        let Ok(handle) = File::open(&path) else { continue };
        if handle.try_lock().is_ok() && is_at(&handle, &path) {
            drop(if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) });
        }
    }
}

/// Returns whether an open file is still the one at `path`.
#[cfg(unix)]
fn is_at(handle: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let key = |found: fs::Metadata| (found.dev(), found.ino());
    handle.metadata().map(key).ok() == fs::symlink_metadata(path).map(key).ok()
}

#[cfg(not(unix))]
fn is_at(_handle: &File, path: &Path) -> bool {
    path.exists()
}
