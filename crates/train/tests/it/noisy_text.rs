//! Text as people have it: noise that changes no translation, blank texts, and the normalisation of existing runs.

use std::path::Path;

use decode::{TrainedModel, Translator};
use text::{Pair, is_blank};

use crate::common::{WorkFolder, set};

/// A model of subwords for the shipped toy corpus, trained for a moment.
fn toy_model() -> WorkFolder {
    let place = WorkFolder::translating();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/toy-en-de");
    for (from, to) in [("train", "train.tsv"), ("validation", "validation.tsv"), ("test", "test.tsv")] {
        let lines = std::fs::read_to_string(data.join(from).with_extension("tsv")).unwrap();
        place.write(to, lines.lines().take(1500).map(|line| format!("{line}\n")).collect::<String>());
    }
    let settings = [
        "tokenizer.kind=bpe",
        "tokenizer.vocab_size=400",
        "model.d_model=32",
        "model.max_length=256",
        "training.steps=80",
        "training.max_tokens=1024",
        "training.learning_rate=0.01",
        "training.schedule=constant",
        "training.checkpoint_every=1000",
        "validation.every=80",
        "decoding.max_length=12",
    ];
    place.trained("run", &[&set(&settings)[..], &["--quiet"]].concat());
    place
}

/// `text` with characters that have no meaning: after each word and within it, in turns that depend on `seed`.
fn with_noise(text: &str, seed: usize) -> String {
    let spaces = ["  ", "\u{a0}", " \u{200b}", "\t", "\u{2028}", "\r\n", " \u{feff}", "\u{3000} "];
    let within = ["\u{ad}", "\u{200b}", "\u{2060}", "\u{feff}", "\u{0}"];
    let mut noisy = [" ", "\u{feff}", "\u{a0}\n", ""][seed % 4].to_string();
    for (place, word) in text.split(' ').enumerate() {
        let turn = seed + place;
        if place > 0 {
            noisy += spaces[turn % spaces.len()];
        }
        for (at, character) in word.chars().enumerate() {
            match character {
                'é' => noisy += "e\u{301}",
                other => noisy.push(other),
            }
            if at == turn % 3 {
                noisy += within[turn % within.len()];
            }
        }
    }
    noisy + ["", " ", "\u{200b}", "\r\n"][(seed / 4) % 4]
}

#[test]
fn noise_changes_no_translation() {
    let place = toy_model();
    let device = model::backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let trained = TrainedModel::open(&place.path("run"), &device).expect("a run folder");
    let translator = Translator::new(&trained, trained.settings()).expect("a translator");
    let test = place.text("test.tsv");
    let source = |line: &str| line.split('\t').next().unwrap().replacen('a', "é", 1);
    let clean: Vec<String> = test.lines().take(200).map(source).collect();
    let noisy: Vec<String> = clean.iter().zip(0..).map(|(text, seed)| with_noise(text, seed)).collect();
    assert!(clean.len() == 200 && clean.iter().zip(&noisy).all(|(clean, noisy)| clean != noisy));
    let translate = |texts: &[String]| -> Vec<String> {
        translator.translate(texts).unwrap().into_iter().map(|result| result.best.text).collect()
    };
    let expected = translate(&clean);
    let different: std::collections::HashSet<&String> = expected.iter().collect();
    assert!(different.len() > 5, "only {} different translations", different.len());
    let equal = expected.iter().zip(translate(&noisy)).filter(|(expected, found)| *expected == found).count();
    assert_eq!(equal, 200);

    // huggingface/transformers#14337, ufal/lindat-translation#61, sillsdev/silnlp#219
    let blank = ["", " ", "\t", "\u{a0}", "\u{200b}", "\n", "\u{feff}\r\n"].map(str::to_string);
    assert!(blank.iter().all(|text| is_blank(text)));
    assert!(translate(&blank).iter().all(String::is_empty));
    let pair = |source: &str, target: &str| Pair { source: source.to_string(), target: target.to_string() };
    let scored = translator.score(
        &[pair("", ""), pair(" ", "\u{feff} "), pair(&clean[0], "Der Mann"), pair(&noisy[0], " Der\u{a0} Mann\n")],
        1,
    );
    let scores: Vec<f64> = scored.unwrap().iter().map(|result| result.best.score).collect();
    assert_eq!((scores[0], scores[2]), (scores[1], scores[3]));

    // ufal/lindat-translation#38: a prefix as an editor sends it
    let begun = |prefix: &str| {
        let settings = decode::Settings { prefix: prefix.to_string(), ..trained.settings() };
        Translator::new(&trained, settings).unwrap().translate(&clean[..5]).unwrap()
    };
    assert_eq!(begun("Der "), begun("Der"));
    assert_eq!(begun(" \u{feff}"), begun(""));
}

#[test]
fn blank_pairs_are_dropped_and_marks_are_no_text() {
    // UniversalDependencies/UD_German-GSD#29
    let place = WorkFolder::translating();
    let marked = |text: String| format!("\u{feff}{}", text.replace('\n', "\n\u{feff}").trim_end_matches('\u{feff}'));
    place.write("train.tsv", marked(place.text("train.tsv")) + "\u{feff}\t\u{200b}\nthe cat\t\u{ad} \n");
    let ran = place.trained("run", &[]);
    ran.assert_stderr_contains(&["62 training pairs, 2 dropped (2 with an empty side"]);
    assert!(!place.text("run/source.tokenizer.json").contains(['\u{feff}', '\u{200b}']));
}

#[test]
fn a_final_sigma_is_lowered_alike_everywhere() {
    // crusoecloud/fastokens#72, NVIDIA/cudf#21137
    let place = WorkFolder::translating();
    let pair = "this alone\tΟ ΔΡΟΜΟΣ\n";
    place.write("train.tsv", pair.repeat(20));
    place.write("validation.tsv", pair);
    let by_heart =
        ["training.schedule=constant", "training.learning_rate=0.01", "training.steps=60", "model.dropout=0"];
    place.trained("run", &set(&[&by_heart[..], &["tokenizer.lowercase=true"]].concat()));
    let last = place.metrics("run").pop().unwrap();
    let sample = &last["validation"]["samples"][0];
    assert_eq!((sample["reference"].as_str(), sample["output"].as_str()), (Some("ο δρομος"), Some("ο δρομος")));
    assert_eq!(text::lowercase("Ο ΔΡΟΜΟΣ"), "ο δρομος", "as `infer evaluate --lowercase` compares");
}

/// The settings of a run with checkpoints at steps 3, 6, … 18 and 20.
const CHECKPOINTS: [&str; 4] =
    ["training.checkpoint_every=3", "training.keep_checkpoints=100", "tokenizer.kind=bpe", "tokenizer.vocab_size=300"];

/// Copies a run as it was after its first checkpoint, with a change of its configuration.
fn interrupted(place: &WorkFolder, from: &str, to: &str, change: impl Fn(String) -> String) {
    place.copy(from, to);
    for newer in [6, 9, 12, 15, 18, 20] {
        place.remove(&format!("{to}/checkpoints/step-{newer}"));
    }
    let config = format!("{to}/config.toml");
    place.write(&config, change(place.text(&config)));
}

#[test]
fn existing_runs_keep_their_normalisation() {
    let place = WorkFolder::translating();
    let lossless = set(&[&CHECKPOINTS[..], &["tokenizer.normalization=lossless"]].concat());
    let absent = set(&CHECKPOINTS);
    place.trained("whole", &[&lossless[..], &["--quiet"]].concat());
    let without_key = |config: String| config.replace("normalization = \"lossless\"\n", "");

    // The folder of an earlier version has no such key.
    for (run, settings) in [("old", &absent), ("old-named", &lossless)] {
        interrupted(&place, "whole", run, without_key);
        assert!(!place.text(&format!("{run}/config.toml")).contains("normalization"));
        place.trained(run, &[&settings[..], &["--quiet", "--resume"]].concat());
        assert!(place.weights(run) == place.weights("whole"), "{run}");
        assert_eq!(place.text(&format!("{run}/source.tokenizer.json")), place.text("whole/source.tokenizer.json"));
    }
    interrupted(&place, "whole", "other", without_key);
    let nfc = set(&[&CHECKPOINTS[..], &["tokenizer.normalization=nfc"]].concat());
    let parts = ["tokenizer.normalization: \"lossless\" there, \"nfc\" now"];
    place.assert_rejects("other", &[&nfc[..], &["--resume"]].concat(), &parts);

    // A configuration without the key continues a run that has it.
    place.trained("default", &[&absent[..], &["--quiet"]].concat());
    assert!(place.text("default/config.toml").contains("normalization = \"nfc\"\n"));
    interrupted(&place, "default", "resumed", |config| config);
    place.trained("resumed", &[&absent[..], &["--quiet", "--resume"]].concat());
    place.assert_same_run("default", "resumed");

    // Fine-tuning keeps the vocabularies and their normalisation.
    let tuned = [&absent[..], &["--quiet", "--init-from"]].concat();
    let whole = place.path("whole").display().to_string();
    place.trained("tuned", &[&tuned[..], &[&whole]].concat());
    assert!(place.text("tuned/config.toml").contains("normalization = \"lossless\"\n"));
    assert_eq!(place.text("tuned/source.tokenizer.json"), place.text("whole/source.tokenizer.json"));
    let parts =
        ["tokenizer.normalization = \"nfc\"", "expected \"lossless\", as the vocabularies of training.init_from"];
    place.assert_rejects("tuned-2", &[&nfc[..], &["--init-from", &whole]].concat(), &parts);
}
