//! Training by several processes under `mpirun`: the same bytes for any number of them, and every process ends when one
//! does.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::samples::{corpus, gzip};
use crate::common::{ProcessOutput, WorkFolder, set};
use model::random::Rng;
use safetensors::SafeTensors;

/// Maximum time until all processes have ended.
const MAX_END: Duration = Duration::from_secs(20);
/// Maximum time of a whole run.
const MAX_RUN: Duration = Duration::from_secs(300);
/// Kills of a random rank.
const KILLS: usize = 20;

/// Twelve micro-batches with every kind of randomness, clipping and a moving average, from a streamed corpus.
const EVERYTHING: &[&str] = &[
    "task.train=[\"a.gz\", \"b.gz\"]",
    "task.test=test.tsv",
    "data.shuffle_buffer=16",
    "tokenizer.kind=bpe",
    "tokenizer.vocab_size=300",
    "tokenizer.dropout=0.2",
    "training.steps=30",
    "training.max_tokens=576",
    "training.micro_batches=12",
    "training.log_every=4",
    "training.checkpoint_every=7",
    "training.clip_norm=0.5",
    "training.r_drop={ alpha = 1.0, after = 5 }",
    "training.final_weights=ema",
    "training.ema=0.9",
    "validation.every=9",
];
/// Snapshots to average, and decoupled weight decay.
const AVERAGES: &[&str] = &[
    "training.micro_batches=12",
    "training.max_tokens=576",
    "training.final_weights=average",
    "training.average={ of = \"last\", count = 2 }",
    "training.optimizer=adamw",
    "training.weight_decay=0.1",
    "validation.every=5",
];

fn place() -> WorkFolder {
    let place = WorkFolder::translating();
    let (text, mut shards) = (corpus(60), [String::new(), String::new()]);
    text.lines().enumerate().for_each(|(i, line)| shards[i % 2] += &format!("{line}\n"));
    ["a.gz", "b.gz"].iter().zip(&shards).for_each(|(name, shard)| place.write(name, gzip(shard.as_bytes())));
    place.write("test.tsv", corpus(10));
    place
}

/// `mpirun` with several processes of `train`, each of one thread.
fn mpirun(place: &WorkFolder, processes: usize, output: &str, arguments: &[&str]) -> Command {
    let arguments = [&["--config", "tiny.toml", "--output", output, "--threads", "1"], arguments].concat();
    let train = place.command(&arguments);
    let mut command = launcher(place);
    command.args(["-n", &processes.to_string()]).arg(train.get_program()).args(train.get_args());
    command
}

fn launcher(place: &WorkFolder) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    command.current_dir(place.path(".")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn trained(place: &WorkFolder, processes: usize, output: &str, arguments: &[&str]) -> ProcessOutput {
    let ran = mpirun(place, processes, output, arguments).output().expect("mpirun, of the package openmpi-bin");
    let ran = ProcessOutput::from(ran);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// Expects equal runs: metrics, weights, and the tensors of the last checkpoint.
fn assert_same(place: &WorkFolder, one: &str, other: &str) {
    assert_same_but_for(place, one, other, &["state.json"]);
}

fn assert_same_but_for(place: &WorkFolder, one: &str, other: &str, others: &[&str]) {
    place.assert_same_run(one, other);
    let last = place.names(&format!("{one}/checkpoints")).pop().expect("a checkpoint");
    for file in place.names(&format!("{one}/checkpoints/{last}")) {
        if !others.contains(&file.as_str()) {
            let [one, other] = [one, other].map(|run| place.read(&format!("{run}/checkpoints/{last}/{file}")));
            assert!(one == other, "{file} of {last}");
        }
    }
}

/// The processes that a process started.
fn children(parent: u32) -> Vec<u32> {
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

fn signal(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    status.expect("a shell");
}

/// Starts a job and waits for a line that begins with `line`; returns it with its other processes.
fn started(mut command: Command, line: &str) -> (Child, BufReader<std::process::ChildStderr>, Vec<u32>) {
    let mut child = command.spawn().expect("mpirun");
    let mut stderr = BufReader::new(child.stderr.take().expect("standard error"));
    let mut printed = String::new();
    while !printed.lines().last().is_some_and(|last| last.starts_with(line)) {
        assert!(stderr.read_line(&mut printed).expect("text") > 0, "ended before {line:?}:\n{printed}");
    }
    let ranks = children(child.id());
    (child, stderr, ranks)
}

/// Waits for the end of a job and of all its processes; returns its standard error.
fn ended(mut child: Child, mut stderr: BufReader<std::process::ChildStderr>, ranks: &[u32], limit: Duration) -> String {
    let started = Instant::now();
    let alive = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    while child.try_wait().expect("a child").is_none() || ranks.iter().any(alive) {
        assert!(started.elapsed() < limit, "processes are left: {ranks:?}");
        thread::sleep(Duration::from_millis(20));
    }
    let mut printed = String::new();
    stderr.read_to_string(&mut printed).expect("text");
    printed
}

#[test]
fn any_number_of_processes_gives_the_same_bytes() {
    let place = place();
    let settings = set(EVERYTHING);
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    for processes in 1..=4 {
        let output = format!("by-{processes}");
        let ran = trained(&place, processes, &output, &settings);
        assert_eq!(ran.stderr.contains(&format!("{processes} processes: ranks 0 to")), processes > 1, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("step 4/30").count(), 1, "one log:\n{}", ran.stderr);
        assert_same(&place, "one", &output);
    }
}

#[test]
fn averages_and_weight_decay_give_the_same_bytes() {
    let place = place();
    let settings = [&set(AVERAGES)[..], &["--quiet"]].concat();
    place.trained("one", &settings);
    trained(&place, 3, "three", &settings);
    assert_same(&place, "one", "three");
}

/// More micro-batches than fit into a message that MPI sends before its receiver is there.
#[test]
fn many_micro_batches_give_the_same_bytes() {
    let place = place();
    let many = ["training.micro_batches=260", "training.max_tokens=13000", "training.steps=2", "validation.every=2"];
    let settings = [&set(&many)[..], &["--quiet"]].concat();
    place.trained("one", &settings);
    trained(&place, 2, "two", &settings);
    assert_same(&place, "one", "two");
}

#[test]
fn lora_gives_the_same_bytes() {
    let place = place();
    place.trained("base", &["--quiet"]);
    let lora = "training.lora={ rank = 2, alpha = 4.0, matrices = [\"query\", \"value\"] }";
    let settings = set(&["training.init_from=base", lora, "training.micro_batches=4"]);
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    trained(&place, 2, "two", &[&settings[..], &["--quiet"]].concat());
    assert_same(&place, "one", "two");
}

#[test]
fn a_killed_rank_ends_the_job_and_resuming_gives_the_same_bytes() {
    let place = place();
    let settings = [&set(EVERYTHING)[..], &set(&["training.log_every=1"])].concat();
    let whole = Instant::now();
    place.trained("whole", &[&settings[..], &["--quiet"]].concat());
    let whole = whole.elapsed();
    let (mut rng, mut kills) = (Rng::new(11), 0);
    while kills < KILLS {
        for attempt in 0..8 {
            let processes = 2 + rng.below(3);
            let mut command = mpirun(&place, processes, "killed", &[&settings[..], &["--resume"]].concat());
            let mut child = command.spawn().expect("mpirun");
            let stderr = BufReader::new(child.stderr.take().expect("standard error"));
            let pause = Duration::from_millis(300) + whole.mul_f64(1.5 * rng.uniform());
            thread::sleep(pause);
            let ranks = children(child.id());
            if ranks.is_empty() || attempt == 7 {
                ended(child, stderr, &ranks, MAX_RUN);
                break;
            }
            signal("KILL", ranks[rng.below(ranks.len())]);
            ended(child, stderr, &ranks, MAX_END);
            kills += 1;
        }
        trained(&place, 2, "killed", &[&settings[..], &["--resume", "--quiet"]].concat());
        // A kill after the last validation leaves no weights from before the end.
        assert_same_but_for(&place, "whole", "killed", &["state.json", "best.safetensors"]);
        place.remove("killed");
    }
}

#[test]
fn a_rank_that_stops_is_named_and_the_job_ends() {
    let place = place();
    let settings = [&set(EVERYTHING)[..], &set(&["training.steps=100000"]), &["--rank-timeout", "3"]].concat();
    for (stopped, name) in [(1, "rank 1 on "), (2, "rank 2 on "), (0, "rank 0 on ")] {
        let (child, stderr, ranks) = started(mpirun(&place, 3, "run", &settings), "step 12/");
        signal("STOP", ranks[stopped]);
        let printed = ended(child, stderr, &ranks, MAX_END);
        let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(&format!("no answer from {name}")), "{printed}");
        place.remove("run");
    }
}

#[test]
fn a_signal_to_mpirun_writes_a_checkpoint() {
    let place = place();
    let settings =
        [&set(EVERYTHING)[..], &set(&["training.steps=100000", "training.checkpoint_every=100000"])].concat();
    let (child, stderr, ranks) = started(mpirun(&place, 3, "run", &settings), "step 12/");
    signal("INT", child.id());
    let printed = ended(child, stderr, &ranks, MAX_END);
    assert!(printed.contains("checkpoint written; resume with --resume"), "{printed}");
    assert_eq!(place.names("run/checkpoints").len(), 1);
}

/// A model whose larger matrices are cut into several slices.
#[test]
fn bytes_sent_are_those_of_the_formula() {
    let place = place();
    let large = ["model.d_model=128", "model.d_ff=1024", "model.encoder_layers=2", "model.decoder_layers=2"];
    let short = [
        "training.steps=2",
        "training.r_drop={ alpha = 1.0, after = 1 }",
        "training.log_every=2",
        "training.checkpoint_every=1",
        "validation.every=2",
    ];
    let settings = set(&[EVERYTHING, &large, &short, &["validation.sentences=2"]].concat());
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    for processes in [2usize, 3, 4, 12] {
        let output = format!("by-{processes}");
        trained(&place, processes, &output, &[&settings[..], &["--quiet"]].concat());
        assert_same(&place, "one", &output);
        let file = place.weights(&output);
        let tensors = SafeTensors::deserialize(&file).expect("weights");
        let weights: usize = tensors.tensors().iter().map(|(_, tensor)| tensor.data().len()).sum();
        let step = place.metrics(&output).into_iter().find(|line| line.get("loss").is_some()).expect("a logged step");
        let sent = step["timing"]["sent_bytes"].as_f64().expect("a number") / 2.0;
        let (parts, others) = (12.0 / processes as f64, (processes - 1) as f64 / processes as f64);
        let expected = (parts + 1.0) * weights as f64 * others;
        println!("{processes} processes: {sent} bytes, {expected} expected");
        assert!((sent / expected - 1.0).abs() < 0.05, "{processes} processes: {sent} bytes, expected {expected}");
        assert!((0.0..1.0).contains(&step["timing"]["exchanging"].as_f64().expect("a share")), "{step}");
    }
}

#[test]
fn more_ranks_than_micro_batches_are_rejected() {
    let place = place();
    let before = place.snapshot();
    let ran = ProcessOutput::from(mpirun(&place, 3, "run", &set(&["training.micro_batches=2"])).output().unwrap());
    assert_one_error(&ran, &["training.micro_batches = 2", "at least 3", "fewer processes"]);
    assert!(before == place.snapshot(), "nothing is written");
}

#[test]
fn ranks_with_other_settings_or_programs_are_rejected() {
    let place = place();
    let program = place.command(&[]).get_program().to_owned();
    place.write("other.toml", place.text("tiny.toml").replace("dropout = 0.1", "dropout = 0.2"));
    let mut bytes = fs::read(&program).expect("the program");
    bytes.push(0);
    place.write("train", bytes);
    fs::set_permissions(place.path("train"), fs::metadata(&program).unwrap().permissions()).unwrap();
    let before = place.snapshot();
    let this = program.to_str().expect("a path").to_string();
    let same = ["--config", "tiny.toml", "--output", "run", "--device", "flex"];
    let other_config = ["--config", "other.toml", "--output", "run", "--device", "flex"];
    let other_setting = [&same[..], &["--set", "training.steps=5"]].concat();
    let path = place.path("train").to_str().expect("a path").to_string();
    for (program, arguments, field) in [
        (&this, &other_config[..], "hash of the configuration file"),
        (&this, &other_setting[..], "--set"),
        (&path, &same[..], "hash of the program's file"),
    ] {
        let mut command = launcher(&place);
        command.args(["-n", "1", &this]).args(same).args([":", "-n", "1", program]).args(arguments);
        let ran = ProcessOutput::from(command.output().expect("mpirun"));
        assert_one_error(&ran, &["rank 1 on ", field, "start all ranks alike"]);
        assert!(before == place.snapshot(), "nothing is written: {field}");
    }
}

#[test]
fn a_full_disk_at_the_root_ends_all_ranks() {
    let place = place();
    let settings = [&set(EVERYTHING)[..], &["--quiet"]].concat();
    trained(&place, 2, "whole", &settings);
    let limit = fs::metadata(place.path("whole/checkpoints/step-28/optimizer.safetensors")).unwrap().len() / 512 - 1;
    let arguments = [&["--config", "tiny.toml", "--output", "run", "--threads", "1"], &settings[..]].concat();
    let train = place.command(&arguments);
    let mut command = launcher(&place);
    // Without its signal, exceeding the limit is an error of the write.
    command.args(["-n", "2", "sh", "-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"")]);
    let ran = ProcessOutput::from(command.arg(train.get_program()).args(train.get_args()).output().expect("mpirun"));
    assert_one_error(&ran, &["optimizer.safetensors", "has room"]);
    trained(&place, 2, "run", &[&settings[..], &["--resume"]].concat());
    assert_same(&place, "whole", "run");
}

/// Expects a failed job with one message.
fn assert_one_error(ran: &ProcessOutput, parts: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    ran.assert_stderr_contains(parts);
}
