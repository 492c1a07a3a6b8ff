//! Where results go that `--output` asks for.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use decode::DecodeError;
use runs::atomic;

/// Whether that is standard output.
pub fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes to a file as a whole, or to standard output.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if !is_standard(path) {
        let written = atomic::replace_file(path, bytes).map_err(|error| error.source);
        return written.with_context(|| format!("writing {}", path.display()));
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|source| DecodeError::Stream { origin: "standard output", source }.into())
}
