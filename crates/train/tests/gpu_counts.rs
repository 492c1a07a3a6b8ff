//! Launches, uploads and reads of one update on a GPU, counted from the runtime's own observer and log.
//!
//! `ATTEND_PORTABLE=1` also prints the counts of the portable definitions; run with `--nocapture`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use burn::tensor::Device;
use kernels::{count_launches, with_portable_ops};
use log::{Level, LevelFilter, Log, Metadata, Record};
use model::backend::Backend;
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, VocabularySizes};
use train::optim::{Adam, Ema, StepOptions, TrainState, Workers};

/// The transfers that wgpu logs.
struct Transfers {
    writes: AtomicUsize,
    submits: AtomicUsize,
    reads: AtomicUsize,
}

static TRANSFERS: Transfers =
    Transfers { writes: AtomicUsize::new(0), submits: AtomicUsize::new(0), reads: AtomicUsize::new(0) };

impl Log for Transfers {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() == Level::Trace && metadata.target().starts_with("wgpu_core")
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
}

/// The layers of the benchmark's Tiny, narrow: the width changes no count.
fn tiny(device: &Device) -> TrainState {
    let config = ModelConfig {
        d_model: 64,
        n_heads: 4,
        d_ff: 128,
        encoder_layers: 4,
        decoder_layers: 4,
        max_length: 32,
        dropout: 0.3,
        ..ModelConfig::default()
    };
    let model = Transformer::new(&config, VocabularySizes::joint(500), 1, &device.clone().autodiff());
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
    device.sync().expect("the device works");
    let all = [&TRANSFERS.writes, &TRANSFERS.submits, &TRANSFERS.reads];
    all.iter().for_each(|count| count.store(0, Relaxed));
    let (_, launches) = count_launches(|| update(&mut state, device));
    let [uploads, submits, reads] = all.map(|count| count.load(Relaxed));
    let counts = Counts { launches: launches.values().sum(), uploads, reads };
    println!("{name}: {} launches, {uploads} uploads, {submits} submits, {reads} reads", counts.launches);
    let mut by_kernel: Vec<_> = launches.into_iter().collect();
    by_kernel.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    by_kernel.iter().for_each(|(kernel, count)| println!("  {count:5} {kernel}"));
    counts
}

#[test]
fn an_update_launches_little_and_uploads_less() {
    log::set_logger(&TRANSFERS).expect("the only logger");
    log::set_max_level(LevelFilter::Trace);
    let device = Backend::Wgpu.open().expect("a driver; Mesa's software Vulkan will do");
    if std::env::var_os("ATTEND_PORTABLE").is_some() {
        with_portable_ops(|| counted("portable", tiny(&device), &device));
    }
    let counts = counted("fused", tiny(&device), &device);
    let averaged = counted("fused, with EMA", tiny(&device).with_ema(Some(Ema::new(0.99))), &device);
    assert!(counts.launches <= 900, "{} launches", counts.launches);
    assert!(counts.uploads <= 2, "{} uploads", counts.uploads);
    assert_eq!(counts.reads, 0, "an update reads nothing");
    assert_eq!(averaged.launches, counts.launches, "the moving average is part of the optimizer's launches");
}
