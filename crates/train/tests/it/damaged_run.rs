//! Resuming a run folder with damaged or missing files: the message names the file and a remedy that works.

use crate::common::{WorkFolder, set};

#[test]
fn damaged_checkpoints_are_named_and_can_be_removed() {
    let place = WorkFolder::new();
    let settings = set(&["training.final_weights=ema", "training.ema=0.9"]);
    let [quiet, resumed] = [&["--quiet"][..], &["--resume"]].map(|option| [&settings[..], option].concat());
    place.trained("whole", &quiet);
    let half = |name: &str| {
        let bytes = place.read(name);
        bytes[..bytes.len() / 2].to_vec()
    };
    let newest = "broken/checkpoints/step-20";
    let state = place.text("whole/checkpoints/step-20/state.json");
    let changed = |from: &str, to: &str| {
        assert!(state.contains(from), "{state}");
        Some(state.replacen(from, to, 1).into_bytes())
    };
    let damages: [(&str, Option<Vec<u8>>); 13] = [
        ("state.json", Some(half("whole/checkpoints/step-20/state.json"))),
        ("state.json", None),
        ("model.safetensors", Some(half("whole/checkpoints/step-20/model.safetensors"))),
        ("model.safetensors", None),
        ("optimizer.safetensors", Some(half("whole/checkpoints/step-20/optimizer.safetensors"))),
        ("optimizer.safetensors", None),
        ("ema.safetensors", Some(half("whole/checkpoints/step-20/ema.safetensors"))),
        ("ema.safetensors", None),
        // A valid file with other tensors.
        ("optimizer.safetensors", Some(place.read("whole/checkpoints/step-20/model.safetensors"))),
        // Valid files of another step.
        ("optimizer.safetensors", Some(place.read("whole/checkpoints/step-10/optimizer.safetensors"))),
        ("state.json", changed("\"step\": 20", "\"step\": 400")),
        ("state.json", changed("\"step\": 20", "\"step\": 0")),
        // A count whose sum with another one would overflow.
        ("state.json", changed("\"pairs\": ", "\"pairs\": 18446744073709551")),
    ];
    for (file, damage) in damages {
        place.copy("whole", "broken");
        match &damage {
            Some(bytes) => place.write(&format!("{newest}/{file}"), bytes),
            None => place.remove(&format!("{newest}/{file}")),
        }
        let message = ["broken/checkpoints/step-20", "remove that folder to resume from the one before it"];
        place.assert_rejects("broken", &resumed, &message);
        place.remove(newest);
        place.trained("broken", &[&resumed[..], &["--quiet"]].concat());
        place.assert_same_run("whole", "broken");
        place.remove("broken");
    }
    place.copy("whole", "broken");
    place.names("broken/checkpoints").iter().filter(|name| *name != "step-20").for_each(|name| {
        place.remove(&format!("broken/checkpoints/{name}"));
    });
    place.remove(&format!("{newest}/state.json"));
    place.assert_rejects(
        "broken",
        &resumed,
        &["broken/checkpoints/step-20", "restore it, or start a new run with --overwrite"],
    );
}

#[test]
fn truncated_metrics_are_rejected() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.write("run/metrics.jsonl", "");
    let ran = place.train("run", &["--resume"]);
    ran.assert_rejected(&["metrics.jsonl", "0 bytes", "--overwrite"]);
    assert!(!ran.stderr.contains("remove that folder"), "{}", ran.stderr);
}

#[test]
fn a_damaged_configuration_is_named() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.write("run/config.toml", "[model]\nd_model = \"big\"\n");
    place.assert_rejects("run", &["--resume"], &["run/config.toml: TOML parse error at line 2", "string \"big\""]);
}

#[test]
fn damaged_corpus_hashes_are_named() {
    let place = WorkFolder::translating();
    place.trained("run", &["--quiet"]);
    place.write("run/corpora.json", "{\"train\": ");
    place.assert_rejects("run", &["--resume"], &["run/corpora.json", "EOF", "hash for each corpus", "--overwrite"]);
    place.remove("run/corpora.json");
    place.assert_rejects("run", &["--resume"], &["run/corpora.json", "No such file", "--overwrite"]);
}

#[test]
fn a_missing_snapshot_is_named() {
    let place = WorkFolder::new();
    let average = "training.average={ of = \"last\", count = 2 }";
    let settings = set(&["training.final_weights=average", average]);
    place.trained("run", &[&settings[..], &["--quiet"]].concat());
    place.remove("run/checkpoints/step-20");
    let resumed = [&settings[..], &["--resume"]].concat();
    place.write("run/snapshots/step-10.safetensors", place.read("run/checkpoints/step-10/optimizer.safetensors"));
    let ran = place.train("run", &resumed);
    ran.assert_rejected(&["run/snapshots/step-10.safetensors holds weights of another model", "--overwrite"]);
    assert!(!ran.stderr.contains("step 20"), "no update before the message: {}", ran.stderr);
    place.remove("run/snapshots/step-10.safetensors");
    let ran = place.train("run", &resumed);
    ran.assert_rejected(&["run/snapshots/step-10.safetensors", "No such file", "--overwrite"]);
}

/// No later validation may be as good as the best, so nothing would write these weights again.
#[test]
fn lost_best_weights_are_named() {
    let place = WorkFolder::new();
    place.trained("whole", &["--quiet"]);
    let more = [&set(&["training.steps=30"])[..], &["--resume"]].concat();
    for (damage, message) in [
        (None, "cannot read run/model.safetensors: No such file"),
        (Some(Vec::new()), "run/model.safetensors holds a damaged file"),
        (
            Some(place.read("whole/checkpoints/step-20/optimizer.safetensors")),
            "model.safetensors holds weights of another",
        ),
    ] {
        place.copy("whole", "run");
        match damage {
            Some(bytes) => place.write("run/model.safetensors", bytes),
            None => place.remove("run/model.safetensors"),
        }
        place.assert_rejects("run", &more, &[message, "restore it, or start a new run with --overwrite"]);
        place.assert_rejects("run", &["--resume"], &[message]);
        place.remove("run");
    }
}

#[test]
fn damaged_weights_of_a_checkpoint_do_not_replace_good_ones() {
    let place = WorkFolder::new();
    let settings = ["validation.every=15", "training.steps=20"];
    place.trained("run", &[&set(&settings)[..], &["--quiet"]].concat());
    let good = place.read("run/model.safetensors");
    let best = "run/checkpoints/step-20/best.safetensors";
    place.write(best, &place.read(best)[..1000]);
    let more = [&set(&["validation.every=15", "training.steps=30"])[..], &["--resume"]].concat();
    place.assert_rejects("run", &more, &[best, "safetensors"]);
    assert!(place.read("run/model.safetensors") == good);
}
