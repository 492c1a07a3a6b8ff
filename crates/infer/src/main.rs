//! `infer`: decoding with a run folder. Without a command it translates texts; each command has a file in `commands`.

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p infer --no-default-features --features wgpu -- …`"
);

mod arguments;
mod cli;
mod commands;
mod lines;
mod log;
mod notes;
mod options;
mod output_file;
mod progress;
mod ranks;

use std::process::ExitCode;

use cli::{Cli, Job};
use decode::DecodeError;
use log::log_line;
use options::{UsageError, option_name};
use runs::format_chain;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // reuses the memory of large tensors, which malloc returns after every operation

fn main() -> ExitCode {
    kernels::allocator::release_freed();
    let result = match Cli::parse_job() {
        Job::Decode(arguments) => commands::decode::run(arguments),
        Job::Score(arguments) => commands::score::run(arguments),
        Job::Evaluate(arguments) => commands::evaluate::run(arguments),
        Job::Distil(arguments) => commands::distil::run(arguments),
        Job::Attend(arguments) => commands::attend::run(arguments),
        Job::Quantise(arguments) => commands::quantise::run(arguments),
        Job::Shortlist(arguments) => commands::shortlist::run(arguments),
        #[cfg(feature = "marian")]
        Job::Export(arguments) => commands::export::run(arguments),
        #[cfg(feature = "marian")]
        Job::Import(arguments) => commands::import::run(arguments),
        #[cfg(feature = "serve")]
        Job::Serve(arguments) => commands::serve::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(DecodeError::is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) if error.is::<ranks::Printed>() => ExitCode::FAILURE,
        Err(error) => {
            if let Some(error) = error.downcast_ref::<UsageError>() {
                Cli::exit(error);
            }
            print_error(error);
            ExitCode::FAILURE
        }
    }
}

fn print_error(error: anyhow::Error) {
    log_line(format!("error: {}", format_chain(with_option_names(error).as_ref())));
}

/// The error, whose setting is named as an option of the command line.
fn with_option_names(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<DecodeError>() {
        Ok(error) => error.map_field(option_name).into(),
        Err(error) => error,
    }
}
