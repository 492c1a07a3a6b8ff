//! Translation of lines as they arrive: fast input in batches, slow input line by line.

use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use decode::TranslationResult;
use decode::error::DecodeError;
use decode::translator::Translator;

/// Maximum number of lines that are translated together; they are sorted by length within.
pub const WINDOW: usize = 1024;
/// Lines that arrive within this time are translated together.
const MAX_WAIT: Duration = Duration::from_millis(20);

/// Byte order mark that some editors write before the first line. It is not part of the text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Output format of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// The text of the best translation on one line: line breaks and tabs inside it become spaces.
    Text,
    /// Score, tab and text, with no further tab.
    ScoredText,
    /// The score alone.
    Score,
    /// A line for each translation, as Moses and Marian write it: index of the source (from 0), text and score, separated
    /// by ` ||| `. A text may hold that separator: the first one ends the index, the last one begins the score.
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
        let score = score_text(translation.best.score);
        match format {
            LineFormat::Text => writeln!(output, "{text}"),
            LineFormat::ScoredText => writeln!(output, "{score}\t{text}"),
            LineFormat::Score => writeln!(output, "{score}"),
            LineFormat::NBest => translation.translations().try_for_each(|target| {
                writeln!(output, "{index} ||| {} ||| {}", target.line(), score_text(target.score))
            }),
            LineFormat::Jsonl => {
                serde_json::to_string(translation).map_err(io::Error::from).and_then(|line| writeln!(output, "{line}"))
            }
        }
        .map_err(failed)?;
    }
    output.flush().map_err(failed)
}

/// Four decimals, or `nan` for a text that was skipped.
fn score_text(score: f64) -> String {
    if score.is_nan() { "nan".to_string() } else { format!("{score:.4}") }
}

/// A line of the input.
pub struct Line {
    /// Its text.
    pub text: String,
    /// Whether the bytes were UTF-8; others are replaced by U+FFFD.
    pub valid: bool,
}

/// The results of consecutive lines.
pub struct Window<'a> {
    /// The number of the first line, from 1.
    pub first_line: usize,
    /// One result for each line.
    pub results: &'a [TranslationResult],
    /// Numbers of the lines that are not valid UTF-8.
    pub not_utf8: Vec<usize>,
}

/// Translates every line of `input`, in order, and passes each window to `on_window` after its translations are written.
///
/// # Errors
/// Input that cannot be read, a text that is too long if the settings do not crop or skip it, or an output that cannot be
/// written. The translations of earlier lines are written first.
pub fn translate_lines(
    translator: &Translator,
    input: impl Read + Send + 'static,
    format: LineFormat,
    output: &mut impl Write,
    mut on_window: impl FnMut(&Window),
) -> Result<(), DecodeError> {
    let lines = read_in_background(input);
    let mut first_line = 1;
    loop {
        let (window, end) = next_window(&lines, WINDOW);
        if !window.is_empty() {
            let mut finish = |lines: &[Line], results: &[TranslationResult]| {
                write(results, first_line, format, output)?;
                let not_utf8 = lines.iter().zip(first_line..).filter(|(line, _)| !line.valid).map(|(_, line)| line);
                on_window(&Window { first_line, results, not_utf8: not_utf8.collect() });
                Ok::<_, DecodeError>(())
            };
            let texts: Vec<&str> = window.iter().map(|line| line.text.as_str()).collect();
            let (results, failure) =
                before_too_long(&texts, first_line, |texts, number| translator.translate_from(texts, number))?;
            finish(&window[..results.len()], &results)?;
            failure.map_or(Ok(()), Err)?;
            first_line += window.len();
        }
        match end {
            End::Pause => {}
            End::Input => return Ok(()),
            End::Failure(error) => return Err(error),
        }
    }
}

/// The results of texts from number `first` on: of all, or of those before the first that is too long, with the error.
///
/// # Errors
/// Any other failure of `process`.
pub fn before_too_long<Text, Found>(
    texts: &[Text],
    first: usize,
    process: impl Fn(&[Text], usize) -> Result<Vec<Found>, DecodeError>,
) -> Result<(Vec<Found>, Option<DecodeError>), DecodeError> {
    match process(texts, first) {
        Ok(results) => Ok((results, None)),
        Err(error) => match error.too_long_number() {
            Some(number) => Ok((process(&texts[..number - first], first)?, Some(error))),
            None => Err(error),
        },
    }
}

/// The reason for the end of a window.
pub enum End {
    /// The window is full, or no further line has arrived in time.
    Pause,
    /// The end of the input.
    Input,
    /// Input that cannot be read.
    Failure(DecodeError),
}

/// Waits for a line, then collects those that follow within `MAX_WAIT`, up to `max` lines. A line never waits longer,
/// however steadily others follow.
pub fn next_window(lines: &Receiver<Result<Line, DecodeError>>, max: usize) -> (Vec<Line>, End) {
    let mut window = Vec::new();
    let mut deadline = None;
    loop {
        let next = match deadline {
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            // Lines that have arrived already are taken even after the deadline.
            Some(deadline) => lines.recv_timeout(Instant::saturating_duration_since(&deadline, Instant::now())),
        };
        deadline = deadline.or_else(|| Some(Instant::now() + MAX_WAIT));
        match next {
            Ok(Ok(line)) => window.push(line),
            Ok(Err(error)) => return (window, End::Failure(error)),
            Err(RecvTimeoutError::Timeout) => return (window, End::Pause),
            Err(RecvTimeoutError::Disconnected) => return (window, End::Input),
        }
        if window.len() == max {
            return (window, End::Pause);
        }
    }
}

/// Reads lines in a thread, so that reading and decoding overlap. The channel is bounded: a long file is not read far
/// ahead.
pub fn read_in_background(input: impl Read + Send + 'static) -> Receiver<Result<Line, DecodeError>> {
    let (sender, receiver) = mpsc::sync_channel(WINDOW);
    thread::spawn(move || {
        let mut reader = std::io::BufReader::new(input);
        loop {
            let mut bytes = Vec::new();
            let line = match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return,
                Ok(_) => {
                    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                        bytes.pop();
                    }
                    if bytes.starts_with(BYTE_ORDER_MARK) {
                        bytes.drain(..BYTE_ORDER_MARK.len());
                    }
                    Ok(match String::from_utf8(bytes) {
                        Ok(text) => Line { text, valid: true },
                        Err(error) => Line { text: String::from_utf8_lossy(error.as_bytes()).into(), valid: false },
                    })
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
