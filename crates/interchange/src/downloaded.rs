//! Files of a repository whose contents were not downloaded.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::InterchangeError;

/// The beginning of the few lines that Git leaves in place of a file without Git LFS.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Rejects a folder with pointers of Git LFS in place of files.
///
/// # Errors
/// The first pointer by name, or a folder that cannot be read.
pub fn check_downloaded(folder: &Path) -> Result<(), InterchangeError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|source| InterchangeError::Read { path: folder.to_owned(), source })?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    match paths.into_iter().find(|path| path.is_file() && is_pointer(path)) {
        None => Ok(()),
        Some(path) => Err(InterchangeError::File {
            path,
            found: "a pointer of Git LFS".to_owned(),
            expected: "the contents of the file".to_owned(),
            remedy: "run `git lfs pull` in its folder, or download the file from the page of the model",
        }),
    }
}

/// Whether a file begins as a pointer. One that cannot be read does not: its reader has the error.
fn is_pointer(path: &Path) -> bool {
    let mut beginning = [0; POINTER.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut beginning)).is_ok() && beginning == POINTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_rejected_by_name() {
        let folder = temp_dir::TempDir::new().unwrap();
        fs::write(folder.child("config.json"), "{}").unwrap();
        fs::write(folder.child("short"), "version").unwrap();
        check_downloaded(folder.path()).unwrap();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        fs::write(folder.child("source.spm"), pointer).unwrap();
        let message = check_downloaded(folder.path()).unwrap_err().to_string();
        assert!(message.contains("source.spm: found a pointer of Git LFS, expected the contents"), "{message}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let message = check_downloaded(Path::new("no/such/folder")).unwrap_err().to_string();
        assert!(message.starts_with("cannot read no/such/folder"), "{message}");
    }
}
