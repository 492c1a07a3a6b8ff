//! `train`: one configuration file in, one run folder out.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::Parser;
use model::backend;
use model::summary::Summary;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use train::RunConfig;
use train::progress::Progress;
use train::run_folder::{Existing, Found, RunFolder};
use train::start;
use train::task::Task;
use train::trainer::{Outcome, Trainer};
use train::workers::Workers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // large tensors are reused instead of returned at every operation

/// Trains a Transformer as one configuration file says.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration, such as configs/tiny.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder to write the run to [default: runs/ and the configuration's name]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Override a field of the configuration, for example training.steps=500; may be given often
    #[arg(long = "set", value_name = "TABLE.KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of everything random; short for --set training.seed=N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=LARGEST_SEED))]
    seed: Option<u64>,
    /// Start from the weights and vocabularies of another run; short for --set training.init_from=RUN
    #[arg(long, value_name = "RUN")]
    init_from: Option<PathBuf>,
    /// Go on from the last checkpoint
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Start anew where a run is already; the old one is renamed aside
    #[arg(long)]
    overwrite: bool,
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Threads to compute with [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Nothing on standard error but errors
    #[arg(long)]
    quiet: bool,
}

/// TOML has no larger number.
const LARGEST_SEED: u64 = i64::MAX as u64;
/// The exit code of a program that a person interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    kernels::memory::keep_freed();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {}", runs::format_chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(threads) = arguments.threads {
        anyhow::ensure!(threads > 0, "--threads = 0: expected at least 1");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
    }
    let mut overrides = arguments.overrides;
    overrides.extend(arguments.seed.map(|seed| format!("training.seed={seed}")));
    let quoted = |path: PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
    overrides.extend(arguments.init_from.map(|run| format!("training.init_from={}", quoted(run))));
    let config = RunConfig::load(&arguments.config, &overrides)?;
    let name = arguments.config.file_stem().unwrap_or_default();
    let output = arguments.output.unwrap_or_else(|| PathBuf::from("runs").join(name));
    let existing = match (arguments.resume, arguments.overwrite) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::SetAside,
        _ => Existing::Refuse,
    };

    // Everything that can be refused is refused before anything is written.
    let backend = backend::choose(arguments.device.as_deref())?;
    config.validate_on(backend, &arguments.config)?;
    let device = backend.open()?;
    let run = RunFolder::examine(&output, existing, &config)?;
    if run != Found::Resumable {
        config.validate_new(&arguments.config)?;
    }
    let resumed = (run == Found::Resumable).then_some(&*output);
    let task = Task::new(&config, start::vocabularies(&config, resumed)?)?;
    let model = start::model(&config, &task, resumed, &device)?;
    // A GPU computes one part after the other; on a CPU each core takes one.
    let cores = if backend.is_gpu() { 1 } else { rayon::current_num_threads() };
    let workers = Workers::new(cores.min(config.training.accumulate))?;
    if run == Found::InTheWay {
        RunFolder::set_aside(&output)?;
    }
    let mut trainer = Trainer::new(&config, &task, model, &output, resumed.is_some(), device, workers)?;

    let progress = Progress::new(config.training.steps, trainer.step(), arguments.quiet);
    let (from, precision) = (arguments.config.display(), config.training.matmul_precision);
    progress.say(&format!("{from} on {backend}, {precision}, into {}", output.display()));
    progress.say(&Summary::new(trainer.model()).to_string());
    task.notes.iter().for_each(|note| progress.say(note));
    if trainer.step() > 0 {
        progress.say(&format!("going on from step {}", trainer.step()));
    }
    let stop = stop_on_interrupt()?;
    let outcome = trainer.run(&progress, &stop)?;
    progress.finish();
    Ok(match outcome {
        Outcome::Finished(test) => {
            if let Some(test) = test {
                progress.report("test, exported weights", &test);
            }
            progress.say(&format!("done: cargo run -p infer -- --model {} \"…\"", output.display()));
            ExitCode::SUCCESS
        }
        Outcome::AlreadyFinished => {
            progress.say(&format!("{} is already finished ({} steps)", output.display(), trainer.step()));
            ExitCode::SUCCESS
        }
        Outcome::Interrupted { step } => {
            progress.say(&format!("interrupted at step {step}, checkpoint written; go on with --resume"));
            ExitCode::from(INTERRUPTED)
        }
    })
}

/// A flag that Ctrl-C (or a request to terminate) sets; a second one leaves at once.
fn stop_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone())
            .and_then(|_| flag::register(signal, stop.clone()))
            .context("listening for Ctrl-C")?;
    }
    Ok(stop)
}
