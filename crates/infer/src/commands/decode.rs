//! `infer TEXT…`: translates texts from the command line, or the lines of standard input.

use std::io;
use std::path::PathBuf;

use clap::Args;
use cluster::Cluster;
use decode::{Settings, Translator};
use documents::EncodedDocument;
use indicatif::ProgressBar;
use model::device_index::LocalRank;
use runs::DecodingOverrides;

use crate::arguments::parse_text;
use crate::lines::{self, LineFormat};
use crate::notes::Notes;
use crate::options::{
    AlignmentOptions, BatchOptions, DeviceOptions, DocumentOptions, OutputFormat, SamplingOptions, ShortlistOptions,
    TooLongOptions, settings,
};
use crate::{progress, ranks};

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny; given several times, an ensemble decodes with the mean of the
    /// models' log-probabilities
    #[arg(long, value_name = "DIR")]
    pub model: Vec<PathBuf>,
    /// Texts to translate, one sentence each; line breaks are read as spaces, and one that looks like an option, such as
    /// `-Yes`, goes behind `--` [default: the lines of standard input]
    #[arg(value_name = "TEXT", value_parser = parse_text)]
    texts: Vec<String>,
    #[command(flatten)]
    documents: DocumentOptions,
    /// Output format: the text alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    format: OutputFormat,
    /// Print the score of each translation before its text
    #[arg(long)]
    scores: bool,
    #[command(flatten)]
    decoding: DecodingOverrides,
    /// Number of translations printed per text, best first; at most the beam, or the number of samples with --sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    n_best: usize,
    /// Text that every translation begins with
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    prefix: String,
    /// Text before every source, such as "translate English to German: " [default: from the run, else none]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    source_prefix: Option<String>,
    #[command(flatten)]
    sampling: SamplingOptions,
    #[command(flatten)]
    alignment: AlignmentOptions,
    #[command(flatten)]
    too_long: TooLongOptions,
    #[command(flatten)]
    shortlist: ShortlistOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
    /// Seconds after which a job of several processes (feature `mpi`) ends if one of them does not answer
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    rank_timeout: u64,
}

/// Prints the translations of all texts, in order. Several processes translate lines of standard input together; with
/// anything else, each process does the whole work.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.texts.is_empty() && !arguments.documents.are_given() {
        true => ranks::in_job(arguments.rank_timeout, |cluster| run_in(arguments, cluster)),
        false => run_in(arguments, &Cluster::alone()),
    }
}

fn run_in(arguments: Arguments, cluster: &Cluster) -> anyhow::Result<()> {
    let Arguments { model, texts, format, scores, decoding, n_best, prefix, sampling, .. } = arguments;
    let Arguments { alignment, too_long, shortlist, batch, mut device, source_prefix, documents, .. } = arguments;
    device.quiet |= !cluster.is_root();
    let (rank, count) = cluster.local_rank();
    device.local = LocalRank { rank, count };
    let quiet = device.quiet;
    let line_format = match (format, n_best, scores) {
        (OutputFormat::Jsonl, _, _) => LineFormat::Jsonl,
        (OutputFormat::Text, 1, false) => LineFormat::Text,
        (OutputFormat::Text, 1, true) => LineFormat::ScoredText,
        (OutputFormat::Text, _, _) => LineFormat::NBest,
    };
    let open = || -> anyhow::Result<_> {
        let (alignment, too_long) = (alignment.heads(format)?, too_long.too_long());
        let mut trained = device.open_ensemble(&model)?;
        shortlist.apply(&mut trained)?;
        let sampling = sampling.sampling();
        let mut settings = Settings { sampling, n_best, prefix, alignment, too_long, ..settings(&decoding, &trained)? };
        if let Some(source_prefix) = source_prefix {
            settings.decoding.source_prefix = source_prefix;
        }
        if cluster.size() > 1 {
            Translator::new(&trained, settings.clone())?.with_batch_tokens(batch.batch_tokens)?;
        }
        Ok((trained, settings))
    };
    let Some((trained, settings)) = ranks::agree(cluster, open(), &model, shortlist.file())? else { return Ok(()) };
    if let Some(format) = documents.format()? {
        let settings = EncodedDocument::settings(settings, format.has_tags());
        let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
        let language = documents.language.as_deref();
        return super::documents::run(&translator, &texts, (format, language), quiet);
    }
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
    if !cluster.is_root() {
        return ranks::follow(cluster, &translator, line_format);
    }
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut notes;
    if texts.is_empty() {
        notes = Notes::new("line", quiet);
        let progress = progress::spinner(quiet);
        match cluster.size() {
            1 => lines::translate_lines(&translator, io::stdin(), line_format, &mut output, |window| {
                progress.inc(window.results.len() as u64);
                window.not_utf8.iter().for_each(|&line| notes.add_not_utf8(line, &progress));
                notes.add(window.results, window.first_line, &progress);
            })?,
            _ => ranks::translate_lines(cluster, &translator, io::stdin(), line_format, &mut output, |block| {
                progress.inc(block.lines.len() as u64);
                block.not_utf8.iter().for_each(|&line| notes.add_not_utf8(line, &progress));
                let lines = block.lines.iter().map(|(unknown, problem)| (*unknown, problem.as_ref()));
                notes.add_lines(lines, block.first_line, &progress);
            })?,
        }
        progress.finish_and_clear();
    } else {
        notes = Notes::new("text", quiet);
        let (translations, failure) = lines::before_too_long(&texts, 1, |w, n| translator.translate_from(w, n))?;
        lines::write(&translations, 1, line_format, &mut output)?;
        notes.add(&translations, 1, &ProgressBar::hidden());
        failure.map_or(Ok(()), Err)?;
    }
    notes.finish();
    Ok(())
}
