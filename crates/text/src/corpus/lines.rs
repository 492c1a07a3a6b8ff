//! Lines of a text file, plain or compressed, numbered for messages.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::format::{self, Compression, START};
use super::gzip::{GzipReader, TrailingBytes};
use crate::TextError;

/// Log2 of the maximum zstd window, above the default of readers, for `zstd --long=31`.
const ZSTD_WINDOW_LOG: u32 = if cfg!(target_pointer_width = "64") { 31 } else { 30 };

/// Bytes per read.
const BUFFER: usize = 1 << 16;

/// Mark that some editors write before the first line, and `cat` leaves before others. It is not part of the text.
pub(super) const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// A reader of lines.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Compression of the file, for messages.
    compression: Option<Compression>,
    /// Bytes of the current line.
    buffer: Vec<u8>,
    /// Lines read so far.
    number: usize,
}

impl Lines {
    /// Opens a file and detects compression by its first bytes.
    pub fn open(path: PathBuf) -> Result<Self, TextError> {
        let read = |source| TextError::Read { path: path.clone(), source };
        let file = File::open(&path).map_err(read)?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(TextError::Folder { path });
        }
        let (start, bytes) = peek(file);
        let compression = Compression::of(&start);
        let text: Box<dyn Read + Send> = match compression {
            None => Box::new(bytes),
            Some(Compression::Gzip) => Box::new(GzipReader::new(BufReader::with_capacity(BUFFER, bytes))),
            Some(Compression::Zstd) => {
                let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, bytes)).map_err(read)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(read)?;
                Box::new(decoder)
            }
        };
        let (start, text) = peek(text);
        if let Some((format, remedy)) = format::foreign(&start) {
            return Err(TextError::Format { path, format, remedy });
        }
        if let Some(encoding) = format::foreign_encoding(&start) {
            return Err(TextError::Encoding { path, encoding });
        }
        let reader = Box::new(BufReader::with_capacity(BUFFER, text));
        Ok(Self { path, reader, compression, buffer: Vec::new(), number: 0 })
    }

    /// Returns the next line without its line ending and byte order mark, or `None` at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<&str>, TextError> {
        self.buffer.clear();
        let read = self.reader.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|source| unreadable(&self.path, self.compression, self.number, source))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.buffer.ends_with(b"\n");
        while self.buffer.ends_with(b"\n") || self.buffer.ends_with(b"\r") {
            self.buffer.pop();
        }
        if self.number == 1 && !ended && self.buffer.contains(&b'\r') {
            return Err(self.carriage_returns()); // the whole file is one line
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(line) => Ok(Some(line.trim_start_matches(BYTE_ORDER_MARK))),
            Err(_) => Err(TextError::NotUtf8 { path: self.path.clone(), line: self.number }),
        }
    }

    /// The error for a file whose lines end in lone carriage returns.
    pub fn carriage_returns(&self) -> TextError {
        TextError::CarriageReturns { path: self.path.clone(), line: self.number }
    }

    /// Returns the number of the current line, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the first bytes and a reader that starts with them. A pipe may yield them one by one. An error is returned
/// where it occurred, after the bytes before it.
fn peek(mut reader: impl Read + Send + 'static) -> (Vec<u8>, Box<dyn Read + Send>) {
    let mut start = Vec::with_capacity(START);
    let read = reader.by_ref().take(START as u64).read_to_end(&mut start);
    let first = Cursor::new(start.clone());
    let whole: Box<dyn Read + Send> = match read {
        Ok(_) => Box::new(first.chain(reader)),
        Err(error) => Box::new(first.chain(Failed(Some(error)))),
    };
    (start, whole)
}

/// A reader that returns an error once.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The error for a file that cannot be read after line number `line`.
fn unreadable(path: &Path, compression: Option<Compression>, line: usize, source: io::Error) -> TextError {
    let path = path.to_path_buf();
    match compression.map(Compression::name) {
        None => TextError::Read { path, source },
        Some(format) if source.get_ref().is_some_and(|error| error.is::<TrailingBytes>()) => {
            TextError::TrailingBytes { path, format, line }
        }
        Some(format) => TextError::Damaged { path, format, line, source },
    }
}
