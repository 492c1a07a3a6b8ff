//! The command line, and the trained model that it asks for.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use infer::attend::still::Kind;
use infer::{LengthPenalty, TrainedModel};
use model::backend;
use model::summary::Summary;

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
    /// Decode a file and compare it with a reference: BLEU, chrF, exact match
    Evaluate(EvaluateArguments),
    /// Show what the model attends to while it decodes a text: numbers, a page or a picture
    Attend(AttendArguments),
    /// Write a model in the form that other programs read
    #[cfg(feature = "marian")]
    Export(crate::export::ExportArguments),
    /// Make a run folder of a Hugging Face Marian folder, such as those of OPUS-MT
    #[cfg(feature = "marian")]
    Import(crate::import::ImportArguments),
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
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub batch_tokens: usize,
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
    /// Most source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub batch_tokens: usize,
    #[command(flatten)]
    pub machine: MachineArguments,
}

#[derive(Args)]
pub struct AttendArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Text to decode
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// What the model shall say, instead of what it says by itself
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["beam", "length_penalty", "max_length"])]
    pub target: Option<String>,
    /// File to write: .json for all numbers, .html for a page, .svg or .png for a picture; - is standard output
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Form of the output [default: as the file's name ends; on standard output, json]
    #[arg(long, value_enum)]
    pub format: Option<AttendFormat>,
    /// Pictures: which of the three attentions [default: cross]
    #[arg(long, value_enum)]
    pub attention: Option<AttentionName>,
    /// Pictures: one layer alone, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    pub layer: Option<usize>,
    /// Pictures: one head alone, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    pub head: Option<usize>,
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

/// What `infer attend` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttendFormat {
    Json,
    Html,
    Svg,
    Png,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AttentionName {
    Encoder,
    Decoder,
    Cross,
}

impl From<AttentionName> for Kind {
    fn from(name: AttentionName) -> Self {
        match name {
            AttentionName::Encoder => Kind::Encoder,
            AttentionName::Decoder => Kind::Decoder,
            AttentionName::Cross => Kind::Cross,
        }
    }
}

/// Counted from 1 on the command line, from 0 within.
fn one_based(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number - 1),
        _ => Err("expected a number, counted from 1".to_string()),
    }
}

impl AttendArguments {
    /// In what form to write; where the arguments make no sense together, says so and ends the program with code 2.
    pub fn form(&self) -> AttendFormat {
        let refuse = |kind, message: String| -> ! { Arguments::command().error(kind, message).exit() };
        let standard_output = self.output == Path::new("-");
        let extension = self.output.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
        let named = match extension.as_deref() {
            Some("json") => Some(AttendFormat::Json),
            Some("html") => Some(AttendFormat::Html),
            Some("svg") => Some(AttendFormat::Svg),
            Some("png") => Some(AttendFormat::Png),
            _ => standard_output.then_some(AttendFormat::Json),
        };
        let Some(form) = self.format.or(named) else {
            let found = self.output.display();
            let message = format!("--output {found}: expected a name that ends in .json, .html, .svg or .png");
            refuse(ErrorKind::InvalidValue, message)
        };
        if standard_output && form == AttendFormat::Png {
            let message =
                "--format png: expected json, html or svg on standard output; give --output a file".to_string();
            refuse(ErrorKind::ArgumentConflict, message);
        }
        let picture = matches!(form, AttendFormat::Svg | AttendFormat::Png);
        let chosen = [
            ("--attention", self.attention.is_some()),
            ("--layer", self.layer.is_some()),
            ("--head", self.head.is_some()),
        ];
        if let Some((option, _)) = chosen.into_iter().find(|(_, given)| *given && !picture) {
            let message =
                format!("{option} chooses what a picture shows (.svg, .png); the other forms show everything");
            refuse(ErrorKind::ArgumentConflict, message);
        }
        form
    }
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
