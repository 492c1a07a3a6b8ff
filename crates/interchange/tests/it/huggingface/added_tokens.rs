//! Tokens that a folder adds to its vocabulary, by id.

use std::fs;

use decode::TrainedModel;
use interchange::huggingface::{self, Family};
use model::weights;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value, json};
use testing::marian_fixture::{MarianFolder, json};

use super::folder::{copy, imported, rejection};
use crate::folder::device;

/// The labels of the last ids of the folder.
fn last_labels(trained: &TrainedModel, count: usize) -> Vec<&str> {
    let tokenizer = &trained.target_tokenizer;
    let size = tokenizer.vocab_size();
    let new_ids = tokenizer.special_ids().new_ids(size);
    new_ids[size - count..].iter().map(|id| tokenizer.labels()[*id].as_str()).collect()
}

/// An NLLB of 301 pieces, whose four last ids have these tokens by id.
fn nllb(tokens: [&str; 4]) -> MarianFolder {
    let copy = copy("nllb");
    copy.remove("tokenizer.json");
    let token = |(label, id): (&str, u32)| (id.to_string(), json!({"content": label, "special": true}));
    let by_id: Map<String, Value> = tokens.into_iter().zip(301..).map(token).collect();
    copy.edit("tokenizer_config.json", |file| file["added_tokens_decoder"] = Value::Object(by_id));
    copy
}

/// A language that was added to a model follows `<mask>`: its row is that of its id.
#[test]
fn languages_have_the_ids_of_the_folder() {
    let tokens = ["eng_Latn", "deu_Latn", "<mask>", "tyv_Cyrl"];
    assert_eq!(last_labels(&imported(&nllb(tokens), "run"), 4), tokens);

    // Older folders have a file for those that were added last.
    let older = copy("nllb");
    older.remove("tokenizer.json");
    older.write("added_tokens.json", r#"{"tyv_Cyrl": 304}"#);
    let listed = json!(["eng_Latn", "deu_Latn", "tyv_Cyrl"]);
    older.edit("tokenizer_config.json", |file| file["additional_special_tokens"] = listed);
    assert_eq!(last_labels(&imported(&older, "run"), 4), tokens);

    older.write("added_tokens.json", r#"{"eng_Latn": 302}"#);
    let error = rejection(&older);
    let message = "added_tokens.json: found the id 302 for \"eng_Latn\", expected ";
    assert!(error.starts_with(message), "{error}");
    older.write("added_tokens.json", r#"{"tyv_Cyrl": 305}"#);
    let error = rejection(&older);
    assert!(
        error.contains("the id 305 for \"tyv_Cyrl\", expected an id below vocab_size = 305 of config.json"),
        "{error}"
    );

    // Flagged as a word, as `add_tokens` of transformers does.
    let flagged = nllb(tokens);
    flagged.edit("tokenizer_config.json", |file| file["added_tokens_decoder"]["304"]["special"] = json!(false));
    let trained = imported(&flagged, "run");
    let languages = &trained.target_tokenizer.template().unwrap().languages;
    assert!(languages.contains_key("tyv_Cyrl"), "{languages:?}");
}

/// Words keep their ids when a model is exported and imported again.
#[test]
fn exports_keep_the_ids_of_added_words() {
    for (name, family) in [
        ("t5", Family::T5),
        ("mbart", Family::MBart),
        ("mbart50", Family::MBart),
        ("m2m100", Family::M2m100),
        ("nllb", Family::M2m100),
        ("pegasus", Family::Pegasus),
    ] {
        let copy = copy(name);
        drop(fs::remove_file(copy.marian().join("tokenizer.json")));
        copy.edit("config.json", |file| {
            let size = file["vocab_size"].as_u64().unwrap();
            file["vocab_size"] = json!(size + 2);
        });
        let size = json(&copy.marian().join("config.json"))["vocab_size"].as_u64().unwrap();
        copy.write("added_tokens.json", json!({"foobar": size - 1}).to_string());
        widen(&copy, 2);
        let trained = imported(&copy, "run");
        assert_eq!(last_labels(&trained, 1), ["foobar"], "{name}");
        let output = copy.path("export");
        let (weights, _) = weights::from_safetensors(&fs::read(copy.path("run/model.safetensors")).unwrap()).unwrap();
        huggingface::export(family, &trained.saved, weights, &trained.decoding, &copy.path("run"), &output).unwrap();
        let again = imported(&MarianFolder::copy_of(&output), "run");
        assert!(again.target_tokenizer.to_json() == trained.target_tokenizer.to_json(), "{name}");
    }
}

/// Added tokens of T5 precede its own for the gaps of its first training, which follow the pieces otherwise.
#[test]
fn added_words_take_the_place_of_extra_ids() {
    let copy = copy("t5");
    let words: Map<String, Value> = (260..368).map(|id| (format!("word{id}"), json!(id))).collect();
    copy.write("added_tokens.json", Value::Object(words).to_string());
    let trained = imported(&copy, "run");
    assert_eq!(last_labels(&trained, 108)[..2], ["word260", "word261"]);
    assert!(trained.target_tokenizer.id_of("<extra_id_0>").is_none());
}

/// The tokenizer of bart-large-cnn has a `<mask>` without a row.
#[test]
fn a_mask_without_a_row_is_none() {
    let copy = copy("bart");
    copy.edit("tokenizer.json", |file| {
        let id = file["model"]["vocab"].as_object().unwrap().len();
        let mask = file["added_tokens"].as_array_mut().unwrap().iter_mut().find(|token| token["content"] == "<mask>");
        mask.unwrap()["id"] = json!(id - 1);
        let vocabulary = file["model"]["vocab"].as_object_mut().unwrap();
        let last = vocabulary.iter().find(|(_, entry)| **entry == json!(id - 1)).unwrap().0.clone();
        vocabulary.insert(last, json!(4));
        vocabulary.insert("<mask>".to_owned(), json!(id - 1));
    });
    let size = json(&copy.marian().join("config.json"))["vocab_size"].as_u64().unwrap();
    copy.edit("config.json", |file| (file["vocab_size"], file["_num_labels"]) = (json!(size - 1), json!(3)));
    widen(&copy, -1);
    let trained = imported(&copy, "run");
    assert_eq!(trained.target_tokenizer.vocab_size() as u64, size - 1);
    assert!(trained.target_tokenizer.id_of("<mask>").is_none());
}

/// Adds rows of zeros to the matrices that have one for each token, or removes rows.
fn widen(copy: &MarianFolder, rows: isize) {
    let path = copy.marian().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let size = file.tensors().iter().find(|(name, _)| name.contains("shared")).unwrap().1.shape()[0];
    let changed = file.tensors().into_iter().map(|(name, view)| {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        if let Some(at) = shape.iter().position(|side| *side == size) {
            let row = data.len() / size;
            shape[at] = size.checked_add_signed(rows).unwrap();
            data.resize(row * shape[at], 0);
        }
        (name, view.dtype(), shape, data)
    });
    let changed: Vec<_> = changed.collect();
    let views = changed
        .iter()
        .map(|(name, dtype, shape, data)| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Words that are tokens of their own are printed, and the import names them: a text is cut into pieces only.
#[test]
fn added_words_are_printed_and_reported() {
    let pieces = copy("t5");
    let last = imported(&pieces, "plain").target_tokenizer.vocab_size() - 1;
    pieces.write("added_tokens.json", json!({"foobar": last}).to_string());
    let list = copy("pegasus");
    list.remove("spiece.model");
    list.edit("tokenizer.json", |file| {
        let pieces = file["model"]["vocab"].as_array_mut().unwrap();
        pieces.pop();
        let token = json!({"id": pieces.len(), "content": "foobar", "special": false});
        file["added_tokens"].as_array_mut().unwrap().push(token);
    });
    let unigram = copy("t5");
    unigram.remove("spiece.model");
    unigram.edit("tokenizer.json", |file| {
        let added = file["added_tokens"].as_array_mut().unwrap();
        let last = added.iter().filter_map(|token| token["id"].as_u64()).max().unwrap();
        added.push(json!({"id": last + 1, "content": "foobar", "special": false}));
    });
    for copy in [pieces, list, unigram] {
        let (input, run) = (copy.marian(), copy.path("run"));
        let format = interchange::recognise(&input).unwrap();
        let read = interchange::import(format, &input, &run, &device()).unwrap();
        let reported = "recognition of foobar as one token in a text".to_owned();
        assert!(read.skipped.contains(&reported), "{:?}", read.skipped);
        let tokenizer = &TrainedModel::open(&run, &device()).unwrap().target_tokenizer;
        let id = tokenizer.id_of("foobar").unwrap();
        assert_eq!(tokenizer.decode(&[id, id]).unwrap(), "foobarfoobar");
    }
}
