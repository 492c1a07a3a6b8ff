//! Lines of a text file, plain or compressed, numbered for messages.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::TextError;

/// First bytes of compressed files; names may say anything.
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
/// Those of a frame that zstd skips, after a byte from 0x50 to 0x5F; `pzstd` begins with one.
const ZSTD_SKIPPED: &[u8] = &[0x2A, 0x4D, 0x18];
/// Log of the longest distance that zstd can look back; more than a reader allows unless told, for `zstd --long=31`.
const ZSTD_WINDOW_LOG: u32 = if cfg!(target_pointer_width = "64") { 31 } else { 30 };
/// Formats that are named as such and not as "not UTF-8".
const FOREIGN: [(&[u8], &str); 2] = [(&[0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz"), (b"BZh", "bzip2")];

/// Bytes read from a file at a time.
const BUFFER: usize = 1 << 16;

/// A text file that is read line by line.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// How the file is compressed, for messages.
    compression: Option<&'static str>,
    /// Bytes of the current line.
    buffer: Vec<u8>,
    /// Lines read so far.
    number: usize,
}

impl Lines {
    /// Opens a file; its first bytes tell whether it is compressed.
    pub fn open(path: PathBuf) -> Result<Self, TextError> {
        match reader(&path) {
            Err(source) => Err(TextError::Read { path, source }),
            Ok(Err(format)) => Err(TextError::Compressed { path, format }),
            Ok(Ok((reader, compression))) => Ok(Self { path, reader, compression, buffer: Vec::new(), number: 0 }),
        }
    }

    /// The next line without its end, or nothing at the end of the file.
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

    /// How many lines have been read: the number of the current line, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The file being read.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

type Opened = (Box<dyn BufRead + Send>, Option<&'static str>);

/// The text of a file and the name of its compression, or else the name of a format that cannot be read.
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
