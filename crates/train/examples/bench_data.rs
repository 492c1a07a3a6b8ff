//! Speed and memory of training data: an epoch of a generated corpus through reader, filters, tokenizer, shuffle buffer
//! and batching, without a model.
//!
//! ```sh
//! cargo run -p train --example bench_data -- 2000000
//! ```
//!
//! writes as many pairs (more than 100,000) of 100 bytes to a temporary folder, counts them and trains a vocabulary as
//! `train` does, and prints one line of JSON. `scripts/bench/data.sh` runs several sizes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use model::random::{self, Rng};
use train::RunConfig;
use train::data::{Position, Prefetch};
use train::task::Task;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pairs in a file.
const SHARD: usize = 1_000_000;
/// Pairs in the shuffle buffer; a corpus with more is streamed.
const SHUFFLE_BUFFER: usize = 100_000;
/// Different words.
const WORDS: usize = 50_000;

fn main() -> anyhow::Result<()> {
    let pairs: usize = std::env::args().nth(1).context("give the number of pairs")?.parse()?;
    anyhow::ensure!(
        pairs > SHUFFLE_BUFFER,
        "{pairs} pairs: expected more than the shuffle buffer's {SHUFFLE_BUFFER}; give a larger number, such as 200000"
    );
    let folder = temp_dir::TempDir::new()?;
    let shards: Vec<String> = (0..pairs.div_ceil(SHARD))
        .map(|shard| {
            let path = folder.path().join(format!("{shard}.tsv"));
            write_shard(&path, shard, SHARD.min(pairs - shard * SHARD)).map(|()| format!("{path:?}"))
        })
        .collect::<anyhow::Result<_>>()?;
    let held_out = folder.path().join("held-out.tsv");
    write_shard(&held_out, shards.len(), 100)?;
    let path = folder.path().join("bench.toml");
    std::fs::write(&path, configuration(&shards.join(", "), &held_out))?;

    let config = RunConfig::load(&path, &[])?;
    let started = Instant::now();
    let task = Task::new(&config, None)?;
    let surveyed = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut prefetch = Prefetch::start(task.training.clone(), 4096, 1, 1, Position::default())?;
    let (mut batches, mut tokens, mut padded) = (0, 0, 0);
    let counts = loop {
        let (update, _) = prefetch.next_update()?;
        for batch in &update.micro_batches {
            let lengths = || batch.iter().map(|example| example.target.len());
            batches += 1;
            tokens += lengths().sum::<usize>();
            padded += lengths().max().unwrap_or(0) * batch.len();
        }
        if let Some(counts) = update.epoch_read {
            break counts;
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(counts.pairs == pairs, "{} pairs came out of {pairs}", counts.pairs);
    let line = serde_json::json!({
        "pairs": pairs,
        "dropped": counts.dropped(),
        "batches": batches,
        "padding": 1.0 - tokens as f64 / padded as f64,
        "survey_seconds": surveyed,
        "epoch_seconds": seconds,
        "pairs_per_second": pairs as f64 / seconds,
        "peak_mebibytes": peak_mebibytes()?,
    });
    println!("{line}");
    Ok(())
}

fn configuration(shards: &str, held_out: &Path) -> String {
    format!(
        r#"
[task]
kind = "translate"
train = [{shards}]
validation = {held_out:?}

[tokenizer]
kind = "bpe"
vocab_size = 8000
dropout = 0.1
sample_lines = 100000

[data]
max_length = 64
max_ratio = 3.0
shuffle_buffer = {SHUFFLE_BUFFER}

[model]
max_length = 128
"#
    )
}

/// Sentences of 1 to 24 artificial words by frequency, with "translations" of similar length. The filters drop a few pairs.
fn write_shard(path: &Path, shard: usize, pairs: usize) -> anyhow::Result<()> {
    let mut rng = Rng::new(random::key(&[shard as u64]));
    let mut file = BufWriter::new(File::create(path)?);
    let mut line = String::new();
    for _ in 0..pairs {
        let length = 1 + rng.below(24);
        let other = match rng.below(50) {
            0 => 0,
            1 => 4 * length,
            _ => length,
        };
        line.clear();
        sentence(&mut rng, length, "aeiou", &mut line);
        line.push('\t');
        sentence(&mut rng, other, "äöüie", &mut line);
        line.push('\n');
        file.write_all(line.as_bytes())?;
    }
    Ok(file.flush()?)
}

fn sentence(rng: &mut Rng, length: usize, vowels: &str, line: &mut String) {
    let vowels: Vec<char> = vowels.chars().collect();
    for place in 0..length {
        if place > 0 {
            line.push(' ');
        }
        // The smaller of two draws: low numbers are frequent.
        let mut word = rng.below(WORDS).min(rng.below(WORDS)) + 1;
        while word > 0 {
            line.push(b"bdfgklmnprst"[word % 12] as char);
            word /= 12;
            line.push(vowels[word % vowels.len()]);
            word /= vowels.len();
        }
    }
}

/// The peak memory of the process.
fn peak_mebibytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("peak memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
