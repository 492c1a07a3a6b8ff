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
    let damages: [(&str, Option<Vec<u8>>); 9] = [
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
    place.remove("run/snapshots/step-10.safetensors");
    let ran = place.train("run", &[&settings[..], &["--resume"]].concat());
    ran.assert_rejected(&["run/snapshots/step-10.safetensors", "No such file", "--overwrite"]);
}
