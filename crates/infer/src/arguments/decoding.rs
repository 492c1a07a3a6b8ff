//! How to decode.

use clap::Args;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::{Settings, TrainedModel};
use runs::DecodingOverrides;

use super::one_based;

/// The run's own settings, with the options of the command line in their place.
pub fn settings(options: &DecodingOverrides, trained: &TrainedModel) -> anyhow::Result<Settings> {
    let mut settings = trained.settings();
    options.apply(&mut settings.decoding);
    // All together: one option may make room for another.
    settings.decoding.validate(&trained.config).map_err(|error| {
        let option = at_fault(options, &error.field);
        anyhow::Error::from(error).context(option)
    })?;
    Ok(settings)
}

/// The option that spoils a field: its own (`--length-penalty` for `decoding.length_penalty.alpha`) if it was given, else
/// those that were, since the run's own settings agree with each other.
fn at_fault(options: &DecodingOverrides, field: &str) -> String {
    let own = option_name(field.split('.').nth(1).unwrap_or(field));
    let given: Vec<String> = options.given().into_iter().map(option_name).collect();
    if given.is_empty() || given.contains(&own) { own } else { given.join(", ") }
}

/// A setting's field path as an option: `n_best` is `--n-best`, and `sample.top_p` is `--top-p`.
pub fn option_name(field: &str) -> String {
    let name = ["decoding.", "limits.", "sample."].iter().find_map(|table| field.strip_prefix(table)).unwrap_or(field);
    format!("--{}", name.replace(['_', '.'], "-"))
}

/// What is asked for beside the run's configuration.
#[derive(Args)]
pub struct SettingsArguments {
    /// Hypotheses to print for each text, best first; the beam must be as wide, or as many are drawn with --sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub n_best: usize,
    /// What every translation begins with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: String,
    #[command(flatten)]
    pub sampling: SamplingArguments,
    #[command(flatten)]
    pub alignment: AlignmentArguments,
}

impl SettingsArguments {
    /// These settings with the options of the command line in their place.
    pub fn apply(&self, settings: Settings) -> Settings {
        Settings {
            sampling: self.sampling.sampling(),
            n_best: self.n_best,
            prefix: self.prefix.clone(),
            alignment: self.alignment.heads(),
            ..settings
        }
    }
}

/// How to draw at random, where that is asked for.
#[derive(Args)]
pub struct SamplingArguments {
    /// Draw each token at random, by its probability; the run's own beam counts for nothing
    #[arg(long, conflicts_with = "beam")]
    pub sample: bool,
    /// Draw from the N most probable tokens alone; 0 is all
    #[arg(long, value_name = "N", requires = "sample", default_value_t = 0)]
    pub top_k: usize,
    /// Draw from the fewest tokens that together are at least so probable
    #[arg(long, value_name = "P", requires = "sample", default_value_t = 1.0)]
    pub top_p: f64,
    /// Divide log-probabilities by this before drawing
    #[arg(long, value_name = "T", requires = "sample", default_value_t = 1.0)]
    pub temperature: f64,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", requires = "sample", default_value_t = 1)]
    pub seed: u64,
}

impl SamplingArguments {
    pub fn sampling(&self) -> Option<Sampling> {
        let Self { sample, top_k, top_p, temperature, seed } = *self;
        sample.then_some(Sampling { top_k, top_p, temperature, seed })
    }
}

/// Where target tokens come from.
#[derive(Args)]
pub struct AlignmentArguments {
    /// Tell for each target token the source token that cross-attention looks at most (with --format jsonl)
    #[arg(long)]
    pub alignment: bool,
    /// Ask one decoder layer alone, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", requires = "alignment", value_parser = one_based)]
    pub alignment_layer: Option<usize>,
    /// Ask one head alone, counted from 1 [default: the mean of all]
    #[arg(long, value_name = "N", requires = "alignment", value_parser = one_based)]
    pub alignment_head: Option<usize>,
}

impl AlignmentArguments {
    pub fn heads(&self) -> Option<AlignmentHeads> {
        self.alignment.then_some(AlignmentHeads { layer: self.alignment_layer, head: self.alignment_head })
    }
}
