//! Files and folders that appear whole or not at all: written beside their place, synced and renamed, so that a reader
//! never meets half of one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Replaces a file. What is no file, such as a pipe, is written to, and so is what a name in `/dev` stands for: behind
/// `/dev/stdout` may be a file that already holds something.
///
/// # Errors
/// A place that cannot be written to; nothing is left there then, or what was there before.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.starts_with("/dev") || path.metadata().is_ok_and(|found| !found.is_file()) {
        return OpenOptions::new().append(true).open(path)?.write_all(bytes);
    }
    let path = real(path);
    let beside = beside(&path);
    write(&beside, bytes).and_then(|()| fs::rename(&beside, &path)).inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Makes the folder `path`, which is not there or empty, with `files` in it.
///
/// # Errors
/// A place that cannot be written to, with the path at fault; nothing is left there then.
pub fn create_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let path = real(path);
    let beside = beside(&path);
    fs::create_dir_all(&beside).map_err(at(&beside))?;
    let written = files.iter().try_for_each(|(name, bytes)| {
        let file = beside.join(name);
        write(&file, bytes).map_err(at(&file))
    });
    let moved = written.and_then(|()| {
        // Renaming onto an empty folder works on some systems alone.
        drop(fs::remove_dir(&path));
        fs::rename(&beside, &path).map_err(at(&path))
    });
    moved.inspect_err(|_| drop(fs::remove_dir_all(&beside)))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What a path leads to: links stay, and what they lead to, be it there or not, is replaced.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match fs::read_link(path) {
        Ok(absent) => path.with_file_name(absent),
        Err(_) => path.to_owned(),
    })
}

/// `out/.marian.partial-PID` for `out/marian`: what two processes write at a time must not mix.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".partial-{}", process::id()));
    path.with_file_name(name)
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
        let (at, _) = create_folder(&folder.child("taken"), &[("file", b"new".to_vec())]).unwrap_err();
        assert_eq!((at, names(&folder)), (folder.child("taken").canonicalize().unwrap(), vec!["taken".to_string()]));
        create_folder(&folder.child("made"), &[("no/such", Vec::new())]).unwrap_err();
        assert_eq!(names(&folder), ["taken"]);
        assert_eq!(fs::read_to_string(folder.child("taken")).unwrap(), "kept");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
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
}
