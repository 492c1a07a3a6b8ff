//! Special tokens at any id, as in `opus-mt-tc-big` models (huggingface/transformers#14320).

use std::fs;

use model::weights::{self, NamedTensor};
use runs::SavedModel;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::folder::{Copy, Expected, Import as _, answers, device, fixture, json};

/// Exchanges two ids of a Marian folder: rows of matrices, vocabulary and configuration.
fn exchange(copy: &Copy, a: u64, b: u64) {
    let exchanged = |id: u64| match id {
        id if id == a => b,
        id if id == b => a,
        id => id,
    };
    copy.edit("vocab.json", |labels| {
        for id in labels.as_object_mut().unwrap().values_mut() {
            *id = json!(exchanged(id.as_u64().unwrap()));
        }
    });
    for name in ["config.json", "generation_config.json"] {
        copy.edit(name, |file| {
            for (key, id) in file.as_object_mut().unwrap() {
                if key.ends_with("_token_id") && id.is_u64() {
                    *id = json!(exchanged(id.as_u64().unwrap()));
                }
            }
            if let Some(id) = file["bad_words_ids"][0][0].as_u64() {
                file["bad_words_ids"] = json!([[exchanged(id)]]);
            }
        });
    }
    let rows = json(&copy.marian().join("vocab.json")).as_object().unwrap().len();
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> =
        file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec())).collect();
    for (name, shape, data) in &mut tensors {
        let row = match (name.as_str(), &shape[..]) {
            ("final_logits_bias", _) => 4,
            (_, [first, width]) if *first == rows => 4 * width,
            _ => continue,
        };
        let (low, high) = (a.min(b) as usize * row, a.max(b) as usize * row);
        let (before, after) = data.split_at_mut(high);
        before[low..low + row].swap_with_slice(&mut after[..row]);
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name, TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap()));
    copy.write("model.safetensors", safetensors::serialize(views, None).unwrap());
}

fn weights_of(copy: &Copy, run: &str) -> Vec<u8> {
    fs::read(copy.path(run).join("model.safetensors")).unwrap()
}

#[test]
fn an_end_token_at_another_id_changes_nothing() {
    let untouched = Copy::new("swish");
    let expected = untouched.imported("run");
    let copy = Copy::new("swish");
    exchange(&copy, 0, 37);
    assert_eq!(json(&copy.marian().join("config.json"))["eos_token_id"], 37);
    let found = copy.imported("run");

    assert_eq!(weights_of(&copy, "run"), weights_of(&untouched, "run"));
    let texts = Expected::of("swish").answers(1).0;
    for beam in [1, 4] {
        assert_eq!(answers(&found, &texts, beam), answers(&expected, &texts, beam), "beam {beam}");
    }
}

/// All three special tokens may be anywhere, as in T5 and BART.
#[test]
fn any_id_may_have_any_role() {
    let size = json(&fixture("swish").join("vocab.json")).as_object().unwrap().len() as u64;
    for exchanges in [vec![(1, size - 1)], vec![(0, size - 1), (1, 5)], vec![(0, 1), (1, size - 1)]] {
        let untouched = Copy::new("swish");
        let expected = untouched.imported("run");
        let copy = Copy::new("swish");
        for (a, b) in &exchanges {
            exchange(&copy, *a, *b);
        }
        let found = copy.imported("run");
        let texts = Expected::of("swish").answers(1).0;
        // Rows of ordinary tokens may be in another order.
        let text = |all: Vec<(Vec<u32>, String, bool)>| all.into_iter().map(|(_, text, _)| text).collect::<Vec<_>>();
        assert_eq!(text(answers(&found, &texts, 1)), text(answers(&expected, &texts, 1)), "{exchanges:?}");
    }
}

/// An export restores the original ids: the same folder, to the bit.
#[test]
fn an_export_restores_the_ids() {
    let copy = Copy::new("swish");
    let size = json(&copy.marian().join("vocab.json")).as_object().unwrap().len() as u64;
    exchange(&copy, 0, 37);
    exchange(&copy, size - 1, 12);
    drop(copy.imported("run"));

    let run = copy.path("run");
    let saved = SavedModel::open(&run).unwrap();
    let (tensors, _) = weights::from_safetensors(&fs::read(run.join("model.safetensors")).unwrap()).unwrap();
    let output = copy.path("exported");
    interchange::marian::export(&saved, tensors, &saved.decoding, &run, &output).unwrap();

    let file = |folder: &std::path::Path, name: &str| json(&folder.join(name));
    assert_eq!(file(&output, "vocab.json"), file(&copy.marian(), "vocab.json"));
    for key in ["eos_token_id", "pad_token_id", "decoder_start_token_id"] {
        assert_eq!(file(&output, "config.json")[key], file(&copy.marian(), "config.json")[key], "{key}");
        assert_eq!(file(&output, "generation_config.json")[key], file(&output, "config.json")[key], "{key}");
    }
    let tensors = |folder: &std::path::Path| -> Vec<NamedTensor> {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        weights::from_safetensors(&bytes).unwrap().0
    };
    let original = tensors(&copy.marian());
    for tensor in tensors(&output) {
        let same = original.iter().find(|other| other.name == tensor.name);
        assert!(same.is_none_or(|other| *other == tensor), "{}", tensor.name);
    }
    // Such a folder is imported as the same run.
    interchange::marian::import(&output, &copy.path("again"), &device()).unwrap();
    assert_eq!(weights_of(&copy, "again"), weights_of(&copy, "run"));
    let tokenizer = |run: &str| fs::read(copy.path(run).join("source.tokenizer.json")).unwrap();
    assert_eq!(tokenizer("again"), tokenizer("run"));
}
