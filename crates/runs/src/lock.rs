//! The lock by which one process at a time trains in a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::RunError;
use crate::layout::CORPORA;

/// Locks a run folder until the returned file is dropped or the process ends. The lock survives a renaming of the folder.
/// Without `corpora.json`, or on a file system without locks, nothing is locked and nothing fails.
///
/// # Errors
/// A run that another process has locked.
pub fn take(run: &Path) -> Result<Option<File>, RunError> {
    // A file that nobody reads during training: on some systems a lock keeps others from reading.
    // It is opened for writing, without which some network file systems lock nothing.
    let Ok(file) = OpenOptions::new().read(true).write(true).open(run.join(CORPORA)) else { return Ok(None) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RunError::InUse { path: run.to_path_buf() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_run_stays_locked() {
        let place = temp_dir::TempDir::new().unwrap();
        let [run, aside] = ["run", "aside"].map(|name| place.path().join(name));
        std::fs::create_dir(&run).unwrap();
        assert!(take(&run).unwrap().is_none(), "without the file there is nothing to lock");
        std::fs::write(run.join(CORPORA), "{}").unwrap();
        let held = take(&run).unwrap();
        assert!(held.is_some());
        assert!(matches!(take(&run), Err(RunError::InUse { path }) if path == run));
        if cfg!(unix) {
            std::fs::rename(&run, &aside).unwrap();
            assert!(matches!(take(&aside), Err(RunError::InUse { .. })));
            std::fs::rename(&aside, &run).unwrap();
        }
        drop(held);
        assert!(take(&run).unwrap().is_some());
    }
}
