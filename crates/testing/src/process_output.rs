//! The result of running one of the binaries, with assertions on it.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The path of a binary of this build. Cargo builds the binaries of a package before its integration tests, into the
/// folder above theirs.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    folder.join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Exit code and everything that was written.
#[derive(Debug)]
pub struct ProcessOutput {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl ProcessOutput {
    /// The lines of standard output, of a successful process that wrote nothing to standard error.
    pub fn lines(&self) -> Vec<String> {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout.lines().map(str::to_string).collect()
    }

    /// Expects all of `parts` on standard error.
    pub fn assert_stderr_contains(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in:\n{}", self.stderr);
        }
    }

    /// Expects exit code 1 and one error message with all of `parts`, the first of them exactly once.
    pub fn assert_failed(&self, parts: &[&str]) {
        let Self { code, stderr, .. } = self;
        assert_eq!(*code, Some(1), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
        self.assert_stderr_contains(parts);
        assert_eq!(stderr.matches(parts[0]).count(), 1, "{:?} stands there more than once:\n{stderr}", parts[0]);
    }

    /// As [`assert_failed`](Self::assert_failed), with nothing on standard output, which is for results.
    pub fn assert_rejected(&self, parts: &[&str]) {
        self.assert_failed(parts);
        assert!(self.stdout.is_empty(), "standard output is for results: {}", self.stdout);
    }
}

impl From<Output> for ProcessOutput {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Hides every driver for a GPU from a command: Vulkan's, and OpenGL's, to which wgpu turns next.
pub fn without_gpu(command: &mut Command) -> &mut Command {
    command
        .env("VK_DRIVER_FILES", "/nowhere.json")
        .env("VK_ICD_FILENAMES", "/nowhere.json")
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere.json")
}
