//! A file decoded and compared with its reference, in the lines that sacreBLEU prints.

use std::fs;
use std::io::{self, Write};

use anyhow::Context;
use infer::{InferError, Translator};
use text::metrics::Chrf;
use text::{ParallelPath, exact_match, read_parallel};

use crate::arguments::EvaluateArguments;

pub fn run(arguments: EvaluateArguments) -> anyhow::Result<()> {
    let EvaluateArguments { model, source, reference, comparison, output, decoding, batches, machine } = arguments;
    let pairs = read_parallel(&ParallelPath::Files { source: source.into(), target: reference.into() })?;
    let mut trained = machine.open(&model)?;
    decoding.apply(&mut trained)?;
    let (sources, references): (Vec<String>, Vec<String>) =
        pairs.into_iter().map(|pair| (pair.source, pair.target)).unzip();
    let translations = Translator::new(&trained, batches.batch_tokens)?.translate(&sources, 1)?;
    let hypotheses: Vec<String> = translations.iter().map(|translation| translation.best.line()).collect();
    if let Some(path) = &output {
        let lines: String = hypotheses.iter().map(|line| format!("{line}\n")).collect();
        fs::write(path, lines).with_context(|| format!("writing {}", path.display()))?;
    }

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
    io::stdout()
        .write_all(report.as_bytes())
        .map_err(|source| InferError::Stream { origin: "standard output", source }.into())
}

fn lowercased(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.to_lowercase()).collect()
}
