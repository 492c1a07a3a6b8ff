//! Invalid output folders, corpora and vocabularies: one message, exit code 1, no panic, no file written.

use crate::common::samples::{TRANSLATE, corpus, gzip};
use crate::common::{WorkFolder, set};

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let place = WorkFolder::new();
    place.write("file", "not a folder");
    for output in ["file/run", "file/deeper/run"] {
        place.assert_rejects(
            output,
            &[],
            &["creating the folder failed", "file", "check that the folder exists, is writable"],
        );
    }
    for how in [&["--quiet"], &["--resume"], &["--overwrite"]] {
        place.assert_rejects("file", how, &["file exists but is not a run folder", "choose another --output"]);
    }
}

#[test]
fn a_folder_with_other_files_is_rejected() {
    let place = WorkFolder::new();
    std::fs::create_dir(place.path("thesis")).unwrap();
    place.write("thesis/chapter.txt", "In the beginning");
    for how in [&["--quiet"], &["--resume"], &["--overwrite"]] {
        place.assert_rejects("thesis", how, &["thesis exists but is not a run folder", "choose another --output"]);
    }
}

#[cfg(unix)] // elsewhere the end of a process may come before that of its lock
#[test]
fn a_run_of_another_process_is_rejected() {
    use std::io::BufRead;

    let place = WorkFolder::new();
    let settings = set(&["training.steps=20000"]);
    let (mut child, mut stderr) = place.started("run", &settings);
    stderr.read_line(&mut String::new()).expect("text"); // it has its folder before it says a word
    let refused = ["--resume", "--overwrite"].map(|how| place.train("run", &[&settings[..], &[how]].concat()));
    child.kill().expect("a child of this process");
    child.wait().expect("an end");
    for ran in refused {
        ran.assert_rejected(&["run is in use", "wait until it ends", "choose another --output"]);
    }
    assert_eq!(place.names("."), ["run", "tiny.toml"]);
    place.trained("run", &["--quiet", "--overwrite"]);
    assert_eq!(place.names("."), ["run", "run.old-1", "tiny.toml"]);
}

#[test]
fn a_missing_corpus_is_named() {
    let place = WorkFolder::translating();
    place.remove("train.tsv");
    place.assert_rejects("run", &[], &["train.tsv", "No such file", "check the path"]);
}

#[test]
fn a_corpus_line_without_its_tab_is_named() {
    let place = WorkFolder::translating();
    place.write("train.tsv", corpus(5) + "a line alone\n");
    place.assert_rejects("run", &[], &["train.tsv:6", "found 0 tabs", "expected exactly one (source TAB target)"]);
    place.write("train.tsv", "a\tb\tc\n");
    place.assert_rejects("run", &[], &["train.tsv:1", "found 2 tabs", "`cut -f1,2`", "or fix the line"]);
}

#[test]
fn a_corpus_line_that_is_not_utf8_is_named() {
    let place = WorkFolder::translating();
    place.write("validation.tsv", b"the cat\tdie Katze\nbig\tgro\xDFe\n");
    place.assert_rejects("run", &[], &["validation.tsv:2", "not UTF-8", "iconv"]);
    place.write("train.tsv", [corpus(60).as_bytes(), b"\xFF\t\n"].concat());
    place.assert_rejects("run", &[], &["train.tsv:61", "not UTF-8", "iconv"]);
    place.assert_rejects("run", &["--set", "data.shuffle_buffer=8"], &["train.tsv:61", "not UTF-8", "iconv"]);
    place.write("train.tsv", gzip(&place.read("train.tsv")));
    place.assert_rejects("run", &[], &["train.tsv:61", "not UTF-8", "iconv"]);
}

#[test]
fn an_empty_corpus_is_named() {
    for split in ["train.tsv", "validation.tsv", "test.tsv"] {
        let place = WorkFolder::translating();
        place.write("test.tsv", corpus(5));
        place.write(split, "");
        place.assert_rejects("run", &["--set", "task.test=test.tsv"], &[split, "found no text", "right file"]);
    }
}

#[test]
fn a_corpus_without_a_word_is_named() {
    let place = WorkFolder::translating();
    place.write("train.tsv", "\t\n \t \n");
    place.assert_rejects("run", &[], &["train.tsv: found no text", "right file"]);
    place.write("train.tsv", "the cat\t\nthe cow\t\n");
    let settings = set(&["tokenizer.joint=false", "model.tie=decoder"]);
    place.assert_rejects("run", &settings, &["the target side of train.tsv: found no text", "right file"]);
}

#[test]
fn a_truncated_compressed_corpus_is_named() {
    let text = corpus(20_000).into_bytes();
    for (format, bytes) in [("gzip", gzip(&text)), ("zstd", zstd::encode_all(&text[..], 1).expect("memory"))] {
        let place = WorkFolder::translating();
        place.write("half.tsv", &bytes[..bytes.len() / 2]);
        for setting in ["task.train=half.tsv", "task.validation=half.tsv"] {
            let parts = [
                "half.tsv: the ",
                &format!("the {format} data is truncated"),
                "after line ",
                "compress the file again",
            ];
            place.assert_rejects("run", &["--set", setting], &parts);
        }
        place.write("half.tsv", &bytes[..bytes.len() - 2]);
        let parts =
            ["half.tsv: the ", &format!("the {format} data is truncated"), "after line ", "compress the file again"];
        place.assert_rejects("run", &["--set", "task.train=half.tsv"], &parts);
    }
}

#[test]
fn an_unknown_compression_is_named() {
    let place = WorkFolder::translating();
    let parts = |format: &'static str| ["train.tsv: found ", format, "gzip or zstd", "decompress the file first"];
    place.write("train.tsv", b"\xFD7zXZ\0\0\x04");
    place.assert_rejects("run", &[], &parts("xz-compressed"));
    place.write("train.tsv", b"BZh91AY&SY");
    place.assert_rejects("run", &[], &parts("bzip2-compressed"));
}

#[test]
fn files_of_different_lengths_are_rejected() {
    let place = WorkFolder::translating();
    place.write("source.txt", "one\ntwo\n");
    place.write("target.txt", "eins\nzwei\ndrei\n");
    place.write("equal.txt", "1\n2\n3\n");
    for split in ["train", "validation"] {
        for (source, target) in [
            (r#""source.txt""#, r#""target.txt""#),
            (r#"["equal.txt", "source.txt"]"#, r#"["equal.txt", "target.txt"]"#), // a shard after a sound one
        ] {
            let setting = format!("task.{split}={{ source = {source}, target = {target} }}");
            let parts = ["source.txt has 2 lines", "target.txt has 3", "equally many"];
            place.assert_rejects("run", &["--set", &setting], &parts);
        }
    }
    let lists = r#"task.train={ source = ["source.txt", "source.txt"], target = "target.txt" }"#;
    let parts = ["task.train = source.txt, source.txt and target.txt, 2 source files and 1 target files", "pairwise"];
    place.assert_rejects("run", &["--set", lists], &parts);
}

#[test]
fn a_corpus_without_usable_pairs_is_rejected() {
    let place = WorkFolder::translating();
    let parts = ["no training pair is left", "60 too long", "raise data.max_length"];
    place.assert_rejects("run", &["--set", "data.max_length=2"], &parts);
    let parts = ["no validation pair is left", "model.max_length = 2", "raise model.max_length"];
    place.assert_rejects("run", &["--set", "model.max_length=2"], &parts);
}

#[test]
fn a_streamed_corpus_without_usable_pairs_is_rejected() {
    let place = WorkFolder::translating();
    let parts = ["no training pair is left", "60 too long", "raise data.max_length"];
    place.assert_rejects("run", &set(&["data.max_length=2", "data.shuffle_buffer=8"]), &parts);
}

#[test]
fn the_remedy_is_that_of_the_most_frequent_reason() {
    let place = WorkFolder::translating();
    place.write("validation.tsv", "the\tdie\n");
    for (train, settings, parts) in [
        ("the cat sees\tdie Katze sieht\n", &["model.max_length=3"][..], "; raise model.max_length"),
        (
            "the cat sees\tdie Katze sieht\n",
            &["model.max_length=3", "data.max_length=3"],
            "; raise model.max_length and data.max_length",
        ),
        ("the\tdie Katze sieht\n", &["data.max_ratio=2"], "; raise data.max_ratio, or set it to 0"),
        ("\tdie Katze sieht\n", &[], "; check that both columns, or both files, hold text"),
    ] {
        place.write("train.tsv", train.repeat(9));
        for buffer in [&[][..], &["data.shuffle_buffer=4"]] {
            let settings = set(&[settings, buffer].concat());
            place.assert_rejects("run", &settings, &["no training pair is left: 9 training pairs, 9 dropped", parts]);
        }
    }
}

#[test]
fn held_out_pairs_without_text_are_rejected() {
    let place = WorkFolder::translating();
    for line in ["the cat\t\n", " \tdie Katze\n"] {
        place.write("validation.tsv", line.repeat(2));
        let parts = ["no validation pair is left", "; check that both columns, or both files, hold text"];
        place.assert_rejects("run", &[], &parts);
    }
}

#[test]
fn an_impossible_vocabulary_size_is_rejected() {
    let place = WorkFolder::translating();
    let rejects = |settings: &[&str], parts: &[&str]| place.assert_rejects("run", &set(settings), parts);
    rejects(&["tokenizer.vocab_size=0"], &["tokenizer.vocab_size = 0", "at least 4"]);
    rejects(&["tokenizer.kind=bpe"], &["tokenizer.vocab_size = 40", "at least 260"]);
    for kind in ["tokenizer.kind=bpe", "tokenizer.kind=unigram"] {
        let parts = ["train.tsv: tokenizer.vocab_size = 9000", "this text supports", "tokenizer.vocab_size to at most"];
        rejects(&[kind, "tokenizer.vocab_size=9000"], &parts);
        let one = ["the source side of train.tsv: tokenizer.vocab_size = 9000", "this text supports"];
        rejects(&[kind, "tokenizer.vocab_size=9000", "tokenizer.joint=false", "model.tie=decoder"], &one);
    }
    rejects(&["tokenizer.dropout=0.1"], &["tokenizer.dropout = 0.1", "only BPE", "tokenizer.kind = \"bpe\""]);
    let settings = ["tokenizer.kind=bpe", "tokenizer.vocab_size=300", "tokenizer.dropout=nan"];
    rejects(&settings, &["tokenizer.dropout = NaN", "probability"]);
}

#[test]
fn translation_without_a_tokenizer_is_rejected() {
    let start = TRANSLATE.find("[tokenizer]").unwrap();
    let end = TRANSLATE.find("[model]").unwrap();
    let place = WorkFolder::with(&[&TRANSLATE[..start], &TRANSLATE[end..]].concat());
    place.assert_rejects("run", &[], &["a [tokenizer] table", "tiny.toml", "vocab_size = 8000"]);
}

#[test]
fn two_vocabularies_cannot_share_one_matrix() {
    // Ten words on each side, not the same ones.
    let parts = ["model.tie = \"all\"", "one joint vocabulary", "set tie = \"decoder\", or tokenizer.joint = true"];
    WorkFolder::translating().assert_rejects("run", &["--set", "tokenizer.joint=false"], &parts);
}

#[test]
fn a_diverging_run_names_its_remedy() {
    let ran = WorkFolder::new().train("run", &["--quiet", "--set", "training.learning_rate=1e30"]);
    ran.assert_rejected(&["the loss is NaN", "step 5", "lower training.learning_rate"]);
    // Also if a validation meets it first.
    let settings = set(&["training.learning_rate=1e30", "validation.every=3"]);
    let ran = WorkFolder::new().train("run", &[&settings[..], &["--quiet"]].concat());
    ran.assert_rejected(&["at step 3 the loss is NaN", "lower training.learning_rate"]);
}

/// The loss of an update belongs to the weights before it, which were still finite.
#[test]
fn a_checkpoint_of_infinite_weights_is_not_written() {
    let place = WorkFolder::new();
    let settings = ["training.checkpoint_every=1", "training.log_every=1", "training.learning_rate=1e300"];
    let ran = place.train("run", &[&set(&settings)[..], &["--quiet"]].concat());
    ran.assert_rejected(&["at step 1 the update makes weights infinite or NaN", "lower training.learning_rate"]);
    assert!(!place.path("run/checkpoints/step-1").exists());
}
