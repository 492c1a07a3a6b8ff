//! The arguments of the process before clap parses them: options before a command, and texts that begin with a dash.

use std::ffi::OsString;

use clap::{Args, Command, CommandFactory};

use crate::cli::Cli;
use crate::options::DeviceOptions;

/// Precedes a text that begins with a dash on its way through clap, which would take it for an option. No argument of a
/// process can hold this character.
pub const TEXT_MARK: char = '\0';

/// Moves device options (`--quiet`, `--device`, `--threads`) that precede a command behind its name, and marks texts that
/// begin with a dash.
pub fn prepare(arguments: Vec<OsString>) -> Vec<OsString> {
    mark_texts(options_after_command(arguments))
}

/// Parses a text: the value parser of every positional `TEXT`.
///
/// # Errors
/// None; clap requires a `Result`.
pub fn parse_text(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.strip_prefix(TEXT_MARK).unwrap_or(text).to_string())
}

/// Clap would take the name of the command for a text: `infer --quiet attend …` would translate the word `attend`. After
/// any other option a word is always a text, so that every word can be translated.
fn options_after_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let options = DeviceOptions::augment_args(Command::new("device"));
    let mut at = 1;
    while let Some(words) = arguments.get(at).and_then(|argument| option_words(argument, &options)) {
        at += words;
    }
    if at > 1 && arguments.get(at).is_some_and(is_command) {
        arguments[1..=at].rotate_right(1);
    }
    arguments
}

/// Whether an argument is the name of a command.
pub fn is_command(argument: &OsString) -> bool {
    Cli::command().get_subcommands().any(|command| command.get_name() == argument)
}

/// The number of arguments that an option takes with its value; `None` for anything that is no option of `command`.
fn option_words(argument: &OsString, command: &Command) -> Option<usize> {
    let name = argument.to_str()?.strip_prefix("--")?;
    let find = |name: &str| command.get_arguments().find(|option| option.get_long() == Some(name));
    match name.split_once('=') {
        Some((name, _)) => find(name).map(|_| 1),
        None => find(name).map(|option| if option.get_action().takes_values() { 2 } else { 1 }),
    }
}

/// Marks the texts that begin with a dash, up to `--`. What has the form of an option stays one, known or not, so that a
/// misspelled option is an error.
fn mark_texts(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let root = Cli::command();
    let (command, mut at) = match arguments.get(1).and_then(|name| root.find_subcommand(name)) {
        Some(command) => (command, 2),
        None => (&root, 1),
    };
    if command.get_positionals().next().is_none() {
        return arguments;
    }
    while let Some(argument) = arguments.get(at).filter(|argument| *argument != "--") {
        if let Some(words) = option_words(argument, command) {
            at += words;
            continue;
        }
        if let Some(text) = argument.to_str().filter(|text| text.starts_with('-') && !has_form_of_option(text)) {
            arguments[at] = format!("{TEXT_MARK}{text}").into();
        }
        at += 1;
    }
    arguments
}

/// Whether an argument is one or two dashes and a name of ASCII letters, digits, `-` and `_`, up to a `=`.
///
/// `-5`, `- Yes`, `-Yes, sir` and `-荒原-` are texts; `--beem`, `-beam` and `-h` are options, known or not.
pub fn has_form_of_option(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or_default();
    let name = name.strip_prefix("--").or_else(|| name.strip_prefix('-')).unwrap_or_default();
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(arguments: &[&str]) -> Vec<String> {
        let arguments = ["infer"].iter().chain(arguments).map(OsString::from).collect();
        prepare(arguments).into_iter().skip(1).map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn device_options_move_behind_the_command() {
        assert_eq!(prepared(&["--quiet", "attend", "--model", "m"]), ["attend", "--quiet", "--model", "m"]);
        let expected = ["score", "--device", "flex", "--threads=2", "--quiet", "--model", "m"];
        assert_eq!(prepared(&["--device", "flex", "--threads=2", "--quiet", "score", "--model", "m"]), expected);
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
            &["--model", "m", "--", "- a text"],
            &["score", "- no text"],
            &["--prefix", "- no text"],
            &["--prefix=- no text"],
        ] {
            assert_eq!(prepared(arguments), arguments);
        }
    }

    /// Dialogue, numbers and emphasis begin with dashes (ssut/py-googletrans#109).
    #[test]
    fn texts_that_begin_with_a_dash_are_marked() {
        for text in ["- The man sleeps.", "-5", "-荒原-", "-Yes, sir.", "--", "---", "-- Yes", "-Über", "-", "-=x"] {
            assert!(text == "--" || !has_form_of_option(text), "{text}");
        }
        let expected = ["--model", "m", "\0- a", "b", "\0-5"];
        assert_eq!(prepared(&["--model", "m", "- a", "b", "-5"]), expected);
        assert_eq!(prepared(&["attend", "--head", "-5", "-5"]), ["attend", "--head", "-5", "\0-5"]);
        assert_eq!(parse_text("\0- a").unwrap(), "- a");
    }

    #[test]
    fn what_has_the_form_of_an_option_is_one() {
        for option in ["--beem", "-beam", "-h", "-face", "--beem=a b", "-V", "--max_length"] {
            assert!(has_form_of_option(option), "{option}");
        }
    }
}
