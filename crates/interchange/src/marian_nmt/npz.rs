//! Marian's `.npz` files: a zip archive of NumPy arrays (`.npy`), nothing compressed.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::model_file::{ModelFile, Wrong, is_ignored};
use crate::archive::{Archive, is_archive};
use crate::tensor::{Dtype, StoredTensor};

/// Reads the tensors and the configuration of an archive, one array after the other.
///
/// # Errors
/// Bytes of another format, or damaged ones, as (found, expected).
pub fn read(file: &mut (impl Read + Seek)) -> Result<ModelFile, Wrong> {
    let unreadable = |error: io::Error| (format!("a file that cannot be read ({error})"), "an .npz file".to_owned());
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(unreadable)?;
    if !is_archive(&start) {
        return Err(("no zip archive".to_owned(), "an .npz file, as Marian writes it".to_owned()));
    }
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let archive = Archive::new(file)?;
    // Entries that share bytes could ask for more memory than the file has.
    let total: u64 = archive.entries().map(|(_, bytes)| bytes as u64).sum();
    if total > length {
        return Err(("entries that overlap".to_owned(), "one place in the archive for each array".to_owned()));
    }
    let mut configuration = None;
    let mut tensors = BTreeMap::new();
    for (entry, _) in archive.entries() {
        let name = entry.strip_suffix(".npy").unwrap_or(entry);
        if is_ignored(name) && name != super::CONFIGURATION {
            continue;
        }
        let within = |(found, expected): Wrong| (format!("{found} in `{name}`"), expected);
        let bytes = archive.require(entry)?;
        let array = Array::new(&bytes).map_err(within)?;
        if name == super::CONFIGURATION {
            let text = array.data.split(|byte| *byte == 0).next().unwrap_or_default();
            configuration = Some(String::from_utf8_lossy(text).into_owned());
        } else {
            tensors.insert(name.to_owned(), array.tensor().map_err(within)?);
        }
    }
    Ok(ModelFile { tensors, scales: BTreeMap::new(), configuration })
}

/// An array of NumPy.
struct Array<'a> {
    /// The number type, such as `<f4`.
    kind: &'a str,
    shape: Vec<usize>,
    data: &'a [u8],
}

const MAGIC: &[u8] = b"\x93NUMPY";

impl<'a> Array<'a> {
    /// Reads the header, which is the text of a Python dictionary with three keys.
    fn new(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let malformed = || ("no NumPy array".to_owned(), "an array as `numpy.save` writes it".to_owned());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
        let ([major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(malformed)?;
        let (length, rest) = match major {
            1 => rest.split_first_chunk::<2>().map(|(length, rest)| (u32::from(u16::from_le_bytes(*length)), rest)),
            2 | 3 => rest.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length), rest)),
            _ => None,
        }
        .ok_or_else(malformed)?;
        let (header, data) = rest.split_at_checked(length as usize).ok_or_else(malformed)?;
        let header = std::str::from_utf8(header).map_err(|_| malformed())?;
        let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        let kind = value("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next()).ok_or_else(malformed)?;
        let fortran = value("fortran_order").ok_or_else(malformed)?;
        if !fortran.starts_with("False") {
            return Err(("an array in Fortran's order".to_owned(), "arrays in C's order".to_owned()));
        }
        let shape = value("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next()).ok_or_else(malformed)?;
        let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape = axes.map(|axis| axis.parse().ok()).collect::<Option<_>>().ok_or_else(malformed)?;
        Ok(Self { kind, shape, data })
    }

    fn tensor(self) -> Result<StoredTensor, Wrong> {
        let dtype = match self.kind {
            "<f4" => Dtype::F32,
            "<f2" => Dtype::F16,
            kind => {
                return Err((format!("the number type {kind:?}"), "float32 or float16, \"<f4\" or \"<f2\"".to_owned()));
            }
        };
        let length = self.shape.iter().try_fold(dtype.width(), |length, axis: &usize| length.checked_mul(*axis));
        if length != Some(self.data.len()) {
            let found = format!("{} bytes for the shape {:?}", self.data.len(), self.shape);
            return Err((found, format!("{} bytes a number", dtype.width())));
        }
        let values = self.data.chunks_exact(dtype.width()).map(|number| dtype.read(number)).collect();
        Ok(StoredTensor { shape: self.shape, values })
    }
}
