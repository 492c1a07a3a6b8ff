//! How probable given translations are.

use std::io;

use crate::lines::{self, Format, WINDOW};
use decode::{Settings, Translator};
use indicatif::ProgressBar;
use text::{ParallelPath, read_parallel};

use crate::arguments::{OutputFormat, ScoreArguments};
use crate::progress;

pub fn run(arguments: ScoreArguments) -> anyhow::Result<()> {
    let ScoreArguments { model, source, target, format, length_penalty, alignment, batches, machine } = arguments;
    let pairs = read_parallel(&ParallelPath::Files { source: source.into(), target: target.into() })?;
    let trained = machine.open(&model)?;
    let mut settings = Settings { alignment: alignment.heads(), ..trained.settings() };
    settings.decoding.length_penalty = length_penalty.unwrap_or(settings.decoding.length_penalty);
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batches.batch_tokens)?;
    let format = match format {
        OutputFormat::Text => Format::Score,
        OutputFormat::Jsonl => Format::Jsonl,
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let lines: ProgressBar = progress::of(pairs.len(), machine.quiet);
    for (window, first) in pairs.chunks(WINDOW).zip((1..).step_by(WINDOW)) {
        lines::write(&translator.score(window, first)?, first, format, &mut output)?;
        lines.inc(window.len() as u64);
    }
    lines.finish_and_clear();
    Ok(())
}
