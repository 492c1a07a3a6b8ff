//! The destination of `--output`: a file, or `-` for standard output.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use decode::DecodeError;
use runs::atomic;

/// Whether the path means standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Replaces a file as a whole, or writes to standard output.
///
/// # Errors
/// A file or standard output that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if !is_stdout(path) {
        let replaced = atomic::replace_file(path, bytes).map_err(|error| error.source);
        return replaced.with_context(|| format!("writing {}", path.display()));
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|source| DecodeError::Stream { origin: "standard output", source }.into())
}
