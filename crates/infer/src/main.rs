//! `infer`: puts a folder that `train` wrote to work. A bare call decodes texts; the other jobs are commands.

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p infer --no-default-features --features wgpu -- …`"
);

mod arguments;
mod commands;
mod lines;
mod progress;
mod results;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Command, option_name};
use decode::DecodeError;
use runs::format_chain;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // large tensors are reused instead of returned at every operation

/// Says something beside the results. That nobody listens is no reason to fail.
fn tell(text: impl Display) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// The same error with a setting spelled as the option that sets it.
fn with_option_names(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<DecodeError>() {
        Ok(error) => error.map_field(option_name).into(),
        Err(error) => error,
    }
}

fn main() -> ExitCode {
    kernels::allocator::release_freed();
    let done = match Arguments::parsed() {
        Command::Decode(arguments) => commands::decode::run(arguments),
        Command::Score(arguments) => commands::score::run(arguments),
        Command::Evaluate(arguments) => commands::evaluate::run(arguments),
        Command::Distil(arguments) => commands::distil::run(arguments),
        Command::Attend(arguments) => commands::attend::run(arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => commands::serve::run(arguments),
        #[cfg(feature = "marian")]
        Command::Export(arguments) => commands::export::run(arguments),
        #[cfg(feature = "marian")]
        Command::Import(arguments) => commands::import::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(DecodeError::is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format!("error: {}", format_chain(with_option_names(error).as_ref())));
            ExitCode::FAILURE
        }
    }
}
