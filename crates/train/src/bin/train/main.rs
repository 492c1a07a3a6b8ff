//! `train`: one configuration file in, one run folder out.

mod arguments;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Parser;
use cluster::{Cluster, Identity, Patience, Stall, hash_of_file};
use model::backend::{self, Backend};
use model::device_index::LocalRank;
use runs::{IfExists, format_chain};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use train::run::ranks::Follower;
use train::{Outcome, Run, RunConfig, RunOptions};

use arguments::Arguments;
use progress::Progress;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // large tensors are reused instead of returned at every operation

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    kernels::allocator::keep_freed();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_error(error: &anyhow::Error) {
    drop(writeln!(io::stderr(), "error: {}", format_chain(error.as_ref())));
}

fn print_stall(stall: &Stall) {
    let remedy = "resume with --resume, or raise it if an update takes longer";
    drop(writeln!(io::stderr(), "error: {stall}; {remedy}"));
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    runs::threads::start(arguments.threads)?;
    let limit = Duration::from_secs(arguments.rank_timeout);
    let cluster = Cluster::connect(limit, print_stall)?;
    let finished = train_in(&cluster, arguments);
    if cluster.size() > 1
        && let Err(error) = &finished
    {
        match cluster.rank() {
            0 => print_error(error),
            rank => print_error(&anyhow!("rank {rank} on {}: {}", cluster.host(rank), format_chain(error.as_ref()))),
        }
        cluster.abort(1); // the other ranks wait for this one
    }
    finished
}

/// Trains as one of the processes of a cluster.
fn train_in(cluster: &Cluster, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let output = arguments.output();
    let (rank, count) = cluster.local_rank();
    let local = LocalRank { rank, count };
    let backend = backend::choose(arguments.device.as_deref());
    let opened = backend.and_then(|backend| backend.open_at(arguments.device_index, local).map(|_| backend));
    let failure = opened.as_ref().err().map(|error| error.to_string());
    let note = identity(opened.as_ref().ok().copied(), &arguments).failing(failure).compare(cluster);
    if opened.is_err() && !cluster.is_root() {
        cluster.receive(0, Patience::Work); // the root ends the job
    }
    let (backend, note) = (opened?, note?);
    if !cluster.is_root() {
        let _ignored = stop_on_interrupt()?; // the root decides when to stop
        Follower::follow(cluster, backend, arguments.device_index, rayon::current_num_threads())?;
        return Ok(ExitCode::SUCCESS);
    }
    let resumed = arguments.resume.then_some(output.as_path());
    let config = RunConfig::load_for(&arguments.config, &arguments.overrides(), resumed)?;
    let if_exists = match (arguments.resume, arguments.overwrite) {
        (true, _) => IfExists::Resume,
        (false, true) => IfExists::BackUp,
        (false, false) => IfExists::Fail,
    };
    let precision = config.training.matmul_precision;
    let (device, multiplied) = (backend.description(), precision.describe_on(backend));
    let title = format!("{} on {device}, {multiplied}, into {}", arguments.config.display(), output.display());
    let options = RunOptions {
        output: output.clone(),
        if_exists,
        backend,
        device_index: arguments.device_index,
        local,
        config_path: arguments.config,
    };
    let run = Run::prepare(config, options)?;

    precision.set_process_wide();
    let mut progress = Progress::new(title, arguments.quiet);
    note.iter().for_each(|note| progress.print(note));
    let outcome = run.train_together(&mut progress, &*stop_on_interrupt()?, cluster)?;
    progress.finish();
    Ok(match outcome {
        Outcome::Finished(test) => {
            if let Some(scores) = test {
                progress.print_scores("test of the final weights", &scores);
            }
            let infer = if std::env::var_os("CARGO").is_some() { "cargo run -p infer --" } else { "infer" };
            progress.print(&format!("done: {infer} --model {} \"…\"", output.display()));
            ExitCode::SUCCESS
        }
        Outcome::AlreadyFinished { step } => {
            progress.print(&format!("{} is already finished ({step} steps)", output.display()));
            ExitCode::SUCCESS
        }
        Outcome::Interrupted { step } => {
            progress.print(&format!("interrupted at step {step}, checkpoint written; resume with --resume"));
            ExitCode::from(INTERRUPTED)
        }
    })
}

/// What all ranks must have in common. A host may lack the configuration file, whose contents the root sends.
fn identity(backend: Option<Backend>, arguments: &Arguments) -> Identity {
    Identity::of_this_process(env!("CARGO_PKG_VERSION"))
        .with("device", backend.map(|backend| backend.to_string()))
        .with("hash of the configuration file", hash_of_file(&arguments.config))
        .with("--set", Some(arguments.overrides().join(" ")))
}

/// Returns a flag that Ctrl-C, a request to terminate or a closed terminal sets; a second signal ends the process at once.
fn stop_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup()) {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone())
            .and_then(|_| flag::register(signal, stop.clone()))
            .context("listening for Ctrl-C")?;
    }
    Ok(stop)
}

/// The signal of a closed terminal, unless the process outlives it, as under `nohup`. Where the system does not say, the
/// signal is left as it is.
#[cfg(unix)]
fn hangup() -> Option<i32> {
    use signal_hook::consts::SIGHUP;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    (ignored & (1 << (SIGHUP - 1)) == 0).then_some(SIGHUP)
}

#[cfg(not(unix))]
fn hangup() -> Option<i32> {
    None
}
