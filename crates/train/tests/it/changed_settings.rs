//! Resuming with changed settings: the result is that of a run that had them from the start, byte for byte, or the change
//! is rejected with its reason. Tests name the public reports that they stand for.
#![cfg(unix)] // signals

use serde_json::Value;

use crate::common::samples::corpus;
use crate::common::{WorkFolder, set};

/// Arguments with all of these settings.
fn with<'a>(settings: &[&[&'a str]], options: &[&'a str]) -> Vec<&'a str> {
    [&set(&settings.concat()), options].concat()
}

/// The state of a checkpoint without the length of the metrics, which depends on the clock.
fn state(place: &WorkFolder, run: &str, step: u64) -> Value {
    let mut state: Value =
        serde_json::from_str(&place.text(&format!("{run}/checkpoints/step-{step}/state.json"))).unwrap();
    let lengths = [state.get_mut("metrics_length"), None].into_iter().flatten();
    lengths.for_each(|length| *length = Value::Null);
    if let Some(before) = state.get_mut("before_end") {
        before["metrics_length"] = Value::Null;
    }
    state
}

/// Expects that two runs are equal: configuration, metrics, weights, and the whole checkpoint of `step`.
fn assert_equal(place: &WorkFolder, one: &str, other: &str, step: u64) {
    place.assert_same_run(one, other);
    assert_eq!(state(place, one, step), state(place, other, step));
    let [first, second] = [one, other].map(|run| format!("{run}/checkpoints/step-{step}"));
    assert_eq!(place.names(&first), place.names(&second));
    for file in place.names(&first).iter().filter(|name| name.ends_with(".safetensors")) {
        assert!(place.read(&format!("{first}/{file}")) == place.read(&format!("{second}/{file}")), "{file}");
    }
    assert_eq!(place.text(&format!("{one}/config.toml")), place.text(&format!("{other}/config.toml")));
    assert_eq!(place.names(one), place.names(other));
}

/// Finishes a run of 20 updates, prolongs it to 33, and compares it with one that had 33 from the start.
fn prolonged_is_the_same(place: &WorkFolder, settings: &[&str]) {
    place.trained("long", &with(&[settings, &["training.steps=33"]], &["--quiet"]));
    place.trained("short", &with(&[settings, &["training.steps=20"]], &["--quiet"]));
    let ran = place.trained("short", &with(&[settings, &["training.steps=33"]], &["--resume"]));
    ran.assert_stderr_contains(&["resuming from step 20", "changed: training.steps: 20 there, 33 now"]);
    assert_equal(place, "long", "short", 33);
}

const CONSTANT: &[&str] = &["training.schedule=constant", "training.learning_rate=0.01"];
const INVERSE: &[&str] = &["training.schedule=inverse_sqrt", "training.learning_rate=0.01"];
/// The last of 20 updates is neither logged nor validated by a longer run, and no checkpoint of one.
const UNDUE: &[&str] = &["training.log_every=3", "validation.every=6", "training.checkpoint_every=7"];

/// tensorflow/tensor2tensor#58, OpenNMT/OpenNMT-py#886, tensorflow/nmt#151, facebookresearch/fairseq-lua#52
#[test]
fn more_steps_continue_a_finished_run() {
    for schedule in [&[][..], CONSTANT, INVERSE] {
        prolonged_is_the_same(&WorkFolder::new(), schedule);
    }
}

/// Lightning-AI/pytorch-lightning#2344, huggingface/transformers#9818
#[test]
fn more_steps_take_back_the_end_of_a_run() {
    for elaborate in [&[][..], &["model.dropout=0.2", "training.micro_batches=2", "validation.metric=nll"]] {
        prolonged_is_the_same(&WorkFolder::new(), &[UNDUE, elaborate].concat());
    }
}

/// awslabs/sockeye#1043
#[test]
fn more_steps_continue_averages() {
    let last = ["training.final_weights=average", "training.average={ of = \"last\", count = 2 }"];
    let best = ["training.final_weights=average", "training.average={ of = \"best\", count = 3 }"];
    let ema = ["training.final_weights=ema", "training.ema=0.9"];
    for weights in [last, best, ema] {
        for due in [&[][..], UNDUE] {
            prolonged_is_the_same(&WorkFolder::new(), &[&weights, due].concat());
        }
    }
}

#[test]
fn more_steps_continue_translation_and_its_test() {
    for streamed in [&[][..], &["data.shuffle_buffer=16"]] {
        let place = WorkFolder::translating();
        place.write("test.tsv", corpus(10));
        prolonged_is_the_same(&place, &[&["task.test=test.tsv", "training.max_tokens=64"], UNDUE, streamed].concat());
        let tests = place.metrics("short").iter().filter(|line| line.get("test").is_some()).count();
        assert_eq!(tests, 1, "the test of the shorter run is taken back");
    }
}

/// PrimeIntellect-ai/prime-rl#3352
#[test]
fn fewer_steps_end_a_run_earlier() {
    let place = WorkFolder::new();
    let many = ["training.checkpoint_every=3", "training.keep_checkpoints=9", "training.log_every=4"];
    place.trained("whole", &with(&[&many], &["--quiet"]));
    for steps in [9, 10, 12] {
        let (run, setting) = (format!("from-9-to-{steps}"), format!("training.steps={steps}"));
        place.copy("whole", &run);
        [12, 15, 18, 20].iter().for_each(|step| place.remove(&format!("{run}/checkpoints/step-{step}")));
        let settings = [&many[..], &[&setting]].concat();
        // The weights of step 20 cannot be taken back.
        let parts = ["training.steps: 20 there", "model.safetensors holds the weights of step"];
        place.assert_rejects(&run, &with(&[&settings], &["--resume"]), &parts);
        place.remove(&format!("{run}/model.safetensors"));
        place.trained(&run, &with(&[&settings], &["--resume", "--quiet"]));
        let short = format!("short-{steps}");
        place.trained(&short, &with(&[&settings], &["--quiet"]));
        assert_equal(&place, &short, &run, steps);
    }
    let parts = ["training.steps: 20 there, 19 now", "the newest checkpoint has 20 updates"];
    place.assert_rejects("whole", &with(&[&many, &["training.steps=19"]], &["--resume"]), &parts);
}

/// An interrupted run, with more and with fewer steps than it had. (joeynmt/joeynmt#172)
#[test]
fn an_interrupted_run_takes_other_steps() {
    let place = WorkFolder::new();
    let settings = ["training.log_every=7", "validation.every=45", "validation.samples=0"];
    let ran = place.train_until("step 14/", "INT", "broken", &with(&[&settings, &["training.steps=3000"]], &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let step: u64 = place.names("broken/checkpoints")[0].trim_start_matches("step-").parse().unwrap();
    let shorter = format!("training.steps={}", step + 50);
    let shorter = [&settings[..], &[&shorter]].concat();
    place.trained("whole", &with(&[&shorter], &["--quiet"]));
    place.trained("broken", &with(&[&shorter], &["--resume", "--quiet"]));
    assert_equal(&place, "whole", "broken", step + 50);
}

/// deepinsight/insightface#2143, mosaicml/composer#1384, facebookresearch/fairseq#2523
#[test]
fn other_steps_are_rejected_if_updates_depend_on_them() {
    let place = WorkFolder::new();
    let cosine = ["training.schedule=cosine", "training.learning_rate=0.01", "training.warmup_steps=5"];
    let annealed = ["training.anneal_dropout={ to = 0.5 }", "model.dropout=0.1"];
    for (settings, option) in [(&cosine[..], "training.schedule = \"cosine\""), (&annealed, "training.anneal_dropout")]
    {
        place.trained("run", &with(&[settings], &["--quiet", "--overwrite"]));
        let reason = format!("with {option} each update depends on it");
        let parts = ["training.steps: 20 there, 40 now", &reason, "resume with the same one, or use --overwrite"];
        place.assert_rejects("run", &with(&[settings, &["training.steps=40"]], &["--resume"]), &parts);
    }
}

/// OpenNMT/OpenNMT-py#2006 (patience was lost), joeynmt/joeynmt#218
#[test]
fn patience_goes_on_counting() {
    let place = WorkFolder::new();
    let rising = [
        "training.schedule=constant",
        "training.learning_rate=0.8",
        "training.warmup_steps=200",
        "validation.every=4",
        "validation.metric=nll",
        "training.checkpoint_every=6",
    ];
    let steps = |steps: u64| format!("training.steps={steps}");
    let patience = |n: usize| format!("validation.patience={n}");
    let settings = |all: [&str; 2]| with(&[&rising, &all], &[]).into_iter().map(str::to_string).collect::<Vec<_>>();
    let run = |name: &str, all: [&str; 2], option: &str| {
        let settings = settings(all);
        place.trained(name, &settings.iter().map(String::as_str).chain([option]).collect::<Vec<_>>())
    };
    run("long", [&steps(300), &patience(3)], "--quiet");
    let end = place.metrics("long").pop().unwrap()["step"].as_u64().unwrap();
    assert!(end < 300, "it stops early");
    // Ended by its steps one validation before, it stops where the long run does.
    run("short", [&steps(end - 6), &patience(3)], "--quiet");
    run("short", [&steps(300), &patience(3)], "--resume");
    assert_equal(&place, "long", "short", end);
    // A longer run would have stopped there too.
    let before = place.snapshot();
    let ran = run("long", [&steps(400), &patience(3)], "--resume");
    ran.assert_stderr_contains(&["it stopped early, by validation.patience = 3", "already finished"]);
    assert!(before == place.snapshot());
    // More patience goes on, less is rejected.
    run("patient", [&steps(300), &patience(5)], "--quiet");
    run("long", [&steps(300), &patience(5)], "--resume");
    let end = place.metrics("patient").pop().unwrap()["step"].as_u64().unwrap();
    assert_equal(&place, "patient", "long", end);
    let lower = settings([&steps(300), &patience(4)]);
    let lower: Vec<&str> = lower.iter().map(String::as_str).chain(["--resume"]).collect();
    place.assert_rejects("long", &lower, &["validation.patience: 5 there, 4 now", "it may only rise"]);
}

/// huggingface/transformers#36303: what only logs or keeps.
#[test]
fn logging_and_keeping_may_change() {
    let place = WorkFolder::new();
    place.trained("whole", &with(&[&["training.steps=33"]], &["--quiet"]));
    place.trained("run", &with(&[&["training.steps=20"]], &["--quiet"]));
    let changed =
        ["training.log_every=2", "training.checkpoint_every=4", "training.keep_checkpoints=3", "validation.samples=1"];
    place.trained("run", &with(&[&["training.steps=33"], &changed], &["--resume", "--quiet"]));
    assert!(place.weights("whole") == place.weights("run"));
    assert_eq!(place.names("run/checkpoints"), ["step-28", "step-32", "step-33"]);
    let logged: Vec<u64> = place
        .metrics("run")
        .iter()
        .filter(|line| line.get("loss").is_some())
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert_eq!(logged, [5, 10, 15, 20, 22, 24, 26, 28, 30, 32, 33]);
    let last =
        |run| place.metrics_without_timing(run).into_iter().rfind(|line| line.get("validation").is_some()).unwrap();
    assert_eq!(last("whole")["validation"]["nll"], last("run")["validation"]["nll"]);
    assert!(place.text("run/config.toml").contains("log_every = 2\n"));
}

#[test]
fn validations_may_change_before_the_first() {
    let place = WorkFolder::new();
    let settings = ["training.steps=300", "training.log_every=7", "validation.samples=0"];
    let [rare, often] = ["validation.every=250", "validation.every=100"];
    let ran = place.train_until("step 14/", "INT", "run", &with(&[&settings, &[rare]], &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    place.trained("whole", &with(&[&settings, &[often, "validation.metric=bleu"]], &["--quiet"]));
    place.trained("run", &with(&[&settings, &[often, "validation.metric=bleu"]], &["--quiet", "--resume"]));
    assert_equal(&place, "whole", "run", 300);
    let parts = ["validation.every: 100 there, 50 now", "validations up to the checkpoint of step 300 depend on it"];
    place.assert_rejects(
        "run",
        &with(&[&settings, &["validation.every=50", "validation.metric=bleu"]], &["--resume"]),
        &parts,
    );
}

/// Before any update: the first validation would fail after many.
#[test]
fn a_changed_beam_has_the_limits_of_a_new_one() {
    let place = WorkFolder::new();
    place.trained("run", &with(&[&["validation.every=20"]], &["--quiet"]));
    ["checkpoints/step-20", "model.safetensors"].iter().for_each(|name| place.remove(&format!("run/{name}")));
    let parts = ["tiny.toml: validation.beam = 5000: expected 1 to 1000", "1 is greedy"];
    let beam = |beam| ["validation.every=20", beam];
    place.assert_rejects("run", &with(&[&beam("validation.beam=5000")], &["--resume"]), &parts);
    place.trained("run", &with(&[&beam("validation.beam=2")], &["--resume", "--quiet"]));
}

/// OpenNMT/OpenNMT-py#2084, OpenNMT/OpenNMT-py#1393: a changed rate is not ignored in silence.
#[test]
fn other_changes_are_rejected_with_their_reason() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    for (setting, parts) in [
        (
            "training.learning_rate=0.5",
            ["training.learning_rate: 1.0 there, 0.5 now", "the updates so far depend on it"],
        ),
        ("training.warmup_steps=9", ["training.warmup_steps: 20 there, 9 now", "the updates so far depend on it"]),
        ("training.final_weights=ema", ["training.ema: 0.0 there, 0.9 now", "the weights of earlier steps"]),
        ("validation.sentences=5", ["validation.sentences: 20 there, 5 now", "choice of the data depends on it"]),
        ("decoding.beam=4", ["decoding.beam: 1 there, 4 now", "the options of `infer` override it"]),
    ] {
        let ema = if setting.ends_with("ema") { &["training.ema=0.9"][..] } else { &[] };
        // Of several changes, the one that is rejected is named.
        place.assert_rejects("run", &with(&[&["training.log_every=2", setting], ema], &["--resume"]), &parts);
    }
}

/// A run that an earlier version of the program ended.
#[test]
fn an_older_finished_run_goes_on_where_it_can() {
    let place = WorkFolder::translating();
    place.write("test.tsv", corpus(10));
    let test = ["task.test=test.tsv"];
    let longer = with(&[&test, &["training.steps=33"]], &["--quiet", "--resume"]);
    place.trained("whole", &with(&[&test, &["training.steps=33"]], &["--quiet"]));
    let forget = |run: &str| {
        let file = format!("{run}/checkpoints/step-20/state.json");
        let mut state: Value = serde_json::from_str(&place.text(&file)).unwrap();
        state.as_object_mut().unwrap().remove("before_end").unwrap();
        place.write(&file, state.to_string());
    };
    place.trained("old", &with(&[&test], &["--quiet"]));
    forget("old");
    place.trained("old", &longer);
    assert_equal(&place, "whole", "old", 33);
    place.trained("odd", &with(&[&test, &["validation.every=6"]], &["--quiet"]));
    forget("odd");
    let settings = with(&[&test, &["validation.every=6", "training.steps=33"]], &["--resume"]);
    place.assert_rejects("odd", &settings, &["odd/checkpoints/step-20", "between two logged steps or validations"]);
}
