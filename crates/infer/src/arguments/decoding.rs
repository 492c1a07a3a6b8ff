//! How to decode.

use clap::Args;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::{Settings, TrainedModel};
use runs::LengthPenalty;

use super::one_based;

/// How to decode, where that differs from the run's own configuration.
#[derive(Args)]
pub struct DecodingArguments {
    /// Hypotheses per text; 1 is greedy [default: as the run says]
    #[arg(long, value_name = "N")]
    pub beam: Option<usize>,
    /// What a hypothesis' log-probability is divided by: length^A, or with wu:A ((5 + length) / 6)^A [default: as the run
    /// says]
    #[arg(long, value_name = "A")]
    pub length_penalty: Option<LengthPenalty>,
    /// Fewest target tokens per text, end token not counted [default: as the run says, else 0]
    #[arg(long, value_name = "N")]
    pub min_length: Option<usize>,
    /// The same, as a multiple of the source's tokens; the larger of the two counts
    #[arg(long, value_name = "R")]
    pub min_length_ratio: Option<f64>,
    /// Most target tokens per text, end token included [default: as the run says, else source length + 50, or more where
    /// the fewest need it]
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// The same, as a multiple of the source's tokens; the smaller of the two counts
    #[arg(long, value_name = "R")]
    pub max_length_ratio: Option<f64>,
    /// Never say the same N tokens in a row twice; 0 allows it [default: as the run says, else 0]
    #[arg(long, value_name = "N")]
    pub no_repeat_ngram: Option<usize>,
    /// Divide the logits of what has been said by this; 1 changes nothing [default: as the run says, else 1]
    #[arg(long, value_name = "P")]
    pub repetition_penalty: Option<f64>,
}

impl DecodingArguments {
    /// Changes a model's settings to these.
    pub fn apply(&self, trained: &mut TrainedModel) -> anyhow::Result<()> {
        let mut decoding = trained.decoding.clone();
        replace(&mut decoding.beam, self.beam);
        replace(&mut decoding.length_penalty, self.length_penalty);
        replace(&mut decoding.min_length, self.min_length);
        replace(&mut decoding.min_length_ratio, self.min_length_ratio);
        replace(&mut decoding.max_length, self.max_length.map(Some));
        replace(&mut decoding.max_length_ratio, self.max_length_ratio.map(Some));
        replace(&mut decoding.no_repeat_ngram, self.no_repeat_ngram);
        replace(&mut decoding.repetition_penalty, self.repetition_penalty);
        // All together: one option may make room for another.
        decoding.validate(&trained.config).map_err(|error| {
            let option = self.at_fault(&error.field);
            anyhow::Error::from(error).context(option)
        })?;
        trained.decoding = decoding;
        Ok(())
    }

    /// The option that spoils a field: its own (`--length-penalty` for `decoding.length_penalty.alpha`) if it was given,
    /// else those that were, since the run's own settings agree with each other.
    fn at_fault(&self, field: &str) -> String {
        let own = format!("--{}", field.split('.').nth(1).unwrap_or(field).replace('_', "-"));
        let given = self.given();
        if given.is_empty() || given.contains(&own.as_str()) { own } else { given.join(", ") }
    }

    fn given(&self) -> Vec<&'static str> {
        let options = [
            ("--beam", self.beam.is_some()),
            ("--length-penalty", self.length_penalty.is_some()),
            ("--min-length", self.min_length.is_some()),
            ("--min-length-ratio", self.min_length_ratio.is_some()),
            ("--max-length", self.max_length.is_some()),
            ("--max-length-ratio", self.max_length_ratio.is_some()),
            ("--no-repeat-ngram", self.no_repeat_ngram.is_some()),
            ("--repetition-penalty", self.repetition_penalty.is_some()),
        ];
        options.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }
}

fn replace<T>(setting: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *setting = asked;
    }
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
    /// Everything that decoding is to follow.
    pub fn settings(&self, trained: &TrainedModel) -> Settings {
        Settings {
            sampling: self.sampling.sampling(),
            n_best: self.n_best,
            prefix: self.prefix.clone(),
            alignment: self.alignment.heads(),
            ..Settings::of(trained)
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
