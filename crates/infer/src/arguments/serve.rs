//! The arguments of `infer serve`.

use std::path::PathBuf;
use std::time::Duration;

use ::serve::Limits;
use clap::Args;
use runs::DecodingOverrides;

use super::{BatchArguments, MachineArguments};

#[derive(Args)]
pub struct ServeArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Address and port; 0.0.0.0 is all addresses of this machine, port 0 any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,
    #[command(flatten)]
    pub decoding: DecodingOverrides,
    #[command(flatten)]
    pub batches: BatchArguments,
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
    /// How long a client may take to send the head of a request, and again its body, or leave its answers unread
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

impl From<LimitArguments> for Limits {
    fn from(arguments: LimitArguments) -> Self {
        Self {
            body_bytes: arguments.max_body,
            texts: arguments.max_texts,
            beam: arguments.max_beam,
            attend_tokens: arguments.max_attend_tokens,
            queue: arguments.max_queue,
            connections: arguments.max_connections,
            timeout: arguments.timeout,
            read_timeout: arguments.read_timeout,
        }
    }
}
