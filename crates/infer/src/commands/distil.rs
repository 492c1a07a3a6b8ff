//! `infer distil`: training data for another model, with the hypothesis closest to each reference.
//!
//! The outputs of a model are easier targets than human translations, and the closest of many is similar to the reference
//! (sequence-level interpolation, Kim and Rush 2016).

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use decode::{DecodeError, Settings, TranslationResult, Translator};
use runs::DecodingOverrides;
use text::TextError;
use text::metrics::Bleu;

use crate::lines::{self, WINDOW};
use crate::log::log_line;
use crate::notes::Notes;
use crate::options::{BatchOptions, ComparisonOptions, DeviceOptions, SamplingOptions, TooLongOptions, settings};
use crate::progress;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny; given several times, an ensemble decodes with the mean of the
    /// models' log-probabilities
    #[arg(long, value_name = "DIR", required = true)]
    model: Vec<PathBuf>,
    #[command(flatten)]
    comparison: ComparisonOptions,
    /// Number of hypotheses per text to choose from [default: the beam]
    #[arg(long, value_name = "N", required_if_eq("sample", "true"))]
    n_best: Option<usize>,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    sampling: SamplingOptions,
    #[command(flatten)]
    too_long: TooLongOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Prints one hypothesis per line, and logs the BLEU of the first and of the closest hypotheses.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, comparison, n_best, decoding, sampling, too_long, batch, device } = arguments;
    let (sources, references) = comparison.read()?;
    let trained = device.open_ensemble(&model)?;
    let settings = settings(&decoding, &trained)?;
    let beam = settings.decoding.beam;
    let (sampling, too_long) = (sampling.sampling(), too_long.too_long());
    let settings = Settings { sampling, too_long, n_best: n_best.unwrap_or(beam), ..settings };
    if settings.n_best < 2 {
        let found = n_best.map_or(format!("a beam of {beam}"), |n_best| format!("--n-best {n_best}"));
        anyhow::bail!("{found} leaves nothing to choose from; give --beam 10, or --sample --n-best 10");
    }
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;

    let bleu = comparison.bleu();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let write_error = |source| DecodeError::Stream { origin: "standard output", source };
    let progress = progress::bar(sources.len(), device.quiet);
    let mut notes = Notes::new("line", device.quiet);
    let (mut first, mut closest) = (Vec::new(), Vec::new());
    for (start, window) in (0..).step_by(WINDOW).zip(sources.chunks(WINDOW)) {
        let (translations, failure) =
            lines::before_too_long(window, start + 1, |w, n| translator.translate_from(w, n))?;
        for (translation, reference) in translations.iter().zip(&references[start..]) {
            // Normalised like the outputs of the model.
            let chosen = closest_hypothesis(&trained.target_tokenizer.normalize(reference)?, translation, &bleu)?;
            writeln!(output, "{chosen}").map_err(write_error)?;
            if !device.quiet {
                first.push(translation.best.line());
                closest.push(chosen);
            }
        }
        output.flush().map_err(write_error)?;
        progress.inc(window.len() as u64);
        notes.add(&translations, start + 1, &progress);
        failure.map_or(Ok(()), Err)?;
    }
    progress.finish_and_clear();
    notes.finish();
    if !device.quiet {
        for (name, texts) in [("first hypotheses", first), ("closest to the reference", closest)] {
            log_line(format!("{name}: {}", bleu.score(&texts, &references)?.with_signature(&bleu.signature())));
        }
    }
    Ok(())
}

/// The hypothesis with the highest sentence BLEU; of equal ones the first.
///
/// Empty and unfinished hypotheses are used only if there is no other.
fn closest_hypothesis(reference: &str, translation: &TranslationResult, bleu: &Bleu) -> Result<String, TextError> {
    let bleu = Bleu { effective_order: true, ..*bleu };
    let mut best = (translation.best.line(), (false, f64::NEG_INFINITY));
    for target in translation.translations() {
        let line = target.line();
        let rank = (target.finished && !line.is_empty(), bleu.score(&[&line], &[reference])?.score);
        if rank > best.1 {
            best = (line, rank);
        }
    }
    Ok(best.0)
}

#[cfg(test)]
mod tests {
    use decode::Translation;

    use super::*;

    /// The hypothesis chosen from these, each with whether it is finished.
    fn chosen(reference: &str, hypotheses: &[(&str, bool)]) -> String {
        let mut targets = hypotheses.iter().map(|&(text, finished)| Translation {
            text: text.to_string(),
            score: 0.0,
            tokens: vec![],
            token_scores: vec![],
            finished,
            alignment: None,
        });
        let best = targets.next().expect("a hypothesis");
        let translation = TranslationResult {
            source: String::new(),
            unknown: 0,
            problem: None,
            best,
            alternatives: targets.collect(),
        };
        closest_hypothesis(reference, &translation, &Bleu::default()).expect("a hypothesis")
    }

    #[test]
    fn short_sentences_have_a_bleu() {
        let long = ("ein Hund läuft jetzt über die Wiese", true);
        assert_eq!(chosen("ein Hund läuft", &[long, ("ein Hund", true), ("ein Hund läuft", true)]), "ein Hund läuft");
        assert_eq!(chosen("Hund", &[long, ("Hund", true)]), "Hund");
    }

    #[test]
    fn the_first_of_equal_hypotheses_is_chosen() {
        assert_eq!(chosen("a b c d", &[("a b c e", true), ("a b c f", true)]), "a b c e");
        assert_eq!(chosen("a b c d", &[("x", true), ("y", true)]), "x");
    }

    #[test]
    fn unfinished_hypotheses_are_a_last_resort() {
        assert_eq!(chosen("a b c d", &[("a b c", false), ("a b", true)]), "a b");
        assert_eq!(chosen("a b c d", &[("a", false), ("a b c", false)]), "a b c");
        assert_eq!(chosen("a b c d", &[("", true), ("a b c", false)]), "a b c");
    }
}
