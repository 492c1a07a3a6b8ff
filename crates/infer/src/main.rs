//! `infer`: puts a folder that `train` wrote to work. A bare call decodes texts; the other jobs are commands.

mod arguments;
mod attend;
mod decode;
mod distil;
mod evaluate;
#[cfg(feature = "marian")]
mod export;
#[cfg(feature = "marian")]
mod import;
mod progress;
mod results;
mod score;
#[cfg(feature = "serve")]
mod serve;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Command};
use infer::InferError;
use infer::error::told;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // large tensors are reused instead of returned at every operation

/// Says something beside the results. That nobody listens is no reason to fail.
fn tell(text: impl Display) {
    drop(writeln!(io::stderr(), "{text}"));
}

fn main() -> ExitCode {
    kernels::memory::release_freed();
    let done = match Arguments::parsed() {
        Command::Decode(arguments) => decode::run(arguments),
        Command::Score(arguments) => score::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Distil(arguments) => distil::run(arguments),
        Command::Attend(arguments) => attend::run(arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(arguments),
        #[cfg(feature = "marian")]
        Command::Export(arguments) => export::run(arguments),
        #[cfg(feature = "marian")]
        Command::Import(arguments) => import::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(InferError::is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format!("error: {}", told(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}
