//! Texts with more tokens than the model has positions: one result each, whatever `--too-long` is.

use testing::ProcessOutput;
use testing::run::{MAX_LENGTH, Run, object};

/// One token more than fits, `</s>` included.
fn long() -> String {
    "1 ".repeat(MAX_LENGTH)
}

/// The longest beginning that fits.
fn beginning() -> String {
    "1 ".repeat(MAX_LENGTH - 1)
}

fn lines(ran: &ProcessOutput) -> Vec<&str> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout.lines().collect()
}

/// A long line ends no job, and no line is lost (marian-nmt/marian-dev#365, marian-nmt/marian-dev#667,
/// facebookresearch/fairseq#3975).
#[test]
fn a_long_line_does_not_end_a_job() {
    let run = Run::new();
    let [first, third] = &run.translations(&["1 2", "3"], &[])[..] else { panic!("two translations") };
    let input = format!("1 2\n{}\n3\n", long());
    let ran = run.infer_with_stdin(&input, &[]);
    assert_eq!(lines(&ran), [first.as_str(), "", third]);
    ran.assert_stderr_contains(&[
        "note: line 2: source skipped: 25 tokens",
        "note: 1 of 3 lines skipped",
        "--too-long",
    ]);
    assert_eq!(run.infer_with_stdin(&input, &["--quiet"]).lines(), [first.as_str(), "", third], "no note");

    let cropped = &run.translations(&[&beginning()], &[])[0];
    let ran = run.infer_with_stdin(&input, &["--too-long", "crop"]);
    assert_eq!(lines(&ran), [first, cropped, third]);
    ran.assert_stderr_contains(&["note: line 2: source cropped from 25 to 24 tokens", "note: 1 of 3 lines cropped"]);
    let expected = [first.as_str(), cropped, third];
    assert_eq!(run.translations(&["1 2", &long(), "3"], &["--too-long", "crop"]), expected);
}

#[test]
fn every_format_has_a_line_for_a_long_text() {
    let run = Run::new();
    let input = format!("1 2\n{}\n3\n", long());
    let scores = run.translate_stdin(&input, &["--scores"]);
    assert_eq!((scores.len(), scores[1].as_str()), (3, "nan\t"));
    let n_best = run.translate_stdin(&input, &["--beam", "3", "--n-best", "2"]);
    assert_eq!((n_best.len(), n_best[2].as_str()), (5, "1 |||  ||| nan"));
    for options in
        [&["--format", "jsonl"][..], &["--format", "jsonl", "--alignment"], &["--format", "jsonl", "--sample"]]
    {
        let lines = run.translate_stdin(&input, options);
        let skipped = object(&lines[1]);
        let problem = serde_json::json!({ "kind": "too_long", "side": "source", "tokens": 25, "limit": 24 });
        assert_eq!((&skipped["problem"], &skipped["text"], &skipped["score"]), (&problem, &"".into(), &().into()));
        assert!(lines.len() == 3 && object(&lines[0]).get("problem").is_none());
    }
    let cropped = object(&run.translate_stdin(&input, &["--format", "jsonl", "--too-long", "crop"])[1]);
    assert_eq!((&cropped["problem"]["kind"], &cropped["source"]), (&"cropped".into(), &long().into()));
}

#[test]
fn notes_on_lines_are_bounded() {
    let run = Run::new();
    let ran = run.infer_with_stdin(format!("{}\n", long()).repeat(2000), &[]);
    assert_eq!(lines(&ran).len(), 2000);
    let notes: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(notes.len(), 12, "{notes:?}");
    assert_eq!(notes[10], "note: further ones are counted, not listed");
    assert!(notes[11].starts_with("note: 2000 of 2000 lines skipped"), "{}", notes[11]);
}

/// The validation output of other programs lacks such lines (marian-nmt/marian-dev#494).
#[test]
fn evaluate_counts_a_long_line_as_empty() {
    let run = Run::new();
    run.write("source", format!("1 2\n{}\n3\n", long()));
    run.write("reference", "1\n2\n3\n");
    let arguments = ["--source", "source", "--reference", "reference", "--output", "out"];
    let ran = run.evaluate(&arguments);
    assert!(ran.stdout.contains("of 3 sentences"), "{}", ran.stdout);
    ran.assert_stderr_contains(&["note: line 2: source skipped", "note: 1 of 3 lines skipped"]);
    let written = String::from_utf8(run.read("out")).unwrap();
    assert_eq!(written.lines().nth(1), Some(""));
    assert_eq!(run.evaluate(&[&arguments[..], &["--too-long", "crop"]].concat()).code, Some(0));
    assert_eq!(
        String::from_utf8(run.read("out")).unwrap().lines().nth(1),
        Some(&*run.translations(&[&beginning()], &[])[0])
    );
    run.evaluate(&[&arguments[..], &["--too-long", "fail"]].concat()).assert_failed(&["text 2: 25 tokens"]);
}

#[test]
fn score_has_a_line_for_each_pair() {
    let run = Run::new();
    run.write("source", format!("1 2\n{}\n3\n4\n", long()));
    run.write("target", format!("2\n5\n{}\n1\n", long()));
    let arguments = ["--source", "source", "--target", "target"];
    let ran = run.score(&arguments);
    let scores = lines(&ran);
    assert_eq!((scores.len(), &scores[1..3]), (4, &["nan", "nan"][..]));
    ran.assert_stderr_contains(&["note: pair 2: source skipped", "note: pair 3: target skipped", "note: 2 of 4 pairs"]);
    let json = run.score(&[&arguments[..], &["--quiet", "--format", "jsonl"]].concat()).lines();
    assert_eq!(
        (object(&json[2])["problem"]["side"].as_str(), &object(&json[2])["score"]),
        (Some("target"), &().into())
    );

    let cropped = run.score(&[&arguments[..], &["--quiet", "--too-long", "crop"]].concat()).lines();
    run.write("source", format!("1 2\n{}\n3\n4\n", beginning()));
    run.write("target", format!("2\n5\n{}\n1\n", beginning()));
    assert_eq!(cropped, run.score(&[&arguments[..], &["--quiet"]].concat()).lines());

    run.write("target", format!("2\n5\n{}\n1\n", long()));
    let failed = run.score(&[&arguments[..], &["--too-long", "fail"]].concat());
    failed.assert_failed(&["target 3: 25 tokens"]);
    assert_eq!(failed.stdout.lines().collect::<Vec<_>>().len(), 2, "the pairs before it have scores");
}

#[test]
fn results_before_a_failure_are_written() {
    let run = Run::new();
    let texts = ["1 2", &long(), "3"];
    let failed = run.infer(&[&texts[..], &["--too-long", "fail"]].concat());
    failed.assert_failed(&["text 2: 25 tokens"]);
    assert_eq!(failed.stdout, format!("{}\n", run.translations(&texts[..1], &[])[0]));

    run.write("source", texts.join("\n"));
    run.write("reference", "1\n2\n3\n");
    let arguments = ["--source", "source", "--reference", "reference", "--beam", "4", "--quiet"];
    let failed = run.distil(&[&arguments[..], &["--too-long", "fail"]].concat());
    failed.assert_failed(&["text 2: 25 tokens"]);
    assert_eq!(failed.stdout.lines().collect::<Vec<_>>(), run.distil(&arguments).lines()[..1]);
}

#[test]
fn distil_can_crop() {
    let run = Run::new();
    run.write("source", format!("{}\n", long()));
    run.write("reference", "1 2\n");
    let arguments = ["--source", "source", "--reference", "reference", "--beam", "4", "--quiet"];
    assert_eq!(run.distil(&arguments).lines(), [""]);
    let cropped = run.distil(&[&arguments[..], &["--too-long", "crop"]].concat()).lines();
    run.write("source", format!("{}\n", beginning()));
    assert_eq!(cropped, run.distil(&arguments).lines());
    assert!(!cropped[0].is_empty());
}

#[test]
fn attend_fails_or_crops() {
    let run = Run::new();
    run.attend(&[&long(), "--output", "-"]).assert_rejected(&["text 1: 25 tokens"]);
    let tokens = |arguments: &[&str]| {
        let ran = run.attend(&[arguments, &["--output", "-", "--quiet"]].concat());
        let attention = object(&ran.lines()[0]);
        ["source", "target"].map(|side| attention[side]["tokens"].as_array().map_or(0, Vec::len))[0]
    };
    assert_eq!(tokens(&[&long(), "--too-long", "crop"]), MAX_LENGTH);
    let given = ["1", "--target", &long(), "--too-long", "crop", "--output", "-", "--quiet"];
    let attention = object(&run.attend(&given).lines()[0]);
    assert_eq!(attention["target"]["outputs"].as_array().map(Vec::len), Some(MAX_LENGTH));
    assert_eq!(run.attend(&["1", "--too-long", "skip", "--output", "-"]).code, Some(2));
}
