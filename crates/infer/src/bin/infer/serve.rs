//! The model as a server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use infer::serve::{self, About, Limits, Listener, Serving};
use model::backend;
use model::summary::Summary;

use crate::arguments::{self, DecodingArguments, MachineArguments};

#[derive(Args)]
pub struct ServeArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Address and port; 0.0.0.0 is all addresses of this machine, port 0 any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,
    #[command(flatten)]
    pub decoding: DecodingArguments,
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub batch_tokens: usize,
    #[command(flatten)]
    pub limits: LimitArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

/// What clients may ask for.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// Most bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_bytes)]
    pub max_body: usize,
    /// Most texts of a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().texts)]
    pub max_texts: usize,
    /// Most hypotheses per text, kept or returned
    #[arg(long, value_name = "N", default_value_t = Limits::default().beam)]
    pub max_beam: usize,
    /// Most tokens of a text, and of its target, whose attention is shown
    #[arg(long, value_name = "N", default_value_t = Limits::default().attend_tokens)]
    pub max_attend_tokens: usize,
    /// Most texts that wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    pub max_queue: usize,
    /// Most open connections; further ones wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    pub max_connections: usize,
    /// How long a request may wait for its answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// How long a client may take to send the head of a request, and again its body
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub read_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number of seconds above 0 and up to 86400, a day".to_string();
    let number: f64 = text.parse().map_err(|_| expected())?;
    match number {
        number if number > 0.0 && number <= 86_400.0 => Duration::try_from_secs_f64(number).map_err(|_| expected()),
        _ => Err(expected()),
    }
}

pub fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments { model, listen, decoding, batch_tokens, limits, machine } = arguments;
    let limits = Limits {
        body_bytes: limits.max_body,
        texts: limits.max_texts,
        beam: limits.max_beam,
        attend_tokens: limits.max_attend_tokens,
        queue: limits.max_queue,
        connections: limits.max_connections,
        timeout: limits.timeout,
        read_timeout: limits.read_timeout,
    };
    limits.validate()?;
    // Before the model, which takes longer, is read for nothing.
    let listener = Listener::bind(&listen)?;
    let name = model.file_name().unwrap_or(model.as_os_str()).to_string_lossy().into_owned();
    let trained = arguments::open(model, &decoding, &machine)?;
    let backend = backend::choose(machine.device.as_deref())?;
    let about = About { name, backend: backend.to_string(), parameters: Summary::of(&trained.model).total() };
    // A GPU computes one batch after the other; on a CPU each core takes one.
    let workers = if backend.is_gpu() { 1 } else { rayon::current_num_threads() };
    let say = move |line: &str| {
        if !machine.quiet {
            // Nobody listening to this is no reason to fail.
            drop(writeln!(io::stderr(), "{line}"));
        }
    };
    serve::run(trained, listener, Serving { workers, batch_tokens, limits, about }, say)?;
    Ok(())
}
