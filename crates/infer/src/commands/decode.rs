//! Texts or lines in, lines out.

use std::io;

use crate::lines::{self, Format};
use decode::{Translation, Translator};

use crate::arguments::{self, DecodeArguments, OutputFormat};
use crate::{progress, tell};

pub fn run(arguments: DecodeArguments) -> anyhow::Result<()> {
    let DecodeArguments { model, texts, format, scores, decoding, settings, batches, machine } = arguments;
    let format = match (format, settings.n_best, scores) {
        (OutputFormat::Jsonl, _, _) => Format::Jsonl,
        (OutputFormat::Text, 1, false) => Format::Text,
        (OutputFormat::Text, 1, true) => Format::ScoredText,
        (OutputFormat::Text, _, _) => Format::NBest,
    };
    let trained = machine.open(&model.unwrap_or_default())?;
    let settings = settings.apply(arguments::settings(&decoding, &trained)?);
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batches.batch_tokens)?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut unknown = 0;
    if texts.is_empty() {
        let lines = progress::endless(machine.quiet);
        lines::translate_lines(&translator, io::stdin(), format, &mut output, |translations| {
            lines.inc(translations.len() as u64);
            unknown += unknown_tokens(translations);
        })?;
        lines.finish_and_clear();
    } else {
        let translations = translator.translate(&texts)?;
        lines::write(&translations, 1, format, &mut output)?;
        unknown = unknown_tokens(&translations);
    }
    if unknown > 0 && !machine.quiet {
        tell(format!("note: {unknown} source tokens are not in the vocabulary and were read as <unk>"));
    }
    Ok(())
}

fn unknown_tokens(translations: &[Translation]) -> usize {
    translations.iter().map(|translation| translation.unknown).sum()
}
