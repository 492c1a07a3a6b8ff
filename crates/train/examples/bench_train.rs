//! One side of `scripts/bench/train.py` and `scripts/bench/gpu.py`: a model of given sizes trained on given batches, on request.
//!
//! Reads `size.json` and `batches.json` from the folder named on the command line, writes its initial weights there as
//! `weights.safetensors` for the other side, prints `ready`, and then executes commands from standard input:
//! `steps N DROPOUT`, `reset`, `peak` (the fastest matrix product), `launches` (of one update, on a GPU), `memory`
//! (reserved on the device) and `quit`.

use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use burn::tensor::{Device, Distribution, Tensor};
use kernels::linear::{Epilogue, linear};
use kernels::precision::Precision;
use model::backend::{self, Backend};
use model::config::{Activation, NormKind, NormOrder, VocabularySizes};
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, weights};
use serde::Deserialize;
use serde_json::json;
use train::optim::{Adam, StepOptions, TrainState, Workers};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Size {
    d_model: usize,
    n_heads: usize,
    d_ff: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    vocabulary: usize,
    max_length: usize,
    smoothing: f64,
    learning_rate: f64,
    threads: usize,
    /// The backend; `flex` if absent.
    device: Option<String>,
    /// Micro-batches of an update; one per thread if absent.
    parts: Option<usize>,
    /// Whether the portable definitions take the place of the fused operations.
    #[serde(default)]
    definitions: bool,
    /// Products in bfloat16.
    #[serde(default)]
    bfloat16: bool,
    /// Layers computed again in the backward pass.
    #[serde(default)]
    recompute: bool,
    #[serde(default)]
    pre_norm: bool,
    #[serde(default)]
    rms_norm: bool,
    /// The activation; ReLU if absent.
    activation: Option<Activation>,
}

impl Size {
    fn backend(&self) -> anyhow::Result<Backend> {
        Ok(backend::choose(Some(self.device.as_deref().unwrap_or("flex")))?)
    }
}

type Pair = (Vec<u32>, Vec<u32>);

struct Bench {
    size: Size,
    batches: Vec<Vec<Pair>>,
    device: Device,
    train_state: TrainState,
    step: u64,
    dropout: f64,
}

impl Bench {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| name.to_string());
        let size: Size = serde_json::from_str(&read("size.json")?)?;
        let batches = serde_json::from_str(&read("batches.json")?)?;
        rayon::ThreadPoolBuilder::new().num_threads(size.threads).build_global()?;
        if size.bfloat16 {
            kernels::precision::set(Precision::Bfloat16);
        }
        let device = size.backend()?.open()?;
        let train_state = fresh(&size, 0.0, &device)?;
        let bytes = weights::to_safetensors(&weights::collect(train_state.model()), "{}")?;
        fs::write(folder.join("weights.safetensors"), bytes)?;
        Ok(Self { size, batches, device, train_state, step: 0, dropout: 0.0 })
    }

    fn reset(&mut self, dropout: f64) -> anyhow::Result<()> {
        self.train_state = fresh(&self.size, dropout, &self.device)?;
        (self.step, self.dropout) = (0, dropout);
        Ok(())
    }

    /// The micro-batches, each with about the same number of sentences.
    fn parts(&self) -> Vec<Batch> {
        let batch = &self.batches[self.step as usize % self.batches.len()];
        let sizes = VocabularySizes::joint(self.size.vocabulary);
        let part = |pairs: &[Pair]| {
            let pairs: Vec<(&[u32], &[u32])> =
                pairs.iter().map(|(source, target)| (&source[..], &target[..])).collect();
            Batch::new(&pairs, sizes, &self.device)
        };
        batch.chunks(batch.len().div_ceil(self.size.parts.unwrap_or(self.size.threads))).map(part).collect()
    }

    /// Computes an update and returns its mean loss and its target tokens.
    fn update(&mut self, dropout: f64) -> anyhow::Result<(f64, usize)> {
        if dropout != self.dropout {
            self.reset(dropout)?;
        }
        let parts = self.parts();
        let real: usize = parts.iter().map(|part| part.target_tokens).sum();
        self.step += 1;
        let options = StepOptions {
            step: self.step,
            learning_rate: self.size.learning_rate,
            seed: 1,
            dropout_share: 1.0,
            objective: Objective::cross_entropy(self.size.smoothing),
            clip_norm: 0.0,
        };
        let mut compute = || self.train_state.step(&parts, options);
        let output = if self.size.definitions { kernels::with_portable_ops(compute) } else { compute() };
        let loss: f32 = output.loss.into_scalar();
        Ok((f64::from(loss) / real as f64, real))
    }

    fn steps(&mut self, count: usize, dropout: f64) -> anyhow::Result<()> {
        let (mut seconds, mut losses, mut tokens) = (vec![], vec![], vec![]);
        for _ in 0..count {
            let started = Instant::now();
            let (loss, real) = self.update(dropout)?;
            seconds.push(started.elapsed().as_secs_f64());
            losses.push(loss);
            tokens.push(real);
        }
        println!("{}", json!({ "seconds": seconds, "losses": losses, "tokens": tokens }));
        Ok(())
    }

    /// The launches of one update; 0 on a CPU.
    fn launches(&mut self) -> anyhow::Result<usize> {
        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
        {
            let (updated, launches) = kernels::count_launches(|| self.update(self.dropout));
            updated?;
            Ok(launches.values().sum())
        }
        #[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "cuda")))]
        Ok(0)
    }

    /// The fastest of several large products.
    fn peak(&self) -> f64 {
        let product = |(m, k, n): (usize, usize, usize)| {
            let random = |rows, cols| Tensor::<2>::random([rows, cols], Distribution::Default, &self.device);
            let (left, right) = (random(m, k), random(k, n));
            let time = |_| {
                let started = Instant::now();
                let product = linear(left.clone(), right.clone(), None, Epilogue::None);
                self.device.sync().expect("the device works");
                drop(product);
                started.elapsed().as_secs_f64()
            };
            let best = (0..10).map(time).fold(f64::INFINITY, f64::min);
            2.0 * (m * k * n) as f64 / best / 1e9
        };
        [(2048, 2048, 2048), (1024, 1024, 1024), (2048, 512, 2048), (2048, 256, 256)]
            .map(product)
            .into_iter()
            .fold(0.0, f64::max)
    }
}

fn fresh(size: &Size, dropout: f64, device: &Device) -> anyhow::Result<TrainState> {
    let config = ModelConfig {
        d_model: size.d_model,
        n_heads: size.n_heads,
        d_ff: size.d_ff,
        encoder_layers: size.encoder_layers,
        decoder_layers: size.decoder_layers,
        max_length: size.max_length,
        dropout,
        norm: if size.pre_norm { NormOrder::Pre } else { NormOrder::Post },
        norm_kind: if size.rms_norm { NormKind::Rms } else { NormKind::Layer },
        activation: size.activation.unwrap_or(Activation::Relu),
        ..ModelConfig::default()
    };
    let model = Transformer::new(&config, VocabularySizes::joint(size.vocabulary), 1, &device.clone().autodiff())?;
    let workers = if size.backend()?.is_gpu() { 1 } else { size.threads };
    Ok(TrainState::new(model, Adam::default(), Workers::new(workers)?, device.clone()).recomputing(size.recompute))
}

fn main() -> anyhow::Result<()> {
    kernels::allocator::keep_freed();
    let folder = std::env::args().nth(1).context("usage: bench_train FOLDER")?;
    let mut bench = Bench::new(Path::new(&folder))?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["steps", count, dropout] => bench.steps(count.parse()?, dropout.parse()?)?,
            ["reset"] => {
                bench.reset(bench.dropout)?;
                println!("ok");
            }
            ["peak"] => println!("{}", json!({ "gflops": bench.peak() })),
            ["launches"] => println!("{}", json!({ "launches": bench.launches()? })),
            ["memory"] => {
                let usage = bench.device.memory_pool_usage();
                println!("{}", json!({ "bytes": usage.map_or(0, |usage| usage.bytes_reserved) }));
            }
            ["quit"] => break,
            _ => anyhow::bail!("unknown request `{line}`"),
        }
    }
    Ok(())
}
