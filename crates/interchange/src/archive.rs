//! Zip archives as PyTorch and NumPy write them, without compression.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// What was found, and what was expected.
pub type Mismatch = (String, String);

/// The entries of an archive by name, whose contents are read on request.
pub struct Archive<R> {
    source: RefCell<R>,
    /// Start and length of each entry.
    entries: BTreeMap<String, (u64, usize)>,
    /// The folder of all entries, with its slash.
    root: String,
}

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";

/// Bytes of the header before an entry, without its name.
const LOCAL_LENGTH: usize = 30;
/// Bytes of the record at the archive's end, without its comment.
const END_LENGTH: usize = 22;
/// Maximum bytes of the comment.
const MAX_COMMENT: usize = 0xFFFF;

fn damaged() -> Mismatch {
    ("a truncated or damaged zip archive".to_owned(), "a complete archive".to_owned())
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory at the end of the source.
    ///
    /// # Errors
    /// An archive that is truncated, damaged, compressed, or in zip64 form.
    pub fn new(source: R) -> Result<Self, Mismatch> {
        let mut archive = Self { source: RefCell::new(source), entries: BTreeMap::new(), root: String::new() };
        let length = archive.source.get_mut().seek(SeekFrom::End(0)).map_err(unreadable)?;
        let tail_start = length.saturating_sub((END_LENGTH + MAX_COMMENT) as u64);
        let tail = archive.bytes(tail_start, usize::try_from(length - tail_start).map_err(|_| damaged())?)?;
        let end = (0..=tail.len().saturating_sub(END_LENGTH))
            .rev()
            .find(|&at| tail[at..].starts_with(END_OF_DIRECTORY))
            .ok_or_else(damaged)?;
        let (count, start) = (short(&tail, end + 10)?, long(&tail, end + 16)? as u64);
        // The directory lies before its end.
        let size = (tail_start + end as u64).checked_sub(start).ok_or_else(damaged)?;
        let directory = archive.bytes(start, usize::try_from(size).map_err(|_| damaged())?)?;
        let mut at = 0;
        for _ in 0..count {
            let header = directory.get(at..).filter(|rest| rest.starts_with(CENTRAL_HEADER)).ok_or_else(damaged)?;
            let (method, size, start) = (short(header, 10)?, long(header, 20)?, long(header, 42)?);
            let lengths = [short(header, 28)?, short(header, 30)?, short(header, 32)?];
            let name = header.get(46..46 + lengths[0]).ok_or_else(damaged)?;
            let name = std::str::from_utf8(name).map_err(|_| damaged())?.to_owned();
            if method != 0 {
                return Err((format!("the compressed entry {name}"), "uncompressed entries".to_owned()));
            }
            if size == u32::MAX as usize || start == u32::MAX as usize {
                return Err((format!("the entry {name} in zip64 form"), "an archive below 4 GiB".to_owned()));
            }
            let local = archive.bytes(start as u64, LOCAL_LENGTH)?;
            if !local.starts_with(LOCAL_HEADER) {
                return Err(damaged());
            }
            let data = (start + LOCAL_LENGTH + short(&local, 26)? + short(&local, 28)?) as u64;
            if data + size as u64 > length {
                return Err(damaged());
            }
            archive.entries.insert(name, (data, size));
            at += 46 + lengths.iter().sum::<usize>();
        }
        let root = archive.entries.keys().find_map(|name| name.strip_suffix("data.pkl"));
        archive.root = root.unwrap_or_default().to_owned();
        Ok(archive)
    }

    /// Reads bytes of the source, all of which exist.
    fn bytes(&self, start: u64, length: usize) -> Result<Vec<u8>, Mismatch> {
        let mut source = self.source.borrow_mut();
        source.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        source.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() == length { Ok(bytes) } else { Err(damaged()) }
    }

    /// Reads an entry by its name within the folder, if there is one.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Mismatch> {
        let place = self.entries.get(&format!("{}{name}", self.root));
        place.map(|(start, length)| self.bytes(*start, *length)).transpose()
    }

    /// Returns the whole names of all entries with their lengths.
    pub fn entries(&self) -> impl Iterator<Item = (&str, usize)> {
        self.entries.iter().map(|(name, (_, length))| (name.as_str(), *length))
    }

    /// Reads a required entry.
    ///
    /// # Errors
    /// An archive without the entry, or a source that cannot be read.
    pub fn require(&self, name: &str) -> Result<Vec<u8>, Mismatch> {
        self.get(name)?
            .ok_or_else(|| (format!("a zip archive without {name}"), "an archive as `torch.save` writes it".to_owned()))
    }
}

/// Whether bytes begin like an archive.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL_HEADER)
}

fn unreadable(error: io::Error) -> Mismatch {
    (format!("a file that cannot be read ({error})"), "a complete archive".to_owned())
}

/// Reads two bytes at an offset.
fn short(bytes: &[u8], at: usize) -> Result<usize, Mismatch> {
    let bytes = bytes.get(at..at + 2).ok_or_else(damaged)?;
    Ok(usize::from(bytes[0]) | usize::from(bytes[1]) << 8)
}

/// Reads four bytes at an offset.
fn long(bytes: &[u8], at: usize) -> Result<usize, Mismatch> {
    Ok(short(bytes, at)? | short(bytes, at + 2)? << 16)
}
