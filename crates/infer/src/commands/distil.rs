//! Text for another model to learn from: of each text's hypotheses the one closest to the reference.
//!
//! What a model would write is easier to learn than what people write, and the closest of many hypotheses loses least of
//! the latter. Kim and Rush 2016 call it sequence-level interpolation.

use std::io::{self, Write};

use crate::lines::WINDOW;
use decode::translator::Item;
use decode::{DecodeError, Settings, Translation, Translator};
use text::TextError;
use text::metrics::Bleu;

use crate::arguments::{DistilArguments, settings};
use crate::progress;

pub fn run(arguments: DistilArguments) -> anyhow::Result<()> {
    let DistilArguments { model, comparison, n_best, decoding, sampling, batches, machine } = arguments;
    let (sources, references) = comparison.read()?;
    let trained = machine.open(&model)?;
    let settings = settings(&decoding, &trained)?;
    let beam = settings.decoding.beam;
    let settings = Settings { sampling: sampling.sampling(), n_best: n_best.unwrap_or(beam), ..settings };
    if settings.n_best < 2 {
        let found = n_best.map_or(format!("a beam of {beam}"), |n_best| format!("--n-best {n_best}"));
        anyhow::bail!("{found} leaves nothing to choose among; give --beam 10, or --sample --n-best 10");
    }
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batches.batch_tokens)?;

    let bleu = comparison.bleu();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let failed = |source| DecodeError::Stream { origin: "standard output", source };
    let lines = progress::of(sources.len(), machine.quiet);
    let (mut first, mut closest, mut too_long) = (Vec::new(), Vec::new(), 0);
    for (at, window) in (0..).step_by(WINDOW).zip(sources.chunks(WINDOW)) {
        let readable = readable(window, at + 1, &translator)?;
        too_long += window.iter().zip(&readable).filter(|(text, readable)| text != readable).count();
        for (translation, reference) in translator.translate_from(&readable, at + 1)?.iter().zip(&references[at..]) {
            // The model can only write what its tokenizer leaves of a text.
            let chosen = closest_to(&trained.target_tokenizer.normalize(reference)?, translation, &bleu)?;
            writeln!(output, "{chosen}").map_err(failed)?;
            if !machine.quiet {
                first.push(translation.best.line());
                closest.push(chosen);
            }
        }
        output.flush().map_err(failed)?;
        lines.inc(window.len() as u64);
    }
    lines.finish_and_clear();
    if !machine.quiet {
        let mut told = String::new();
        for (which, texts) in [("first hypotheses", first), ("closest to the reference", closest)] {
            told += &format!("{which}: {}\n", bleu.score(&texts, &references)?.with_signature(&bleu.signature()));
        }
        if too_long > 0 {
            told += &format!("note: {too_long} texts are longer than the model can read; their lines are empty\n");
        }
        drop(io::stderr().write_all(told.as_bytes()));
    }
    Ok(())
}

/// The texts, empty where they are too long to read: `train` drops such pairs, and those without a target.
fn readable(texts: &[String], first: usize, translator: &Translator) -> Result<Vec<String>, DecodeError> {
    let readable = |(text, place): (&String, usize)| match translator.encode(&Item { text, place }) {
        Ok(_) => Ok(text.clone()),
        Err(DecodeError::TooLong { .. }) => Ok(String::new()),
        Err(error) => Err(error),
    };
    texts.iter().zip(first..).map(readable).collect()
}

/// The line with the most BLEU, the first of several. Nothing, and what the model did not end itself, is no sentence to
/// learn from, and is taken only where there is nothing else.
fn closest_to(reference: &str, translation: &Translation, bleu: &Bleu) -> Result<String, TextError> {
    let bleu = Bleu { effective_order: true, ..*bleu };
    let mut best = (translation.best.line(), (false, f64::NEG_INFINITY));
    for target in translation.targets() {
        let line = target.line();
        let worth = (target.finished && !line.is_empty(), bleu.score(&[&line], &[reference])?.score);
        if worth > best.1 {
            best = (line, worth);
        }
    }
    Ok(best.0)
}

#[cfg(test)]
mod tests {
    use decode::Target;

    use super::*;

    /// Of hypotheses, each with whether the model ended it itself.
    fn chosen(reference: &str, hypotheses: &[(&str, bool)]) -> String {
        let mut targets = hypotheses.iter().map(|&(text, finished)| Target {
            text: text.to_string(),
            score: 0.0,
            tokens: vec![],
            token_scores: vec![],
            finished,
            alignment: None,
        });
        let best = targets.next().expect("a hypothesis");
        let translation = Translation { source: String::new(), unknown: 0, best, alternatives: targets.collect() };
        closest_to(reference, &translation, &Bleu::default()).expect("a hypothesis")
    }

    #[test]
    fn a_sentence_of_few_words_counts_like_any_other() {
        let long = ("ein Hund läuft jetzt über die Wiese", true);
        assert_eq!(chosen("ein Hund läuft", &[long, ("ein Hund", true), ("ein Hund läuft", true)]), "ein Hund läuft");
        assert_eq!(chosen("Hund", &[long, ("Hund", true)]), "Hund");
    }

    #[test]
    fn of_equals_the_first_is_taken() {
        assert_eq!(chosen("a b c d", &[("a b c e", true), ("a b c f", true)]), "a b c e");
        assert_eq!(chosen("a b c d", &[("x", true), ("y", true)]), "x");
    }

    #[test]
    fn what_was_cut_off_is_taken_only_where_there_is_nothing_else() {
        assert_eq!(chosen("a b c d", &[("a b c", false), ("a b", true)]), "a b");
        assert_eq!(chosen("a b c d", &[("a", false), ("a b c", false)]), "a b c");
        assert_eq!(chosen("a b c d", &[("", true), ("a b c", false)]), "a b c");
    }
}
