//! Whether a folder that is there can give its place to another, which is made beside it and renamed.

use std::env;
use std::fs::{self, Metadata};
use std::path::Path;

/// Why it cannot: no rename replaces the top of a file system, a link to nothing and a path such as `..`; and the working
/// folder is what everything else is relative to.
pub fn reason_to_stay(path: &Path) -> Option<&'static str> {
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
            _ => false, // what is wrong there, writing will say
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
    fn a_folder_of_ones_own_may_go() {
        let folder = temp_dir::TempDir::new().unwrap();
        assert_eq!(reason_to_stay(folder.path()), None);
        assert_eq!(reason_to_stay(&folder.path().join("absent")), None);
    }

    #[test]
    fn the_working_folder_stays_by_whatever_name() {
        for name in [".".into(), env::current_dir().unwrap()] {
            assert_eq!(reason_to_stay(&name), Some("it is the working folder"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_may_go_if_it_leads_somewhere() {
        let folder = temp_dir::TempDir::new().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("there"), &link).unwrap();
        assert_eq!(reason_to_stay(&link), Some("it is a link to nothing"));
        fs::create_dir(folder.path().join("there")).unwrap();
        assert_eq!(reason_to_stay(&link), None);
        assert_eq!(reason_to_stay(&link.join("..")), Some("its path does not end in a name"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn so_does_the_top_of_a_file_system() {
        for name in ["/", "/proc"] {
            assert_eq!(reason_to_stay(Path::new(name)), Some("it is the top of a file system"));
        }
    }
}
