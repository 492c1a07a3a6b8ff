//! `infer TEXT…`: translates texts from the command line, or the lines of standard input.

use std::io;
use std::path::PathBuf;

use clap::Args;
use decode::{Settings, TranslationResult, Translator};
use runs::DecodingOverrides;

use crate::lines::{self, LineFormat};
use crate::log::log_line;
use crate::options::{AlignmentOptions, BatchOptions, DeviceOptions, OutputFormat, SamplingOptions, settings};
use crate::progress;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Texts to translate, one sentence each; line breaks are read as spaces [default: the lines of standard input]
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Output format: the text alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    format: OutputFormat,
    /// Print the score of each translation before its text
    #[arg(long)]
    scores: bool,
    #[command(flatten)]
    decoding: DecodingOverrides,
    /// Number of translations printed per text, best first; at most the beam, or the number of samples with --sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    n_best: usize,
    /// Text that every translation begins with
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    #[command(flatten)]
    sampling: SamplingOptions,
    #[command(flatten)]
    alignment: AlignmentOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Prints the translations of all texts, in order.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, texts, format, scores, decoding, n_best, prefix, sampling, alignment, batch, device } =
        arguments;
    let alignment = alignment.heads(format)?;
    let format = match (format, n_best, scores) {
        (OutputFormat::Jsonl, _, _) => LineFormat::Jsonl,
        (OutputFormat::Text, 1, false) => LineFormat::Text,
        (OutputFormat::Text, 1, true) => LineFormat::ScoredText,
        (OutputFormat::Text, _, _) => LineFormat::NBest,
    };
    let trained = device.open(&model.unwrap_or_default())?;
    let settings =
        Settings { sampling: sampling.sampling(), n_best, prefix, alignment, ..settings(&decoding, &trained)? };
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut unknown = 0;
    if texts.is_empty() {
        let progress = progress::spinner(device.quiet);
        lines::translate_lines(&translator, io::stdin(), format, &mut output, |translations| {
            progress.inc(translations.len() as u64);
            unknown += unknown_tokens(translations);
        })?;
        progress.finish_and_clear();
    } else {
        let translations = translator.translate(&texts)?;
        lines::write(&translations, 1, format, &mut output)?;
        unknown = unknown_tokens(&translations);
    }
    if unknown > 0 && !device.quiet {
        log_line(format!("note: {unknown} source tokens are not in the vocabulary and were read as <unk>"));
    }
    Ok(())
}

fn unknown_tokens(translations: &[TranslationResult]) -> usize {
    translations.iter().map(|translation| translation.unknown).sum()
}
