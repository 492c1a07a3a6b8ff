//! The destination of `--output`: a file, or `-` for standard output.

use std::io::{self, Write};
use std::path::Path;

use decode::DecodeError;
use runs::atomic::{self, WriteError};
use runs::layout::FILES;

/// Whether the path means standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Checks before any computation that a file can be created there, and that it is none of the files that the command reads:
/// `inputs`, each a file or a run folder.
///
/// # Errors
/// A missing folder, a folder instead of a file, or a file that the command reads.
pub fn check(path: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    if is_stdout(path) {
        return Ok(());
    }
    let shown = path.display();
    anyhow::ensure!(!path.is_dir(), "{shown}: found a folder, expected a file; name a file in it");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let has_folder = parent.is_none_or(Path::is_dir);
    anyhow::ensure!(has_folder, "{shown}: found no such folder, expected one to write to; create it, or name another");
    let Ok(written) = path.canonicalize() else { return Ok(()) };
    for input in inputs.iter().filter_map(|input| input.canonicalize().ok()) {
        let is_of_run = FILES.iter().any(|name| written == input.join(name));
        let is_read = written == input || is_of_run;
        anyhow::ensure!(!is_read, "{shown}: found a file that this command reads, expected another; name another file");
    }
    Ok(())
}

/// Replaces a file as a whole, or writes to standard output.
///
/// # Errors
/// A file or standard output that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if !is_stdout(path) {
        let named = |error: WriteError| WriteError { path: path.to_path_buf(), ..error };
        return Ok(atomic::replace_file(path, bytes).map_err(named)?);
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|source| DecodeError::Stream { origin: "standard output", source }.into())
}
