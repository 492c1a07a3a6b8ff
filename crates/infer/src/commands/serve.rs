//! `infer serve`: the model as an HTTP server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::serve::{Limits, Listener, ModelInfo, ModelOptions, OpenModel, ServeError, ServeOptions};
use anyhow::Context;
use clap::Args;
use clap::error::ErrorKind;
use decode::{DecodeError, Settings, TooLong, TrainedModel};
use model::backend;
use runs::DecodingOverrides;
use runs::config::DecodingConfig;

use super::models::{self, Models};
use super::models_file::ModelTable;
use super::serve_log::LogOptions;
use crate::options::{Action, BatchOptions, DeviceOptions, ShortlistOptions, UsageError, settings};

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny; repeatable with languages, such as en-de=runs/toy-en-de: models that
    /// are opened when a request needs them. A model for several languages has lists of them, such as en,fr-de,fr=DIR
    #[arg(long, value_name = "[SOURCES-TARGETS=]DIR", required_unless_present = "models")]
    model: Vec<String>,
    /// TOML file with a table [[model]] for each model: source, target (or lists of them), folder and, if it has one, name;
    /// and pivot
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    models: Option<PathBuf>,
    /// Maximum bytes of the weights of open models in memory together; others are closed [default: no limit]
    #[arg(long, value_name = "BYTES")]
    model_memory: Option<u64>,
    /// Close a model without a request for this time [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    model_idle: Option<Duration>,
    /// Language over which pairs without a model of their own are translated, such as en
    #[arg(long, value_name = "CODE")]
    pivot: Option<String>,
    /// File with a key per line; a request must give one of them
    #[arg(long, value_name = "FILE")]
    api_keys: Option<PathBuf>,
    /// Take the client's address from the last entry of X-Forwarded-For, which a proxy in front of the server appends
    #[arg(long)]
    behind_proxy: bool,
    /// Address and port to listen on; 0.0.0.0 accepts connections from other machines, and port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    shortlist: ShortlistOptions,
    #[command(flatten)]
    batch: BatchOptions,
    /// Texts with more tokens than the model has positions, unless the request chooses: crop them, skip them (an empty
    /// translation), or reject the request [default: fail for `text`, skip for `texts`, crop for `q`]
    #[arg(long, value_name = "ACTION", value_enum)]
    too_long: Option<Action>,
    /// Origin whose pages may send requests, with its scheme; repeatable; * allows all [default: none]
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    // Before the groups with headings, which would include it.
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// Limits for clients.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitOptions {
    /// Maximum size of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_bytes)]
    max_body: usize,
    /// Maximum number of texts per request
    #[arg(long, value_name = "N", default_value_t = Limits::default().texts)]
    max_texts: usize,
    /// Maximum number of sentences in all texts of a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().sentences)]
    max_sentences: usize,
    /// Maximum beam and n_best of a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().beam)]
    max_beam: usize,
    /// Maximum tokens of a text, and of its translation, for /attend
    #[arg(long, value_name = "N", default_value_t = Limits::default().attend_tokens)]
    max_attend_tokens: usize,
    /// Maximum number of texts in the queue
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    max_queue: usize,
    /// Maximum number of open connections; further ones wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Maximum time from a request to its response
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    timeout: Duration,
    /// Maximum time to receive a request's head, to receive its body, and to wait for a client that reads no responses
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    read_timeout: Duration,
    /// Maximum time of a connection without a request
    #[arg(long, value_name = "SECONDS", default_value = "75", value_parser = parse_seconds)]
    idle_timeout: Duration,
    /// Maximum requests for work of a client per minute, by its key or its address [default: no limit]
    #[arg(long, value_name = "N")]
    max_requests_per_minute: Option<u32>,
    /// Maximum characters of a client's texts per minute; a longer request is admitted, and delays the next
    /// [default: no limit]
    #[arg(long, value_name = "N")]
    max_characters_per_minute: Option<u32>,
}

/// Serves until a signal arrives.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, listen, decoding, shortlist, batch, too_long, allow_origin, limits, device, .. } = arguments;
    let Arguments { model_memory, model_idle, mut pivot, api_keys, models: table, log, behind_proxy, .. } = arguments;
    let api_keys = api_keys.as_deref().map(read_keys).transpose()?;
    let models = match table {
        None => models::parse(&model)?,
        Some(path) => {
            let table = ModelTable::read(&path)?;
            pivot = pivot.or(table.pivot);
            Models::Several(table.models)
        }
    };
    let limits = Limits::from(limits);
    limits.validate().map_err(DecodeError::from)?;
    if let Some(beam) = decoding.beam {
        limits.validate_beam(beam).map_err(DecodeError::from)?;
    }
    // Before the model is opened, which takes longer.
    let listener = Listener::bind(&listen)?;
    let request_log = log.of_requests(log.open(device.quiet));
    let log = log.open(device.quiet);
    let backend = backend::choose(device.device.as_deref())?;
    let (batch_tokens, too_long) = (batch.batch_tokens, too_long.map(TooLong::from));
    let mut options = ServeOptions {
        settings: Settings::new(DecodingConfig::default()),
        workers: 1,
        batch_tokens,
        limits,
        too_long,
        allow_origins: allow_origin,
        info: ModelInfo { name: String::new(), backend: backend.to_string() },
        api_keys,
        behind_proxy,
        request_log,
    };
    let server = match models {
        Models::Single(folder) => {
            if pivot.is_some() {
                let message = "--pivot: found a model without languages, expected some with, as in --model en-de=DIR";
                return Err(UsageError::new(ErrorKind::ArgumentConflict, message).into());
            }
            let mut trained = device.open(&folder)?;
            shortlist.apply(&mut trained)?;
            options.settings = settings(&decoding, &trained)?;
            options.info.name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
            options.workers = if trained.engine.supports_workers() { rayon::current_num_threads() } else { 1 };
            ::serve::Server::new(trained, options)
        }
        Models::Several(specs) => {
            if shortlist.is_given() {
                let message = "--shortlist: found models with languages, expected one without, as in --model DIR";
                return Err(UsageError::new(ErrorKind::ArgumentConflict, message).into());
            }
            device.start_threads()?;
            let opened = backend.open_at(device.device_index, device.local)?;
            options.workers = if backend::is_flex(&opened) { rayon::current_num_threads() } else { 1 };
            let precision = device.precision;
            let open: OpenModel = Arc::new(move |folder: &Path| {
                let trained = TrainedModel::open_in(folder, &opened, precision)?;
                let mut settings = trained.settings();
                decoding.apply(&mut settings.decoding);
                Ok((trained, settings))
            });
            let models = ModelOptions { models: specs, open, memory: model_memory, idle: model_idle, pivot };
            ::serve::Server::with_models(models, options)
        }
    };
    server.and_then(|server| server.run(listener, move |line| log.message(line))).map_err(|error| match error {
        // Unwrapped, so that its setting is spelled as an option.
        ServeError::Decode(error) => anyhow::Error::from(error),
        error @ (ServeError::Listen { .. } | ServeError::Start(_) | ServeError::Workers(_)) => error.into(),
    })
}

/// The keys of a file, one per line. Editors may begin a file with a byte order mark, which is no white space.
fn read_keys(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: the API keys cannot be read; give a file with a key per line", path.display()))?;
    let is_around = |character: char| character.is_whitespace() || character == '\u{feff}';
    let keys = text.lines().map(|line| line.trim_matches(is_around).to_string());
    let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
    let expected = "expected a key per line; write one, or omit --api-keys";
    anyhow::ensure!(!keys.is_empty(), "{}: found no key: {expected}", path.display());
    Ok(keys)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number of seconds above 0 and up to 86400, a day".to_string();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    if !(seconds > 0.0 && seconds <= 86_400.0) {
        return Err(expected());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| expected())
}

impl From<LimitOptions> for Limits {
    fn from(options: LimitOptions) -> Self {
        Self {
            body_bytes: options.max_body,
            texts: options.max_texts,
            sentences: options.max_sentences,
            beam: options.max_beam,
            attend_tokens: options.max_attend_tokens,
            queue: options.max_queue,
            connections: options.max_connections,
            timeout: options.timeout,
            read_timeout: options.read_timeout,
            idle_timeout: options.idle_timeout,
            requests_per_minute: options.max_requests_per_minute,
            characters_per_minute: options.max_characters_per_minute,
        }
    }
}
