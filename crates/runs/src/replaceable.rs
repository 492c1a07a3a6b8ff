//! Whether an existing folder can be replaced by one that is created beside it and renamed.

use std::env;
use std::fs::{self, Metadata};
use std::path::Path;

/// Returns why a folder cannot be replaced, or `None` if it can.
///
/// A rename replaces neither the top of a file system, nor a link to nothing, nor a path such as `..`. The working folder
/// must stay because all relative paths depend on it.
pub fn why_not_replaceable(path: &Path) -> Option<&'static str> {
    let Ok(real) = path.canonicalize() else {
        return path.is_symlink().then_some("it is a link to nothing");
    };
    if env::current_dir().and_then(|here| here.canonicalize()).is_ok_and(|here| here == real) {
        return Some("it is the working folder");
    }
    let top = match real.parent() {
        None => true,
        Some(parent) => match (fs::metadata(&real), fs::metadata(parent)) {
            (Ok(inner), Ok(outer)) => !same_device(&inner, &outer),
            (Err(_), _) | (_, Err(_)) => false, // writing will report it
        },
    };
    let reasons =
        [(top, "it is the top of a file system"), (path.file_name().is_none(), "its path does not end in a name")];
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

#[cfg(unix)]
fn same_device(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == other.dev()
}

#[cfg(not(unix))]
fn same_device(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_folder_is_replaceable() {
        let folder = temp_dir::TempDir::new().unwrap();
        assert_eq!(why_not_replaceable(folder.path()), None);
        assert_eq!(why_not_replaceable(&folder.path().join("absent")), None);
    }

    #[test]
    fn the_working_folder_is_not_replaceable() {
        for name in [".".into(), env::current_dir().unwrap()] {
            assert_eq!(why_not_replaceable(&name), Some("it is the working folder"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaceable_unless_dangling() {
        let folder = temp_dir::TempDir::new().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("there"), &link).unwrap();
        assert_eq!(why_not_replaceable(&link), Some("it is a link to nothing"));
        fs::create_dir(folder.path().join("there")).unwrap();
        assert_eq!(why_not_replaceable(&link), None);
        assert_eq!(why_not_replaceable(&link.join("..")), Some("its path does not end in a name"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_top_of_a_file_system_is_not_replaceable() {
        for name in ["/", "/proc"] {
            assert_eq!(why_not_replaceable(Path::new(name)), Some("it is the top of a file system"));
        }
    }
}
