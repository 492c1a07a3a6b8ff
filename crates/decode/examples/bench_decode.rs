//! One side of `scripts/bench/decode.py`: creates models with random weights, and decodes on request.
//!
//! `bench_decode make tiny|base DIR` writes a run folder. `bench_decode work DIR SENTENCES PRECISION DEVICE` opens it, reads
//! requests from standard input, a JSON object per line, and prints one for each: the seconds, and the generated tokens.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use decode::{TrainedModel, Translator};
use kernels::decode::{
    Bfloat16Matrix, Epilogue, Int8Matrix, Int8Rows, Matrix, PackedMatrix, WeightMemory, Workspace, bfloat16,
};
use model::random::{self, Rng};
use model::{ModelConfig, Transformer, VocabularySizes, backend, weights};
use runs::config::DecodingPrecision;
use serde::{Deserialize, Serialize};
use text::Tokenizer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // as in the binary

/// A way to decode all sentences.
#[derive(Deserialize)]
struct Request {
    beam: usize,
    /// Maximum source tokens of a batch; 1 decodes each sentence alone.
    batch_tokens: usize,
    workers: usize,
    /// Most tokens of a translation.
    length: usize,
    /// Fewest tokens of a translation.
    min_length: usize,
    /// Number of sentences to decode.
    sentences: usize,
}

#[derive(Serialize)]
struct Answer {
    seconds: f64,
    targets: Vec<Vec<String>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    kernels::allocator::release_freed();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", size, folder] => make(size, Path::new(folder)),
        ["work", folder, sentences, precision, device] => {
            let precision = serde_json::from_value(serde_json::json!(precision))?;
            work(Path::new(folder), Path::new(sentences), precision, device)
        }
        ["limits"] => limits(),
        _ => Err(
            "usage: bench_decode make tiny|base DIR, bench_decode work DIR SENTENCES PRECISION DEVICE, or bench_decode limits"
                .into(),
        ),
    }
}

/// A run folder with random weights and a vocabulary of made-up words.
fn make(size: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (config, words) = match size {
        "tiny" => {
            let (encoder_layers, decoder_layers) = (4, 4);
            let tiny = ModelConfig {
                d_model: 128,
                n_heads: 4,
                d_ff: 256,
                encoder_layers,
                decoder_layers,
                ..ModelConfig::default()
            };
            (tiny, 10_000)
        }
        "base" => (ModelConfig::default(), 32_000),
        _ => return Err("sizes are tiny and base".into()),
    };
    let words: Vec<String> = (3..words).map(|word| format!("w{word}")).collect(); // with `</s>`, `<unk>` and `<pad>`
    let tokenizer = Tokenizer::from_words(&words);
    let sizes = VocabularySizes::joint(tokenizer.vocab_size());
    let device = backend::choose(Some("flex"))?.open()?;
    let mut tensors = weights::collect(&Transformer::new(&config, sizes, 1, &device)?);
    // Larger weights than those of a new network, so that sentences differ.
    for tensor in &mut tensors {
        let mut rng = Rng::new(random::name_key(&tensor.name));
        let factor = if tensor.name.contains("query") || tensor.name.contains("key") { 3.0 } else { 1.0 };
        tensor.values.iter_mut().for_each(|value| *value = *value * factor + 0.01 * rng.normal() as f32);
        if tensor.name.starts_with("embeddings") {
            let width = config.d_model;
            tensor.values.rchunks_mut(width).take(1).for_each(|pad| pad.fill(0.0));
        }
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("config.toml"), format!("[model]\n{}", toml::to_string(&config)?))?;
    fs::write(folder.join("source.tokenizer.json"), tokenizer.to_json())?;
    fs::write(folder.join("target.tokenizer.json"), tokenizer.to_json())?;
    fs::write(folder.join("model.safetensors"), weights::to_safetensors(&tensors, "{}")?)?;
    Ok(())
}

fn work(folder: &Path, sentences: &Path, precision: DecodingPrecision, device: &str) -> Result<(), Box<dyn Error>> {
    let trained = TrainedModel::open_in(folder, &backend::choose(Some(device))?.open()?, Some(precision))?;
    let texts: Vec<String> = fs::read_to_string(sentences)?.lines().map(str::to_string).collect();
    for line in io::stdin().lock().lines() {
        let Request { beam, batch_tokens, workers, length, min_length, sentences } = serde_json::from_str(&line?)?;
        let mut settings = trained.settings();
        settings.decoding.beam = beam;
        settings.decoding.min_length = min_length;
        settings.decoding.max_length = Some(length);
        let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch_tokens)?.with_workers(workers);
        let started = Instant::now();
        let translations = translator.translate(&texts[..sentences.min(texts.len())])?;
        let seconds = started.elapsed().as_secs_f64();
        let targets = translations.into_iter().map(|translation| translation.best.tokens).collect();
        serde_json::to_writer(io::stdout().lock(), &Answer { seconds, targets })?;
        writeln!(io::stdout())?;
    }
    Ok(())
}

/// Prints what all cores reach: multiply-adds per second of each number type, with weights in the second-level cache, and
/// bytes read from memory per second.
fn limits() -> Result<(), Box<dyn Error>> {
    const ROWS: usize = 48;
    const INPUTS: usize = 512;
    const OUTPUTS: usize = 256;
    const TIMES: usize = 200;
    let weight: Vec<f32> = (0..INPUTS * OUTPUTS).map(|i| (i % 13) as f32 - 6.0).collect();
    let rows = Int8Rows::quantise(&weight, INPUTS);
    let memory = &mut WeightMemory::new(usize::MAX);
    let mut matrices = vec![
        ("float32", Matrix::Float32(PackedMatrix::new(&weight, None, INPUTS))),
        ("int8", Matrix::Int8(Int8Matrix::stacked(&[(&rows, None)], INPUTS, memory))),
    ];
    if bfloat16::available() {
        matrices.push(("bfloat16", Matrix::Bfloat16(Bfloat16Matrix::stacked(&[(&weight, None)], INPUTS, memory))));
    }
    let cores = rayon::current_num_threads();
    let mut limits = serde_json::Map::new();
    for (name, matrix) in &matrices {
        let rate = best_of_all_cores(cores, || {
            let (x, mut y) = (vec![1.0; ROWS * INPUTS], vec![0.0; ROWS * OUTPUTS]);
            let mut workspace = Workspace::default();
            let started = Instant::now();
            (0..TIMES).for_each(|_| workspace.multiply(&x, matrix, Epilogue::None, &mut y));
            (TIMES * ROWS * INPUTS * OUTPUTS) as f64 / started.elapsed().as_secs_f64()
        });
        limits.insert((*name).to_string(), rate.into());
    }
    let bytes = best_of_all_cores(cores, || {
        let values = vec![1u64; 16 << 20];
        let started = Instant::now();
        let sum: u64 = (0..4).map(|_| std::hint::black_box(&values).iter().sum::<u64>()).sum();
        std::hint::black_box(sum);
        (4 * 8 * values.len()) as f64 / started.elapsed().as_secs_f64()
    });
    limits.insert("bytes".to_string(), bytes.into());
    serde_json::to_writer(io::stdout(), &limits)?;
    Ok(())
}

/// The sum over all cores of a rate that each measures at the same time; the best of five tries.
fn best_of_all_cores(cores: usize, rate: impl Fn() -> f64 + Sync) -> f64 {
    let all = || -> f64 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&rate)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
        })
    };
    (0..5).map(|_| all()).fold(0.0, f64::max)
}
