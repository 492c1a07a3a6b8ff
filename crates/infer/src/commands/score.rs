//! `infer score`: the log-probability of given translations.

use std::io;
use std::path::PathBuf;

use clap::Args;
use decode::{Settings, Translator};
use runs::LengthPenalty;
use text::{ParallelPath, read_parallel};

use crate::lines::{self, LineFormat, WINDOW};
use crate::notes::Notes;
use crate::options::{AlignmentOptions, BatchOptions, DeviceOptions, LanguageOptions, OutputFormat, TooLongOptions};
use crate::progress;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny; given several times, an ensemble decodes with the mean of the
    /// models' log-probabilities
    #[arg(long, value_name = "DIR", required = true)]
    model: Vec<PathBuf>,
    /// Source texts, one per line
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Target texts, the translations, one per line
    #[arg(long, value_name = "FILE")]
    target: PathBuf,
    /// Output format: the score alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    format: OutputFormat,
    /// Divisor of the log-probability: length^A, or with wu:A ((5 + length) / 6)^A; 0 divides by 1 [default: from the run]
    #[arg(long, value_name = "A")]
    length_penalty: Option<LengthPenalty>,
    #[command(flatten)]
    languages: LanguageOptions,
    #[command(flatten)]
    alignment: AlignmentOptions,
    #[command(flatten)]
    too_long: TooLongOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Prints one score per pair of lines; `nan` for a pair that is skipped.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, source, target, format, length_penalty, languages, alignment, too_long, batch, device } =
        arguments;
    let alignment = alignment.heads(format)?;
    let pairs = read_parallel(&ParallelPath::Files { source: source.into(), target: target.into() })?;
    let trained = device.open_ensemble(&model)?;
    let mut settings = Settings { alignment, too_long: too_long.too_long(), ..trained.settings() };
    languages.apply(&mut settings.decoding);
    settings.decoding.length_penalty = length_penalty.unwrap_or(settings.decoding.length_penalty);
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
    let format = match format {
        OutputFormat::Text => LineFormat::Score,
        OutputFormat::Jsonl => LineFormat::Jsonl,
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let progress = progress::bar(pairs.len(), device.quiet);
    let mut notes = Notes::new("pair", device.quiet);
    for (window, first_line) in pairs.chunks(WINDOW).zip((1..).step_by(WINDOW)) {
        let (scored, failure) = lines::before_too_long(window, first_line, |w, n| translator.score(w, n))?;
        lines::write(&scored, first_line, format, &mut output)?;
        progress.inc(window.len() as u64);
        notes.add(&scored, first_line, &progress);
        failure.map_or(Ok(()), Err)?;
    }
    progress.finish_and_clear();
    notes.finish();
    Ok(())
}
