//! `infer shortlist`: writes the target tokens that each source token may need, from a corpus.

use std::path::PathBuf;

use clap::Args;
use decode::Translator;
use decode::alignment::AlignmentHeads;
use decode::shortlist::AlignmentCounts;
use decode::{Settings, TooLong};
use text::{ParallelPath, read_parallel};

use crate::lines::WINDOW;
use crate::log::log_line;
use crate::options::{BatchOptions, DeviceOptions, LanguageOptions, one_based};
use crate::{output_file, progress};

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Source texts, one per line, such as those of the training corpus
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Target texts, the translations, one per line
    #[arg(long, value_name = "FILE")]
    target: PathBuf,
    /// File to write, in Marian's binary format
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Number of targets per source token, those most often aligned with it
    #[arg(long, value_name = "N", default_value_t = 50)]
    best: usize,
    /// Number of tokens that every source gets, the first of the vocabulary
    #[arg(long, value_name = "N", default_value_t = 50)]
    first: usize,
    /// Decoder layer that aligns, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    alignment_layer: Option<usize>,
    /// Head that aligns, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    alignment_head: Option<usize>,
    #[command(flatten)]
    languages: LanguageOptions,
    #[command(flatten)]
    batch: BatchOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Aligns all pairs and writes the file. Pairs that are too long for the model do not count.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { model, source, target, output, best, first, languages, batch, device, .. } = arguments;
    let heads = AlignmentHeads { layer: arguments.alignment_layer, head: arguments.alignment_head };
    output_file::check(&output, &[&model, &source, &target])?;
    let pairs = read_parallel(&ParallelPath::Files { source: source.into(), target: target.into() })?;
    let trained = device.open(&model)?;
    let mut settings = Settings { alignment: Some(heads), too_long: TooLong::Skip, ..trained.settings() };
    languages.apply(&mut settings.decoding);
    let translator = Translator::new(&trained, settings)?.with_batch_tokens(batch.batch_tokens)?;
    let mut counts = AlignmentCounts::default();
    let progress = progress::bar(pairs.len(), device.quiet);
    for (window, first_line) in pairs.chunks(WINDOW).zip((1..).step_by(WINDOW)) {
        counts.add(&translator, window, first_line, heads)?;
        progress.inc(window.len() as u64);
    }
    progress.finish_and_clear();
    let (aligned, all) = (counts.pairs(), pairs.len());
    anyhow::ensure!(
        aligned > 0,
        "none of the {all} pairs can be aligned: each is blank, or too long for the model; give parallel text"
    );
    if aligned < all && !device.quiet {
        log_line(format!("note: {} of {all} pairs not counted: blank, or too long for the model", all - aligned));
    }
    output_file::write(&output, &counts.to_file(&trained.saved, first, best))?;
    if !device.quiet {
        log_line(format!("written: {}", output.display()));
    }
    Ok(())
}
