//! Training by several processes under `mpirun`: the same bytes for any number of them, and every process ends when one
//! does.

mod faults;
mod rejections;
mod same_bytes;

use std::process::Command;
use std::time::Duration;

use testing::job;

use crate::common::samples::{corpus, gzip};
use crate::common::{ProcessOutput, WorkFolder};

/// Maximum time until all processes have ended.
const MAX_END: Duration = Duration::from_secs(20);

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
    job::mpirun(&place.path("."), processes, &place.command(&arguments))
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
