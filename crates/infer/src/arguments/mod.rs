//! The command line.

mod attend;
mod decoding;
mod machine;
#[cfg(feature = "serve")]
mod serve;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use runs::config::{DecodingOverrides, LengthPenalty};
use text::metrics::{Bleu, BleuTokenization};
use text::{ParallelPath, TextError, read_parallel};

pub use attend::{AttendArguments, AttendFormat, AttentionName};
pub use decoding::{AlignmentArguments, SamplingArguments, SettingsArguments, option_name, settings};
pub use machine::MachineArguments;
#[cfg(feature = "serve")]
pub use serve::ServeArguments;

/// Puts a trained model to work: decodes texts, or does what a command says.
///
/// Results go to standard output, one line per text; everything else goes to standard error.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "infer --model <DIR> [OPTIONS] [TEXT]...\n       infer <COMMAND> ..."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    decode: DecodeArguments,
}

#[derive(Subcommand)]
pub enum Command {
    /// Decode texts (what happens without a command)
    #[command(skip)]
    Decode(DecodeArguments),
    /// Tell how probable given translations are
    Score(ScoreArguments),
    /// Decode a file and compare it with a reference: BLEU, chrF, exact match
    Evaluate(EvaluateArguments),
    /// Of each text's translations, write the one closest to the reference: text to train another model on
    Distil(DistilArguments),
    /// Show what the model attends to while it decodes a text: numbers, a page or a picture
    Attend(AttendArguments),
    /// Write a model in the form that other programs read
    #[cfg(feature = "marian")]
    Export(crate::commands::export::ExportArguments),
    /// Make a run folder of a Hugging Face Marian folder, such as those of OPUS-MT
    #[cfg(feature = "marian")]
    Import(crate::commands::import::ImportArguments),
    /// Answer over HTTP: JSON for programs, a page for people
    #[cfg(feature = "serve")]
    Serve(ServeArguments),
}

#[derive(Args)]
pub struct DecodeArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Texts to decode; without any, lines are read from standard input
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// Form of the output: the text alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
    /// Print each text's score before it
    #[arg(long)]
    pub scores: bool,
    #[command(flatten)]
    pub decoding: DecodingOverrides,
    #[command(flatten)]
    pub settings: SettingsArguments,
    #[command(flatten)]
    pub batches: BatchArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

#[derive(Args)]
pub struct ScoreArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Source texts, one a line
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// Their translations, line for line
    #[arg(long, value_name = "FILE")]
    pub target: PathBuf,
    /// Form of the output: the score alone, or a JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
    /// What the log-probability is divided by: length^A, or with wu:A ((5 + length) / 6)^A; 0 leaves it as it is [default:
    /// as the run says]
    #[arg(long, value_name = "A")]
    pub length_penalty: Option<LengthPenalty>,
    #[command(flatten)]
    pub alignment: AlignmentArguments,
    #[command(flatten)]
    pub batches: BatchArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

#[derive(Args)]
pub struct EvaluateArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    #[command(flatten)]
    pub comparison: ComparisonArguments,
    /// Write the decoded texts here, one a line; - is standard output, after the scores
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub decoding: DecodingOverrides,
    #[command(flatten)]
    pub batches: BatchArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

#[derive(Args)]
pub struct DistilArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    #[command(flatten)]
    pub comparison: ComparisonArguments,
    /// Hypotheses to choose among for each text, best first [default: the whole beam]
    #[arg(long, value_name = "N", required_if_eq("sample", "true"))]
    pub n_best: Option<usize>,
    #[command(flatten)]
    pub decoding: DecodingOverrides,
    #[command(flatten)]
    pub sampling: SamplingArguments,
    #[command(flatten)]
    pub batches: BatchArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

/// What is decoded and compared with references, and how.
#[derive(Args)]
pub struct ComparisonArguments {
    /// Texts to decode, one a line
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// What they should become, line for line
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// How text is cut into the words that BLEU counts: 13a for plain text, none for text that is tokenised already
    #[arg(long, value_enum, default_value = "13a")]
    pub tokenize: Tokenize,
    /// Compare lower-cased text
    #[arg(long)]
    pub lowercase: bool,
}

impl ComparisonArguments {
    /// Sources and references, line for line.
    pub fn read(&self) -> Result<(Vec<String>, Vec<String>), TextError> {
        let Self { source, reference, .. } = self;
        let files = ParallelPath::Files { source: source.clone().into(), target: reference.clone().into() };
        Ok(read_parallel(&files)?.into_iter().map(|pair| (pair.source, pair.target)).unzip())
    }

    pub fn bleu(&self) -> Bleu {
        let tokenization = match self.tokenize {
            Tokenize::V13a => BleuTokenization::V13a,
            Tokenize::None => BleuTokenization::None,
        };
        Bleu { lowercase: self.lowercase, tokenization, effective_order: false }
    }
}

/// How much is decoded together.
#[derive(Args)]
pub struct BatchArguments {
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub batch_tokens: usize,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum OutputFormat {
    Text,
    Jsonl,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Tokenize {
    #[value(name = "13a")]
    V13a,
    None,
}

/// Counted from 1 on the command line, from 0 within.
fn one_based(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number - 1),
        _ => Err("expected a number, counted from 1".to_string()),
    }
}

impl Arguments {
    /// What the command line asks for; where it makes no sense, says so and ends the program with code 2.
    pub fn parsed() -> Command {
        let Self { command, decode } = Self::parse();
        let refuse = |kind, message: &str| -> ! { Self::command().error(kind, message).exit() };
        if command.is_none() && decode.model.is_none() {
            let message = "the following required argument was not provided: --model <DIR>";
            refuse(ErrorKind::MissingRequiredArgument, message);
        }
        let command = command.unwrap_or(Command::Decode(decode));
        let aligned = match &command {
            Command::Decode(decode) => Some((decode.settings.alignment.alignment, decode.format)),
            Command::Score(score) => Some((score.alignment.alignment, score.format)),
            _ => None,
        };
        if matches!(aligned, Some((true, OutputFormat::Text))) {
            let message = "--alignment: found plain text as the form of the output, which has no place for it; \
                           give --format jsonl, too";
            refuse(ErrorKind::ArgumentConflict, message);
        }
        command
    }
}
