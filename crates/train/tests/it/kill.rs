//! A run that is killed at random moments and resumed each time gives the same bytes as an uninterrupted run. No process
//! can handle SIGKILL.

use std::io::{BufRead, Read};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::samples::{corpus, gzip};
use crate::common::{WorkFolder, set};
use model::random::Rng;

/// Minimum kills of each of the six tests.
const KILLS: usize = 8;
/// Maximum kills of a run before it may finish.
const MAX_ATTEMPTS: usize = 12;
const SIGKILL: i32 = 9;
/// Maximum wait for an unfinished file.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// Log lines, validations and checkpoints at different steps, and much writing.
const MANY_WRITES: &[&str] = &[
    "training.steps=60",
    "training.log_every=1",
    "training.checkpoint_every=2",
    "validation.every=7",
    "validation.samples=0",
    "validation.metric=nll",
];
const BYTE_PAIRS: &[&str] = &["tokenizer.kind=bpe", "tokenizer.vocab_size=300", "tokenizer.dropout=0.2"];

/// Trains without and with kills until there are enough of them, and compares the runs.
fn assert_survives_kills(place: &WorkFolder, seed: u64, settings: &[&[&str]]) {
    let settings = set(&[&[MANY_WRITES], settings].concat().concat());
    let started = Instant::now();
    let lines = place.trained("whole", &settings).stderr.lines().count();
    let whole = started.elapsed();
    let before = place.names(".");

    let (mut rng, mut kills, mut saves) = (Rng::new(seed), 0, 0);
    while kills < KILLS {
        let (killed, saving) = killed_until_done(place, &settings, lines, whole, &mut rng);
        (kills, saves) = (kills + killed, saves + saving);
        place.assert_same_run("whole", "killed");
        for folder in ["", "/checkpoints", "/snapshots"] {
            if place.path(&format!("whole{folder}")).exists() {
                let [whole, killed] = ["whole", "killed"].map(|run| place.names(&format!("{run}{folder}")));
                assert_eq!(whole, killed, "no temporary files");
            }
        }
        place.remove("killed");
        assert_eq!(place.names("."), before, "no temporary files beside the run");
    }
    println!("{kills} kills, {saves} of them during a write, in {:.1} s", started.elapsed().as_secs_f64());
}

/// Starts and kills a run until it finishes; returns the number of kills, and of those during a write.
fn killed_until_done(
    place: &WorkFolder,
    settings: &[&str],
    lines: usize,
    whole: Duration,
    rng: &mut Rng,
) -> (usize, usize) {
    let mut saves = 0;
    for attempt in 0..MAX_ATTEMPTS {
        let threads = ["1", "2"][attempt % 2];
        let arguments = [settings, &["--resume", "--threads", threads]].concat();
        // At a random time, after a random log line, or during a write.
        let kind = rng.below(3);
        let (lines, pause) = match kind {
            0 => (0, whole.mul_f64(0.7 * rng.uniform())),
            _ => (1 + rng.below(lines / 2), Duration::from_micros(rng.below(10_000) as u64)),
        };
        if !killed(place, &arguments, lines, pause, kind == 2) {
            return (attempt, saves);
        }
        saves += usize::from(unfinished(place));
    }
    place.trained("killed", &[settings, &["--resume", "--quiet"]].concat());
    (MAX_ATTEMPTS, saves)
}

/// Whether an unfinished file or folder exists.
fn unfinished(place: &WorkFolder) -> bool {
    let folders = [".", "killed", "killed/checkpoints", "killed/snapshots"].into_iter();
    let names = folders.filter(|folder| place.path(folder).exists()).flat_map(|folder| place.names(folder));
    names.into_iter().any(|name| name.ends_with(".partial"))
}

/// Kills a run after `lines` lines and a pause, with `writing` during a write; returns whether it was still running.
fn killed(place: &WorkFolder, arguments: &[&str], lines: usize, pause: Duration, writing: bool) -> bool {
    let (mut child, mut stderr) = place.started("killed", arguments);
    let mut message = String::new();
    for _ in 0..lines {
        stderr.read_line(&mut message).expect("text");
    }
    thread::sleep(pause);
    let waiting = Instant::now();
    while writing && waiting.elapsed() < MAX_WAIT && !unfinished(place) {}
    child.kill().expect("a child of this process");
    stderr.read_to_string(&mut message).expect("text");
    let status = child.wait().expect("an end");
    assert!(status.success() || status.signal() == Some(SIGKILL), "{status}:\n{message}");
    !status.success()
}

#[test]
fn kills_with_a_streamed_corpus_in_compressed_shards() {
    let place = WorkFolder::translating();
    let (text, mut shards) = (corpus(60), [String::new(), String::new(), String::new()]);
    text.lines().enumerate().for_each(|(i, line)| shards[i % 3] += &format!("{line}\n"));
    ["a.gz", "b.gz", "c.gz"].iter().zip(&shards).for_each(|(name, shard)| place.write(name, gzip(shard.as_bytes())));
    place.write("test.tsv", corpus(10));
    let streamed = [
        "task.train=[\"a.gz\", \"b.gz\", \"c.gz\"]",
        "task.test=test.tsv",
        "data.shuffle_buffer=16",
        "training.max_tokens=96",
        "training.micro_batches=2",
        "training.clip_norm=0.5",
    ];
    assert_survives_kills(&place, 1, &[BYTE_PAIRS, &streamed]);
}

#[test]
fn kills_with_a_moving_average_r_drop_and_a_beam() {
    let ema = [
        "training.final_weights=ema",
        "training.ema=0.9",
        "training.r_drop={ alpha = 1.0, after = 10 }",
        "training.anneal_dropout={ to = 0.2, after = 10 }",
        "validation.beam=2",
        "decoding.beam=3",
        "decoding.length_penalty={ form = \"wu\", alpha = 0.6 }",
    ];
    assert_survives_kills(&WorkFolder::translating(), 2, &[BYTE_PAIRS, &ema]);
}

#[test]
fn kills_with_snapshots_of_the_last_validations() {
    let average = [
        "training.final_weights=average",
        "training.average={ of = \"last\", count = 3 }",
        "training.optimizer=adamw",
        "training.weight_decay=0.1",
        "training.micro_batches=2",
    ];
    assert_survives_kills(&WorkFolder::translating(), 3, &[&average]);
}

#[test]
fn kills_with_snapshots_of_the_best_validations() {
    let average = [
        "task.kind=reverse",
        "model.dropout=0.2",
        "training.final_weights=average",
        "training.average={ of = \"best\", count = 2 }",
        "training.keep_checkpoints=1",
    ];
    assert_survives_kills(&WorkFolder::new(), 4, &[&average]);
}

#[test]
fn kills_with_early_stopping() {
    let patient = [
        "training.steps=1000",
        "training.schedule=constant",
        "training.learning_rate=1e-9", // nothing is learned, so nothing is ever better
        "validation.metric=exact",
        "validation.patience=6",
        "data.shuffle_buffer=59",
    ];
    let place = WorkFolder::translating();
    assert_survives_kills(&place, 5, &[&patient]);
    assert_eq!(place.metrics("whole").pop().expect("a line")["step"], 49);
}

#[test]
fn kills_with_the_weights_of_another_run() {
    let place = WorkFolder::translating();
    place.trained("base", &["--quiet"]);
    place.write("train.tsv", corpus(90));
    assert_survives_kills(&place, 6, &[&["training.init_from=base", "training.ema=0.5", "training.final_weights=ema"]]);
}
