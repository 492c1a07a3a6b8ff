//! A file decoded and compared with its reference, in the lines that sacreBLEU prints.

use std::io::{self, Write};

use decode::{DecodeError, Translator};
use text::exact_match;
use text::metrics::Chrf;

use crate::arguments::{EvaluateArguments, settings};
use crate::results;

pub fn run(arguments: EvaluateArguments) -> anyhow::Result<()> {
    let EvaluateArguments { model, comparison, output, decoding, batches, machine } = arguments;
    let (sources, references) = comparison.read()?;
    let trained = machine.open(&model)?;
    let translator =
        Translator::new(&trained, settings(&decoding, &trained)?)?.with_batch_tokens(batches.batch_tokens)?;
    let translations = translator.translate(&sources)?;
    let hypotheses: Vec<String> = translations.iter().map(|translation| translation.best.line()).collect();
    let bleu = comparison.bleu();
    let mut report = format!("{}\n", bleu.score(&hypotheses, &references)?.with_signature(&bleu.signature()));
    for chrf in [Chrf::default(), Chrf::plus_plus()] {
        let chrf = Chrf { lowercase: comparison.lowercase, ..chrf };
        report += &format!("{}\n", chrf.score(&hypotheses, &references)?.with_signature(&chrf.signature()));
    }
    let exact = if comparison.lowercase {
        exact_match(&lowercased(&hypotheses), &lowercased(&references))?
    } else {
        exact_match(&hypotheses, &references)?
    };
    report += &format!("exact match = {:.2} % of {} sentences\n", 100.0 * exact, references.len());
    // The scores first: they are not to be lost where the hypotheses find no room.
    let told = io::stdout().write_all(report.as_bytes());
    if let Some(path) = &output {
        let lines: String = hypotheses.iter().map(|line| format!("{line}\n")).collect();
        results::write(path, lines.as_bytes())?;
    }
    told.map_err(|source| DecodeError::Stream { origin: "standard output", source }.into())
}

fn lowercased(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.to_lowercase()).collect()
}
