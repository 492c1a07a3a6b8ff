//! `infer`: decodes texts with a folder that `train` wrote.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use infer::error::told;
use infer::stream::{self, Format};
use infer::{InferError, TrainedModel, Translation, Translator};
use model::backend;
use model::summary::Summary;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // large tensors are reused instead of returned at every operation

/// Decodes texts with a trained model.
///
/// Results go to standard output, one line per text; everything else goes to standard error.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Texts to decode; without any, lines are read from standard input
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Most target tokens per text, end token included [default: as the run says, else source length + 50]
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Form of the output: the text alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    format: OutputFormat,
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    batch_tokens: usize,
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Threads to compute with [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Nothing on standard error but errors
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum OutputFormat {
    Text,
    Jsonl,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(InferError::is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {}", told(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(threads) = arguments.threads {
        anyhow::ensure!(threads > 0, "--threads = 0: expected at least 1");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
    }
    let backend = backend::choose(arguments.device.as_deref())?;
    let device = backend.open()?;
    let mut trained = TrainedModel::open(&arguments.model, &device)?;
    if let Some(max_length) = arguments.max_length {
        trained.decoding.max_length = Some(max_length);
        trained.decoding.validate(&trained.config).context("--max-length")?;
    }
    if !arguments.quiet {
        let parameters = model::summary::grouped(Summary::of(&trained.model).total());
        // Nobody listening to this is no reason to fail.
        drop(writeln!(io::stderr(), "{}: {parameters} parameters on {backend}, float32", arguments.model.display()));
    }
    let translator = Translator::new(&trained, arguments.batch_tokens)?;
    let format = match arguments.format {
        OutputFormat::Text => Format::Text,
        OutputFormat::Jsonl => Format::Jsonl,
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut unknown = 0;
    if arguments.texts.is_empty() {
        let lines = line_counter(arguments.quiet);
        stream::translate_lines(&translator, io::stdin(), format, &mut output, |translations| {
            lines.inc(translations.len() as u64);
            unknown += unknown_tokens(translations);
        })?;
        lines.finish_and_clear();
    } else {
        let translations = translator.translate(&arguments.texts, 1)?;
        stream::write(&translations, format, &mut output)?;
        unknown = unknown_tokens(&translations);
    }
    if unknown > 0 && !arguments.quiet {
        let note = format!("note: {unknown} source tokens are not in the vocabulary and were read as <unk>");
        drop(writeln!(io::stderr(), "{note}"));
    }
    Ok(())
}

fn unknown_tokens(translations: &[Translation]) -> usize {
    translations.iter().map(|translation| translation.unknown).sum()
}

/// Counts lines on a terminal while they go elsewhere; invisible where they would mix.
fn line_counter(quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} lines, {per_sec}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
