//! Lines of a text file, numbered for messages.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::TextError;

/// First bytes of compressed files, so that they are named as such and not as "not UTF-8".
const COMPRESSED: [(&[u8], &str); 3] =
    [(&[0x1F, 0x8B], "gzip"), (&[0x28, 0xB5, 0x2F, 0xFD], "zstd"), (&[0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz")];

/// A text file that is read line by line.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Bytes of the current line.
    buffer: Vec<u8>,
    /// Lines read so far.
    number: usize,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: PathBuf) -> Result<Self, TextError> {
        let open = || {
            let mut reader = BufReader::with_capacity(1 << 16, File::open(&path)?);
            let start = reader.fill_buf()?;
            let format = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, format)| *format);
            Ok((reader, format))
        };
        match open() {
            Err(source) => Err(TextError::Read { path, source }),
            Ok((_, Some(format))) => Err(TextError::Compressed { path, format }),
            Ok((reader, None)) => Ok(Self { path, reader: Box::new(reader), buffer: Vec::new(), number: 0 }),
        }
    }

    /// The next line without its end, or nothing at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<&str>, TextError> {
        self.buffer.clear();
        let read = self
            .reader
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| TextError::Read { path: self.path.clone(), source })?;
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

    /// How many lines have been read: the number of the current line, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The file being read.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
