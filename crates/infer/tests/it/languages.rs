//! Commands on given pairs with a model that has language tokens.

use std::fs;
use std::process::Command;

use serde_json::Value;
use temp_dir::TempDir;
use testing::ProcessOutput;
use testing::marian_fixture::huggingface_fixture;

const LANGUAGES: [&str; 4] = ["--source-lang", "en_XX", "--target-lang", "de_DE"];

/// A small model of mBART-50, imported, and a pair of files.
struct Imported {
    folder: TempDir,
}

impl Imported {
    fn new() -> Self {
        let imported = Self { folder: TempDir::new().expect("a folder") };
        let fixture = huggingface_fixture("mbart50");
        imported.infer(&["import", fixture.to_str().unwrap(), "--output", "run", "--quiet"]).lines();
        fs::write(imported.folder.path().join("source"), "a b\nc a\n").unwrap();
        fs::write(imported.folder.path().join("target"), "c d\na\n").unwrap();
        imported
    }

    fn infer(&self, arguments: &[&str]) -> ProcessOutput {
        let mut command = Command::new(testing::binary("infer"));
        ProcessOutput::from(command.args(arguments).current_dir(self.folder.path()).output().expect("the program"))
    }

    /// The output for the files, with and without languages.
    fn on_pairs(&self, command: &[&str], languages: &[&str]) -> ProcessOutput {
        let files = ["--model", "run", "--source", "source", "--target", "target", "--quiet"];
        self.infer(&[command, &files[..], languages].concat())
    }
}

#[test]
fn scores_of_pairs_take_their_languages() {
    let imported = Imported::new();
    let missing = imported.on_pairs(&["score"], &[]);
    assert_eq!(missing.code, Some(1));
    missing.assert_stderr_contains(&["--source-lang = nothing", "en_XX"]);
    let scores = |target: &str| {
        let languages = ["--source-lang", "en_XX", "--target-lang", target];
        let lines = imported.on_pairs(&["score", "--format", "jsonl"], &languages).lines();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let (german, french) = (scores("de_DE"), scores("fr_XX"));
    assert_eq!((german.len(), french.len()), (2, 2));
    assert_ne!(german[0]["score"], french[0]["score"], "the decoder reads the language");
}

#[test]
fn shortlists_align_pairs_in_their_languages() {
    let imported = Imported::new();
    let command = ["shortlist", "--output", "list.bin"];
    imported.on_pairs(&command, &[]).assert_stderr_contains(&["--source-lang = nothing"]);
    assert_eq!(imported.on_pairs(&command, &LANGUAGES).code, Some(0));
    assert!(imported.folder.path().join("list.bin").metadata().unwrap().len() > 0);
    let unknown = ["--source-lang", "en_XX", "--target-lang", "xx_XX"];
    imported.on_pairs(&command, &unknown).assert_stderr_contains(&["--target-lang = \"xx_XX\"", "de_DE"]);
}

/// The language is given, not predicted: as in the scores of a translation, its probability is 1.
#[test]
fn the_language_of_a_target_has_probability_one() {
    let imported = Imported::new();
    let attention = |target: &[&str]| -> Value {
        let command = ["attend", "--model", "run", "--quiet", "--output", "-", "a b"];
        let lines = imported.infer(&[&command, &LANGUAGES[..], target].concat()).lines();
        serde_json::from_str(&lines.join("\n")).unwrap()
    };
    for target in [&[][..], &["--target", "c d"]] {
        let attention = attention(target);
        let [language, text, ..] = &attention["steps"].as_array().unwrap()[..] else { panic!("{attention}") };
        assert_eq!(language["token"], "de_DE");
        assert_eq!((&language["probability"], language["candidates"].as_array().unwrap().len()), (&1.0.into(), 1));
        assert!(text["probability"].as_f64().unwrap() < 1.0);
        assert_eq!(text["candidates"].as_array().unwrap().len(), 5);
    }
}
