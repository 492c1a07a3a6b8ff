//! Every shipped configuration is valid and matches the documentation.

use std::path::{Path, PathBuf};

use runs::config::{TaskConfig, TranslateConfig};
use text::ParallelPath;
use train::RunConfig;

fn configs_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(folder);
    let mut found: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found
}

fn configs() -> Vec<PathBuf> {
    configs_in(".")
}

#[test]
fn every_shipped_configuration_is_valid() {
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let multi30k = ["multi30k-en-de-cased", "multi30k-en-de"];
    let names: Vec<String> = configs().iter().map(name).collect();
    assert_eq!(names, [&["base", "g2p"][..], &multi30k, &["reverse", "sort", "tiny", "toy-en-de"]].concat());
    let best = configs_in("multi30k-best");
    assert_eq!(best.iter().map(name).collect::<Vec<_>>(), ["backward", "student"]);
    // The second starts from a run of the same model as the first.
    let run = temp_dir::TempDir::new().unwrap();
    std::fs::copy(&best[0], run.child("config.toml")).unwrap();
    for path in configs().into_iter().chain(best) {
        let config = RunConfig::load_for(&path, &[], Some(run.path())).unwrap_or_else(|error| panic!("{error}"));
        config.validate_new(&path).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn base_is_the_model_of_the_paper() {
    let config = RunConfig::load(&configs()[0], &[]).unwrap();
    assert_eq!(config.model, model::ModelConfig::default());
    assert_eq!((config.training.warmup_steps, config.training.label_smoothing), (4000, 0.1));
}

#[test]
fn overrides_are_applied_together() {
    let overrides = ["task.kind=translate", "task.train=a.tsv", "task.validation=b.tsv", "tokenizer.kind=word"];
    let path = configs().into_iter().find(|path| path.ends_with("sort.toml")).unwrap();
    let rejection = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
        RunConfig::load(&path, &overrides).unwrap_err().to_string()
    };
    // A translation has no `symbols`, unlike the generated task.
    let error = rejection(&overrides);
    assert!(error.contains("--set task.kind=translate") && error.contains("symbols"), "{error}");

    let error = rejection(&["training.steps=5", "training.speed=9", "model.dropout=0.1"]);
    assert!(error.contains("--set training.speed=9") && error.contains("unknown field `speed`"), "{error}");
}

#[test]
fn overrides_replace_the_files_of_a_corpus() {
    let path = configs().into_iter().find(|path| path.ends_with("multi30k-en-de.toml")).unwrap();
    let mut overrides = Vec::new();
    for split in ["train", "validation", "test"] {
        overrides.push(format!("task.{split}.source=elsewhere/{split}.en"));
        overrides.push(format!("task.{split}.target=elsewhere/{split}.de"));
    }
    let files = |split: &str| ParallelPath::Files {
        source: format!("elsewhere/{split}.en").into(),
        target: format!("elsewhere/{split}.de").into(),
    };
    let mut expected = RunConfig::load(&path, &[]).unwrap();
    expected.task = TaskConfig::Translate(TranslateConfig {
        train: files("train"),
        validation: files("validation"),
        test: Some(files("test")),
    });
    assert_eq!(RunConfig::load(&path, &overrides).unwrap(), expected);
}
