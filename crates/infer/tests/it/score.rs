//! `infer score`: the scores of given translations equal those of the decoder.

use serde_json::Value;
use testing::run::{Run, object, texts};

/// Sources, and those of the model's translations that encode to the same tokens again.
fn translated(run: &Run, options: &[&str]) -> (Vec<String>, Vec<Value>) {
    let lines = run.translate_stdin(texts(60).join("\n"), &[&["--format", "jsonl"], options].concat());
    let faithful = |target: &Value| {
        let tokens = target["tokens"].as_array().expect("tokens");
        target["finished"] == true && tokens.iter().all(|token| token != "<unk>")
    };
    let found: Vec<Value> = lines.iter().map(|line| object(line)).filter(faithful).collect();
    assert!(found.len() >= 5, "only {}", found.len());
    (found.iter().map(|target| target["source"].as_str().expect("text").to_string()).collect(), found)
}

fn text(target: &Value) -> &str {
    target["text"].as_str().expect("text")
}

#[test]
fn scores_equal_those_of_the_decoder() {
    let run = Run::new();
    for options in [&["--beam", "1"][..], &["--beam", "4"], &["--sample"]] {
        let (sources, found) = translated(&run, options);
        run.write("source", sources.join("\n"));
        run.write("target", found.iter().map(text).collect::<Vec<_>>().join("\n"));
        for extra in [&[][..], &["--batch-tokens", "1"], &["--threads", "1"]] {
            let arguments = [&["--source", "source", "--target", "target", "--quiet"], extra].concat();
            let lines = run.score(&[&arguments[..], &["--format", "jsonl"]].concat()).lines();
            let scores = run.score(&arguments).lines();
            assert_eq!(lines.len(), found.len());
            for ((line, score), target) in lines.iter().zip(scores).zip(&found) {
                let scored = object(line);
                assert_eq!((&scored["source"], &scored["text"]), (&target["source"], &target["text"]));
                assert_eq!(scored["tokens"], target["tokens"]);
                let close = |a: &Value, b: &Value| (a.as_f64().expect("a") - b.as_f64().expect("b")).abs() < 1e-4;
                assert!(close(&scored["score"], &target["score"]), "{scored} and {target}");
                let pairs = scored["token_scores"]
                    .as_array()
                    .expect("scores")
                    .iter()
                    .zip(target["token_scores"].as_array().expect("scores"));
                pairs.for_each(|(a, b)| assert!(close(a, b), "{scored} and {target}"));
                assert_eq!(score, format!("{:.4}", scored["score"].as_f64().expect("a score")));
            }
        }
    }
}

#[test]
fn length_penalty_zero_is_the_log_probability() {
    let run = Run::new();
    run.write("source", "1 2 3\n4\n");
    run.write("target", "3 2\n\n");
    let lines = run.score(&["--source", "source", "--target", "target", "--quiet", "--format", "jsonl"]).lines();
    let sums = run.score(&["--source", "source", "--target", "target", "--quiet", "--length-penalty", "0"]).lines();
    for ((line, sum), count) in lines.iter().zip(sums).zip([3, 1]) {
        let scores = object(line)["token_scores"].as_array().expect("scores").clone();
        assert_eq!(scores.len(), count, "the end token included");
        let total: f64 = scores.iter().map(|score| score.as_f64().expect("a number")).sum();
        assert!((total - sum.parse::<f64>().expect("a number")).abs() < 1e-4, "{sum} is not {total}");
    }
}

#[test]
fn given_translations_are_aligned() {
    let run = Run::new();
    run.write("source", "1 2 3\n");
    run.write("target", "3 2\n");
    let arguments = ["--source", "source", "--target", "target", "--quiet", "--format", "jsonl", "--alignment"];
    assert_eq!(object(&run.score(&arguments).lines()[0])["alignment"].as_array().expect("pairs").len(), 2);
    let nowhere_to_tell = run.score(&["--source", "source", "--target", "target", "--alignment"]);
    assert_eq!((nowhere_to_tell.code, &*nowhere_to_tell.stdout), (Some(2), ""));
    nowhere_to_tell.assert_stderr_contains(&["--alignment", "--format jsonl"]);
}

#[test]
fn texts_that_cannot_be_scored_are_rejected() {
    let run = Run::new();
    run.write("source", "1\n2\n");
    run.write("target", format!("1\n{}\n", vec!["1"; 24].join(" ")));
    let files = ["--source", "source", "--target", "target"];
    let strict = [&files[..], &["--too-long", "fail"]].concat();
    run.score(&strict).assert_failed(&["target 2: 25 tokens", "24"]);
    run.write("target", "1\n");
    run.score(&files).assert_rejected(&["source has 2 lines"]);
    run.remove("target");
    run.score(&files).assert_rejected(&["target"]);
}

#[test]
fn options_are_named_as_they_are_written() {
    let run = Run::new();
    run.write("source", "1\n");
    let files = ["--source", "source", "--target", "source"];
    run.score(&[&files[..], &["--length-penalty", "nan"]].concat()).assert_rejected(&["--length-penalty = NaN"]);
    let ran = run.score(&[&files[..], &["--length-penalty", "-1"]].concat());
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&[
        "join a value that begins with a dash",
        "'--length-penalty=-1'",
        "Usage: infer score",
    ]);
}
