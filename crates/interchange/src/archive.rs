//! Zip archives as PyTorch and NumPy write them, without compression.

use std::collections::HashMap;

/// What was found, and what was expected.
pub type Mismatch = (String, String);

/// The entries of an archive by name.
pub struct Archive<'a> {
    entries: HashMap<String, &'a [u8]>,
    /// The folder of all entries, with its slash.
    root: String,
}

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";

/// Bytes of the record at the archive's end, without its comment.
const END_LENGTH: usize = 22;
/// Maximum bytes of the comment.
const MAX_COMMENT: usize = 0xFFFF;

fn damaged() -> Mismatch {
    ("a truncated or damaged zip archive".to_owned(), "a complete archive".to_owned())
}

impl<'a> Archive<'a> {
    /// Whether bytes begin like an archive.
    pub fn is_archive(bytes: &[u8]) -> bool {
        bytes.starts_with(LOCAL_HEADER)
    }

    /// Reads the directory at the end of the bytes.
    ///
    /// # Errors
    /// An archive that is truncated, damaged, compressed, or in zip64 form.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Mismatch> {
        let from = bytes.len().saturating_sub(END_LENGTH + MAX_COMMENT);
        let end = (from..=bytes.len().saturating_sub(END_LENGTH))
            .rev()
            .find(|&at| bytes[at..].starts_with(END_OF_DIRECTORY))
            .ok_or_else(damaged)?;
        let (count, mut at) = (short(bytes, end + 10)?, long(bytes, end + 16)?);
        let mut entries = HashMap::new();
        for _ in 0..count {
            let header = bytes.get(at..).filter(|rest| rest.starts_with(CENTRAL_HEADER)).ok_or_else(damaged)?;
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
            let local = bytes.get(start..).filter(|rest| rest.starts_with(LOCAL_HEADER)).ok_or_else(damaged)?;
            let data = 30 + short(local, 26)? + short(local, 28)?;
            entries.insert(name, local.get(data..data + size).ok_or_else(damaged)?);
            at += 46 + lengths.iter().sum::<usize>();
        }
        let root = entries.keys().find_map(|name| name.strip_suffix("data.pkl")).unwrap_or_default().to_owned();
        Ok(Self { entries, root })
    }

    /// Returns an entry by its name within the folder.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.get(&format!("{}{name}", self.root)).copied()
    }

    /// Returns all entries, by their whole names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &'a [u8])> {
        self.entries.iter().map(|(name, data)| (name.as_str(), *data))
    }

    /// Returns a required entry.
    ///
    /// # Errors
    /// An archive without the entry.
    pub fn require(&self, name: &str) -> Result<&'a [u8], Mismatch> {
        self.get(name)
            .ok_or_else(|| (format!("a zip archive without {name}"), "an archive as `torch.save` writes it".to_owned()))
    }
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
