//! Corpora as people have them. Each test names the public report that it stands for.

use crate::common::samples::{corpus, gzip};
use crate::common::{WorkFolder, set};

/// eBay/tsv-utils#355, sillsdev/silnlp#137
#[test]
fn blank_lines_are_dropped_and_counted_in_both_forms() {
    let place = WorkFolder::translating();
    let text = corpus(60);
    let (source, target): (Vec<&str>, Vec<&str>) = text.lines().map(|line| line.split_once('\t').unwrap()).unzip();
    place.write("train.tsv", format!("\n{text} \t \n\u{a0}\n\n"));
    place.write("train.en", format!("\n{}\n \n\u{a0}\n\n", source.join("\n")));
    place.write("train.de", format!("\n{}\n \n\n\n", target.join("\n")));
    for (run, train) in
        [("tsv", "task.train=train.tsv"), ("files", "task.train={ source = \"train.en\", target = \"train.de\" }")]
    {
        for streamed in [&[][..], &["data.shuffle_buffer=16", "training.max_tokens=64"]] {
            let settings = [&set(&[&[train], streamed].concat())[..], &["--overwrite"]].concat();
            let ran = place.trained(run, &settings);
            ran.assert_stderr_contains(&["64 training pairs, 4 dropped (4 with an empty side)"]);
        }
    }
    place.assert_same_run("tsv", "files");
}

/// rust-lang/flate2-rs#396, Helsinki-NLP/OpusFilter#75 (plain text in files called `.gz`)
#[test]
fn compressed_and_marked_files_train_as_plain_ones() {
    let place = WorkFolder::translating();
    place.trained("plain", &["--quiet"]);
    let text = corpus(60);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let half = |range: std::ops::Range<usize>| format!("\u{feff}{}", lines[range].concat());
    let marked = half(0..30) + &half(30..60);
    for bytes in [[gzip(text.as_bytes()), vec![0; 512]].concat(), text.clone().into_bytes(), marked.into_bytes()] {
        place.write("train.tsv.gz", bytes);
        place.trained("run", &["--quiet", "--overwrite", "--set", "task.train=train.tsv.gz"]);
        place.assert_same_run("plain", "run");
        assert!(!place.text("run/source.tokenizer.json").contains('\u{feff}'));
    }
}

/// tensorflow/tensorflow#35673, pytorch/tutorials#3334, huggingface/tokenizers#282
#[test]
fn downloaded_files_are_rejected_with_their_remedy() {
    let place = WorkFolder::translating();
    let text = corpus(60);
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, parts) in [
        (text.replace('\n', "\tCC-BY\n").into_bytes(), ["train.tsv:1: found 2 tabs", "`cut -f1,2`"]),
        (text.replace('\n', "\r").into_bytes(), ["train.tsv:1: found lone carriage returns", "`tr '\\r' '\\n'`"]),
        ([&[0xFF, 0xFE][..], &utf16].concat(), ["train.tsv: found UTF-16 text", "`iconv -f UTF-16 -t UTF-8`"]),
    ] {
        place.write("train.tsv", bytes);
        place.assert_rejects("run", &[], &parts);
    }
    std::fs::create_dir(place.path("folder")).unwrap();
    place.assert_rejects("run", &["--set", "task.train=folder"], &["folder: found a folder, expected a file"]);
}

#[cfg(unix)]
mod pipes {
    use std::path::Path;
    use std::process::{Child, Command};

    use super::*;

    /// A pipe outside of the work folder, and a process that writes a file of that folder to it.
    fn piped(folder: &temp_dir::TempDir, place: &WorkFolder, file: &str) -> (String, Child) {
        let pipe = folder.path().join("pipe").display().to_string();
        if !Path::new(&pipe).exists() {
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }
        let command = format!("cat '{}' > '{pipe}'", place.path(file).display());
        (pipe, Command::new("sh").args(["-c", &command]).spawn().unwrap())
    }

    /// marian-nmt/marian-dev#425, facebookresearch/fastText#522
    #[test]
    fn a_pipe_that_fits_the_buffer_trains_as_a_file() {
        let (place, folder) = (WorkFolder::translating(), temp_dir::TempDir::new().unwrap());
        place.trained("file", &["--quiet"]);
        for (resume, steps) in [("--quiet", "training.steps=20"), ("--resume", "training.steps=25")] {
            let (pipe, mut writer) = piped(&folder, &place, "train.tsv");
            let train = format!("task.train={pipe}");
            place.trained("pipe", &[&set(&[&train, steps])[..], &[resume]].concat());
            writer.wait().unwrap();
        }
        place.trained("file", &["--quiet", "--resume", "--set", "training.steps=25"]);
        place.assert_same_run("file", "pipe");
    }

    /// marian-nmt/marian-dev#425, marian-nmt/marian-dev#437
    #[test]
    fn a_pipe_that_would_be_read_twice_is_rejected() {
        let (place, folder) = (WorkFolder::translating(), temp_dir::TempDir::new().unwrap());
        let (pipe, mut writer) = piped(&folder, &place, "train.tsv");
        let train = format!("task.train={pipe}");
        let settings = set(&[&train, "data.shuffle_buffer=10", "tokenizer.sample_lines=10"]);
        let parts = ["found a pipe with more than data.shuffle_buffer = 10 pairs", "write it to a file, or raise"];
        place.assert_rejects("run", &settings, &parts);
        writer.wait().unwrap();
        for other in ["task.validation", "task.test"] {
            let other = format!("{other}={pipe}");
            let parts = ["found the same pipe twice, expected it once", "write it to a file"];
            place.assert_rejects("run", &set(&[&train, &other]), &parts);
        }
    }
}
