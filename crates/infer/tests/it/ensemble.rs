//! `--model A --model B`: several models decode as one.

use testing::run::{Run, texts};

/// A run whose weights are those of [`Run::new`], halved.
pub fn other() -> Run {
    let run = Run::new();
    let bytes = run.read("model.safetensors");
    let (mut tensors, _) = model::weights::from_safetensors(&bytes).unwrap();
    tensors.iter_mut().flat_map(|tensor| &mut tensor.values).for_each(|value| *value *= 0.5);
    run.write("model.safetensors", model::weights::to_safetensors(&tensors, "").unwrap());
    run
}

#[test]
fn two_models_decode_as_one() {
    let (run, other) = (Run::new(), other());
    let path = other.path().to_str().unwrap();
    let input = texts(20).join("\n");
    let alone = run.translate_stdin(input.clone(), &["--scores"]);
    let both = run.translate_stdin(input.clone(), &["--scores", "--model", path]);
    assert_eq!(both.len(), alone.len());
    assert_ne!(both, alone);
    let itself = run.translate_stdin(input, &["--scores", "--model", run.path().to_str().unwrap()]);
    assert_eq!(itself, alone);
    run.infer(&["--model", path, "1 2"]).assert_stderr_contains(&[" + ", "parameters on flex"]);
}

#[test]
fn scores_and_metrics_are_those_of_the_ensemble() {
    let (run, other) = (Run::new(), other());
    let path = other.path().to_str().unwrap();
    let sources = texts(8);
    let (source, target) = (run.file("source.txt"), run.file("target.txt"));
    std::fs::write(&source, sources.join("\n") + "\n").unwrap();
    std::fs::write(&target, "1 2 3\n".repeat(8)).unwrap();
    let files = ["--source", source.to_str().unwrap(), "--target", target.to_str().unwrap(), "--quiet"];
    let score = |more: &[&str]| run.score(&[&files[..], more].concat()).lines();
    assert_eq!(score(&[]).len(), 8);
    assert_ne!(score(&[]), score(&["--model", path]));
    let output = run.file("translations.txt");
    let files = ["--source", files[1], "--reference", files[3], "--quiet", "--output", output.to_str().unwrap()];
    run.evaluate(&[&files[..], &["--model", path]].concat()).lines();
    let translations = std::fs::read_to_string(&output).unwrap();
    assert_eq!(translations.lines().collect::<Vec<_>>(), run.translate_stdin(sources.join("\n"), &["--model", path]));
}

#[test]
fn members_of_other_vocabularies_are_rejected() {
    let (run, other) = (Run::new(), other());
    let words: Vec<String> = ('a'..='j').map(String::from).collect();
    other.write("target.tokenizer.json", text::Tokenizer::from_words(&words).to_json());
    let parts = ["target.tokenizer.json: found \"a\" as token 2, expected \"0\"", "same vocabularies"];
    run.assert_rejects(&["--model", other.path().to_str().unwrap(), "1"], &parts);
}
