//! `infer shortlist` and `--shortlist`.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use testing::ProcessOutput;
use testing::run::{Run, object, texts};

/// Writes a shortlist of the run's own translations to `lex.bin` in its folder.
pub fn make(run: &Run, sources: &[String], options: &[&str]) {
    let targets = run.translate_stdin(sources.join("\n"), &[]);
    run.write("source", sources.join("\n") + "\n");
    run.write("target", targets.join("\n") + "\n");
    let mut command = Command::new(testing::binary("infer"));
    command.args(["shortlist", "--quiet", "--device", "flex", "--model"]).arg(run.path());
    command.args(["--source", "source", "--target", "target", "--output", "lex.bin"]).args(options);
    let ran = command.current_dir(run.path()).output().expect("the program");
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
}

fn path(run: &Run) -> String {
    run.file("lex.bin").to_str().expect("text").to_string()
}

#[test]
fn a_shortlist_of_all_tokens_changes_nothing() {
    let run = Run::new();
    let sources = texts(40);
    make(&run, &sources, &["--first", "1000"]);
    let input = sources.join("\n");
    for options in [&["--scores"][..], &["--beam", "3", "--scores"], &["--prefix", "1 2"], &["--sample"]] {
        let exact = run.translate_stdin(&input, options);
        let listed = run.translate_stdin(&input, &[options, &["--shortlist", &path(&run)]].concat());
        assert_eq!(listed, exact, "{options:?}");
    }
}

#[test]
fn a_small_shortlist_restricts_each_text_by_itself() {
    let run = Run::new();
    run.configure("[decoding]", "[decoding]\nmax_length = 12");
    let sources = texts(40);
    make(&run, &sources, &["--first", "0", "--best", "1"]);
    let input = sources.join("\n");
    let list = path(&run);
    for precision in ["float32", "int8"] {
        let translate = |options: &[&str]| {
            let all = [&["--shortlist", &list, "--scores", "--precision", precision], options].concat();
            run.translate_stdin(&input, &all)
        };
        let expected = translate(&[]);
        assert_ne!(expected, run.translate_stdin(&input, &["--scores", "--precision", precision]), "an effect");
        for options in [&["--batch-tokens", "1"][..], &["--threads", "1"], &["--threads", "3"]] {
            assert_eq!(translate(options), expected, "{options:?}");
        }
    }
    // With one target a source token, and a joint vocabulary, there are few tokens to choose from.
    let lines = run.translate_stdin(&input, &["--shortlist", &list, "--format", "jsonl"]);
    for (source, line) in sources.iter().zip(lines) {
        let tokens = object(&line)["tokens"].as_array().expect("tokens").clone();
        let own: HashSet<&str> = source.split(' ').collect();
        let used: HashSet<&str> = tokens.iter().filter_map(|token| token.as_str()).collect();
        assert!(used.difference(&own).count() <= own.len() + 2, "{source}: {used:?}");
    }
}

#[test]
fn pairs_that_do_not_count_are_named() {
    let run = Run::new();
    let write = |lines: &[&str]| {
        run.write("pairs", lines.join("\n") + "\n");
        let mut command = Command::new(testing::binary("infer"));
        command.args(["shortlist", "--device", "flex", "--model"]).arg(run.path());
        command.args(["--source", "pairs", "--target", "pairs", "--output", "list.bin"]);
        ProcessOutput::from(command.current_dir(run.path()).output().expect("the program"))
    };
    let long = "1 ".repeat(50);
    let ran = write(&["1 2", "", &long]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.assert_stderr_contains(&["note: 2 of 3 pairs not counted", "written: list.bin"]);
    run.remove("list.bin");
    write(&["", &long]).assert_rejected(&["none of the 2 pairs can be aligned", "give parallel text"]);
    assert!(!run.file("list.bin").exists());
}

#[test]
fn other_files_are_rejected() {
    let run = Run::new();
    make(&run, &texts(10), &[]);
    let list = path(&run);
    let bytes = fs::read(&list).expect("a file");
    fs::write(&list, [&bytes[..60], &[bytes[60] ^ 1], &bytes[61..]].concat()).expect("a writable file");
    run.assert_rejects(
        &["--shortlist", &list, "1 2"],
        &["lex.bin: found a wrong checksum", "use the shortlist of this"],
    );
    fs::write(&list, &bytes[..50]).expect("a writable file");
    run.assert_rejects(&["--shortlist", &list, "1 2"], &["lex.bin: found 50 bytes for"]);
    fs::write(&list, "text").expect("a writable file");
    run.assert_rejects(&["--shortlist", &list, "1 2"], &["found another kind of file, expected a binary shortlist"]);
    run.assert_rejects(&["--shortlist", "no-such-file", "1 2"], &["no-such-file: found No such file"]);
}
