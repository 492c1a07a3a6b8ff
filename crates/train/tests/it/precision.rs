//! Training with bfloat16 matrix products.

use model::{quantised, weights};

use crate::common::{WorkFolder, set};

const BFLOAT16: &[&str] = &["--quiet", "--set", "training.matmul_precision=bfloat16"];

fn losses(place: &WorkFolder, run: &str) -> Vec<f64> {
    place.metrics(run).iter().filter_map(|line| line["loss"].as_f64()).collect()
}

#[test]
fn bfloat16_learns_like_float32() {
    let place = WorkFolder::new();
    place.trained("float32", &["--quiet"]);
    place.trained("bfloat16", BFLOAT16);
    let (exact, rounded) = (losses(&place, "float32"), losses(&place, "bfloat16"));
    assert_eq!((exact.len(), rounded.len()), (4, 4));
    // Rounding errors accumulate, and processors round differently.
    for ((exact, rounded), tolerance) in exact.iter().zip(&rounded).zip([3e-3, 3e-3, 3e-2, 3e-2]) {
        assert!((exact / rounded - 1.0).abs() < tolerance, "{rounded}, not {exact}");
        assert!((exact / rounded - 1.0).abs() > 1e-7, "nothing was rounded");
    }
}

#[test]
fn the_precision_and_its_unit_are_printed() {
    let place = WorkFolder::new();
    let ran = place.trained("run", &BFLOAT16[1..]);
    ran.assert_stderr_contains(&["on flex, float32 with products of bfloat16", "into run"]);
    ran.assert_stderr_contains(&[match kernels::precision::bfloat16_unit() {
        Some(unit) => unit,
        None => "would be faster",
    }]);
    assert!(!place.trained("plain", &[]).stderr.contains("bfloat16"));
}

#[test]
fn resuming_and_threads_do_not_change_the_bytes() {
    let place = WorkFolder::translating();
    let given = [BFLOAT16, &["--set", "training.micro_batches=2"]].concat();
    place.trained("whole", &given);
    place.copy("whole", "resumed");
    place.remove("resumed/checkpoints/step-20");
    place.trained("resumed", &[&given[..], &["--resume", "--threads", "1"]].concat());
    place.assert_same_run("whole", "resumed");

    place.trained("one", &[BFLOAT16, &["--threads", "1"]].concat());
    place.trained("two", &[BFLOAT16, &["--threads", "2"]].concat());
    place.assert_same_run("one", "two");
}

#[test]
fn a_run_keeps_its_precision() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.assert_rejects(
        "run",
        &[BFLOAT16, &["--resume"]].concat(),
        &["matmul_precision", "made with another configuration"],
    );
}

#[test]
fn unknown_precisions_are_rejected() {
    let place = WorkFolder::new();
    let setting = set(&["training.matmul_precision=half"]);
    place.assert_rejects("run", &setting, &["unknown variant `half`", "float32", "bfloat16"]);
}

#[cfg(feature = "ndarray")]
#[test]
fn other_backends_reject_bfloat16() {
    let place = WorkFolder::new();
    let given = [BFLOAT16, &["--device", "ndarray"]].concat();
    place.assert_rejects("run", &given, &["training.matmul_precision", "\"float32\" on ndarray", "--device flex"]);
}

#[test]
fn quantised_weights_are_not_trained() {
    let place = WorkFolder::new();
    place.trained("base", &["--quiet"]);
    let (tensors, note) = weights::from_safetensors(&place.weights("base")).unwrap();
    let quantised = quantised::to_safetensors(&tensors, &note.unwrap(), quantised::rows).unwrap();
    place.write("base/model.safetensors", quantised);
    // The first by name, in each process.
    let parts = [
        "tensor `decoder.layers.0.cross_attention.key.weight` is quantised to int8",
        "training.init_from = base",
        "float32",
        "use the run folder that `infer quantise` read",
    ];
    for _ in 0..3 {
        place.assert_rejects("run", &["--init-from", "base"], &parts);
    }
}
