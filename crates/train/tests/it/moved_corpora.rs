//! Resuming with corpora that lie elsewhere: the hash of the text decides whether they are the same.

use crate::common::samples::corpus;
use crate::common::{WorkFolder, set};

/// Arguments with all of these settings.
fn with<'a>(settings: &[&[&'a str]], options: &[&'a str]) -> Vec<&'a str> {
    [&set(&settings.concat()), options].concat()
}

/// joeynmt/joeynmt#172: another machine, where the data lie elsewhere.
#[test]
fn moved_corpora_are_the_same_by_their_hash() {
    let place = WorkFolder::translating();
    place.write("test.tsv", corpus(10));
    let files = ["task.test=test.tsv", "training.max_tokens=64"];
    place.trained("whole", &with(&[&files, &["training.steps=33"]], &["--quiet"]));
    place.trained("run", &with(&[&files], &["--quiet"]));
    std::fs::create_dir(place.path("moved")).unwrap();
    for split in ["train", "validation", "test"] {
        place.write(&format!("moved/{split}.tsv"), place.read(&format!("{split}.tsv")));
        place.remove(&format!("{split}.tsv"));
    }
    let (source, target): (Vec<String>, Vec<String>) = place
        .text("moved/train.tsv")
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(a, b)| (format!("{a}\n"), format!("{b}\n")))
        .unzip();
    place.write("moved/train.en", source.concat());
    place.write("moved/train.de", target.concat());
    let moved = [
        "task.validation=moved/validation.tsv",
        "task.test=moved/test.tsv",
        "training.max_tokens=64",
        "training.steps=33",
    ];
    for train in
        ["task.train=moved/train.tsv", "task.train={ source = \"moved/train.en\", target = \"moved/train.de\" }"]
    {
        place.copy("run", "resumed");
        place.trained("resumed", &with(&[&moved, &[train]], &["--quiet", "--resume"]));
        place.assert_same_run("whole", "resumed");
        assert!(place.text("resumed/config.toml").contains("moved/validation.tsv"));
        place.remove("resumed");
    }
    place.write("moved/train.tsv", corpus(59));
    let parts = ["run was made with another train corpus than task.train holds now"];
    place.assert_rejects("run", &with(&[&moved, &["task.train=moved/train.tsv"]], &["--resume"]), &parts);
}

/// OpenNMT/OpenNMT-py#2517: the files of a streamed corpus are read in a new order in each epoch.
#[test]
fn moved_files_of_a_streamed_corpus_keep_their_pairs() {
    let place = WorkFolder::translating();
    let text = corpus(60);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (name, range) in [("a", 0..20), ("b", 20..60), ("c", 0..20), ("d", 20..60), ("e", 0..30), ("f", 30..60)] {
        place.write(name, lines[range].concat());
    }
    let streamed = ["data.shuffle_buffer=16", "training.max_tokens=64"];
    place.trained("whole", &with(&[&streamed, &["training.steps=33", "task.train=[\"a\", \"b\"]"]], &["--quiet"]));
    place.trained("run", &with(&[&streamed, &["task.train=[\"a\", \"b\"]"]], &["--quiet"]));
    let longer = [&streamed[..], &["training.steps=33"]].concat();
    for files in ["task.train=[\"e\", \"f\"]", "task.train=train.tsv"] {
        let parts = ["run was made with a training corpus whose pairs are divided otherwise among its files"];
        place.assert_rejects("run", &with(&[&longer, &[files]], &["--resume"]), &parts);
    }
    place.trained("run", &with(&[&longer, &["task.train=[\"c\", \"d\"]"]], &["--quiet", "--resume"]));
    place.assert_same_run("whole", "run");
}
