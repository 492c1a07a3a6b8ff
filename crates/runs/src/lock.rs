//! One process at a time works on a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::RunError;
use crate::layout::CORPORA;

/// Takes a run until what is returned is dropped, or the process ends in whatever way. Renaming the folder changes
/// nothing. A run without the file, or on a file system without locks, is not taken and not refused.
///
/// # Errors
/// A run that another process has taken.
pub fn take(run: &Path) -> Result<Option<File>, RunError> {
    // A file that nobody reads while the run goes on: on some systems a lock keeps others from reading.
    // Opened for writing, without which some network file systems lock nothing.
    let Ok(file) = OpenOptions::new().read(true).write(true).open(run.join(CORPORA)) else { return Ok(None) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RunError::InUse { path: run.to_path_buf() }),
        _ => Ok(Some(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_by_one_at_a_time_whatever_its_name() {
        let place = temp_dir::TempDir::new().unwrap();
        let [run, aside] = ["run", "aside"].map(|name| place.path().join(name));
        std::fs::create_dir(&run).unwrap();
        assert!(take(&run).unwrap().is_none(), "without the file there is nothing to take");
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
