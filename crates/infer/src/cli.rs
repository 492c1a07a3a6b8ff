//! The command line: texts to decode, or a command.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::options::{DeviceOptions, UsageError};

/// Decode texts with a trained model, or run a command on it
///
/// Results are printed to standard output, one line per text; messages are printed to standard error.
#[derive(Parser)]
#[command(
    name = "infer",
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "infer --model <DIR> [OPTIONS] [TEXT]...\n       infer <COMMAND> ..."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Job>,
    #[command(flatten)]
    decode: commands::decode::Arguments,
}

/// What to run, with its arguments.
#[derive(Subcommand)]
pub enum Job {
    /// Decode texts; the default without a command
    #[command(skip)]
    Decode(commands::decode::Arguments),
    /// Compute the log-probability of given translations
    Score(commands::score::Arguments),
    /// Decode a file and compare it with references: BLEU, chrF and exact match
    Evaluate(commands::evaluate::Arguments),
    /// Write the translation closest to each reference, as training data for another model
    Distil(commands::distil::Arguments),
    /// Show the attention of a translation as JSON, as a page or as a picture
    Attend(commands::attend::Arguments),
    /// Export a model to the format of another program
    #[cfg(feature = "marian")]
    Export(commands::export::Arguments),
    /// Import a Hugging Face Marian folder, such as a model of OPUS-MT
    #[cfg(feature = "marian")]
    Import(commands::import::Arguments),
    /// Serve translations over HTTP: JSON for programs, a page for people
    #[cfg(feature = "serve")]
    Serve(commands::serve::Arguments),
}

impl Cli {
    /// Parses the arguments of the process. Prints a message and exits with code 2 if they are invalid.
    pub fn parse_job() -> Job {
        let Self { command, decode } = Self::parse_from(options_after_command(std::env::args_os().collect()));
        if command.is_none() && decode.model.is_none() {
            let message = "the following required argument was not provided: --model <DIR>";
            Self::exit(&UsageError::new(ErrorKind::MissingRequiredArgument, message));
        }
        command.unwrap_or(Job::Decode(decode))
    }

    /// Prints a usage error and exits with code 2.
    pub fn exit(error: &UsageError) -> ! {
        Self::command().error(error.kind, &error.message).exit()
    }
}

/// Moves device options (`--quiet`, `--device`, `--threads`) that precede a command behind its name.
///
/// Clap parses a command after an option as a text: `infer --quiet attend …` would translate the word `attend`. After any
/// other option a word is always a text, so that every word can be translated.
fn options_after_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let options = DeviceOptions::augment_args(Command::new("device"));
    let mut at = 1;
    while let Some(words) = arguments.get(at).and_then(|argument| device_option_words(argument, &options)) {
        at += words;
    }
    let is_command = |name: &OsString| Cli::command().get_subcommands().any(|command| command.get_name() == name);
    if at > 1 && arguments.get(at).is_some_and(is_command) {
        arguments[1..=at].rotate_right(1);
    }
    arguments
}

/// The number of arguments that a device option takes with its value; `None` for anything else.
fn device_option_words(argument: &OsString, options: &Command) -> Option<usize> {
    let name = argument.to_str()?.strip_prefix("--")?;
    let find = |name: &str| options.get_arguments().find(|option| option.get_long() == Some(name));
    match name.split_once('=') {
        Some((name, _)) => find(name).map(|_| 1),
        None => find(name).map(|option| if option.get_action().takes_values() { 2 } else { 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reordered(arguments: &[&str]) -> Vec<String> {
        let arguments = ["infer"].iter().chain(arguments).map(OsString::from).collect();
        options_after_command(arguments).into_iter().skip(1).map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn device_options_move_behind_the_command() {
        assert_eq!(reordered(&["--quiet", "attend", "--model", "m"]), ["attend", "--quiet", "--model", "m"]);
        let expected = ["score", "--device", "flex", "--threads=2", "--quiet", "--model", "m"];
        assert_eq!(reordered(&["--device", "flex", "--threads=2", "--quiet", "score", "--model", "m"]), expected);
    }

    #[test]
    fn other_arguments_stay_in_place() {
        for arguments in [
            &[][..],
            &["--quiet"],
            &["--device"],
            &["attend", "--quiet"],
            &["--quiet", "--", "attend"],
            &["--model", "m", "attend"],
            &["--quiet", "--model", "m", "attend"],
            &["--device", "attend", "--model", "m"],
            &["--quiet=", "a text"],
        ] {
            assert_eq!(reordered(arguments), arguments);
        }
    }
}
