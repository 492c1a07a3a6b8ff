//! Effects of optimizer, final weights, patience, R-Drop and initial weights.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::samples::corpus;
use crate::common::{WorkFolder, set};
use runs::ExistingRun;
use safetensors::SafeTensors;
use train::run::initial_model;
use train::{RunConfig, Task};

/// The tensors of a file, by name: shape and values.
fn tensors(bytes: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let file = SafeTensors::deserialize(bytes).expect("safetensors");
    let numbers = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    file.iter().map(|(name, view)| (name.to_string(), (view.shape().to_vec(), numbers(view.data())))).collect()
}

/// The largest difference between the weights of two models.
fn max_difference(one: &[u8], other: &[u8]) -> f32 {
    let (one, other) = (tensors(one), tensors(other));
    assert!(one.keys().eq(other.keys()));
    let pairs = one.values().zip(other.values()).flat_map(|(one, other)| one.1.iter().zip(&other.1));
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// The steps of the lines with a key.
fn steps(place: &WorkFolder, run: &str, key: &str) -> Vec<u64> {
    let lines = place.metrics(run);
    lines.iter().filter(|line| line.get(key).is_some()).map(|line| line["step"].as_u64().expect("a step")).collect()
}

/// A learning rate without effect.
const TINY_RATE: &[&str] = &["training.schedule=constant", "training.learning_rate=1e-9"];

#[test]
fn training_starts_from_the_weights_of_another_run() {
    let place = WorkFolder::new();
    place.trained("base", &["--quiet"]);
    let one_step = set(&[TINY_RATE, &["training.steps=1"]].concat());
    place.trained("fresh", &[&one_step[..], &["--quiet", "--seed", "9"]].concat());
    place.trained("tuned", &[&one_step[..], &["--quiet", "--seed", "9", "--init-from", "base"]].concat());
    assert!(max_difference(&place.weights("base"), &place.weights("tuned")) < 1e-7);
    assert!(max_difference(&place.weights("base"), &place.weights("fresh")) > 0.1);

    let setting = ["--quiet", "--seed", "9", "--set", "training.init_from=base"];
    place.trained("set", &[&one_step[..], &setting].concat());
    place.assert_same_run("tuned", "set");
    assert_eq!(place.text("tuned/config.toml"), place.text("set/config.toml"));
}

/// `--overwrite` would rename the run that `--init-from` names.
#[test]
fn a_run_cannot_replace_its_origin() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    let message = ["training.init_from = ./run: it is the run that --overwrite renames", "another --output"];
    place.assert_rejects("run", &["--overwrite", "--init-from", "./run"], &message);
}

#[test]
fn dropout_may_differ_from_the_origin() {
    let place = WorkFolder::new();
    place.trained("base", &["--quiet"]);
    let dropout = ["model.dropout=0.2", "model.attention_dropout=0.1", "model.ff_dropout=0.1", "model.max_length=20"];
    place.trained("tuned", &[&set(&dropout)[..], &["--quiet", "--init-from", "base"]].concat());
}

#[test]
fn a_run_resumes_without_its_origin() {
    let place = WorkFolder::new();
    place.trained("base", &["--quiet"]);
    let from = ["--quiet", "--init-from", "base"];
    place.trained("whole", &from);
    place.copy("whole", "resumed");
    place.remove("resumed/checkpoints/step-20");
    place.remove("base");
    place.trained("resumed", &[&from[..], &["--resume"]].concat());
    place.assert_same_run("whole", "resumed");
}

#[test]
fn vocabularies_come_from_the_origin() {
    let place = WorkFolder::translating();
    place.trained("base", &["--quiet"]);
    place.write("train.tsv", corpus(40).replace("cat", "hen"));
    place.trained("tuned", &["--init-from", "base"]).assert_stderr_contains(&["the vocabularies are those of base"]);
    for name in ["source.tokenizer.json", "target.tokenizer.json"] {
        assert_eq!(place.text(&format!("tuned/{name}")), place.text(&format!("base/{name}")));
    }
    place.trained("fresh", &["--quiet"]);
    assert_ne!(place.text("fresh/source.tokenizer.json"), place.text("base/source.tokenizer.json"));
}

#[test]
fn patience_ends_a_run_without_improvement() {
    let place = WorkFolder::new();
    let patient = ["training.steps=200", "validation.every=2", "validation.patience=3", "training.checkpoint_every=5"];
    let settings = set(&[TINY_RATE, &patient].concat());
    let ran = place.trained("run", &settings);
    ran.assert_stderr_contains(&["no improvement in 3 validations: stopping early", "test of the final weights"]);
    assert_eq!(steps(&place, "run", "validation"), [2, 4, 6, 8]);
    assert_eq!(steps(&place, "run", "test"), [8]);
    assert_eq!(place.names("run/checkpoints"), ["step-5", "step-8"]);
    let before = place.snapshot();
    place.trained("run", &[&settings[..], &["--resume"]].concat()).assert_stderr_contains(&["run is already finished"]);
    assert!(before == place.snapshot());
}

#[test]
fn the_mean_of_the_last_validations_is_final() {
    let place = WorkFolder::new();
    let average = "training.average={ of = \"last\", count = 3 }";
    let settings = ["training.final_weights=average", average, "validation.every=4"];
    place
        .trained("run", &set(&settings))
        .assert_stderr_contains(&["validation of the average of 3 validations' weights"]);
    assert_final_weights_are_mean(&place, &[12, 16, 20]);
}

#[test]
fn the_mean_of_the_best_validations_is_final() {
    let place = WorkFolder::new();
    let average = "training.average={ of = \"best\", count = 2 }";
    // A high rate, so that some validations get worse.
    let rate = ["training.schedule=constant", "training.learning_rate=0.3", "training.warmup_steps=1"];
    let settings = ["training.final_weights=average", average, "validation.every=2", "validation.metric=nll"];
    place.trained("run", &set(&[&rate[..], &settings].concat()));

    let lines = place.metrics("run");
    let validations = lines.iter().filter(|line| line.get("best").is_some());
    let mut scores: Vec<(f64, u64)> = validations
        .map(|line| (line["validation"]["nll"].as_f64().expect("a number"), line["step"].as_u64().expect("a step")))
        .collect();
    assert_eq!(scores.len(), 10);
    scores.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut best = [scores[0].1, scores[1].1];
    best.sort();
    assert_ne!(best, [18, 20], "expected other validations than the last");
    assert_final_weights_are_mean(&place, &best);
}

/// Asserts that the final weights are the mean of the snapshots of these steps, which the metrics list.
fn assert_final_weights_are_mean(place: &WorkFolder, expected: &[u64]) {
    let lines = place.metrics("run");
    let line = lines.iter().find(|line| line.get("average_of").is_some()).expect("a line");
    assert_eq!(line["average_of"], serde_json::json!(expected));
    assert!(line["validation"]["nll"].is_number(), "{line}");

    let snapshots: Vec<_> =
        expected.iter().map(|step| tensors(&place.read(&format!("run/snapshots/step-{step}.safetensors")))).collect();
    for (name, (shape, values)) in tensors(&place.weights("run")) {
        assert_eq!(shape, snapshots[0][&name].0);
        for (i, value) in values.into_iter().enumerate() {
            let sum: f64 = snapshots.iter().map(|tensors| f64::from(tensors[&name].1[i])).sum();
            assert_eq!(value, (sum / snapshots.len() as f64) as f32, "{name}");
        }
    }
}

#[test]
fn a_moving_average_is_validated_and_final() {
    let place = WorkFolder::new();
    let settings =
        ["training.final_weights=ema", "training.ema=0.9", "validation.every=20", "training.checkpoint_every=20"];
    place.trained("plain", &["--quiet", "--set", "validation.every=20"]);
    place.trained("run", &[&set(&settings)[..], &["--quiet"]].concat());
    assert_eq!(place.names("run/checkpoints/step-20").len(), 4, "with the moving average");
    let checkpoint = |run: &str, name: &str| place.read(&format!("{run}/checkpoints/step-20/{name}.safetensors"));
    assert_eq!(
        max_difference(&checkpoint("plain", "model"), &checkpoint("run", "model")),
        0.0,
        "training does not use it"
    );
    assert!(max_difference(&checkpoint("run", "model"), &place.weights("run")) > 1e-3);
    // A checkpoint stores it in another order.
    let sorted = |bytes: &[u8]| -> Vec<Vec<f32>> {
        let mut all: Vec<Vec<f32>> = tensors(bytes).into_values().map(|(_, values)| values).collect();
        all.iter_mut().for_each(|values| values.sort_by(f32::total_cmp));
        all
    };
    assert_eq!(sorted(&checkpoint("run", "ema")), sorted(&place.weights("run")));
}

#[test]
fn adamw_is_adam_with_decay_of_matrices() {
    let place = WorkFolder::new();
    let (rate, decay) = (0.125, 0.5);
    let rate_setting = format!("training.learning_rate={rate}");
    let settings = ["training.steps=1", "training.schedule=constant", &rate_setting, "training.warmup_steps=1"];
    let trained = |run: &str, more: &[&str]| {
        place.trained(run, &[&set(&[&settings, more].concat())[..], &["--quiet"]].concat());
        tensors(&place.weights(run))
    };
    let adam = trained("adam", &[]);
    assert_eq!(adam, trained("without", &["training.optimizer=adamw"]));
    let adamw = trained("adamw", &["training.optimizer=adamw", &format!("training.weight_decay={decay}")]);

    let initial = initial_weights(&place.path("tiny.toml"));
    assert_eq!(initial.len(), adam.len());
    for (name, (shape, values)) in adam {
        for (i, value) in values.into_iter().enumerate() {
            let decayed = if shape.len() > 1 { rate * decay * initial[&name][i] } else { 0.0 };
            assert!((value - adamw[&name].1[i] - decayed).abs() < 1e-6, "{name}[{i}]");
        }
    }
}

#[test]
fn updates_use_clipped_gradients() {
    let place = WorkFolder::new();
    let initial = initial_weights(&place.path("tiny.toml"));
    let single = ["training.steps=1", "training.schedule=constant", "training.warmup_steps=1"];
    for accumulate in ["training.micro_batches=1", "training.micro_batches=2"] {
        // The largest change of a weight, and the logged norm.
        let moved = |clip_norm: &str| {
            let clip = format!("training.clip_norm={clip_norm}");
            let settings = [&single[..], &["training.learning_rate=0.125", accumulate, clip.as_str()]].concat();
            place.trained("run", &[&set(&settings)[..], &["--quiet", "--overwrite"]].concat());
            let (mut max_change, weights) = (0f32, tensors(&place.weights("run")));
            assert_eq!(weights.len(), initial.len());
            for (name, (_, values)) in weights {
                let distances = values.iter().zip(&initial[&name]).map(|(value, initial)| (value - initial).abs());
                max_change = distances.fold(max_change, f32::max);
            }
            (max_change, place.metrics("run")[0]["gradient_norm"].as_f64().expect("a number"))
        };
        let (free, norm) = moved("0");
        // Adam's update does not depend on the gradient's norm, unless it is small compared with epsilon, 1e-9.
        let (clipped, norm_before) = moved("1e-14");
        assert!(free > 0.1, "{accumulate}: {free}");
        assert!(clipped < 1e-5, "{accumulate}: {clipped}");
        assert!(norm > 1e-3 && norm == norm_before, "{accumulate}: {norm} and, before clipping, {norm_before}");
    }
}

#[test]
fn loss_equals_nll_without_label_smoothing() {
    let place = WorkFolder::new();
    for (run, smoothing) in [("plain", "0"), ("smoothed", "0.1")] {
        place.trained(run, &["--quiet", "--set", &format!("training.label_smoothing={smoothing}")]);
        assert_eq!(steps(&place, run, "loss"), [5, 10, 15, 20]);
        for line in place.metrics(run).iter().filter(|line| line.get("loss").is_some()) {
            let [loss, nll] = ["loss", "nll"].map(|key| line[key].as_f64().expect("a number"));
            assert_eq!((loss - nll).abs() <= 1e-6 * nll, run == "plain", "{run}: {line}");
        }
    }
}

#[test]
fn options_with_a_first_step_change_nothing_before() {
    let place = WorkFolder::new();
    let dropout = ["model.dropout=0.2", "training.log_every=1"];
    let losses = |run: &str, setting: &[&str]| -> Vec<f64> {
        place.trained(run, &[&set(&[&dropout, setting].concat())[..], &["--quiet"]].concat());
        place.metrics(run).iter().filter_map(|line| line["loss"].as_f64()).collect()
    };
    let plain = losses("plain", &[]);
    assert_eq!(plain.len(), 20);
    for (run, setting) in [
        ("annealed", "training.anneal_dropout={ to = 0.0, after = 10 }"),
        ("r-drop", "training.r_drop={ alpha = 5.0, after = 10 }"),
    ] {
        let other = losses(run, &[setting]);
        assert_eq!(other[..10], plain[..10], "{run}");
        assert!(other[10..].iter().zip(&plain[10..]).all(|(other, plain)| other != plain), "{run}: {other:?}");
    }
}

#[test]
fn the_two_passes_of_r_drop_differ_in_dropout() {
    let place = WorkFolder::new();
    // The first loss is the smoothed cross-entropy plus `alpha` times the divergence of both passes.
    let loss = |run: &str, alpha: &str| {
        let r_drop = format!("training.r_drop={{ alpha = {alpha} }}");
        let settings = ["model.dropout=0.2", "training.steps=1", "training.log_every=1", &r_drop];
        place.trained(run, &[&set(&settings)[..], &["--quiet"]].concat());
        place.metrics(run)[0]["loss"].as_f64().expect("a number")
    };
    let [one, three] = [loss("one", "1.0"), loss("three", "3.0")];
    assert!(three - one > 1e-3, "{one} and {three}");
}

fn initial_weights(config: &Path) -> BTreeMap<String, Vec<f32>> {
    let config = RunConfig::load(config, &[]).expect("a configuration");
    let task = Task::new(&config, None).expect("a task");
    let device = model::backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let model = initial_model(&config, &task, Path::new(""), ExistingRun::None, &device).expect("a model");
    model::weights::collect(&model).into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
}
