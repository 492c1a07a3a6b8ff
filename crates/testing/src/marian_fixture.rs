//! Copies of Marian folders for tests to change.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use temp_dir::TempDir;

/// The fixture of this name, read-only.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/fixtures/marian").join(name)
}

/// The fixture of another family of this name, read-only.
pub fn huggingface_fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/fixtures/huggingface").join(name)
}

/// The fixture of Marian's own files of this name, read-only.
pub fn marian_nmt_fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/fixtures/marian_nmt").join(name)
}

/// A temporary folder with a copy of a Marian folder inside.
pub struct MarianFolder {
    folder: TempDir,
}

impl MarianFolder {
    /// A copy of the fixture of this name.
    pub fn new(name: &str) -> Self {
        Self::copy_of(&fixture(name))
    }

    /// A copy of another folder.
    pub fn copy_of(original: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.child("marian")).unwrap();
        for entry in fs::read_dir(original).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.child("marian").join(path.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    /// The path of the Marian folder.
    pub fn marian(&self) -> PathBuf {
        self.folder.child("marian")
    }

    /// A path beside the Marian folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    /// Writes a file of the Marian folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.marian().join(name), bytes).unwrap();
    }

    /// Removes a file of the Marian folder.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.marian().join(name)).unwrap();
    }

    /// Changes a JSON file of the folder.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = json(&self.marian().join(name));
        change(&mut value);
        self.write(name, value.to_string());
    }
}

/// The contents of a JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
