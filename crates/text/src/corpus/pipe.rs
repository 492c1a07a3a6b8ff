//! Files that can be read only once: pipes, terminals, sockets.

use std::fs::{self, Metadata};
use std::path::Path;

use super::ParallelPath;
use crate::TextError;

/// Returns whether a file can be read only once. A missing file is none.
pub(super) fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| is_once(&metadata))
}

fn is_once(metadata: &Metadata) -> bool {
    !metadata.is_file() && !metadata.is_dir()
}

/// Rejects corpora that share a file which can be read only once: the second reader would wait for ever.
///
/// # Errors
/// The file, if there is one.
pub fn reject_shared_pipes(corpora: &[&ParallelPath]) -> Result<(), TextError> {
    let mut seen = Vec::new();
    for path in corpora.iter().flat_map(|corpus| corpus.files()) {
        let Some(id) = fs::metadata(path).ok().filter(is_once).and_then(|metadata| identity(&metadata)) else {
            continue;
        };
        if seen.contains(&id) {
            return Err(TextError::SharedPipe { path: path.to_path_buf() });
        }
        seen.push(id);
    }
    Ok(())
}

/// The device and number of a file, under whatever name.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}
