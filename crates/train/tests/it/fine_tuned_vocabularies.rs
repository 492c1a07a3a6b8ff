//! Fine-tuning keeps the vocabularies of the other run: other keys of `[tokenizer]` than `dropout` may only repeat it.

use crate::common::samples::COPY;
use crate::common::{WorkFolder, set};

/// A folder with a trained run `base`.
fn place() -> WorkFolder {
    let place = WorkFolder::translating();
    place.trained("base", &["--quiet"]);
    place
}

#[test]
fn other_keys_of_the_tokenizer_are_rejected() {
    let place = place();
    for (key, set_to, found) in [
        ("lowercase", "true", "false"),
        ("nfc", "false", "true"),
        ("joint", "false", "true"),
        ("vocab_size", "30", "40"),
        ("sample_lines", "5", "1000000"),
    ] {
        let setting = format!("tokenizer.{key}={set_to}");
        let parts = [
            &format!("tiny.toml: tokenizer.{key} = {set_to}: expected {found}, as the vocabularies of"),
            "training.init_from = base",
            &format!("remove tokenizer.{key}, or train a model of its own"),
        ];
        place.assert_rejects("run", &["--init-from", "base", "--set", &setting], &parts);
    }
}

#[test]
fn equal_keys_of_the_tokenizer_are_accepted() {
    let place = place();
    let same =
        set(&["tokenizer.lowercase=false", "tokenizer.joint=true", "tokenizer.vocab_size=40", "training.steps=1"]);
    place.trained("run", &[&same[..], &["--quiet", "--init-from", "base"]].concat());
    place.trained("run", &[&same[..], &["--quiet", "--init-from", "base", "--resume"]].concat());
}

#[test]
fn a_table_for_one_side_of_a_joint_vocabulary_is_rejected() {
    let place = place();
    let setting = ["--init-from", "base", "--set", "tokenizer.source.dropout=0.1"];
    let parts = [
        "tiny.toml: tokenizer.source = a table: expected none, since training.init_from = base has one vocabulary",
        "set its keys in [tokenizer]",
    ];
    place.assert_rejects("run", &setting, &parts);

    // The same for a run that is resumed, whose origin may be gone.
    place.trained("run", &["--quiet", "--init-from", "base"]);
    place.remove("base");
    let parts = ["tiny.toml: tokenizer.source = a table", "since the run run has one vocabulary"];
    place.assert_rejects("run", &[&setting[..], &["--resume"]].concat(), &parts);
}

#[test]
fn two_vocabularies_of_equal_settings_may_differ_in_dropout() {
    let place = WorkFolder::translating();
    let two = ["tokenizer.kind=bpe", "tokenizer.vocab_size=280", "tokenizer.joint=false", "model.tie=decoder"];
    place.trained("base", &[&set(&two)[..], &["--quiet"]].concat());
    let dropout = set(&[&two[..], &["tokenizer.source.dropout=0.1"]].concat());
    place.trained("run", &[&dropout[..], &["--quiet", "--init-from", "base"]].concat());
    let config = place.text("run/config.toml");
    assert_eq!((config.matches("vocab_size = 280").count(), config.matches("dropout = 0.1\nsample").count()), (2, 1));
}

#[test]
fn a_generated_task_does_not_start_from_a_translation() {
    let place = place();
    place.write("tiny.toml", COPY);
    let parts = [
        "tiny.toml: training.init_from = base: expected a run of the same generated task",
        "choose a run of the same task",
    ];
    place.assert_rejects("run", &["--init-from", "base"], &parts);
}
