//! Compatibility: run folders and keys of the first version of the program.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use model::{Batch, Pass, Transformer, weights};
use runs::SavedModel;
use safetensors::SafeTensors;

use crate::common::samples::COPY;
use crate::common::{WorkFolder, set};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name)
}

/// Copies a folder and its contents.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

fn values(safetensors: &[u8]) -> Vec<(String, Vec<f32>)> {
    let file = SafeTensors::deserialize(safetensors).unwrap();
    let floats = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let mut tensors: Vec<_> = file.iter().map(|(name, view)| (name.to_string(), floats(view.data()))).collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

/// The lines of `metrics.jsonl` without what the old program did not write.
fn metrics(place: &WorkFolder, run: &str) -> Vec<serde_json::Value> {
    let mut lines = place.metrics_without_timing(run);
    for scores in
        lines.iter_mut().filter_map(|line| line.get_mut("validation")).filter_map(|scores| scores.as_object_mut())
    {
        scores.remove("token_error_rate");
    }
    lines
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{what}: {found}, not {expected}");
    }
}

/// The logits of the old run's model with these weights, for a few sentences.
fn logits(place: &WorkFolder, safetensors: &[u8]) -> Vec<f32> {
    let saved = SavedModel::open(&place.path("old")).unwrap();
    let blank = Transformer::blank(&saved.config, saved.sizes, &Device::flex()).unwrap();
    let model = weights::load(blank, weights::from_safetensors(safetensors).unwrap().0).unwrap();
    let pairs: [(&[u32], &[u32]); 3] = [(&[2, 3, 4, 0], &[4, 3, 0]), (&[4, 0], &[2, 2, 3, 0]), (&[3, 3, 0], &[0])];
    model
        .forward(&Batch::new(&pairs, saved.sizes, &Device::flex()), &mut Pass::inference())
        .into_data()
        .iter()
        .collect()
}

/// The old run was interrupted after its checkpoint of step 2. Processors round differently, so bytes are compared only if
/// an uninterrupted run has the same checkpoint.
#[test]
fn an_old_run_folder_resumes_to_the_same_weights() {
    let place = WorkFolder::with(&fs::read_to_string(fixture("old_run.toml")).unwrap());
    copy(&fixture("old_run"), &place.path("old"));
    place.trained("old", &["--quiet", "--resume"]);
    place.trained("new", &["--quiet"]);
    let expected = fs::read(fixture("old_run_final.safetensors")).unwrap();
    let checkpoint = "checkpoints/step-2/model.safetensors";
    if place.read(&format!("new/{checkpoint}")) == fs::read(fixture("old_run").join(checkpoint)).unwrap() {
        assert_eq!(metrics(&place, "new"), metrics(&place, "old"));
        assert_eq!(place.weights("new"), place.weights("old"));
        assert!(place.weights("old") == expected, "the final weights differ from those of the old program");
    }
    // The gradient of a key's bias is zero but for rounding, which Adam scales to whole steps: a bias of keys moves all scores
    // of a query alike. So these biases are compared by the logits, which they do not change.
    let all = values(&place.weights("old")).into_iter().zip(values(&expected));
    for ((name, found), (_, expected)) in all.filter(|((name, _), _)| !name.ends_with(".key.bias")) {
        assert_close(&name, &found, &expected, 1e-5);
    }
    let resumed = place.weights("old");
    assert_close("logits", &logits(&place, &resumed), &logits(&place, &expected), 1e-5);
    assert_eq!(place.names("old"), place.names("new"));
    assert_eq!(place.names("old/checkpoints"), ["step-2", "step-4"]);
}

/// The settings under their old and new names.
const RENAMED: [[&str; 2]; 3] = [
    ["training.accumulate=2", "training.micro_batches=2"],
    ["training.keep=5", "training.keep_checkpoints=5"],
    ["training.export=best", "training.final_weights=best"],
];

#[test]
fn old_keys_mean_the_same_as_new_ones() {
    let place = WorkFolder::new();
    let old: Vec<&str> = RENAMED.iter().map(|[old, _]| *old).collect();
    let new: Vec<&str> = RENAMED.iter().map(|[_, new]| *new).collect();
    place.trained("old", &[&set(&old)[..], &["--quiet"]].concat());
    place.trained("new", &[&set(&new)[..], &["--quiet"]].concat());
    place.assert_same_run("old", "new");
    let config = place.text("old/config.toml");
    assert_eq!(config, place.text("new/config.toml"));
    assert!(config.contains("\nmicro_batches = 2\n") && config.contains("\nfinal_weights = \"best\"\n"), "{config}");

    // Also in the file, where an override under either name replaces them.
    let place = WorkFolder::with(&COPY.replace("[training]", "[training]\naccumulate = 4"));
    for (run, setting) in [("old", "training.accumulate=2"), ("new", "training.micro_batches=2")] {
        place.trained(run, &["--quiet", "--set", setting]);
        assert!(place.text(&format!("{run}/config.toml")).contains("\nmicro_batches = 2\n"));
    }
}

#[test]
fn a_key_under_both_names_is_rejected() {
    let place = WorkFolder::with(&COPY.replace("[training]", "[training]\naccumulate = 4\nmicro_batches = 4"));
    let message =
        ["training.accumulate = 4", "tiny.toml", "training.micro_batches, which is the new name", "remove one"];
    place.assert_rejects("run", &[], &message);
    place.assert_rejects("run", &["--seed", "3"], &message);
}

#[test]
fn errors_of_old_keys_have_the_new_name() {
    let place = WorkFolder::new();
    let message = ["training.micro_batches = 0", "at least 1"];
    place.assert_rejects("run", &["--set", "training.accumulate=0"], &message);
    let message = ["--set training.keep=many", "training.keep_checkpoints"];
    place.assert_rejects("run", &["--set", "training.keep=many"], &message);
}
