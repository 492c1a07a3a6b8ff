//! The zip archives that PyTorch writes: nothing in them is compressed.

use std::collections::HashMap;

/// The entries of an archive by name.
pub struct Archive<'a> {
    entries: HashMap<String, &'a [u8]>,
    /// The folder that all entries are in.
    root: String,
}

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";

/// Length of the record at the archive's end, without its comment, and the longest comment.
const END_LENGTH: usize = 22;
const LONGEST_COMMENT: usize = 0xFFFF;

type Wrong = (String, String);

fn damaged() -> Wrong {
    ("a zip archive that is cut short or damaged".to_owned(), "one as `torch.save` writes it".to_owned())
}

impl<'a> Archive<'a> {
    /// Whether bytes begin as an archive does.
    pub fn recognises(bytes: &[u8]) -> bool {
        bytes.starts_with(LOCAL_HEADER)
    }

    /// Reads the directory at the end of the bytes; else (found, expected).
    pub fn new(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let from = bytes.len().saturating_sub(END_LENGTH + LONGEST_COMMENT);
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
                return Err((format!("the compressed entry {name}"), "entries that are stored as they are".to_owned()));
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

    /// An entry by its name within the folder.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.get(&format!("{}{name}", self.root)).copied()
    }

    /// The same for an entry that has to be there.
    pub fn only_named(&self, name: &str) -> Result<&'a [u8], Wrong> {
        self.get(name)
            .ok_or_else(|| (format!("a zip archive without {name}"), "one that `torch.save` wrote".to_owned()))
    }
}

fn short(bytes: &[u8], at: usize) -> Result<usize, Wrong> {
    let bytes = bytes.get(at..at + 2).ok_or_else(damaged)?;
    Ok(usize::from(bytes[0]) | usize::from(bytes[1]) << 8)
}

fn long(bytes: &[u8], at: usize) -> Result<usize, Wrong> {
    Ok(short(bytes, at)? | short(bytes, at + 2)? << 16)
}
