//! A run that reads words in characters and writes phones between spaces: every command follows its vocabularies.

use model::VocabularySizes;
use model::config::{ModelConfig, Tie};
use serde_json::{Value, json};
use testing::http_client::Server;
use testing::run::{Run, config, random_weights};
use text::{Tokenizer, TokenizerConfig, TokenizerKind};

/// Words of the source.
const WORDS: [&str; 3] = ["aab cd", "dcba", "bad"];
/// Phones of the target.
const PHONES: [&str; 3] = ["aː b", "tʃ d", "b ə d"];

fn run() -> Run {
    let run = Run::new();
    let train = |kind, lines: &[&str]| {
        let config = TokenizerConfig { kind, ..TokenizerConfig::default() };
        Tokenizer::train(&config, lines.iter()).expect("a vocabulary")
    };
    let (source, target) = (train(TokenizerKind::Character, &WORDS), train(TokenizerKind::Whitespace, &PHONES));
    let config = ModelConfig { tie: Tie::Decoder, ..config() };
    let sizes = VocabularySizes { source: source.vocab_size(), target: target.vocab_size() };
    run.write(
        "config.toml",
        format!("[model]\n{}\n[decoding]\nmin_length = 4\nmax_length = 6\n", toml::to_string(&config).expect("TOML")),
    );
    run.write("source.tokenizer.json", source.to_json());
    run.write("target.tokenizer.json", target.to_json());
    run.write("model.safetensors", random_weights(&config, sizes));
    run
}

fn is_phones(text: &str) -> bool {
    text.split(' ').all(|phone| phone.is_empty() || PHONES.iter().any(|line| line.split(' ').any(|one| one == phone)))
}

#[test]
fn texts_are_translated_and_served_alike() {
    let run = run();
    let outputs = run.translations(&["aab cd", "bad"], &["--beam", "3"]);
    assert!(outputs.iter().all(|output| is_phones(output)), "{outputs:?}");
    assert!(outputs.iter().any(|output| output.contains(' ')), "{outputs:?}");
    let server = Server::start(&run, &[]);
    let served = server.translations(json!({ "texts": ["aab cd", "bad"], "beam": 3 }));
    assert_eq!(served.iter().map(|translation| translation["text"].as_str().unwrap()).collect::<Vec<_>>(), outputs);
    let attention = server.post("/attend", json!({ "text": "ab", "target": "b ə" }).to_string());
    assert_eq!((attention.status, &attention.json()["source"]["tokens"][1]), (200, &json!("b")));
}

#[test]
fn attention_has_the_labels_of_each_side() {
    let run = run();
    let shown = run.attend(&["aab cd", "--target", "tʃ d", "--format", "json", "--output", "-", "--quiet"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap_or_else(|_| panic!("{}", shown.stderr));
    assert_eq!(shown["source"]["tokens"], json!(["a", "a", "b", " ", "c", "d", "</s>"]));
    assert_eq!(shown["target"]["outputs"], json!(["tʃ", "d", "</s>"]));
}

#[test]
fn error_rates_are_those_of_phones() {
    let run = run();
    run.write("source.txt", "aab cd\nbad\nzab\n");
    let outputs = run.translate_stdin("aab cd\nbad\nzab\n", &[]);
    // The first is right; the second lacks its last phone; the third has a phone more, which is unknown.
    let short = outputs[1].rsplit_once(' ').expect("several phones").0;
    run.write("reference.txt", format!("{}\n{short}\n{} x\n", outputs[0], outputs[2]));
    let ran = run.evaluate(&["--source", "source.txt", "--reference", "reference.txt", "--tokenize", "none"]);
    let phones: usize = outputs.iter().map(|output| output.split(' ').count()).sum();
    let rate = format!("token error rate = {:.2} %", 200.0 / phones as f64);
    assert!(ran.stdout.contains(&rate), "{rate}: {} {outputs:?}", ran.stdout);
    assert!(ran.stdout.contains("word error rate = 66.67 %"), "{}", ran.stdout);
    ran.assert_stderr_contains(&["read as <unk>: 1\n", "so in no output: 1\n"]);
}
