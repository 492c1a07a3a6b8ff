//! `train`: one configuration file in, one run folder out.

mod arguments;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::Parser;
use model::backend;
use runs::IfExists;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
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
    let output = arguments.output();
    let resumed = arguments.resume.then_some(output.as_path());
    let config = RunConfig::load_for(&arguments.config, &arguments.overrides(), resumed)?;
    let backend = backend::choose(arguments.device.as_deref())?;
    let if_exists = match (arguments.resume, arguments.overwrite) {
        (true, _) => IfExists::Resume,
        (false, true) => IfExists::BackUp,
        (false, false) => IfExists::Fail,
    };
    let precision = config.training.matmul_precision;
    let title = format!("{} on {backend}, {precision}, into {}", arguments.config.display(), output.display());
    let options = RunOptions { output: output.clone(), if_exists, backend, config_path: arguments.config };
    let run = Run::prepare(config, options)?;

    precision.set_process_wide();
    let mut progress = Progress::new(title, arguments.quiet);
    let outcome = run.train(&mut progress, &*stop_on_interrupt()?)?;
    progress.finish();
    Ok(match outcome {
        Outcome::Finished(test) => {
            if let Some(scores) = test {
                progress.print_scores("test of the final weights", &scores);
            }
            progress.print(&format!("done: cargo run -p infer -- --model {} \"…\"", output.display()));
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

/// Returns a flag that Ctrl-C (or a request to terminate) sets; a second signal ends the process at once.
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
