//! Launches, uploads and reads of one update and of decoding on a GPU, counted from the runtime's own observer and log.
//!
//! `ATTEND_PORTABLE=1` also prints the counts of the portable definitions; run with `--nocapture`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use burn::tensor::Device;
use decode::engine::{Engine, NetworkEngine};
use decode::search::beam::beam_search;
use decode::search::greedy::{STEPS_BETWEEN_READS, greedy};
use decode::search::hypothesis::DecodeInput;
use decode::search::options::SearchOptions;
use kernels::{count_launches, with_portable_ops};
use log::{Level, LevelFilter, Log, Metadata, Record};
use model::backend::Backend;
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, VocabularySizes};
use train::optim::{Adam, Ema, StepOptions, TrainState, Workers};

/// What the runtime logs of transfers and compilation.
struct Transfers {
    writes: AtomicUsize,
    submits: AtomicUsize,
    reads: AtomicUsize,
    compiled: AtomicUsize,
}

static TRANSFERS: Transfers = Transfers {
    writes: AtomicUsize::new(0),
    submits: AtomicUsize::new(0),
    reads: AtomicUsize::new(0),
    compiled: AtomicUsize::new(0),
};

impl Transfers {
    fn all(&self) -> [&AtomicUsize; 4] {
        [&self.writes, &self.submits, &self.reads, &self.compiled]
    }
}

impl Log for Transfers {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let target = metadata.target();
        metadata.level() == Level::Trace && (target.starts_with("wgpu_core") || target.starts_with("cubecl_wgpu"))
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        match message.as_str() {
            "Queue::write_buffer" => self.writes.fetch_add(1, Relaxed),
            "Queue::submit" => self.submits.fetch_add(1, Relaxed),
            _ if message.starts_with("Buffer::map_async") => self.reads.fetch_add(1, Relaxed),
            _ if message.starts_with("[cubecl-wgpu] compiling") => self.compiled.fetch_add(1, Relaxed),
            _ => return,
        };
    }

    fn flush(&self) {}
}

/// Counts of one update.
struct Counts {
    launches: usize,
    uploads: usize,
    reads: usize,
    compiled: usize,
}

/// Runs `work` after all work before it and until the device has done it, and counts its transfers and compiled kernels.
fn transfers<R>(device: &Device, work: impl FnOnce() -> R) -> (R, [usize; 4]) {
    device.sync().expect("the device works");
    TRANSFERS.all().iter().for_each(|count| count.store(0, Relaxed));
    let result = work();
    device.sync().expect("the device works");
    (result, TRANSFERS.all().map(|count| count.load(Relaxed)))
}

/// The layers of the benchmark's Tiny, narrow: the width changes no count.
fn small() -> ModelConfig {
    ModelConfig {
        d_model: 64,
        n_heads: 4,
        d_ff: 128,
        encoder_layers: 4,
        decoder_layers: 4,
        max_length: 64,
        dropout: 0.3,
        ..ModelConfig::default()
    }
}

fn tiny(device: &Device) -> TrainState {
    let model = Transformer::new(&small(), VocabularySizes::joint(500), 1, &device.clone().autodiff());
    TrainState::new(model.expect("a model"), Adam::default(), Workers::new(1).expect("a thread"), device.clone())
}

fn update(state: &mut TrainState, device: &Device) {
    let ids: Vec<u32> = (2..20).chain([0]).collect();
    let pairs: Vec<(&[u32], &[u32])> = (0..8).map(|i| (&ids[i..], &ids[i / 2..])).collect();
    let batch = Batch::new(&pairs, VocabularySizes::joint(500), device);
    let options = StepOptions {
        step: 3, // always the same: launch arguments that were uploaded once are not uploaded again
        learning_rate: 1e-3,
        seed: 1,
        dropout_share: 1.0,
        objective: Objective::cross_entropy(0.1),
        clip_norm: 1.0,
    };
    state.step(&[batch], options);
}

fn counted(name: &str, mut state: TrainState, device: &Device) -> Counts {
    (0..3).for_each(|_| update(&mut state, device));
    let work = || {
        count_launches(|| {
            update(&mut state, device);
            device.sync().expect("the device works"); // with the feature `fusion`, launches may be queued
        })
    };
    let ((_, launches), [uploads, submits, reads, compiled]) = transfers(device, work);
    let counts = Counts { launches: launches.values().sum(), uploads, reads, compiled };
    let started = Instant::now();
    (0..5).for_each(|_| update(&mut state, device));
    device.sync().expect("the device works");
    let each = started.elapsed().as_millis() / 5;
    println!("{name}: {} launches, {uploads} uploads, {submits} submits, {reads} reads, {each} ms", counts.launches);
    let mut by_kernel: Vec<_> = launches.into_iter().collect();
    by_kernel.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    by_kernel.iter().for_each(|(kernel, count)| println!("  {count:5} {kernel}"));
    counts
}

/// Steps of decoding with two rows that come to three: the tokens of each are read in one transfer.
fn decoded(engine: &NetworkEngine) {
    let mut state = engine.start(&[&[2, 3, 4, 0], &[5, 0]], None);
    let mut best = Vec::new();
    for step in 0..STEPS {
        let tokens = if step < 2 { vec![7, 8] } else { vec![7, 8, 9] };
        assert!(state.step_best(&tokens, 4, &mut best).expect("a device"), "tokens are ranked on the device");
        assert_eq!(best.len(), 4 * tokens.len());
        if step == 1 {
            state.select(&[0, 0, 1]);
        }
    }
}

/// The tokens of greedy search for two sentences, the longer translation of 20.
fn greedy_tokens(engine: &NetworkEngine) -> usize {
    let input = |ids, max_len| DecodeInput { ids, min_len: 0, max_len, index: 1 };
    let inputs = [input(&[2, 3, 4, 0], 20), input(&[5, 0], 3)];
    let found = greedy(engine, &inputs, &SearchOptions::default()).expect("a device");
    found.iter().map(|hypothesis| hypothesis.token_scores.len()).max().expect("two sentences")
}

/// Launches of a reordering of four layers' rows: within a sentence, and between sentences.
fn reordered(engine: &NetworkEngine, device: &Device) -> [usize; 3] {
    let mut state = engine.start(&[&[2, 3, 4, 0], &[5, 0]], None);
    let mut launches = |rows: &[usize]| -> usize {
        let reorder = || {
            state.select(rows);
            device.sync().expect("the device works");
        };
        count_launches(reorder).1.values().sum()
    };
    launches(&[0, 0, 1]);
    [launches(&[0, 1, 2]), launches(&[1, 0, 2]), launches(&[2, 1, 0])]
}

/// Steps of decoding: more than the first capacity of a cache.
const STEPS: usize = 40;

/// Sentences of 2 to 24 tokens, with translations of up to 3 to 9.
fn search(engine: &NetworkEngine, sentences: std::ops::Range<usize>) {
    let sources: Vec<Vec<u32>> = sentences
        .clone()
        .map(|i| (0..1 + i * 7 % 23).map(|at| (2 + (i + at) % 90) as u32).chain([0]).collect())
        .collect();
    let inputs: Vec<DecodeInput> = sentences
        .zip(&sources)
        .map(|(i, ids)| DecodeInput { ids, min_len: 0, max_len: 3 + i % 7, index: i + 1 })
        .collect();
    for batch in inputs.chunks(engine.max_rows(2)) {
        beam_search(engine, batch, 2, &SearchOptions::default()).expect("a device");
    }
}

/// The number of sentences that compile the kernels of decoding, and that of all sentences.
const WARM_UP: usize = 50;
const SENTENCES: usize = 1000;

/// All in one test, since counts are of the process.
#[test]
fn updates_and_decoding_launch_and_transfer_little() {
    log::set_logger(&TRANSFERS).expect("the only logger");
    log::set_max_level(LevelFilter::Trace);
    let device = Backend::Wgpu.open().expect("a driver; Mesa's software Vulkan will do");
    if std::env::var_os("ATTEND_PORTABLE").is_some() {
        with_portable_ops(|| counted("portable", tiny(&device), &device));
    }
    let counts = counted("fused", tiny(&device), &device);
    let averaged = counted("fused, with EMA", tiny(&device).with_ema(Some(Ema::new(0.99))), &device);
    let recomputed = counted("fused, recomputed", tiny(&device).recomputing(true), &device);
    assert!(recomputed.launches <= 900, "{} launches", recomputed.launches);
    assert_eq!((recomputed.uploads, recomputed.reads), (counts.uploads, 0), "nothing more is transferred");
    assert!(counts.launches <= 900, "{} launches", counts.launches);
    assert!(counts.uploads <= 2, "{} uploads", counts.uploads);
    assert_eq!(counts.reads, 0, "an update reads nothing");
    assert_eq!(counts.compiled, 0, "the fourth update compiles nothing");
    assert_eq!(averaged.launches, counts.launches, "the moving average is part of the optimizer's launches");

    let model = tiny(&device).eval_model();
    let engine = NetworkEngine::new(model, VocabularySizes::joint(500), &device);
    decoded(&engine);
    let (_, [_, _, reads, compiled]) = transfers(&device, || decoded(&engine));
    assert_eq!((reads, compiled), (STEPS, 0), "reads and compiled kernels of {STEPS} steps");
    greedy_tokens(&engine);
    let (tokens, [_, _, reads, compiled]) = transfers(&device, || greedy_tokens(&engine));
    println!("greedy search: {reads} reads for {tokens} tokens");
    assert_eq!((tokens, reads, compiled), (20, 20usize.div_ceil(STEPS_BETWEEN_READS), 0));
    let launches = reordered(&engine, &device);
    println!("reordering: {launches:?} launches of the same rows, within a sentence, between sentences");
    // A buffer a layer, and two of the memory if rows change their source. Fusion joins the buffers of all layers.
    let expected = if cfg!(feature = "fusion") { [0, 1, 8] } else { [0, 4, 12] };
    assert_eq!(launches, expected, "launches of reordering");

    let config = ModelConfig { encoder_layers: 1, decoder_layers: 1, ..small() };
    let sizes = VocabularySizes::joint(500);
    let engine = NetworkEngine::new(Transformer::new(&config, sizes, 1, &device).expect("a model"), sizes, &device);
    let (_, [_, _, _, first]) = transfers(&device, || search(&engine, 0..WARM_UP));
    let (_, [_, _, _, rest]) = transfers(&device, || search(&engine, WARM_UP..SENTENCES));
    println!(
        "decoding: {first} kernels compiled for {WARM_UP} sentences, {rest} for the other {}",
        SENTENCES - WARM_UP
    );
    assert_eq!(rest, 0, "kernels compiled after {WARM_UP} sentences");
}
