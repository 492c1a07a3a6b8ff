//! Lines in, lines out: batches what comes fast, answers at once what comes slowly.

use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use decode::error::DecodeError;
use decode::translation::Translation;
use decode::translator::Translator;

/// Lines that are decoded together at most; sorting by length happens within.
pub const WINDOW: usize = 1024;
/// A person typing is answered this long after the last line.
const PATIENCE: Duration = Duration::from_millis(20);

/// What some editors put before the first line; it is no text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How a translation becomes a line, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The best translation's text; line breaks inside it become spaces, so that one line in stays one line out.
    Text,
    /// Its score, a tab, and the text.
    ScoredText,
    /// Its score alone.
    Score,
    /// A line for each translation, as Moses and Marian write it: the place in the input, counted from 0, the text and the
    /// score, with ` ||| ` between them.
    NBest,
    /// A JSON object.
    Jsonl,
}

/// Writes translations, the first of which came from line `first_line` of the input, counted from 1.
///
/// # Errors
/// An output that cannot be written.
pub fn write(
    translations: &[Translation],
    first_line: usize,
    format: Format,
    output: &mut impl Write,
) -> Result<(), DecodeError> {
    let failed = |source| DecodeError::Stream { origin: "standard output", source };
    for (translation, place) in translations.iter().zip(first_line - 1..) {
        let text = translation.best.line();
        match format {
            Format::Text => writeln!(output, "{text}"),
            Format::ScoredText => writeln!(output, "{:.4}\t{text}", translation.best.score),
            Format::Score => writeln!(output, "{:.4}", translation.best.score),
            Format::NBest => translation
                .targets()
                .try_for_each(|target| writeln!(output, "{place} ||| {} ||| {:.4}", target.line(), target.score)),
            Format::Jsonl => {
                serde_json::to_string(translation).map_err(io::Error::from).and_then(|line| writeln!(output, "{line}"))
            }
        }
        .map_err(failed)?;
    }
    output.flush().map_err(failed)
}

/// Translates every line of `input` to one line of `output`, in order, and shows each batch of them to `seen`.
///
/// # Errors
/// Input that cannot be read or is not UTF-8, a text that is too long, or an output that cannot be written; the lines
/// before it are written first.
pub fn translate_lines(
    translator: &Translator,
    input: impl Read + Send + 'static,
    format: Format,
    output: &mut impl Write,
    mut seen: impl FnMut(&[Translation]),
) -> Result<(), DecodeError> {
    let lines = read_in_background(input);
    let mut number = 1;
    loop {
        let (window, end) = next_window(&lines);
        if !window.is_empty() {
            let translated = translator.translate_from(&window, number);
            if let Err(DecodeError::TooLong { number: refused, .. }) = translated {
                // The lines before it are still answered.
                let answered = translator.translate_from(&window[..refused - number], number)?;
                write(&answered, number, format, output)?;
                seen(&answered);
            }
            let translated = translated?;
            write(&translated, number, format, output)?;
            seen(&translated);
            number += window.len();
        }
        match end {
            End::Window => {}
            End::Input => return Ok(()),
            End::Failure(error) => return Err(error),
        }
    }
}

enum End {
    Window,
    Input,
    Failure(DecodeError),
}

/// All lines that are there now, up to a full window; waits for the first.
fn next_window(lines: &Receiver<Result<String, DecodeError>>) -> (Vec<String>, End) {
    let mut window = Vec::new();
    loop {
        let next = if window.is_empty() {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(PATIENCE)
        };
        match next {
            Ok(Ok(line)) => window.push(line),
            Ok(Err(error)) => return (window, End::Failure(error)),
            Err(RecvTimeoutError::Timeout) => return (window, End::Window),
            Err(RecvTimeoutError::Disconnected) => return (window, End::Input),
        }
        if window.len() == WINDOW {
            return (window, End::Window);
        }
    }
}

/// Reads lines on a thread of its own, so that waiting for input and decoding overlap; bounded, so that a long file
/// is not read far ahead.
fn read_in_background(input: impl Read + Send + 'static) -> Receiver<Result<String, DecodeError>> {
    let (sender, receiver) = mpsc::sync_channel(WINDOW);
    thread::spawn(move || {
        let mut reader = std::io::BufReader::new(input);
        for number in 1.. {
            let mut bytes = Vec::new();
            let line = match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return,
                Ok(_) => {
                    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                        bytes.pop();
                    }
                    if number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
                        bytes.drain(..BYTE_ORDER_MARK.len());
                    }
                    String::from_utf8(bytes)
                        .map_err(|_| DecodeError::Utf8 { origin: format!("standard input, line {number}") })
                }
                Err(source) => Err(DecodeError::Stream { origin: "standard input", source }),
            };
            let failed = line.is_err();
            if sender.send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
