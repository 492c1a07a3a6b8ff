//! Lines of a text file, plain or compressed, numbered for messages.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::TextError;

/// First bytes of compressed files; names are not trusted.
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
/// First bytes of a skippable zstd frame, after a byte from 0x50 to 0x5F; `pzstd` writes one first.
const ZSTD_SKIPPED: &[u8] = &[0x2A, 0x4D, 0x18];
/// Log2 of the maximum zstd window, above the default of readers, for `zstd --long=31`.
const ZSTD_WINDOW_LOG: u32 = if cfg!(target_pointer_width = "64") { 31 } else { 30 };
/// Formats that errors name, rather than "not UTF-8".
const FOREIGN: [(&[u8], &str); 2] = [(&[0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz"), (b"BZh", "bzip2")];

/// Bytes per read.
const BUFFER: usize = 1 << 16;

/// A reader of lines.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Compression of the file, for messages.
    compression: Option<&'static str>,
    /// Bytes of the current line.
    buffer: Vec<u8>,
    /// Lines read so far.
    number: usize,
}

impl Lines {
    /// Opens a file and detects compression by its first bytes.
    pub fn open(path: PathBuf) -> Result<Self, TextError> {
        match reader(&path) {
            Err(source) => Err(TextError::Read { path, source }),
            Ok(Err(format)) => Err(TextError::Compressed { path, format }),
            Ok(Ok((reader, compression))) => Ok(Self { path, reader, compression, buffer: Vec::new(), number: 0 }),
        }
    }

    /// Returns the next line without its line ending, or `None` at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<&str>, TextError> {
        self.buffer.clear();
        let read = self.reader.read_until(b'\n', &mut self.buffer).map_err(|source| self.unreadable(source))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = self.buffer.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
        }
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(TextError::NotUtf8 { path: self.path.clone(), line: self.number }),
        }
    }

    fn unreadable(&self, source: io::Error) -> TextError {
        let path = self.path.clone();
        match self.compression {
            Some(format) => TextError::Damaged { path, format, line: self.number, source },
            None => TextError::Read { path, source },
        }
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

type Opened = (Box<dyn BufRead + Send>, Option<&'static str>);

/// Returns a reader of the text and the name of its compression, or the name of an unsupported format.
fn reader(path: &Path) -> io::Result<Result<Opened, &'static str>> {
    let mut bytes = BufReader::with_capacity(BUFFER, File::open(path)?);
    let start = bytes.fill_buf()?;
    if start.starts_with(GZIP) {
        let text = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(bytes));
        return Ok(Ok((Box::new(text), Some("gzip"))));
    }
    let skipped = start.len() >= 4 && start[0] & 0xF0 == 0x50 && start[1..].starts_with(ZSTD_SKIPPED);
    if skipped || start.starts_with(ZSTD) {
        let mut decoder = zstd::Decoder::with_buffer(bytes)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG)?;
        let text = BufReader::with_capacity(BUFFER, decoder);
        return Ok(Ok((Box::new(text), Some("zstd"))));
    }
    Ok(match FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, format)) => Err(format),
        None => Ok((Box::new(bytes), None)),
    })
}
