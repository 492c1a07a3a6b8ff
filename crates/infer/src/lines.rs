//! Translation of lines as they arrive: fast input in batches, slow input line by line.

use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use decode::TranslationResult;
use decode::error::DecodeError;
use decode::translator::Translator;

/// Maximum number of lines that are translated together; they are sorted by length within.
pub const WINDOW: usize = 1024;
/// Lines that arrive within this time of each other are translated together.
const MAX_WAIT: Duration = Duration::from_millis(20);

/// Byte order mark that some editors write before the first line. It is not part of the text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Output format of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// The text of the best translation on one line: line breaks inside it become spaces.
    Text,
    /// Score, tab and text.
    ScoredText,
    /// The score alone.
    Score,
    /// A line for each translation, as Moses and Marian write it: index of the source (from 0), text and score, separated
    /// by ` ||| `.
    NBest,
    /// A JSON object.
    Jsonl,
}

/// Writes the translations of consecutive lines. `first_line` counts from 1.
///
/// # Errors
/// An output that cannot be written.
pub fn write(
    translations: &[TranslationResult],
    first_line: usize,
    format: LineFormat,
    output: &mut impl Write,
) -> Result<(), DecodeError> {
    let failed = |source| DecodeError::Stream { origin: "standard output", source };
    for (translation, index) in translations.iter().zip(first_line - 1..) {
        let text = translation.best.line();
        match format {
            LineFormat::Text => writeln!(output, "{text}"),
            LineFormat::ScoredText => writeln!(output, "{:.4}\t{text}", translation.best.score),
            LineFormat::Score => writeln!(output, "{:.4}", translation.best.score),
            LineFormat::NBest => translation
                .translations()
                .try_for_each(|target| writeln!(output, "{index} ||| {} ||| {:.4}", target.line(), target.score)),
            LineFormat::Jsonl => {
                serde_json::to_string(translation).map_err(io::Error::from).and_then(|line| writeln!(output, "{line}"))
            }
        }
        .map_err(failed)?;
    }
    output.flush().map_err(failed)
}

/// Translates every line of `input`, in order, and passes each window of translations to `on_window`.
///
/// # Errors
/// Input that cannot be read or is not UTF-8, a text that is too long, or an output that cannot be written. The
/// translations of earlier lines are written first.
pub fn translate_lines(
    translator: &Translator,
    input: impl Read + Send + 'static,
    format: LineFormat,
    output: &mut impl Write,
    mut on_window: impl FnMut(&[TranslationResult]),
) -> Result<(), DecodeError> {
    let lines = read_in_background(input);
    let mut first_line = 1;
    loop {
        let (window, end) = next_window(&lines);
        if !window.is_empty() {
            let translated = translator.translate_from(&window, first_line);
            if let Err(DecodeError::TooLong { number: line, .. }) = translated {
                let earlier = translator.translate_from(&window[..line - first_line], first_line)?;
                write(&earlier, first_line, format, output)?;
                on_window(&earlier);
            }
            let translated = translated?;
            write(&translated, first_line, format, output)?;
            on_window(&translated);
            first_line += window.len();
        }
        match end {
            End::Pause => {}
            End::Input => return Ok(()),
            End::Failure(error) => return Err(error),
        }
    }
}

/// The reason for the end of a window.
enum End {
    /// The window is full, or no further line has arrived in time.
    Pause,
    Input,
    Failure(DecodeError),
}

/// Waits for a line, then collects those that follow in quick succession, up to a full window.
fn next_window(lines: &Receiver<Result<String, DecodeError>>) -> (Vec<String>, End) {
    let mut window = Vec::new();
    loop {
        let next = if window.is_empty() {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(MAX_WAIT)
        };
        match next {
            Ok(Ok(line)) => window.push(line),
            Ok(Err(error)) => return (window, End::Failure(error)),
            Err(RecvTimeoutError::Timeout) => return (window, End::Pause),
            Err(RecvTimeoutError::Disconnected) => return (window, End::Input),
        }
        if window.len() == WINDOW {
            return (window, End::Pause);
        }
    }
}

/// Reads lines in a thread, so that reading and decoding overlap. The channel is bounded: a long file is not read far
/// ahead.
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
