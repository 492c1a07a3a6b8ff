//! The same bytes for any number of processes, and the bytes that they send.

use safetensors::SafeTensors;

use super::{AVERAGES, EVERYTHING, assert_same, place, trained};
use crate::common::set;

#[test]
fn any_number_of_processes_gives_the_same_bytes() {
    let place = place();
    let settings = set(EVERYTHING);
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    for processes in 1..=4 {
        let output = format!("by-{processes}");
        let ran = trained(&place, processes, &output, &settings);
        assert_eq!(ran.stderr.contains(&format!("{processes} processes: ranks 0 to")), processes > 1, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("step 4/30").count(), 1, "one log:\n{}", ran.stderr);
        assert_same(&place, "one", &output);
    }
}

#[test]
fn averages_and_weight_decay_give_the_same_bytes() {
    let place = place();
    let settings = [&set(AVERAGES)[..], &["--quiet"]].concat();
    place.trained("one", &settings);
    trained(&place, 3, "three", &settings);
    assert_same(&place, "one", "three");
}

/// More micro-batches than fit into a message that MPI sends before its receiver is there.
#[test]
fn many_micro_batches_give_the_same_bytes() {
    let place = place();
    let many = ["training.micro_batches=260", "training.max_tokens=13000", "training.steps=2", "validation.every=2"];
    let settings = [&set(&many)[..], &["--quiet"]].concat();
    place.trained("one", &settings);
    trained(&place, 2, "two", &settings);
    assert_same(&place, "one", "two");
}

#[test]
fn lora_gives_the_same_bytes() {
    let place = place();
    place.trained("base", &["--quiet"]);
    let lora = "training.lora={ rank = 2, alpha = 4.0, matrices = [\"query\", \"value\"] }";
    let settings = set(&["training.init_from=base", lora, "training.micro_batches=4"]);
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    trained(&place, 2, "two", &[&settings[..], &["--quiet"]].concat());
    assert_same(&place, "one", "two");
}

/// A model whose larger matrices are cut into several slices.
#[test]
fn bytes_sent_are_those_of_the_formula() {
    let place = place();
    let large = ["model.d_model=128", "model.d_ff=1024", "model.encoder_layers=2", "model.decoder_layers=2"];
    let short = [
        "training.steps=2",
        "training.r_drop={ alpha = 1.0, after = 1 }",
        "training.log_every=2",
        "training.checkpoint_every=1",
        "validation.every=2",
    ];
    let settings = set(&[EVERYTHING, &large, &short, &["validation.sentences=2"]].concat());
    place.trained("one", &[&settings[..], &["--quiet"]].concat());
    for processes in [2usize, 3, 4, 12] {
        let output = format!("by-{processes}");
        trained(&place, processes, &output, &[&settings[..], &["--quiet"]].concat());
        assert_same(&place, "one", &output);
        let file = place.weights(&output);
        let tensors = SafeTensors::deserialize(&file).expect("weights");
        let weights: usize = tensors.tensors().iter().map(|(_, tensor)| tensor.data().len()).sum();
        let step = place.metrics(&output).into_iter().find(|line| line.get("loss").is_some()).expect("a logged step");
        let sent = step["timing"]["sent_bytes"].as_f64().expect("a number") / 2.0;
        let (parts, others) = (12.0 / processes as f64, (processes - 1) as f64 / processes as f64);
        let expected = (parts + 1.0) * weights as f64 * others;
        println!("{processes} processes: {sent} bytes, {expected} expected");
        assert!((sent / expected - 1.0).abs() < 0.05, "{processes} processes: {sent} bytes, expected {expected}");
        assert!((0.0..1.0).contains(&step["timing"]["exchanging"].as_f64().expect("a share")), "{step}");
    }
}
