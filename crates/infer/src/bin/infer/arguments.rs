//! The command line, and the trained model that it asks for.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use infer::{LengthPenalty, TrainedModel};
use model::backend;
use model::summary::Summary;

/// Puts a trained model to work: decodes texts, or does what a command says.
///
/// Results go to standard output, one line per text; everything else goes to standard error.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
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
    /// Decode a file and compare it with a reference: BLEU, chrF, exact match
    Evaluate(EvaluateArguments),
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
    #[command(flatten)]
    pub decoding: DecodingArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

#[derive(Args)]
pub struct EvaluateArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
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
    /// Write the decoded texts here, one a line
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub decoding: DecodingArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
}

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
    /// Most target tokens per text, end token included [default: as the run says, else source length + 50]
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub batch_tokens: usize,
}

/// Where to compute, and what to say of it.
#[derive(Args)]
pub struct MachineArguments {
    /// Device to compute on, among those compiled in: cuda, vulkan, wgpu, ndarray, flex [default: the first of these]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Threads to compute with [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Nothing on standard error but errors
    #[arg(long)]
    pub quiet: bool,
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

impl Arguments {
    /// What the command line asks for; where it makes no sense, says so and ends the program with code 2.
    pub fn parsed() -> Command {
        let Self { command, decode } = Self::parse();
        if let Some(command) = command {
            return command;
        }
        if decode.model.is_none() {
            let message = "the following required argument was not provided: --model <DIR>";
            Self::command().error(ErrorKind::MissingRequiredArgument, message).exit();
        }
        Command::Decode(decode)
    }
}

/// Opens a run folder on the device asked for, and says what it is.
pub fn open(model: PathBuf, decoding: &DecodingArguments, machine: &MachineArguments) -> anyhow::Result<TrainedModel> {
    if let Some(threads) = machine.threads {
        anyhow::ensure!(threads > 0, "--threads = 0: expected at least 1");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
    }
    let backend = backend::choose(machine.device.as_deref())?;
    let mut trained = TrainedModel::open(&model, &backend.open()?)?;
    // One after the other, so that a refusal names the option.
    let DecodingArguments { beam, length_penalty, max_length, .. } = decoding;
    if let Some(beam) = *beam {
        trained.decoding.beam = beam;
        trained.decoding.validate(&trained.config).context("--beam")?;
    }
    if let Some(length_penalty) = *length_penalty {
        trained.decoding.length_penalty = length_penalty;
        trained.decoding.validate(&trained.config).context("--length-penalty")?;
    }
    if let Some(max_length) = *max_length {
        trained.decoding.max_length = Some(max_length);
        trained.decoding.validate(&trained.config).context("--max-length")?;
    }
    if !machine.quiet {
        let parameters = model::summary::grouped(Summary::of(&trained.model).total());
        // Nobody listening to this is no reason to fail.
        drop(writeln!(io::stderr(), "{}: {parameters} parameters on {backend}, float32", model.display()));
    }
    Ok(trained)
}
