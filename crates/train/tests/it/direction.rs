//! Models that read and write the last token of a text first.

use crate::common::{WorkFolder, set};

const SETTINGS: [&str; 3] = ["tokenizer.kind=whitespace", "training.steps=6", "validation.every=3"];

#[test]
fn right_to_left_equals_reversed_lines() {
    let [place, reversed] = [(); 2].map(|()| WorkFolder::translating());
    for file in place.names(".").iter().filter(|name| name.ends_with(".tsv")) {
        let side = |side: &str| side.split(' ').rev().collect::<Vec<_>>().join(" ");
        let line = |line: &str| line.split('\t').map(side).collect::<Vec<_>>().join("\t") + "\n";
        reversed.write(file, place.text(file).lines().map(line).collect::<String>());
    }
    let backward = [&SETTINGS[..], &["tokenizer.direction=right_to_left"]].concat();
    place.trained("run", &[&set(&backward)[..], &["--quiet"]].concat());
    reversed.trained("run", &[&set(&SETTINGS)[..], &["--quiet"]].concat());
    assert!(place.weights("run") == reversed.weights("run"));
    let validated = |place: &WorkFolder| {
        let last = place.metrics("run").into_iter().rev().find(|record| record.get("validation").is_some());
        last.expect("a validation")["validation"].clone()
    };
    let (one, other) = (validated(&place), validated(&reversed));
    for score in ["nll", "bleu", "exact_match"] {
        assert_eq!(one[score], other[score], "{score}");
    }
    let output = |scores: &serde_json::Value| scores["samples"][0]["output"].as_str().unwrap().to_string();
    let words = |text: &str| text.split(' ').rev().map(str::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(output(&one), words(&output(&other)));
}

#[test]
fn fine_tuning_keeps_the_direction() {
    let place = WorkFolder::translating();
    let backward = [&SETTINGS[..], &["tokenizer.direction=right_to_left"]].concat();
    place.trained("run", &[&set(&backward)[..], &["--quiet"]].concat());
    let run = place.path("run").display().to_string();
    place.trained("tuned", &[&set(&SETTINGS)[..], &["--quiet", "--init-from", &run]].concat());
    assert!(place.text("tuned/config.toml").contains("direction = \"right_to_left\"\n"));
    let forward = set(&["tokenizer.kind=whitespace", "tokenizer.direction=left_to_right"]);
    let parts = ["tokenizer.direction = \"left_to_right\"", "expected \"right_to_left\", as the vocabularies"];
    place.assert_rejects("other", &[&forward[..], &["--init-from", &run]].concat(), &parts);
    let parts = ["tokenizer.direction: \"right_to_left\" there, \"left_to_right\" now"];
    place.assert_rejects("run", &[&set(&SETTINGS[1..])[..], &forward, &["--resume"]].concat(), &parts);
}
