//! Gzip files as they are: several members in a row, and zero bytes as padding behind any of them.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The first byte of a member.
const FIRST_BYTE: u8 = 0x1F;

/// A reader of the text of all members.
pub(super) struct GzipReader<R> {
    /// The current member; `None` after the last one.
    member: Option<GzDecoder<R>>,
    /// Whether the current member has yielded a byte or ended, so that its header was valid.
    started: bool,
    /// Members that ended.
    ended: usize,
}

impl<R: BufRead> GzipReader<R> {
    /// `reader` starts with the first member.
    pub fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)), started: false, ended: 0 }
    }

    /// Skips padding and opens the next member, or ends.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut reader = member.into_inner();
        (self.started, self.ended) = (false, self.ended + 1);
        loop {
            let bytes = reader.fill_buf()?;
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            match bytes.get(zeros) {
                None if bytes.is_empty() => return Ok(()),
                None => reader.consume(zeros),
                Some(&FIRST_BYTE) => {
                    reader.consume(zeros);
                    self.member = Some(GzDecoder::new(reader));
                    return Ok(());
                }
                Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, TrailingBytes)),
            }
        }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            match member.read(buffer) {
                Ok(0) => self.next_member()?,
                Ok(read) => {
                    self.started = true;
                    return Ok(read);
                }
                // Bytes behind a whole member that are no header.
                Err(error) if !self.started && self.ended > 0 && error.kind() == io::ErrorKind::InvalidInput => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, TrailingBytes));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }
}

/// The error for bytes after the last member that are neither a member nor padding.
#[derive(Debug)]
pub(super) struct TrailingBytes;

impl fmt::Display for TrailingBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes that are neither gzip data nor zero padding follow")
    }
}

impl std::error::Error for TrailingBytes {}
