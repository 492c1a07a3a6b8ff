//! Lines translated by several processes under `mpirun`: the same output as that of one process, and one message if one of
//! them fails.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use testing::job::{self, Job, assert_one_error, signal};
use testing::run::texts;
use testing::{ProcessOutput, Run, binary};

use crate::shortlist;

/// Maximum time until all processes have ended.
const MAX_END: Duration = Duration::from_secs(20);

/// `mpirun` with several processes of `infer`, which translate a file.
fn mpirun(run: &Run, processes: usize, input: &str, arguments: &[&str]) -> Command {
    let mut infer = Command::new(binary("infer"));
    infer.args(["--device", "flex", "--threads", "1", "--model"]).arg(run.path()).args(arguments);
    let mut command = job::mpirun(run.path(), processes, &infer);
    run.write("input.txt", input);
    command.stdin(File::open(run.file("input.txt")).expect("a file"));
    command
}

fn ran(mut command: Command) -> ProcessOutput {
    ProcessOutput::from(command.output().expect("mpirun, of the package openmpi-bin"))
}

#[test]
fn any_number_of_processes_prints_the_same() {
    let run = Run::new();
    let input = texts(3000).join("\n") + "\nnot a digit\n\u{fffd}\n";
    for arguments in [&["--beam", "2"][..], &["--format", "jsonl"], &["--sample", "--n-best", "2", "--seed", "3"]] {
        let one = run.infer_with_stdin(&input, arguments);
        for processes in 1..=4 {
            let several = ran(mpirun(&run, processes, &input, arguments));
            assert_eq!(several.code, Some(0), "{}", several.stderr);
            assert!(several.stdout == one.stdout, "{processes} processes, {arguments:?}");
            assert_eq!(several.stderr, one.stderr, "{processes} processes, {arguments:?}");
        }
    }
}

#[test]
fn fewer_lines_than_processes_and_none_are_translated() {
    let run = Run::new();
    for input in ["", "1 2 3\n", "1\n2\n"] {
        let several = ran(mpirun(&run, 3, input, &["--quiet"]));
        assert_eq!((several.code, several.lines()), (Some(0), run.translate_stdin(input, &[])), "{}", several.stderr);
    }
}

#[test]
fn a_line_that_fails_is_named_after_those_before_it() {
    let run = Run::new();
    let mut lines = texts(40);
    for bad in [0, 17, 39] {
        lines[bad] = "1 ".repeat(40);
        let input = lines.join("\n");
        let several = ran(mpirun(&run, 3, &input, &["--too-long", "fail", "--quiet"]));
        let one = run.infer_with_stdin(&input, &["--too-long", "fail", "--quiet"]);
        assert_eq!(several.stdout, one.stdout, "line {bad}");
        let message = one.stderr.lines().find(|line| line.starts_with("error: ")).expect("a message");
        assert_one_error(&several, &[message]);
        lines[bad] = "1 2".to_string();
    }
}

#[test]
fn ranks_that_do_not_fit_together_are_rejected() {
    let (run, other) = (Run::new(), Run::new());
    let missing = run.file("missing").display().to_string();
    let mut changed = other.read("model.safetensors");
    *changed.last_mut().expect("weights") ^= 1;
    other.write("model.safetensors", changed);
    let model = |run: &Run| run.path().display().to_string();
    for (first, second, parts) in [
        (model(&run), missing.clone(), &["rank 1 on ", "missing"][..]),
        (missing.clone(), missing.clone(), &["missing"]),
        (missing, model(&run), &["missing"]),
        (model(&run), model(&other), &["rank 1 on ", "arguments", "start all ranks alike"]),
    ] {
        let mut command = job::launcher(run.path());
        let program = binary("infer");
        let infer = |model: &str| ["--device".to_string(), "flex".into(), "--model".into(), model.to_string()];
        command.args(["-n", "1"]).arg(&program).args(infer(&first)).args([":", "-n", "1"]);
        assert_one_error(
            &ran({
                command.arg(&program).args(infer(&second));
                command
            }),
            parts,
        );
    }
}

/// Each host may have a folder of its own under the same path.
#[test]
fn ranks_with_other_files_are_rejected() {
    let run = Run::new();
    shortlist::make(&run, &texts(40), &["--first", "10"]);
    for (file, offset) in [("model.safetensors", 1), ("lex.bin", 4)] {
        let other = Run::new();
        other.write("lex.bin", run.read("lex.bin"));
        let mut changed = other.read(file);
        let at = changed.len() - offset;
        changed[at] ^= 1;
        other.write(file, changed);
        let script = format!(
            "cd $([ $OMPI_COMM_WORLD_RANK = 0 ] && echo {} || echo {}); exec {} --device flex --model . --shortlist lex.bin",
            run.path().display(),
            other.path().display(),
            binary("infer").display()
        );
        let mut command = job::launcher(run.path());
        command.args(["-n", "2", "sh", "-c", &script]);
        let hash = format!("hash of {}{file}", if file == "lex.bin" { "" } else { "./" });
        assert_one_error(&ran(command), &["rank 1 on ", &hash, "start all ranks alike"]);
    }
}

/// Three processes that have each translated a line, and the standard input of the job.
fn working(run: &Run, options: &[&str]) -> (Job, ChildStdin) {
    let mut command = mpirun(run, 3, "", &[&["--rank-timeout", "2"], options].concat());
    command.stdin(Stdio::piped());
    let mut job = Job::start(command);
    let mut stdin = job.launcher.stdin.take().expect("standard input");
    stdin.write_all((texts(3).join("\n") + "\n").as_bytes()).expect("a job that reads");
    let stdout = job.launcher.stdout.as_mut().expect("standard output");
    let lines = BufReader::with_capacity(1, stdout).lines().take(3).count();
    assert_eq!(lines, 3, "the job ended");
    job.find_ranks();
    (job, stdin)
}

#[test]
fn killed_and_stopped_ranks_end_the_job() {
    let run = Run::new();
    for (name, rank) in [("KILL", 0), ("KILL", 2), ("STOP", 1)] {
        let (job, mut stdin) = working(&run, &[]);
        signal(name, job.ranks[rank]);
        let _ignored = stdin.write_all((texts(3000).join("\n") + "\n").as_bytes()); // the job may have ended
        drop(stdin);
        let ended = job.end(MAX_END);
        assert_ne!(ended.code, Some(0), "{name} {rank}: {}", ended.stderr);
        if name == "STOP" {
            assert_one_error(&ended, &["no answer from rank 1 on ", "--rank-timeout"]);
        }
    }
}

#[test]
fn an_error_is_printed_before_a_rank_that_stops_is_named() {
    let run = Run::new();
    let (job, mut stdin) = working(&run, &["--too-long", "fail"]);
    signal("STOP", job.ranks[1]); // a single line is for the last rank
    stdin.write_all(("1 ".repeat(100) + "\n").as_bytes()).expect("a job that reads");
    drop(stdin);
    let stderr = job.end(MAX_END).stderr;
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 2, "{stderr}");
    assert!(errors[0].contains("101 tokens") && errors[1].contains("no answer from rank 1 on "), "{stderr}");
}

#[test]
fn a_rank_that_stops_without_work_is_named() {
    let run = Run::new();
    let (job, stdin) = working(&run, &[]);
    signal("STOP", job.ranks[2]);
    drop(stdin);
    assert_one_error(&job.end(MAX_END), &["no answer from rank 2 on ", "--rank-timeout"]);
}

#[test]
fn texts_are_translated_by_each_process_alone() {
    let run = Run::new();
    let mut command = job::launcher(run.path());
    command.args(["-n", "2"]).arg(binary("infer")).args(["--device", "flex", "--quiet", "--model"]);
    let several = ran({
        command.arg(run.path()).arg("1 2 3");
        command
    });
    let one = run.translations(&["1 2 3"], &[]);
    assert_eq!(several.lines(), [&one[..], &one[..]].concat(), "{}", several.stderr);
}
