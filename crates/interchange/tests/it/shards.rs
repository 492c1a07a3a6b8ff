//! Weights in shards, as transformers writes them under `max_shard_size` (paiml/aprender#214), and indexes that disagree
//! with their shards (sgl-project/sglang#32279).

use std::fs;

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::folder::{Copy, Import as _, fixture};

const INDEX: &str = "model.safetensors.index.json";
const SHARDS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

/// A fixture with its weights in two shards.
fn sharded() -> Copy {
    let copy = Copy::new("swish");
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let total: usize = tensors.iter().map(|(_, view)| view.data().len()).sum();
    let mut places = serde_json::Map::new();
    let second = tensors.split_off(tensors.len() / 2);
    for (shard, own) in SHARDS.into_iter().zip([tensors, second]) {
        places.extend(own.iter().map(|(name, _)| (name.clone(), json!(shard))));
        copy.write(shard, safetensors::serialize(own, None).unwrap());
    }
    copy.write(INDEX, json!({"metadata": {"total_size": total}, "weight_map": places}).to_string());
    copy.remove("model.safetensors");
    copy
}

/// The error message after changing the index.
fn with_index(change: impl FnOnce(&mut Value)) -> String {
    let copy = sharded();
    copy.edit(INDEX, change);
    copy.rejection()
}

fn files_of(copy: &Copy) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(copy.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn shards_give_the_run_of_one_file() {
    let whole = Copy::new("swish");
    drop(whole.imported("run"));
    let copy = sharded();
    drop(copy.imported("run"));
    assert_eq!(files_of(&copy), files_of(&whole));
}

#[test]
fn pytorch_shards_give_the_run_of_one_file() {
    let whole = Copy::new("swish");
    drop(whole.imported("run"));
    let copy = Copy::new("swish");
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    copy.remove("model.safetensors");
    fs::rename(copy.marian().join("bin.bin"), copy.marian().join("pytorch_model-00001-of-00001.bin")).unwrap();
    let places = |names: Vec<String>| -> serde_json::Map<String, Value> {
        names.into_iter().map(|name| (name, json!("pytorch_model-00001-of-00001.bin"))).collect()
    };
    let names = SafeTensors::deserialize(&bytes).unwrap().names().into_iter().map(str::to_owned).collect::<Vec<_>>();
    copy.write("pytorch_model.bin.index.json", json!({"weight_map": places(names.clone())}).to_string());
    // The file of PyTorch also holds the tied matrices and the sinusoids.
    let error = copy.rejection();
    assert!(error.contains("found no shard for the tensor `"), "{error}");
    let mut names = names;
    names.extend(
        ["lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"]
            .into_iter()
            .chain(["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"])
            .map(str::to_owned),
    );
    copy.write("pytorch_model.bin.index.json", json!({"weight_map": places(names)}).to_string());
    drop(copy.imported("run"));
    assert_eq!(files_of(&copy), files_of(&whole));
}

/// As in transformers, a single file counts before an index (Blaizzy/mlx-vlm#1464 met both in one folder).
#[test]
fn a_single_file_counts_before_an_index() {
    let whole = Copy::new("swish");
    drop(whole.imported("run"));
    let copy = sharded();
    fs::copy(whole.marian().join("model.safetensors"), copy.marian().join("model.safetensors")).unwrap();
    SHARDS.iter().for_each(|shard| copy.write(shard, "damaged"));
    drop(copy.imported("run"));
    assert_eq!(files_of(&copy), files_of(&whole));
}

/// An index of thirty shards beside fifteen files (Neph0s/CoSER#3).
#[test]
fn a_missing_shard_is_named() {
    let copy = sharded();
    copy.remove(SHARDS[1]);
    let error = copy.rejection();
    let message = format!("{INDEX}: found the shard {}, which is missing, expected shards", SHARDS[1]);
    assert!(error.starts_with(&message), "{error}");
}

#[test]
fn indexes_that_are_hostile_or_disagree() {
    let bias = "model.encoder.layers.0.fc1.bias";
    let outside = |path: &str| with_index(|index| index["weight_map"][bias] = json!(path));
    for path in ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "C:\\x", "a\u{0}b"] {
        let error = outside(path);
        assert!(error.contains("expected names of files in the same folder"), "{path:?}: {error}");
    }

    let moved = with_index(|index| {
        let place = index["weight_map"][bias].as_str().unwrap().to_owned();
        let other = SHARDS.into_iter().find(|shard| *shard != place);
        index["weight_map"][bias] = json!(other);
    });
    assert!(moved.contains(bias), "{moved}");
    let unlisted = with_index(|index| drop(index["weight_map"].as_object_mut().unwrap().remove(bias)));
    assert!(unlisted.contains(&format!("found no shard for the tensor `{bias}`")), "{unlisted}");
    let invented = with_index(|index| index["weight_map"]["model.more"] = json!(SHARDS[0]));
    assert!(invented.contains("for the tensor `model.more`, expected a shard that holds it"), "{invented}");
    for total in [json!(7), json!(1e30), json!(-5)] {
        let error = with_index(|index| index["metadata"]["total_size"] = total.clone());
        assert!(error.contains("found metadata.total_size = "), "{error}");
    }

    for text in ["[]", "{}", "7", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}", "{\"weight_map\""] {
        let copy = sharded();
        copy.write(INDEX, text);
        let error = copy.rejection();
        assert!(error.starts_with(&format!("{INDEX}: malformed JSON")), "{text}: {error}");
    }
    let copy = sharded();
    copy.write(INDEX, "{\"weight_map\": {}}");
    assert!(copy.rejection().contains("found an empty weight_map"));
    let twice = format!("{{\"weight_map\": {{\"a\": \"{0}\", \"a\": \"{0}\"}}}}", SHARDS[0]);
    copy.write(INDEX, twice);
    assert!(copy.rejection().contains("the tensor `a` twice"));
}

/// A tensor in two shards is in one that the index does not name for it.
#[test]
fn a_tensor_in_two_shards() {
    let copy = sharded();
    let whole = fs::read(fixture("swish").join("model.safetensors")).unwrap();
    copy.write(SHARDS[0], whole);
    let error = copy.rejection();
    assert!(error.contains(&format!("found {} for the tensor `", SHARDS[1])), "{error}");
}

#[test]
fn a_shard_cut_short_is_named() {
    let copy = sharded();
    let bytes = fs::read(copy.marian().join(SHARDS[1])).unwrap();
    copy.write(SHARDS[1], &bytes[..bytes.len() - 10]);
    assert!(copy.rejection().starts_with(SHARDS[1]), "{}", copy.rejection());
}
