//! Tokens that a folder adds to its vocabulary, by id.

use decode::TrainedModel;
use serde_json::{Map, Value, json};
use testing::marian_fixture::MarianFolder;

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
    let message = "tokenizer_config.json: found the id 302 for \"eng_Latn\", expected ";
    assert!(error.starts_with(message), "{error}");
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
    for copy in [pieces, list] {
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
