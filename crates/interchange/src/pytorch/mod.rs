//! Weights as `torch.save` writes them (`pytorch_model.bin`): a pickle that describes tensors, and their bytes.
//!
//! A pickle is a program. This reader calls nothing: it interprets the few instructions of a dictionary of tensors,
//! treats the functions that they name as descriptions, and rejects everything else.
//!
//! Both containers are read: the zip archive (PyTorch 1.6 and later) and the series of pickles before it, in which many
//! OPUS-MT models were published.

mod pickle;
mod tensor;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Cursor, Read, Seek};

use pickle::{Value, read_pickle};
use tensor::{Storages, tensors_of};

use crate::archive::{Archive, Mismatch, is_archive};
use crate::tensor::StoredTensor;

/// The number at the start of a file of pickles.
const MAGIC: i128 = 0x1950_A86A_20F9_469C_FC6C;

/// The version of the format, which follows that number.
const VERSION: i128 = 1001;

/// Reads the tensors of a state dictionary by name.
///
/// # Errors
/// What was found and what was expected, for bytes that are damaged or of another format.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, StoredTensor)>, (String, String)> {
    read_file(&mut Cursor::new(bytes))
}

/// As [`read`], from a file: the storages of an archive are read one after the other.
///
/// # Errors
/// As [`read`]; a file that cannot be read.
pub fn read_file(file: &mut (impl Read + Seek)) -> Result<Vec<(String, StoredTensor)>, (String, String)> {
    let unreadable = |error: io::Error| (format!("a file that cannot be read ({error})"), "a PyTorch file".to_owned());
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(unreadable)?;
    if is_archive(&start) {
        return from_archive(file);
    }
    let mut bytes = start;
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    from_pickles(&bytes)
}

fn from_archive(file: &mut (impl Read + Seek)) -> Result<Vec<(String, StoredTensor)>, Mismatch> {
    let archive = Archive::new(file)?;
    let pickle = archive.require("data.pkl")?;
    if let Some(order) = archive.get("byteorder")?.filter(|order| order != b"little") {
        return Err((format!("byte order {:?}", String::from_utf8_lossy(&order)), "little".to_owned()));
    }
    let (value, _) = read_pickle(&pickle)?;
    let storage = |key: &str| {
        let bytes = archive.get(&format!("data/{key}"))?;
        bytes.map(Cow::from).ok_or_else(|| (format!("no entry data/{key}"), "a storage".to_owned()))
    };
    tensors_of(&value, archive.entries().map(|(_, length)| length).sum(), &storage)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
fn from_pickles(bytes: &[u8]) -> Result<Vec<(String, StoredTensor)>, Mismatch> {
    let foreign = || ("neither a zip archive nor PyTorch's series of pickles".to_owned(), "a PyTorch file".to_owned());
    let mut rest = bytes;
    let mut next = || -> Result<Value, Mismatch> {
        let (value, read) = read_pickle(rest)?;
        rest = &rest[read..];
        Ok(value)
    };
    if !matches!(next(), Ok(Value::Int(MAGIC))) {
        return Err(foreign());
    }
    match next()? {
        Value::Int(VERSION) => {}
        other => return Err((format!("version {other}"), format!("version {VERSION}"))),
    }
    let system = next()?;
    if !matches!(system.entry("little_endian"), Some(Value::Bool(true))) {
        return Err(("big-endian numbers".to_owned(), "little-endian numbers".to_owned()));
    }
    let state = next()?;
    let keys = match next()? {
        Value::List(keys) => keys,
        other => return Err((format!("{other} for the list of storages"), "a list".to_owned())),
    };

    // The storages follow in that order, each after its number of elements. Only the tensors hold the elements' width.
    let mut widths: HashMap<String, usize> = HashMap::new();
    tensor::visit_storages(&state, &mut |key, width| {
        widths.insert(key.to_owned(), width);
    })?;
    let mut storages: Storages = HashMap::new();
    for key in keys {
        let cut = || ("a truncated file".to_owned(), "all storages that its pickle lists".to_owned());
        let Value::Text(key) = key else {
            return Err((format!("the storage {key}"), "a name".to_owned()));
        };
        let width = *widths.get(&*key).ok_or_else(|| (format!("the storage {key}"), "one of a tensor".to_owned()))?;
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(width));
        let (storage, after) = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key.to_string(), storage);
        rest = after;
    }
    let storage = |key: &str| {
        storages
            .get(key)
            .copied()
            .map(Cow::from)
            .ok_or_else(|| (format!("no storage {key}"), "one of those listed".to_owned()))
    };
    tensors_of(&state, bytes.len(), &storage)
}
