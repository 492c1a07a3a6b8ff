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

/// The processes that a process started.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()?;
        Some((id, parent))
    });
    let mut children: Vec<u32> = processes.filter(|(_, of)| *of == parent).map(|(id, _)| id).collect();
    children.sort_unstable();
    children
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    status.expect("a shell");
}

/// Starts a job and waits for a line that begins with `line`; returns it with its other processes.
pub fn started(mut command: Command, line: &str) -> (Child, BufReader<ChildStderr>, Vec<u32>) {
    let mut child = command.spawn().expect("mpirun");
    let mut stderr = BufReader::new(child.stderr.take().expect("standard error"));
    let mut printed = String::new();
    while !printed.lines().last().is_some_and(|last| last.starts_with(line)) {
        assert!(stderr.read_line(&mut printed).expect("text") > 0, "ended before {line:?}:\n{printed}");
    }
    let ranks = children(child.id());
    (child, stderr, ranks)
}

/// Whether a process has not ended.
pub fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits for the end of a job and of all its processes; returns its standard error.
pub fn ended(mut child: Child, mut stderr: BufReader<ChildStderr>, ranks: &[u32], limit: Duration) -> String {
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() || ranks.iter().any(|rank| is_alive(*rank)) {
        assert!(started.elapsed() < limit, "processes are left: {ranks:?}");
        thread::sleep(Duration::from_millis(20));
    }
    let mut printed = String::new();
    stderr.read_to_string(&mut printed).expect("text");
    printed
}

/// Expects a failed job with one message.
pub fn assert_one_error(ran: &ProcessOutput, parts: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    ran.assert_stderr_contains(parts);
}
