//! Lines translated by several processes: rank 0 reads them, deals them out in blocks and writes the translations in order,
//! the same bytes as one process.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use cluster::{Cluster, Identity, Patience, Stall, hash_of_file, share};
use decode::{DecodeError, TextProblem, Translator};
use runs::{format_chain, layout};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lines::{self, End, Line, LineFormat, WINDOW};
use crate::log::log_line;
use crate::options::UsageError;
use crate::{print_error, with_option_names};

/// What a rank does next.
#[derive(Debug, Serialize, Deserialize)]
enum Announcement {
    /// Translates consecutive lines, of which the first has this number, from 1; replies with a [`Block`].
    Translate { first_line: usize, texts: Vec<String> },
    /// Ends.
    End,
}

/// Translations of consecutive lines.
#[derive(Debug, Serialize, Deserialize)]
pub struct Block {
    /// The number of the first line, from 1.
    pub first_line: usize,
    /// The lines as they are printed.
    output: String,
    /// The number of unknown tokens and the problem of each line.
    pub lines: Vec<(usize, Option<TextProblem>)>,
    /// Numbers of the lines that are not valid UTF-8.
    pub not_utf8: Vec<usize>,
    /// Why the lines after these have no translation.
    failure: Option<String>,
}

/// Joins the job that this process was started in, if any, and does `work` as one of its processes. `limit` is the time in
/// seconds after which a process that does not answer ends the job.
///
/// # Errors
/// A job that cannot be joined, or the errors of `work`.
pub fn in_job(limit: u64, work: impl FnOnce(&Cluster) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cluster = Cluster::connect(Duration::from_secs(limit), print_stall)?;
    let result = work(&cluster);
    if cluster.size() == 1 {
        return result;
    }
    match (cluster.is_root(), result) {
        (true, result) => {
            let result = result.map_err(print_first);
            cluster.others().for_each(|rank| send(&cluster, rank, &Announcement::End));
            cluster.meet();
            result
        }
        (false, Ok(())) => {
            cluster.meet();
            Ok(())
        }
        (false, Err(error)) => {
            let (rank, host) = (cluster.rank(), cluster.host(cluster.rank()));
            log_line(format!("error: rank {rank} on {host}: {}", format_chain(error.as_ref())));
            cluster.abort(1); // the root waits for this one
        }
    }
}

/// An error that has been printed.
#[derive(Debug)]
pub struct Printed;

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("printed before")
    }
}

impl Error for Printed {}

/// Prints an error of a job before the end of its other processes, which one of them may prevent.
fn print_first(error: anyhow::Error) -> anyhow::Error {
    if error.is::<UsageError>() || error.downcast_ref().is_some_and(DecodeError::is_broken_pipe) {
        return error;
    }
    print_error(error);
    Printed.into()
}

fn print_stall(stall: &Stall) {
    log_line(format!("error: {stall}; raise it if a block of lines takes longer"));
}

/// Compares the ranks, and returns what this one has opened from `models` and `shortlist` if all ranks could; `None` at a rank
/// that could not, whose error the root prints.
///
/// # Errors
/// At the root, its own error or that of the first rank that failed or differs.
pub fn agree<T>(
    cluster: &Cluster,
    opened: anyhow::Result<T>,
    models: &[PathBuf],
    shortlist: Option<&Path>,
) -> anyhow::Result<Option<T>> {
    if cluster.size() == 1 {
        return opened.map(Some);
    }
    let opened = opened.map_err(with_option_names);
    let failure = opened.as_ref().err().map(|error| format_chain(error.as_ref()));
    let compared = identity(models, shortlist).failing(failure).compare(cluster);
    if !cluster.is_root() {
        return Ok(opened.ok());
    }
    let opened = opened?;
    compared?.iter().for_each(|note| log_line(format!("note: {note}")));
    Ok(Some(opened))
}

/// What all ranks must have in common.
fn identity(models: &[PathBuf], shortlist: Option<&Path>) -> Identity {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut identity =
        Identity::of_this_process(env!("CARGO_PKG_VERSION")).with("arguments", Some(arguments.join(" ")));
    let names = [layout::WEIGHTS, layout::SOURCE_TOKENIZER, layout::TARGET_TOKENIZER, layout::CONFIG];
    let files = models.iter().flat_map(|model| names.map(|file| model.join(file)));
    for path in files.chain(shortlist.map(Path::to_path_buf)) {
        identity = identity.with(&format!("hash of {}", path.display()), hash_of_file(&path));
    }
    identity
}

/// Translates blocks of lines for the root until it ends the job.
///
/// # Errors
/// None but those of a translator that cannot be used.
pub fn follow(cluster: &Cluster, translator: &Translator, format: LineFormat) -> anyhow::Result<()> {
    loop {
        match receive(cluster, 0, Patience::Input) {
            Announcement::End => return Ok(()),
            Announcement::Translate { first_line, texts } => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                send(cluster, 0, &block(translator, &texts, first_line, format));
            }
        }
    }
}

/// Translates every line of `input` on all ranks, in order, and passes each block that was written to `on_block`.
///
/// # Errors
/// As [`lines::translate_lines`]; the translations of earlier lines are written first.
pub fn translate_lines(
    cluster: &Cluster,
    translator: &Translator,
    input: impl Read + Send + 'static,
    format: LineFormat,
    output: &mut impl Write,
    mut on_block: impl FnMut(&Block),
) -> anyhow::Result<()> {
    let lines = lines::read_in_background(input);
    let mut first_line = 1;
    loop {
        let (window, end) = lines::next_window(&lines, WINDOW * cluster.size());
        let share = |rank| share(window.len(), cluster.size(), rank);
        let texts = |rank| window[share(rank)].iter().map(|line| line.text.as_str()).collect::<Vec<_>>();
        let busy: Vec<usize> = (0..cluster.size()).filter(|rank| !share(*rank).is_empty()).collect();
        for &rank in busy.iter().filter(|rank| **rank != 0) {
            let texts = texts(rank).into_iter().map(str::to_string).collect();
            send(cluster, rank, &Announcement::Translate { first_line: first_line + share(rank).start, texts });
        }
        // All blocks are received first, so that no rank waits while this one writes, or after a failure.
        let translated = |rank| match rank {
            0 => block(translator, &texts(0), first_line, format),
            _ => receive(cluster, rank, Patience::Answer),
        };
        let blocks: Vec<(usize, Block)> = busy.into_iter().map(|rank| (rank, translated(rank))).collect();
        let mut result = Ok(());
        for (rank, mut block) in blocks {
            if result.is_ok() {
                block.not_utf8 = invalid(&window[share(rank)][..block.lines.len()], block.first_line);
                result = write(&block, output);
                if result.is_ok() {
                    on_block(&block);
                }
                result = result.and(block.failure.map_or(Ok(()), |failure| Err(anyhow!(failure))));
            }
        }
        result?;
        first_line += window.len();
        match end {
            End::Pause => {}
            End::Input => return Ok(()),
            End::Failure(error) => return Err(error.into()),
        }
    }
}

fn invalid(lines: &[Line], first_line: usize) -> Vec<usize> {
    lines.iter().zip(first_line..).filter(|(line, _)| !line.valid).map(|(_, number)| number).collect()
}

fn write(block: &Block, output: &mut impl Write) -> anyhow::Result<()> {
    let written = output.write_all(block.output.as_bytes()).and_then(|()| output.flush());
    Ok(written.map_err(|source: io::Error| DecodeError::Stream { origin: "standard output", source })?)
}

/// Translates consecutive lines up to the first that fails.
fn block(translator: &Translator, texts: &[&str], first_line: usize, format: LineFormat) -> Block {
    let translated =
        lines::before_too_long(texts, first_line, |texts, number| translator.translate_from(texts, number));
    let (results, failure) = translated.unwrap_or_else(|error| (Vec::new(), Some(error)));
    let mut output = Vec::new();
    let written = lines::write(&results, first_line, format, &mut output);
    let failure = failure.or(written.err()).map(|error| format_chain(with_option_names(error.into()).as_ref()));
    let output = String::from_utf8(output).expect("translations are text");
    let lines = results.into_iter().map(|result| (result.unknown, result.problem)).collect();
    Block { first_line, output, lines, not_utf8: Vec::new(), failure }
}

fn send(cluster: &Cluster, to: usize, message: &impl Serialize) {
    cluster.send(to, &serde_json::to_vec(message).expect("messages have only values that JSON can express"));
}

fn receive<Message: DeserializeOwned>(cluster: &Cluster, from: usize, patience: Patience) -> Message {
    serde_json::from_slice(&cluster.receive(from, patience)).expect("the ranks agree on their messages")
}
