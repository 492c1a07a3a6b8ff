//! Jobs of several processes under `mpirun`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ProcessOutput;

/// `mpirun` in a folder, on the cores of this machine, however many processes there are.
pub fn launcher(folder: &Path) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `mpirun` with several processes of a command.
pub fn mpirun(folder: &Path, processes: usize, of: &Command) -> Command {
    let mut command = launcher(folder);
    command.args(["-n", &processes.to_string()]).arg(of.get_program()).args(of.get_args());
    command
}

/// A job under `mpirun`, whose processes are killed when it is dropped.
pub struct Job {
    /// `mpirun`.
    pub launcher: Child,
    /// The standard error of all processes, until [`end`](Self::end) reads the rest.
    stderr: Option<BufReader<ChildStderr>>,
    /// The other processes, by rank; see [`find_ranks`](Self::find_ranks).
    pub ranks: Vec<u32>,
}

impl Job {
    /// Starts a job.
    pub fn start(mut command: Command) -> Self {
        let mut launcher = command.spawn().expect("mpirun, of the package openmpi-bin");
        let stderr = BufReader::new(launcher.stderr.take().expect("standard error"));
        Self { launcher, stderr: Some(stderr), ranks: Vec::new() }
    }

    /// Starts a job and waits for a line of standard error that begins with `line`.
    pub fn start_until(command: Command, line: &str) -> Self {
        let mut job = Self::start(command);
        let mut printed = String::new();
        while !printed.lines().last().is_some_and(|last| last.starts_with(line)) {
            assert!(job.read_line(&mut printed) > 0, "ended before {line:?}:\n{printed}");
        }
        job.find_ranks();
        job
    }

    /// Appends a line of standard error; returns its length, 0 at the end.
    pub fn read_line(&mut self, printed: &mut String) -> usize {
        self.stderr.as_mut().expect("a job that has not ended").read_line(printed).expect("text")
    }

    /// Looks up the processes of the job.
    pub fn find_ranks(&mut self) {
        let mut ranks: Vec<(u32, u32)> =
            children(self.launcher.id()).into_iter().filter_map(|process| Some((rank(process)?, process))).collect();
        ranks.sort_unstable();
        self.ranks = ranks.into_iter().map(|(_, process)| process).collect();
    }

    /// Waits for the end of all processes; returns the exit code and the rest of standard error.
    pub fn end(mut self, limit: Duration) -> ProcessOutput {
        // Read at the same time, so that a full pipe blocks nothing.
        let mut stderr = self.stderr.take().expect("a job that has not ended");
        let reader = thread::spawn(move || {
            let mut printed = String::new();
            stderr.read_to_string(&mut printed).map(|_| printed)
        });
        let started = Instant::now();
        let status = loop {
            let status = self.launcher.try_wait().expect("a child");
            if let Some(status) = status.filter(|_| !self.ranks.iter().any(|rank| is_alive(*rank))) {
                break status;
            }
            assert!(started.elapsed() < limit, "processes are left after {limit:?}: {}", self.description());
            thread::sleep(Duration::from_millis(20));
        };
        let stderr = reader.join().expect("no panic").expect("text");
        ProcessOutput { code: status.code(), stdout: String::new(), stderr }
    }

    /// The states of all processes.
    fn description(&mut self) -> String {
        let launcher = self.launcher.try_wait().expect("a child");
        let ranks: Vec<String> = self.ranks.iter().map(|rank| state(*rank)).collect();
        format!("mpirun {launcher:?}, states of the ranks {ranks:?}")
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.launcher.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.ranks.extend(children(self.launcher.id()));
            signal("KILL", self.launcher.id());
            drop(self.launcher.wait());
        }
        self.ranks.iter().filter(|rank| is_alive(**rank)).for_each(|rank| signal("KILL", *rank));
    }
}

/// The rank of a process, if it is one of a job.
fn rank(process: u32) -> Option<u32> {
    let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    variables.find_map(|variable| variable.strip_prefix("OMPI_COMM_WORLD_RANK="))?.parse().ok()
}

/// The processes that a process started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()?;
        Some((id, parent))
    });
    processes.filter(|(_, of)| *of == parent).map(|(id, _)| id).collect()
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    status.expect("a shell");
}

/// Whether a process has not ended.
fn is_alive(process: u32) -> bool {
    !["", "Z", "X"].contains(&state(process).as_str())
}

/// The state of a process as `ps` shows it; empty for none.
fn state(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").map_or(String::new(), |(_, rest)| rest[..1].to_string())
}

/// Expects a failed job with one message. The exit code is that of `mpirun`, which may crash itself while it ends a job.
pub fn assert_one_error(ran: &ProcessOutput, parts: &[&str]) {
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    ran.assert_stderr_contains(parts);
}
