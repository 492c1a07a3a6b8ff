//! `infer evaluate`: decodes a file and compares it with references, in sacreBLEU's output format.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use decode::{DecodeError, Settings, Translator};
use indicatif::ProgressBar;
use runs::DecodingOverrides;
use text::metrics::Chrf;
use text::{TextError, Tokenizer, UNKNOWN_ID, exact_match, lowercase, token_error_rate};

use crate::notes::Notes;
use crate::options::{BatchOptions, ComparisonOptions, DeviceOptions, ShortlistOptions, TooLongOptions, settings};
use crate::output_file;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny; given several times, an ensemble decodes with the mean of the
    /// models' log-probabilities
    #[arg(long, value_name = "DIR", required = true)]
    model: Vec<PathBuf>,
    #[command(flatten)]
    comparison: ComparisonOptions,
    /// File for the translations, one per line; - is standard output, after the scores
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    too_long: TooLongOptions,
    #[command(flatten)]
    shortlist: ShortlistOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Prints BLEU, chrF, chrF++, the share of exact matches and error rates.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, comparison, output, decoding, too_long, shortlist, batch, device } = arguments;
    let (sources, references) = comparison.read()?;
    if let Some(path) = &output {
        let models = model.iter().map(PathBuf::as_path);
        output_file::check(path, &models.chain(comparison.files()).chain(shortlist.file()).collect::<Vec<_>>())?;
    }
    let mut trained = device.open_ensemble(&model)?;
    shortlist.apply(&mut trained)?;
    let settings = Settings { too_long: too_long.too_long(), ..settings(&decoding, &trained)? };
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
    // Normalised like the outputs of the model. Before decoding, whose work an error would lose.
    let tokenizer = &trained.target_tokenizer;
    let cased = |text: &String| if comparison.lowercase { lowercase(text) } else { text.clone() };
    let normalized = references.iter().map(|reference| Ok::<_, TextError>(cased(&tokenizer.normalize(reference)?)));
    let expected: Vec<String> = normalized.collect::<Result<_, _>>()?;
    let expected_tokens = tokens(tokenizer, &expected)?;
    if expected_tokens.iter().all(Vec::is_empty) {
        return Err(TextError::Empty { origin: "the references".to_string() }.into());
    }
    let translations = translator.translate(&sources)?;
    let mut notes = Notes::new("line", device.quiet);
    notes.add(&translations, 1, &ProgressBar::hidden());
    notes.add_unknown_in_references(expected_tokens.iter().flatten().filter(|id| **id == UNKNOWN_ID).count());
    notes.finish();
    let hypotheses: Vec<String> = translations.iter().map(|translation| translation.best.line()).collect();
    let bleu = comparison.bleu();
    let mut report = format!("{}\n", bleu.score(&hypotheses, &references)?.with_signature(&bleu.signature()));
    for chrf in [Chrf::default(), Chrf::plus_plus()] {
        let chrf = Chrf { lowercase: comparison.lowercase, ..chrf };
        report += &format!("{}\n", chrf.score(&hypotheses, &references)?.with_signature(&chrf.signature()));
    }
    let outputs: Vec<String> = hypotheses.iter().map(cased).collect();
    let exact = exact_match(&outputs, &expected)?;
    report += &format!("exact match = {:.2} % of {} sentences\n", 100.0 * exact, references.len());
    let error_rate = token_error_rate(&tokens(tokenizer, &outputs)?, &expected_tokens)?;
    report += &format!("word error rate = {:.2} %, if each sentence is a word\n", 100.0 * (1.0 - exact));
    report += &format!("token error rate = {:.2} %, in tokens of the target's vocabulary\n", 100.0 * error_rate);
    // Print the scores first, so that a translations file that cannot be written does not lose them.
    let printed = io::stdout().write_all(report.as_bytes());
    if let Some(path) = &output {
        let lines: String = hypotheses.iter().map(|line| format!("{line}\n")).collect();
        output_file::write(path, lines.as_bytes())?;
    }
    printed.map_err(|source| DecodeError::Stream { origin: "standard output", source }.into())
}

/// The ids of each text, without those around it.
fn tokens(tokenizer: &Tokenizer, texts: &[String]) -> Result<Vec<Vec<u32>>, TextError> {
    texts.iter().map(|text| tokenizer.encode(text)).collect()
}
