//! Decoding options: settings of the run, overridden by the command line.

use clap::Args;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::{Settings, TrainedModel};
use runs::DecodingOverrides;

use clap::error::ErrorKind;

use super::{OutputFormat, UsageError, one_based};

/// The settings of a run, overridden by the options that are given.
///
/// # Errors
/// A setting out of range. The message begins with the options at fault.
pub fn settings(options: &DecodingOverrides, trained: &TrainedModel) -> anyhow::Result<Settings> {
    let mut settings = trained.settings();
    options.apply(&mut settings.decoding);
    // Validated together: one option may make room for another.
    settings.decoding.validate(&trained.config).map_err(|error| {
        let option = options_at_fault(options, &error.field);
        anyhow::Error::from(error).context(option)
    })?;
    Ok(settings)
}

/// The option of an invalid field (`--length-penalty` for `decoding.length_penalty.alpha`), if it was given.
///
/// Otherwise all options that were given, because the run's own settings are consistent.
fn options_at_fault(options: &DecodingOverrides, field: &str) -> String {
    let own = option_name(field.split('.').nth(1).unwrap_or(field));
    let given: Vec<String> = options.given().into_iter().map(option_name).collect();
    if given.is_empty() || given.contains(&own) { own } else { given.join(", ") }
}

/// The option of a field path: `n_best` is `--n-best`, `sample.top_p` is `--top-p`, and `decoding.length_penalty.alpha` is
/// `--length-penalty`.
pub fn option_name(field: &str) -> String {
    let name = ["decoding.", "limits.", "sample."].iter().find_map(|table| field.strip_prefix(table)).unwrap_or(field);
    let name = name.strip_suffix(".alpha").unwrap_or(name);
    format!("--{}", name.replace(['_', '.'], "-"))
}

/// Sampling instead of searching.
#[derive(Args)]
pub struct SamplingOptions {
    // clap waives what an option `requires` if that conflicts with a given option, so each option has the same conflicts.
    /// Sample each token from the model's distribution instead of searching; the run's beam is ignored
    #[arg(long, conflicts_with = "beam")]
    pub sample: bool,
    /// Sample from the N most probable tokens; 0 samples from all
    #[arg(long, value_name = "N", requires = "sample", conflicts_with = "beam", default_value_t = 0)]
    pub top_k: usize,
    /// Sample from the smallest set of tokens with at least this total probability
    #[arg(long, value_name = "P", requires = "sample", conflicts_with = "beam", default_value_t = 1.0)]
    pub top_p: f64,
    /// Divisor of the log-probabilities before sampling
    #[arg(long, value_name = "T", requires = "sample", conflicts_with = "beam", default_value_t = 1.0)]
    pub temperature: f64,
    /// Seed of the samples
    #[arg(long, value_name = "N", requires = "sample", conflicts_with = "beam", default_value_t = 1)]
    pub seed: u64,
}

impl SamplingOptions {
    /// The settings of `--sample`, if it is given.
    pub fn sampling(&self) -> Option<Sampling> {
        let Self { sample, top_k, top_p, temperature, seed } = *self;
        sample.then_some(Sampling { top_k, top_p, temperature, seed })
    }
}

/// Options of the alignment of target tokens to source tokens.
#[derive(Args)]
pub struct AlignmentOptions {
    /// Align each target token with the source token of the largest cross-attention weight (needs --format jsonl)
    #[arg(long)]
    pub alignment: bool,
    /// Decoder layer that aligns, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", requires = "alignment", value_parser = one_based)]
    pub alignment_layer: Option<usize>,
    /// Head that aligns, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", requires = "alignment", value_parser = one_based)]
    pub alignment_head: Option<usize>,
}

impl AlignmentOptions {
    /// The heads of `--alignment`, if it is given.
    ///
    /// # Errors
    /// An output format without alignments, or a layer or head of none: clap waives `requires` where `--alignment` conflicts
    /// with another given option.
    pub fn heads(&self, format: OutputFormat) -> Result<Option<AlignmentHeads>, UsageError> {
        if self.alignment && format == OutputFormat::Text {
            let message = "--alignment: found --format text, which cannot hold it; give --format jsonl, too";
            return Err(UsageError::new(ErrorKind::ArgumentConflict, message));
        }
        let chosen = [("--alignment-layer", self.alignment_layer), ("--alignment-head", self.alignment_head)];
        if let Some((option, _)) = chosen.iter().find(|(_, index)| index.is_some() && !self.alignment) {
            let message =
                format!("{option}: found no --alignment, which it requires; give --alignment, too, or remove it");
            return Err(UsageError::new(ErrorKind::MissingRequiredArgument, message));
        }
        Ok(self.alignment.then_some(AlignmentHeads { layer: self.alignment_layer, head: self.alignment_head }))
    }
}
