//! Weights in several files, as transformers writes large models: an index names the file (*shard*) of each tensor.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::InterchangeError;
use crate::tensor::StoredTensor;

/// The contents of `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    metadata: Metadata,
    weight_map: WeightMap,
}

#[derive(Default, Deserialize)]
struct Metadata {
    /// Bytes of all tensors.
    total_size: Option<f64>,
}

/// The shard of each tensor. A tensor that is named twice is an error.
struct WeightMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that gives each tensor a file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut shards = BTreeMap::new();
                while let Some((tensor, shard)) = map.next_entry::<String, String>()? {
                    if shards.contains_key(&tensor) {
                        return Err(A::Error::custom(format!("the tensor `{tensor}` twice")));
                    }
                    shards.insert(tensor, shard);
                }
                Ok(WeightMap(shards))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

const REMEDY: &str = "fetch all files of one model";

/// Reads the tensors of all shards that the index `path` names, with `read` for each shard, one after the other.
///
/// # Errors
/// An index that is malformed, that names a file outside its folder, or that disagrees with its shards; a shard that is
/// missing or cannot be read.
pub fn read(
    path: &Path,
    read: impl Fn(&Path) -> Result<BTreeMap<String, StoredTensor>, InterchangeError>,
) -> Result<BTreeMap<String, StoredTensor>, InterchangeError> {
    let bytes = fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })?;
    let Index { metadata, weight_map: WeightMap(places) } =
        serde_json::from_slice(&bytes).map_err(|source| InterchangeError::Json { path: path.to_owned(), source })?;
    let wrong = |found: String, expected: &str| InterchangeError::File {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy: REMEDY,
    };
    let mut shards: BTreeMap<&str, usize> = BTreeMap::new();
    for shard in places.values() {
        *shards.entry(shard).or_default() += 1;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    // Before anything large is read.
    for shard in shards.keys() {
        if !is_plain_name(shard) {
            return Err(wrong(format!("the shard {shard:?}"), "names of files in the same folder"));
        }
        if !folder.join(shard).is_file() {
            return Err(wrong(format!("the shard {shard}, which is missing"), "shards that are all in the folder"));
        }
    }
    if shards.is_empty() {
        return Err(wrong("an empty weight_map".to_owned(), "a shard for each tensor"));
    }

    let mut tensors = BTreeMap::new();
    for (shard, count) in shards {
        let own = read(&folder.join(shard))?;
        if let Some(name) = own.keys().find(|name| places.get(*name).is_none_or(|place| place != shard)) {
            let elsewhere = places.get(name).map_or("no shard", String::as_str);
            return Err(wrong(
                format!("{elsewhere} for the tensor `{name}`"),
                &format!("{shard}, where the tensor is"),
            ));
        }
        if own.len() != count {
            let missing = places.iter().find(|(name, place)| *place == shard && !own.contains_key(*name));
            let name = missing.map_or("", |(name, _)| name);
            return Err(wrong(format!("the shard {shard} for the tensor `{name}`"), "a shard that holds it"));
        }
        tensors.extend(own);
    }
    check_total_size(metadata.total_size, &tensors).map_err(|(found, expected)| wrong(found, &expected))?;
    Ok(tensors)
}

/// Checks the total size in bytes, whatever the number type; tied matrices may count once or several times.
fn check_total_size(total: Option<f64>, tensors: &BTreeMap<String, StoredTensor>) -> Result<(), (String, String)> {
    let Some(total) = total else { return Ok(()) };
    let sizes = tensors.values().map(|tensor| tensor.values.len());
    let (sum, largest) = (sizes.clone().sum::<usize>(), sizes.clone().max().unwrap_or(0));
    // Half precision has two bytes a number. Only embeddings, the largest matrices, are tied.
    let copies = sizes.filter(|size| *size == largest).count().saturating_sub(1);
    let (least, most) = (2 * (sum - copies * largest), 4 * sum);
    if total >= least as f64 && total <= most as f64 {
        return Ok(());
    }
    Err((format!("metadata.total_size = {total}"), format!("{least} to {most} bytes for {sum} numbers")))
}

/// Returns whether a name is that of a file in the same folder on every system.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    plain && !name.contains(['/', '\\', ':', '\0'])
}
