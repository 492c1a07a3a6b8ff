//! Files and folders that appear whole or not at all: written beside their place, synced and renamed, so that a reader
//! never meets half of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces a file. What is no file, such as a pipe, is written to.
///
/// # Errors
/// A place that cannot be written to; nothing is left there then, or what was there before.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return fs::write(path, bytes);
    }
    // A link stays: what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
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
    let beside = beside(path);
    if beside.exists() {
        // The remains of an attempt that was killed.
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    fs::create_dir_all(&beside).map_err(at(&beside))?;
    let written = files.iter().try_for_each(|(name, bytes)| {
        let file = beside.join(name);
        write(&file, bytes).map_err(at(&file))
    });
    let moved = written.and_then(|()| {
        // Renaming onto an empty folder works on some systems alone.
        drop(fs::remove_dir(path));
        fs::rename(&beside, path).map_err(at(path))
    });
    moved.inspect_err(|_| drop(fs::remove_dir_all(&beside)))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `out/.marian.partial` for `out/marian`.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use temp_dir::TempDir;

    use super::*;

    #[test]
    fn the_remains_of_a_killed_attempt_give_way() {
        let parent = TempDir::new().unwrap();
        let path = parent.child("marian");
        fs::create_dir(parent.child(".marian.partial")).unwrap();
        fs::write(parent.child(".marian.partial/half"), "ha").unwrap();
        create_folder(&path, &[("whole", b"whole".to_vec())]).unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(parent.path()), ["marian"]);
        assert_eq!(names(&path), ["whole"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_the_file_it_leads_to_is_replaced() {
        let folder = TempDir::new().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.child(name));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        replace_file(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
