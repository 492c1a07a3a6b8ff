//! Runs the `train` binary on tiny configurations, each test in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;
use temp_dir::TempDir;

use crate::samples::{COPY, TRANSLATE, corpus};
use crate::{ProcessOutput, binary, without_gpu};

/// A folder with a configuration, in which `train` runs.
pub struct WorkFolder {
    folder: TempDir,
}

impl Default for WorkFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkFolder {
    /// A folder with the copy task as `tiny.toml`.
    pub fn new() -> Self {
        Self::with(COPY)
    }

    /// A folder with the translation task as `tiny.toml`, and its corpora.
    pub fn translating() -> Self {
        let place = Self::with(TRANSLATE);
        place.write("train.tsv", corpus(60));
        place.write("validation.tsv", corpus(20));
        place
    }

    /// A folder with a configuration as `tiny.toml`.
    pub fn with(config: &str) -> Self {
        let place = Self { folder: temp_dir::TempDir::new().expect("a temporary folder") };
        place.write("tiny.toml", config);
        place
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a writable folder");
    }

    /// The contents of a file in the folder.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The contents of a text file in the folder.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    /// Names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Every path under the folder with its contents.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut found, mut waiting) = (BTreeMap::new(), vec![self.folder.path().to_path_buf()]);
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
                found.insert(path, Vec::new());
            } else {
                let bytes = fs::read(&path).expect("a file");
                found.insert(path, bytes);
            }
        }
        found
    }

    /// Copies a run folder.
    pub fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        for (path, bytes) in self.snapshot() {
            let Ok(rest) = path.strip_prefix(&from) else { continue };
            let target = to.join(rest);
            if path.is_dir() {
                fs::create_dir_all(target).expect("a folder");
            } else {
                fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
                fs::write(target, bytes).expect("a file");
            }
        }
    }

    /// Removes a file, or a folder with its contents.
    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// The command, on flex by default: only flex promises equal bytes.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("train"));
        if !arguments.contains(&"--device") {
            command.args(["--device", "flex"]);
        }
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `train` with exactly these arguments.
    pub fn call(&self, arguments: &[&str]) -> ProcessOutput {
        ProcessOutput::from(self.command(arguments).output().expect("a binary that starts"))
    }

    /// Runs `train` with exactly these arguments, with all GPU drivers hidden.
    pub fn call_without_gpu(&self, arguments: &[&str]) -> ProcessOutput {
        let mut command = self.command(arguments);
        ProcessOutput::from(without_gpu(&mut command).output().expect("a binary that starts"))
    }

    /// Runs `train --config tiny.toml --output OUTPUT` with more arguments.
    pub fn train(&self, output: &str, arguments: &[&str]) -> ProcessOutput {
        self.call(&[&["--config", "tiny.toml", "--output", output], arguments].concat())
    }

    /// As [`train`](Self::train), and expects success.
    pub fn trained(&self, output: &str, arguments: &[&str]) -> ProcessOutput {
        let ran = self.train(output, arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran
    }

    /// Starts [`train`](Self::train) and returns the process with its standard error.
    pub fn started(&self, output: &str, arguments: &[&str]) -> (Child, BufReader<ChildStderr>) {
        let arguments = [&["--config", "tiny.toml", "--output", output], arguments].concat();
        let mut child = self.command(&arguments).spawn().expect("a binary that starts");
        let stderr = BufReader::new(child.stderr.take().expect("standard error"));
        (child, stderr)
    }

    /// As [`train`](Self::train), and sends a signal once a line that begins with `line` is printed.
    pub fn train_until(&self, line: &str, signal: &str, output: &str, arguments: &[&str]) -> ProcessOutput {
        let (mut child, mut stderr) = self.started(output, arguments);
        let mut printed = String::new();
        while !printed.lines().last().is_some_and(|last| last.starts_with(line)) {
            let read = stderr.read_line(&mut printed).expect("text");
            assert!(read > 0, "the process ended before it printed {line:?}:\n{printed}");
        }
        send(signal, &child);
        stderr.read_to_string(&mut printed).expect("text");
        let code = child.wait().expect("an end").code();
        ProcessOutput { code, stdout: String::new(), stderr: printed }
    }

    /// As [`train`](Self::train), with standard error closed after its first line.
    pub fn train_with_closed_stderr(&self, output: &str, arguments: &[&str]) -> Option<i32> {
        let (mut child, mut stderr) = self.started(output, arguments);
        stderr.read_line(&mut String::new()).expect("text");
        drop(stderr);
        child.wait().expect("an end").code()
    }

    /// Expects one error message with all of `parts` (the first of them exactly once), exit code 1 and an unchanged folder.
    pub fn assert_rejects(&self, output: &str, arguments: &[&str], parts: &[&str]) {
        let before = self.snapshot();
        let ran = self.train(output, arguments);
        ran.assert_rejected(parts);
        assert!(before == self.snapshot(), "{arguments:?} left something behind: {:?}", self.names("."));
    }

    /// Expects a usage error: exit code 2 and an unchanged folder.
    pub fn assert_usage_error(&self, arguments: &[&str], parts: &[&str]) {
        let before = self.snapshot();
        let ran = self.call(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        ran.assert_stderr_contains(parts);
        assert!(before == self.snapshot(), "{arguments:?} left something behind: {:?}", self.names("."));
    }

    /// The lines of a run's `metrics.jsonl`.
    pub fn metrics(&self, run: &str) -> Vec<Value> {
        let text = self.text(&format!("{run}/metrics.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// The lines of `metrics.jsonl` without their timing.
    pub fn metrics_without_timing(&self, run: &str) -> Vec<Value> {
        let mut lines = self.metrics(run);
        for line in &mut lines {
            line.as_object_mut().expect("an object").remove("timing").expect("a `timing` key on every line");
        }
        lines
    }

    /// The bytes of a run's weights.
    pub fn weights(&self, run: &str) -> Vec<u8> {
        self.read(&format!("{run}/model.safetensors"))
    }

    /// Expects equal metrics and, byte for byte, equal weights of two runs.
    pub fn assert_same_run(&self, one: &str, other: &str) {
        let (first, second) = (self.metrics_without_timing(one), self.metrics_without_timing(other));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first, second, "the metrics of {one} and {other} differ here");
        }
        assert_eq!(first.len(), second.len(), "lines of metrics in {one} and {other}");
        assert!(self.weights(one) == self.weights(other), "the weights of {one} and {other} differ");
    }
}

/// `--set` before each setting.
pub fn set<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

/// The shell has `kill` even where the program is not installed.
fn send(signal: &str, child: &Child) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.expect("a shell").success(), "the run ended before the signal");
}
