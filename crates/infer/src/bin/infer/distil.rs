//! Text for a smaller model to learn: of a model's translations the one closest to the reference.
//!
//! A model learns more from targets that a model would write than from those of people, which are harder to predict;
//! the closest of many loses least of what people wrote. Kim and Rush 2016 call it sequence-level interpolation.

use std::io::{self, Write};

use infer::{InferError, Settings, Translation, Translator};
use text::metrics::Bleu;
use text::{ParallelPath, TextError, read_parallel};

use crate::arguments::DistilArguments;
use crate::progress;

/// Pairs that are decoded together; sorting by length happens within.
const WINDOW: usize = 1024;

pub fn run(arguments: DistilArguments) -> anyhow::Result<()> {
    let DistilArguments { model, source, reference, n_best, comparison, decoding, sampling, .. } = &arguments;
    let files = ParallelPath::Files { source: source.clone().into(), target: reference.clone().into() };
    let (sources, references): (Vec<String>, Vec<String>) =
        read_parallel(&files)?.into_iter().map(|pair| (pair.source, pair.target)).unzip();
    let mut trained = arguments.machine.open(model)?;
    decoding.apply(&mut trained)?;
    let settings = Settings {
        sampling: sampling.sampling(),
        n_best: n_best.unwrap_or(trained.decoding.beam),
        ..Settings::of(&trained)
    };
    anyhow::ensure!(
        settings.n_best > 1,
        "--n-best = {}: expected at least 2 hypotheses to choose among; give --beam 10, or --sample --n-best 10",
        settings.n_best
    );
    let translator = Translator::new(&trained, arguments.batches.batch_tokens)?.with_settings(settings)?;

    let bleu = comparison.bleu();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let failed = |source| InferError::Stream { origin: "standard output", source };
    let lines = progress::of(sources.len(), arguments.machine.quiet);
    let (mut first, mut closest) = (Vec::new(), Vec::new());
    for (at, window) in (0..).step_by(WINDOW).zip(sources.chunks(WINDOW)) {
        for (translation, reference) in translator.translate(window, at + 1)?.iter().zip(&references[at..]) {
            let chosen = closest_to(reference, translation, &bleu)?;
            writeln!(output, "{chosen}").map_err(failed)?;
            first.push(plain(translation.text()));
            closest.push(chosen);
        }
        lines.inc(window.len() as u64);
    }
    output.flush().map_err(failed)?;
    lines.finish_and_clear();
    if !arguments.machine.quiet {
        let [first, closest] = [bleu.score(&first, &references)?.score, bleu.score(&closest, &references)?.score];
        drop(writeln!(io::stderr(), "BLEU {closest:.2}; {first:.2} of each text's first hypothesis"));
    }
    Ok(())
}

/// The hypothesis with the most BLEU, the first of several.
fn closest_to(reference: &str, translation: &Translation, bleu: &Bleu) -> Result<String, TextError> {
    let (mut best, mut most) = (plain(translation.text()), f64::NEG_INFINITY);
    for target in translation.targets() {
        let text = plain(&target.text);
        let score = bleu.score(&[&text], &[reference])?.score;
        if score > most {
            (best, most) = (text, score);
        }
    }
    Ok(best)
}

/// One line.
fn plain(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
