//! The command line: texts to decode, or a command.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::options::UsageError;
use crate::{arguments, commands};

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
    /// Write a run folder with weights in int8, a quarter of the size
    Quantise(commands::quantise::Arguments),
    /// Write the target tokens that each source token may need, for --shortlist
    Shortlist(commands::shortlist::Arguments),
    /// Export a model to the format of another program
    #[cfg(feature = "marian")]
    Export(commands::export::Arguments),
    /// Import a Hugging Face folder (Marian, T5, BART, mBART, M2M100, Pegasus), or Marian's own files
    #[cfg(feature = "marian")]
    Import(commands::import::Arguments),
    /// Serve translations over HTTP: JSON for programs, a page for people
    #[cfg(feature = "serve")]
    Serve(commands::serve::Arguments),
}

impl Cli {
    /// Parses the arguments of the process. Prints a message and exits with code 2 if they are invalid.
    pub fn parse_job() -> Job {
        let arguments = arguments::prepare(std::env::args_os().collect());
        let Self { command, decode } =
            Self::try_parse_from(&arguments).unwrap_or_else(|error| Self::explain(error, &arguments).exit());
        if command.is_none() && decode.model.is_empty() {
            let message = "the following required argument was not provided: --model <DIR>";
            Self::exit(&UsageError::new(ErrorKind::MissingRequiredArgument, message));
        }
        command.unwrap_or(Job::Decode(decode))
    }

    /// The same error, with a remedy for a word that is neither a text nor a command, or both.
    fn explain(error: clap::Error, arguments: &[OsString]) -> clap::Error {
        let Some(ContextValue::String(found)) = error.get(ContextKind::InvalidArg) else { return error };
        if error.kind() != ErrorKind::UnknownArgument {
            return error;
        }
        let given: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        let is_first = given.get(1).is_some_and(|name| arguments::is_command(&name.into()));
        if let Some(command) = given.iter().skip(2).find(|word| arguments::is_command(&word.into()) && !is_first) {
            let message = format!(
                "unexpected argument '{found}' found\n\n  tip: '{command}' is read as a text, because options precede it; \
                 a command comes first: infer {command} …"
            );
            return Self::command().error(ErrorKind::UnknownArgument, message);
        }
        if let Some(text) = found.strip_prefix(arguments::TEXT_MARK) {
            let message = format!("unexpected argument '{text}' found\n\n  tip: one text is expected, found another");
            return Self::in_use(arguments).error(ErrorKind::UnknownArgument, message);
        }
        // Clap names the first letter alone.
        let is_it = |word: &&str| word.starts_with(found.as_str()) && !word.starts_with("--");
        let mut pairs = given.iter().zip(given.iter().skip(1)); // each word with the one before it; the first is the program
        if let Some((&before, &text)) = pairs.find(|(_, word)| is_it(word)) {
            let mut command = Self::in_use(arguments);
            let option = |name: &str| command.get_arguments().find(|option| option.get_long() == Some(name));
            let name = text.trim_start_matches('-');
            let takes_it = before.strip_prefix("--").and_then(option).is_some_and(|it| it.get_action().takes_values());
            let tip = match option(name) {
                Some(_) => format!("write the option with two dashes: '--{name}'"),
                None if takes_it => format!("join a value that begins with a dash to its option: '{before}={text}'"),
                None if !text.starts_with('-') => {
                    "quote a text of several words; one text at most is expected".to_string()
                }
                None => format!("if it is a text, write it behind '--': '-- {text}'"),
            };
            let message = format!("unexpected argument '{text}' found\n\n  tip: {tip}");
            return command.error(ErrorKind::UnknownArgument, message);
        }
        error
    }

    /// Prints a usage error and exits with code 2.
    pub fn exit(error: &UsageError) -> ! {
        let arguments = arguments::prepare(std::env::args_os().collect());
        Self::in_use(&arguments).error(error.kind, &error.message).exit()
    }

    /// The command of these arguments, whose line of usage an error shows.
    fn in_use(arguments: &[OsString]) -> clap::Command {
        let mut command = Self::command();
        command.build();
        match arguments.get(1).and_then(|name| command.find_subcommand(name)) {
            Some(subcommand) => subcommand.clone(),
            None => command,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
