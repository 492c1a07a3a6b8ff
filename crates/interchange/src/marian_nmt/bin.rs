//! Marian's binary files (`.bin`): numbers in the order of memory, whole or quantised.
//!
//! | part | contents |
//! |---|---|
//! | version, count | two u64 |
//! | for each tensor | four u64: length of its name, number type, axes, bytes |
//! | names | each ended by NUL |
//! | shapes | an i32 for each axis |
//! | padding | its length as u64, and that many bytes |
//! | data | the bytes of each tensor |
//!
//! Quantised matrices are 8-bit or 16-bit integers, followed by their scale: a value is the integer divided by the scale.
//! They are stored transposed, except for tables of one row per token.

use std::collections::BTreeMap;

use super::model_file::{ModelFile, Wrong, is_ignored, is_table, transpose};
use crate::tensor::{Dtype, StoredTensor};

/// The only version of the format.
const VERSION: u64 = 1;

/// Bytes of the description of a tensor.
const HEAD: usize = 32;

/// Maximum number of axes of a parameter.
const MAX_AXES: u64 = 8;

/// The number type of a tensor.
#[derive(Clone, Copy)]
enum Kind {
    Float(Dtype),
    Int8,
    Int16,
}

impl Kind {
    /// Returns the type of a number of Marian, which has a class in the upper bits and bytes in the lower ones.
    fn new(number: u64) -> Option<Self> {
        match number {
            0x404 => Some(Kind::Float(Dtype::F32)),
            0x402 => Some(Kind::Float(Dtype::F16)),
            0x4101 => Some(Kind::Int8),
            0x4102 => Some(Kind::Int16),
            _ => None,
        }
    }

    fn width(self) -> usize {
        match self {
            Kind::Float(dtype) => dtype.width(),
            Kind::Int8 => 1,
            Kind::Int16 => 2,
        }
    }
}

/// The description of a tensor.
struct Item<'a> {
    name: &'a str,
    kind: u64,
    shape: Vec<usize>,
    data: &'a [u8],
}

/// Returns whether bytes begin like a file of this format.
pub fn recognises(start: &[u8]) -> bool {
    let mut reader = Reader { rest: start };
    // Far fewer tensors than any other meaning of these bytes would give.
    reader.number() == Ok(VERSION) && reader.number().is_ok_and(|count| (1..1 << 20).contains(&count))
}

/// Reads the tensors and the configuration of a file.
///
/// # Errors
/// Bytes of another format, or damaged ones, as (found, expected).
pub fn read(bytes: &[u8]) -> Result<ModelFile, Wrong> {
    let mut configuration = None;
    let (mut tensors, mut scales) = (BTreeMap::new(), BTreeMap::new());
    for item in items(bytes)? {
        if item.name == super::CONFIGURATION {
            let text = item.data.split(|byte| *byte == 0).next().unwrap_or_default();
            configuration = Some(String::from_utf8_lossy(text).into_owned());
        } else if !is_ignored(item.name) {
            let (tensor, scale) =
                tensor(&item).map_err(|(found, expected)| (format!("{found} in `{}`", item.name), expected))?;
            scales.extend(scale.map(|scale| (item.name.to_owned(), scale)));
            if tensors.insert(item.name.to_owned(), tensor).is_some() {
                return Err((format!("the tensor `{}` twice", item.name), "each tensor once".to_owned()));
            }
        }
    }
    Ok(ModelFile { tensors, scales, configuration })
}

/// Splits a file into its tensors; only slices of the bytes, so that no length in them is believed.
fn items(bytes: &[u8]) -> Result<Vec<Item<'_>>, Wrong> {
    let mut reader = Reader { rest: bytes };
    let version = reader.number()?;
    if version != VERSION {
        return Err((format!("version {version}"), format!("version {VERSION} of Marian's binary format")));
    }
    let count = reader.number()?;
    let count = usize::try_from(count).ok().filter(|count| *count <= reader.rest.len() / HEAD).ok_or_else(cut)?;
    let heads: Vec<[u64; 4]> = (0..count)
        .map(|_| Ok([reader.number()?, reader.number()?, reader.number()?, reader.number()?]))
        .collect::<Result<_, Wrong>>()?;
    let names: Vec<&str> = heads.iter().map(|[length, ..]| reader.name(*length)).collect::<Result<_, _>>()?;
    let shapes: Vec<Vec<usize>> = heads.iter().map(|[_, _, axes, _]| reader.shape(*axes)).collect::<Result<_, _>>()?;
    let padding = reader.number()?;
    reader.take(padding)?;
    let described = heads.into_iter().zip(names).zip(shapes);
    described
        .map(|(([_, kind, _, length], name), shape)| Ok(Item { name, kind, shape, data: reader.take(length)? }))
        .collect()
}

/// Maximum number of bytes behind the numbers of a tensor: a scale, and padding to a multiple of 256.
const MAX_PADDING: usize = 4 + 2 * 256;

/// The values of a tensor, and the scale of 8-bit integers.
fn tensor(item: &Item) -> Result<(StoredTensor, Option<f32>), Wrong> {
    let Item { name, kind: number, shape, data } = item;
    let kind = Kind::new(*number).ok_or_else(|| {
        let expected = "float32, float16, intgemm8 or intgemm16: other types depend on a processor";
        (format!("the number type 0x{number:x}"), expected.to_owned())
    })?;
    let count = shape.iter().try_fold(1usize, |count, axis| count.checked_mul(*axis));
    let length = count.and_then(|count| count.checked_mul(kind.width()));
    let split = length.and_then(|length| data.split_at_checked(length));
    let (numbers, rest) = split.filter(|(_, rest)| rest.len() <= MAX_PADDING).ok_or_else(|| {
        (format!("{} bytes for the shape {shape:?}", data.len()), format!("{} bytes a number", kind.width()))
    })?;
    let mut int8_scale = None;
    let values: Vec<f32> = match kind {
        Kind::Float(dtype) => numbers.chunks_exact(dtype.width()).map(|number| dtype.read(number)).collect(),
        Kind::Int8 => {
            let scale = scale(rest)?;
            int8_scale = Some(scale);
            numbers.iter().map(|byte| f32::from(*byte as i8) / scale).collect()
        }
        Kind::Int16 => {
            let scale = scale(rest)?;
            let integers = numbers.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            integers.map(|integer| f32::from(integer) / scale).collect()
        }
    };
    let transposed = match kind {
        Kind::Float(_) => false,
        Kind::Int8 | Kind::Int16 => !is_table(name),
    };
    let values = match shape[..] {
        [rows, columns] if transposed => transpose(&values, columns, rows),
        _ => values,
    };
    Ok((StoredTensor { shape: shape.clone(), values }, int8_scale))
}

/// Reads the scale behind quantised numbers.
fn scale(rest: &[u8]) -> Result<f32, Wrong> {
    let bytes = rest.first_chunk::<4>().ok_or_else(cut)?;
    let scale = f32::from_le_bytes(*bytes);
    if scale.is_finite() && scale > 0.0 {
        return Ok(scale);
    }
    Err((format!("the scale {scale}"), "a positive number".to_owned()))
}

/// The bytes that are not read yet.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], Wrong> {
        let length = usize::try_from(length).map_err(|_| cut())?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Wrong> {
        let (number, rest) = self.rest.split_first_chunk::<8>().ok_or_else(cut)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*number))
    }

    /// A name of `length` bytes, the NUL at its end included.
    fn name(&mut self, length: u64) -> Result<&'a str, Wrong> {
        let bytes = self.take(length)?;
        let name = bytes.split_last().filter(|(last, name)| **last == 0 && !name.contains(&0));
        let name = name.and_then(|(_, name)| std::str::from_utf8(name).ok());
        name.ok_or_else(|| ("a name that does not end in one NUL".to_owned(), "names of tensors".to_owned()))
    }

    fn shape(&mut self, axes: u64) -> Result<Vec<usize>, Wrong> {
        if axes > MAX_AXES {
            return Err((format!("a tensor of {axes} axes"), format!("at most {MAX_AXES}")));
        }
        let bytes = self.take(4 * axes)?;
        let axes = bytes.chunks_exact(4).map(|axis| i32::from_le_bytes([axis[0], axis[1], axis[2], axis[3]]));
        axes.map(|axis| {
            usize::try_from(axis).map_err(|_| (format!("an axis of length {axis}"), "at least 0".to_owned()))
        })
        .collect()
    }
}

fn cut() -> Wrong {
    ("a file that breaks off".to_owned(), "all tensors that it lists".to_owned())
}
