//! Conversion of the descriptions in a pickle to tensors.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Mismatch;
use super::pickle::Value;
use crate::tensor::{Dtype, StoredTensor};

/// The bytes of each storage.
pub type Storages<'a> = HashMap<String, &'a [u8]>;

/// Returns the bytes of a storage by its key.
pub type StorageOf<'s, 'b> = dyn Fn(&str) -> Result<Cow<'b, [u8]>, Mismatch> + 's;

/// Maximum elements of a tensor, more than a file can hold.
const MAX_ELEMENTS: usize = 1 << 32;

/// Maximum axes of a tensor; weights have two.
const MAX_AXES: usize = 8;

/// Maximum names of one matrix: three embeddings and the output may be tied.
const MAX_NAMES: usize = 4;

/// A storage as a tensor refers to it.
struct StorageReference<'a> {
    key: &'a str,
    dtype: Dtype,
}

/// Returns all tensors of a state dictionary in a file of `file_bytes`; `storage` returns the bytes of a key.
pub fn tensors_of(
    state: &Value,
    file_bytes: usize,
    storage: &StorageOf,
) -> Result<Vec<(String, StoredTensor)>, Mismatch> {
    let mut left = file_bytes.saturating_mul(MAX_NAMES);
    let mut tensors = Vec::new();
    for (name, value) in entries(state)? {
        let description =
            Description::new(value).map_err(|(found, expected)| (format!("{name}: {found}"), expected))?;
        let bytes = storage(description.storage.key)?;
        let count = description
            .count(&bytes)
            .map_err(|found| (format!("{name}: {found}"), "a tensor within its storage".to_owned()))?;
        left = left.checked_sub(count * description.storage.dtype.width()).ok_or_else(|| {
            let expected = format!("at most {MAX_NAMES} names for the same numbers");
            (format!("{name}: more numbers than {file_bytes} bytes hold"), expected)
        })?;
        let values = description.values(&bytes, count);
        tensors.push((name.to_owned(), StoredTensor { shape: description.shape, values }));
    }
    Ok(tensors)
}

/// Calls `visit` with the storage's key and element width of each tensor.
pub fn visit_storages(state: &Value, visit: &mut dyn FnMut(&str, usize)) -> Result<(), Mismatch> {
    for (name, value) in entries(state)? {
        let description =
            Description::new(value).map_err(|(found, expected)| (format!("{name}: {found}"), expected))?;
        visit(description.storage.key, description.storage.dtype.width());
    }
    Ok(())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
fn entries(state: &Value) -> Result<impl Iterator<Item = (&str, &Value)>, Mismatch> {
    let Value::Dict(entries) = state else {
        return Err((format!("{state} at the top"), "a dictionary of tensors".to_owned()));
    };
    let named = |(name, value): &'_ (Value, Value)| !matches!((name, value), (Value::Text(_), Value::Call(..)));
    if let Some((name, value)) = entries.iter().find(|entry| named(entry)) {
        return Err((format!("{value} under {name}"), "tensors by name".to_owned()));
    }
    Ok(entries.iter().filter_map(|(name, value)| match name {
        Value::Text(name) => Some((&**name, value)),
        _ => None,
    }))
}

struct Description<'a> {
    storage: StorageReference<'a>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> Description<'a> {
    /// Reads `_rebuild_tensor_v2(storage, offset, shape, strides, …)`, or a parameter around one.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
    fn new(value: &'a Value) -> Result<Self, Mismatch> {
        let wrong = || (format!("{value}"), "a tensor".to_owned());
        let Value::Call(function, arguments) = value else { return Err(wrong()) };
        if &**function == "torch._utils._rebuild_parameter" {
            return Self::new(arguments.first().ok_or_else(wrong)?);
        }
        let [storage, Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] = &arguments[..] else {
            return Err(wrong());
        };
        if shape.len() != strides.len() || shape.len() > MAX_AXES {
            return Err(wrong());
        }
        let sizes = |values: &[Value]| -> Option<Vec<usize>> {
            let size = |value: &Value| match value {
                Value::Int(size) => usize::try_from(*size).ok(),
                _ => None,
            };
            values.iter().map(size).collect()
        };
        let (shape, strides) = (sizes(shape).ok_or_else(wrong)?, sizes(strides).ok_or_else(wrong)?);
        let offset = usize::try_from(*offset).map_err(|_| wrong())?;
        Ok(Self { storage: reference(storage)?, offset, shape, strides })
    }

    /// The number of elements, all of them within the storage.
    ///
    /// # Errors
    /// A description of the shape, for one that exceeds the storage.
    fn count(&self, storage: &[u8]) -> Result<usize, String> {
        let Self { storage: StorageReference { dtype, .. }, offset, shape, strides } = self;
        let outside = || format!("shape {shape:?} with strides {strides:?} in {} bytes", storage.len());
        let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).ok_or_else(outside)?;
        if count > MAX_ELEMENTS || (count > 0 && storage.is_empty()) {
            return Err(outside());
        }
        let last = shape.iter().zip(strides).try_fold(*offset, |last, (&size, &stride)| {
            size.saturating_sub(1).checked_mul(stride).and_then(|step| last.checked_add(step))
        });
        let elements = storage.len() / dtype.width();
        // A tensor with more elements than its storage repeats some of them, which no weight does.
        if count > 0 && (last.is_none_or(|last| last >= elements) || count > elements) {
            return Err(outside());
        }
        Ok(count)
    }

    /// Returns `count` elements in row-major order.
    fn values(&self, storage: &[u8], count: usize) -> Vec<f32> {
        let Self { storage: StorageReference { dtype, .. }, offset, shape, strides } = self;
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; shape.len()];
        for _ in 0..count {
            let at = offset + index.iter().zip(strides).map(|(index, stride)| index * stride).sum::<usize>();
            values.push(dtype.read(&storage[at * dtype.width()..]));
            for (index, &size) in index.iter_mut().zip(shape).rev() {
                *index += 1;
                if *index < size {
                    break;
                }
                *index = 0;
            }
        }
        values
    }
}

/// Reads the reference `("storage", class, key, location, elements, …)`.
fn reference(value: &Value) -> Result<StorageReference<'_>, Mismatch> {
    let wrong = || (format!("the storage {value}"), "a reference to one".to_owned());
    let Value::Persistent(inner) = value else { return Err(wrong()) };
    let Value::Tuple(parts) = &**inner else { return Err(wrong()) };
    let [Value::Text(kind), Value::Global(class), Value::Text(key), ..] = &parts[..] else { return Err(wrong()) };
    if &**kind != "storage" {
        return Err(wrong());
    }
    let dtype = match &**class {
        "torch.FloatStorage" => Dtype::F32,
        "torch.HalfStorage" => Dtype::F16,
        "torch.BFloat16Storage" => Dtype::Bf16,
        other => return Err((other.to_owned(), "float32, float16 or bfloat16 numbers".to_owned())),
    };
    Ok(StorageReference { key, dtype })
}
