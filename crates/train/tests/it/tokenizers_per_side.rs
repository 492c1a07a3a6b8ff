//! A vocabulary of its own for each side: words spelled in characters on one, tokens between white space on the other.

use crate::common::{WorkFolder, decode, set};
use text::{Tokenizer, TokenizerKind};

const SIDES: [&str; 5] = [
    "tokenizer.source.kind=character",
    "tokenizer.source.normalization=nfd",
    "tokenizer.target.kind=whitespace",
    "model.tie=decoder",
    "validation.metric=token_error_rate",
];

fn tokenizer(place: &WorkFolder, side: &str) -> Tokenizer {
    Tokenizer::load(place.path(&format!("run/{side}.tokenizer.json")).as_ref()).unwrap()
}

#[test]
fn each_side_has_its_own_kind() {
    let place = WorkFolder::translating();
    let ran = place.trained("run", &set(&SIDES));
    ran.assert_stderr_contains(&["validation at step 20", "token error rate"]);
    let (source, target) = (tokenizer(&place, "source"), tokenizer(&place, "target"));
    assert_eq!((source.kind(), target.kind()), (TokenizerKind::Character, TokenizerKind::Whitespace));
    assert!(source.labels().contains(&" ".to_string()) && target.labels().contains(&"Maus".to_string()));
    let config = place.text("run/config.toml");
    assert!(
        config.contains("[tokenizer.source]\nkind = \"character\"") && config.contains("metric = \"token_error_rate\"")
    );
    assert!(!config.contains("joint"), "{config}");
    assert!(place.text("run/metrics.jsonl").contains("\"token_error_rate\":"));
    assert!(place.text("run/report.html").contains("Error rates of validation"));
    assert_eq!(decode(&place.path("run"), &["the small cat", "the χ cat"]).len(), 2);
}

#[test]
fn a_resumed_run_ends_with_the_same_bytes() {
    let place = WorkFolder::translating();
    let sides = set(&[
        "tokenizer.source.kind=bpe",
        "tokenizer.source.vocab_size=285",
        "tokenizer.source.dropout=0.2",
        "tokenizer.target.kind=bytes",
        "tokenizer.target.vocab_size=259",
        "model.tie=decoder",
    ]);
    place.trained("whole", &sides);
    let (half, rest) = ([&sides[..], &set(&["training.steps=10"])].concat(), [&sides[..], &["--resume"]].concat());
    place.trained("run", &half);
    place.trained("run", &rest);
    assert_eq!(place.weights("run"), place.weights("whole"));
    assert_ne!(place.text("run/source.tokenizer.json"), place.text("run/target.tokenizer.json"));
}

#[test]
fn errors_of_a_vocabulary_name_its_side() {
    let place = WorkFolder::translating();
    let sides = ["tokenizer.source.kind=bpe", "tokenizer.source.vocab_size=8000", "model.tie=decoder"];
    let parts = [
        "the source side of",
        "tokenizer.source.vocab_size = 8000: expected at most",
        "set tokenizer.source.vocab_size",
    ];
    place.assert_rejects("run", &set(&sides), &parts);
}

#[test]
fn one_matrix_for_two_vocabularies_is_rejected() {
    let parts = ["model.tie", "a table for each side", "set tie = \"decoder\""];
    WorkFolder::translating().assert_rejects("run", &set(&SIDES[..3]), &parts);
}

#[test]
fn fine_tuning_keeps_the_kinds_of_both_sides() {
    let place = WorkFolder::translating();
    place.trained("base", &set(&SIDES));
    let from = [&set(&SIDES)[..], &["--init-from", "base"]].concat();
    let other = [&from[..], &set(&["tokenizer.target.kind=word"])].concat();
    place.assert_rejects("run", &other, &["tokenizer.target.kind = \"word\"", "\"whitespace\""]);
    place.trained("run", &[&from[..], &set(&["tokenizer.joint=false"])].concat());
    assert_eq!(place.text("run/source.tokenizer.json"), place.text("base/source.tokenizer.json"));
}
