//! One line in, one line out: whatever bytes the lines hold, and as they arrive.

use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use testing::run::{Run, object};
use text::Tokenizer;

/// A run whose translations hold tabs, line breaks and separators.
fn run_with_separators() -> Run {
    let run = Run::new();
    let words = ["a\tb", "\t", "c\u{2028}d", "|||", "e\rf", "g\u{85}h", "i\u{b}j", "k\nl", "m\u{c}n", "o\u{2029}p"];
    run.write("target.tokenizer.json", Tokenizer::from_words(&words).to_json());
    run
}

/// Characters at which Python's `splitlines` ends a line.
const LINE_BREAKS: [char; 10] =
    ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// A text in the output is one field of one line (awslabs/sockeye#168, facebookresearch/fairseq#591).
#[test]
fn scores_have_one_tab_a_line() {
    let run = run_with_separators();
    let input = testing::run::texts(60);
    let ran = run.infer_with_stdin(input.join("\n"), &["--quiet", "--scores"]);
    assert_eq!(ran.stdout.lines().count(), 60);
    for line in ran.stdout.lines() {
        assert_eq!(line.matches('\t').count(), 1, "{line:?}");
        assert!(!line.contains(LINE_BREAKS), "{line:?}");
        assert!(line.split_once('\t').is_some_and(|(score, _)| score.parse::<f64>().is_ok()), "{line:?}");
    }
    let exact = run.translate_stdin(input.join("\n"), &["--format", "jsonl"]);
    let with_tab = exact.iter().filter(|line| object(line)["text"].as_str().unwrap().contains('\t'));
    assert!(with_tab.count() > 5, "JSON keeps the text as it is");
}

/// A text that holds ` ||| ` is what stands between the first and the last one (mozilla/translations#1022).
#[test]
fn n_best_lines_can_be_split() {
    let run = run_with_separators();
    let input = testing::run::texts(40).join("\n");
    let options = ["--beam", "4", "--n-best", "4"];
    let plain = run.translate_stdin(&input, &options);
    let json = run.translate_stdin(&input, &[&options[..], &["--format", "jsonl"]].concat());
    let mut expected = Vec::new();
    for (index, line) in json.iter().enumerate() {
        let object = object(line);
        let alternatives = object["alternatives"].as_array().into_iter().flatten();
        for target in std::iter::once(&object).chain(alternatives) {
            let text = target["text"].as_str().unwrap().replace(LINE_BREAKS, " ").replace('\t', " ");
            expected.push((index.to_string(), text, format!("{:.4}", target["score"].as_f64().unwrap())));
        }
    }
    let fields = plain.iter().map(|line| {
        let (index, rest) = line.split_once(" ||| ").unwrap();
        let (text, score) = rest.rsplit_once(" ||| ").unwrap();
        (index.to_string(), text.to_string(), score.to_string())
    });
    assert_eq!(fields.collect::<Vec<_>>(), expected);
    assert!(expected.iter().any(|(_, text, _)| text.contains("|||")), "no text with the separator");
}

/// Lines with odd characters and bytes, none of which is a line end.
#[test]
fn odd_lines_give_one_line_each() {
    let run = Run::new();
    let odd: Vec<Vec<u8>> = vec![
        b"1 2".to_vec(),
        b"".to_vec(),
        b" \t ".to_vec(),
        b"\0".to_vec(),
        b"1\r2".to_vec(),
        "1\u{2028}2\u{2029}3\u{85}4\u{b}5\u{c}6".as_bytes().to_vec(),
        "\u{feff}1".as_bytes().to_vec(),
        "\u{ad}\u{200b}".as_bytes().to_vec(),
        b"\xff\xfe".to_vec(),
        b"caf\xe9 1".to_vec(),
        b"\xe2\x82".to_vec(),
        "x".repeat(100_000).into_bytes(),
        "1 ".repeat(50_000).into_bytes(),
        b" ||| 1 ||| 2".to_vec(),
        b"</s> <pad> <unk>".to_vec(),
        b"1 2".to_vec(),
    ];
    let input = odd.join(&b'\n');
    for format in [
        &["--quiet"][..],
        &["--quiet", "--scores"],
        &["--quiet", "--format", "jsonl"],
        &["--quiet", "--too-long", "crop", "--format", "jsonl"],
    ] {
        let ran = run.infer_with_stdin(&input, format);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let lines: Vec<&str> = ran.stdout.split('\n').collect();
        assert_eq!(lines.len(), odd.len() + 1, "{format:?}");
        assert_eq!(lines[0], lines[odd.len() - 1], "the last line follows the first text, not another");
    }
}

/// Files glued together have a mark within (UniversalDependencies/UD_German-GSD#29).
#[test]
fn a_byte_order_mark_begins_any_line() {
    let run = Run::new();
    let expected = run.translations(&["1 2", "3 4"], &[]);
    let ran = run.infer_with_stdin("\u{feff}1 2\n\u{feff}3 4\n".as_bytes(), &[]);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
}

/// Invalid bytes are read as U+FFFD, and the line keeps its place (sillsdev/silnlp#219 has the same of empty lines).
#[test]
fn invalid_utf8_keeps_its_line() {
    let run = Run::new();
    let expected = run.translations(&["1 2", "3", "caf\u{fffd} 7", "4"], &[]);
    let ran = run.infer_with_stdin(b"1 2\n3\ncaf\xE9 7\n4\n", &[]);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    ran.assert_stderr_contains(&[
        "note: line 3: bytes that are not UTF-8, read as U+FFFD",
        "note: 1 of 4 lines",
        "iconv",
    ]);
    assert_eq!(ran.code, Some(0));
}

/// The number of results is that of the texts, also where batches end (facebookresearch/fairseq#5351).
#[test]
fn no_line_is_lost_at_the_end_of_a_batch() {
    let run = Run::new();
    for count in [1, 7, 8, 9, 1023, 1024, 1025] {
        let input = "1 2\n".repeat(count);
        assert_eq!(run.translate_stdin(&input, &["--max-length", "2"]).len(), count);
    }
}

/// A line is answered while others follow steadily: no line waits for a window to fill (awslabs/sockeye#175,
/// marian-nmt/marian-dev#274, facebookresearch/fastText#299).
#[test]
fn a_slow_producer_gets_results_as_they_come() {
    let run = Run::new();
    let mut child = run.start(&["--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, results) = mpsc::channel();
    let reader = thread::spawn(move || stdout.lines().for_each(|line| drop(sender.send(line.unwrap()))));
    // As node's `child.stdin.write(data + '\r\n')` writes it (OpenNMT/CTranslate#20).
    stdin.write_all(b"1 2 3\r\n").unwrap();
    let expected = results.recv_timeout(Duration::from_secs(60)).expect("a result while the input is open");
    let written = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (done, stop) = mpsc::channel::<()>();
        let (written, stdin) = (&written, &mut stdin);
        scope.spawn(move || {
            while stop
                .recv_timeout(Duration::from_millis(5))
                .is_err_and(|error| error == mpsc::RecvTimeoutError::Timeout)
            {
                stdin.write_all(b"1 2 3\n").unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(results.recv_timeout(Duration::from_secs(60)).expect("a result"), expected);
        let lines = written.load(Ordering::Relaxed);
        assert!(lines < 600, "the first result came after {lines} lines");
        drop(done);
    });
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
    assert_eq!(results.iter().count() + 1, written.load(Ordering::Relaxed));
}

/// The locale of the environment changes nothing (mjpost/sacrebleu#17, OpenNMT/OpenNMT-py#169).
#[test]
fn any_locale_reads_and_writes_utf8() {
    let run = run_with_separators();
    let output = |locale: &str| {
        let mut command = std::process::Command::new(testing::binary("infer"));
        command.args(["--device", "flex", "--quiet", "--format", "jsonl", "--model"]).arg(run.path());
        command.args(["caf\u{e9} \u{732b}", "1 2 3"]).env("LC_ALL", locale).env("LANG", locale);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let expected = output("C.UTF-8");
    assert!(expected.contains("caf\u{e9} \u{732b}"));
    assert_eq!((output("C"), output("POSIX")), (expected.clone(), expected));
}

/// More hypotheses than the beam are rejected before the first line (OpenNMT/OpenNMT-py#1388).
#[test]
fn a_job_that_must_fail_fails_at_its_start() {
    let run = Run::new();
    let ran = run.infer_with_stdin("1\n2\n", &["--beam", "2", "--n-best", "3"]);
    ran.assert_rejected(&["--n-best = 3", "1 to 2, the size of the beam"]);
}
