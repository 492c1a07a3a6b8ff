//! Files and folders that appear as a whole or not at all.
//!
//! Each is written under a partial name beside its path, synced and renamed; then its parent folder is synced. Neither a
//! reader nor a power failure finds a partial file under the final name. The partial name of `runs/tiny` is
//! `runs/.tiny.partial`, or `runs/.tiny.partial-2` while another process writes the first. A partial file is locked while it
//! is written. One without a lock remains of a killed process, and the next write removes it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failpoint;
use crate::partial::Partial;
use crate::sync::{parent, sync_folder, sync_parent};

pub use crate::partial::remove_remains;
pub use crate::sync::{WriteError, write_error};

/// Writes a new file inside a folder that is not visible yet, and waits until it is on disk.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_file_by(path, |file| file.write_all(bytes))
}

/// As [`write_file`], with the bytes that `write` writes.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_file_by(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    let mut file = File::create(path).map_err(write_error(path, "creating the file"))?;
    failpoint::step();
    fill(&mut file, path, write)
}

/// Creates a folder, unless it exists, in a parent that exists.
///
/// # Errors
/// A path that cannot be written to.
pub fn make_folder(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir(path).map_err(write_error(path, "creating the folder"))?;
    failpoint::step();
    sync_parent(path)
}

/// Replaces a file. Paths under `/dev` and everything else that is not a regular file, such as a pipe, are appended to.
///
/// # Errors
/// A path that cannot be written to; the old file, if any, is unchanged then.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    // `/dev/stdout` may lead to a file that already holds something.
    if path.starts_with("/dev") || path.metadata().is_ok_and(|found| !found.is_file()) {
        let appended = OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(bytes));
        return appended.map_err(write_error(path, "writing"));
    }
    let path = real(path);
    let mut partial = Partial::claim(&path, "creating the file", |path| File::create_new(path))?;
    failpoint::step();
    fill(&mut partial.handle, &partial.path, |file| file.write_all(bytes))
        .and_then(|()| partial.move_to(&path))
        .inspect_err(|_| {
            drop(fs::remove_file(&partial.path));
        })
}

/// Fills a folder under its partial name and renames it to `path`, which does not exist or is an empty folder.
///
/// # Errors
/// A path that cannot be written to; nothing is left behind then.
pub fn replace_folder<E: From<WriteError>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let path = real(path);
    let parent = parent(&path);
    fs::create_dir_all(parent).map_err(write_error(parent, "creating the folder"))?;
    let partial =
        Partial::claim(&path, "creating the folder", |path| fs::create_dir(path).and_then(|()| File::open(path)))?;
    failpoint::step();
    let moved = fill(&partial.path).and_then(|()| {
        sync_folder(&partial.path)?;
        if cfg!(not(unix)) {
            // Elsewhere a rename does not replace an empty folder.
            drop(fs::remove_dir(&path));
        }
        Ok(partial.move_to(&path)?)
    });
    moved.inspect_err(|_| drop(fs::remove_dir_all(&partial.path)))
}

/// Creates the folder `path`, which does not exist or is empty, with these files.
///
/// # Errors
/// A path that cannot be written to; nothing is left behind then.
pub fn create_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    replace_folder(path, |folder| files.iter().try_for_each(|(name, bytes)| write_file(&folder.join(name), bytes)))
}

fn fill(file: &mut File, path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    write(file).map_err(write_error(path, "writing"))?;
    failpoint::step();
    file.sync_all().map_err(write_error(path, "syncing"))?;
    failpoint::step();
    Ok(())
}

/// Resolves links, so that a link stays and the file behind it, which may not exist yet, is replaced.
fn real(path: &Path) -> PathBuf {
    let path = path.components().as_path(); // a slash behind the name would hide the link
    match fs::read_link(path) {
        Err(_) => path.to_owned(),
        Ok(target) => path.canonicalize().unwrap_or_else(|_| path.with_file_name(target)),
    }
}

#[cfg(test)]
mod tests {
    use temp_dir::TempDir;

    use super::*;

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.child("taken"), "kept").unwrap();
        let error = create_folder(&folder.child("taken"), &[("file", b"new".to_vec())]).unwrap_err();
        assert_eq!((error.path, names(&folder)), (folder.child("taken"), vec!["taken".to_string()]));
        create_folder(&folder.child("made"), &[("no/such", Vec::new())]).unwrap_err();
        assert_eq!(names(&folder), ["taken"]);
        assert_eq!(fs::read_to_string(folder.child("taken")).unwrap(), "kept");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_their_targets_are_replaced() {
        let folder = TempDir::new().unwrap();
        for (link, file) in [("old.link", "old"), ("new.link", "new")] {
            std::os::unix::fs::symlink(file, folder.child(link)).unwrap();
        }
        fs::write(folder.child("old"), "before").unwrap();
        for (link, file) in [("old.link", "old"), ("new.link", "new")] {
            replace_file(&folder.child(link), b"after").unwrap();
            assert!(folder.child(link).is_symlink());
            assert_eq!(fs::read_to_string(folder.child(file)).unwrap(), "after");
        }
        let (empty, link) = (folder.child("empty"), folder.child("empty.link"));
        fs::create_dir(&empty).unwrap();
        std::os::unix::fs::symlink("empty", &link).unwrap();
        create_folder(&link, &[("file", b"new".to_vec())]).unwrap();
        assert_eq!((link.is_symlink(), fs::read(empty.join("file")).unwrap()), (true, b"new".to_vec()));
        assert_eq!(names(&folder), ["empty", "empty.link", "new", "new.link", "old", "old.link"]);
    }

    #[cfg(unix)]
    #[test]
    fn remains_of_a_killed_process_are_removed() {
        let folder = TempDir::new().unwrap();
        for name in [".file.partial", ".file.partial-7", ".file.partial.mine", ".other.partial"] {
            fs::write(folder.child(name), "half").unwrap();
        }
        fs::create_dir(folder.child(".run.partial")).unwrap();
        fs::write(folder.child(".run.partial").join("half"), "half").unwrap();
        replace_file(&folder.child("file"), b"whole").unwrap();
        assert_eq!(names(&folder), [".file.partial.mine", ".other.partial", ".run.partial", "file"]);
        create_folder(&folder.child("run"), &[("file", b"whole".to_vec())]).unwrap();
        assert_eq!(names(&folder), [".file.partial.mine", ".other.partial", "file", "run"]);
        assert_eq!(fs::read_dir(folder.child("run")).unwrap().count(), 1);

        fs::write(folder.child(".hidden"), "kept").unwrap();
        remove_remains(folder.path());
        assert_eq!(names(&folder), [".hidden", "file", "run"]);
    }

    #[cfg(unix)]
    #[test]
    fn two_writers_of_a_file_do_not_mix() {
        let folder = TempDir::new().unwrap();
        let path = folder.child("file");
        let create = |path: &Path| File::create_new(path);
        let mut first = Partial::claim(&path, "creating", create).unwrap();
        let mut second = Partial::claim(&path, "creating", create).unwrap();
        assert_eq!(names(&folder), [".file.partial", ".file.partial-2"]);
        remove_remains(folder.path());
        for (partial, bytes) in [(&mut first, b"first "), (&mut second, b"second")] {
            fill(&mut partial.handle, &partial.path, |file| file.write_all(bytes)).unwrap();
        }
        first.move_to(&path).unwrap();
        second.move_to(&path).unwrap();
        assert_eq!((names(&folder), fs::read(&path).unwrap()), (vec!["file".to_string()], b"second".to_vec()));
    }
}
