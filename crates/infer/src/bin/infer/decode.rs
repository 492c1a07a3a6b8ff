//! Texts or lines in, lines out.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use infer::stream::{self, Format};
use infer::{Translation, Translator};

use crate::arguments::{self, DecodeArguments, OutputFormat};

pub fn run(arguments: DecodeArguments) -> anyhow::Result<()> {
    let DecodeArguments { model, texts, format, decoding, batch_tokens, machine } = arguments;
    let trained = arguments::open(model.unwrap_or_default(), &decoding, &machine)?;
    let translator = Translator::new(&trained, batch_tokens)?;
    let format = match format {
        OutputFormat::Text => Format::Text,
        OutputFormat::Jsonl => Format::Jsonl,
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut unknown = 0;
    if texts.is_empty() {
        let lines = line_counter(machine.quiet);
        stream::translate_lines(&translator, io::stdin(), format, &mut output, |translations| {
            lines.inc(translations.len() as u64);
            unknown += unknown_tokens(translations);
        })?;
        lines.finish_and_clear();
    } else {
        let translations = translator.translate(&texts, 1)?;
        stream::write(&translations, format, &mut output)?;
        unknown = unknown_tokens(&translations);
    }
    if unknown > 0 && !machine.quiet {
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
