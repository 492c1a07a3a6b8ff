//! Fine-tuning: a configuration of data and training alone, and weights that do not change.

use std::collections::BTreeMap;

use crate::common::{WorkFolder, set};
use model::weights;
use runs::RunConfig;
use runs::config::Schedule;

/// A configuration that names only data and training.
const MINE: &str = r#"[task]
kind = "translate"
train = "train.tsv"
validation = "validation.tsv"

[training]
steps = 20
max_tokens = 256
log_every = 5
checkpoint_every = 5
keep_checkpoints = 10

[validation]
every = 10
sentences = 20
"#;

/// A folder with a trained run `base` and the configuration `mine.toml`.
fn place() -> WorkFolder {
    let place = WorkFolder::translating();
    place.trained("base", &[&set(&["model.attention_dropout=0.2", "decoding.beam=3"])[..], &["--quiet"]].concat());
    place.write("mine.toml", MINE);
    place
}

/// Trains `mine.toml` into `output`, from `base`.
fn tune(place: &WorkFolder, output: &str, arguments: &[&str]) {
    let from = ["--config", "mine.toml", "--output", output, "--init-from", "base", "--quiet"];
    let ran = place.call(&[&from[..], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// The weights of a run by name.
fn tensors(place: &WorkFolder, run: &str) -> BTreeMap<String, Vec<f32>> {
    let (tensors, _) = weights::from_safetensors(&place.weights(run)).expect("weights");
    tensors.into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
}

fn config(place: &WorkFolder, run: &str) -> RunConfig {
    toml::from_str(&place.text(&format!("{run}/config.toml"))).expect("a configuration")
}

#[test]
fn model_tokenizer_and_decoding_are_the_origins() {
    let place = place();
    tune(&place, "tuned", &set(&["model.dropout=0.3", "decoding.min_length=1"]));
    let (mut tuned, config_of) = (config(&place, "tuned"), place.text("tuned/config.toml"));
    assert!(config_of.contains("dropout = 0.3") && config_of.contains("attention_dropout = 0.2"), "{config_of}");
    assert_eq!((tuned.model.d_model, tuned.model.attention_dropout, tuned.model.dropout), (16, 0.2, 0.3));
    assert_eq!(tuned.tokenizer.take().map(|tokenizers| tokenizers.source().vocab_size), Some(40));
    assert_eq!((tuned.decoding.beam, tuned.decoding.min_length), (3, 1));
    let training = &tuned.training;
    assert_eq!((training.schedule, training.learning_rate, training.warmup_steps), (Schedule::Constant, 1e-4, 100));
}

#[test]
fn keys_of_the_configuration_replace_the_defaults() {
    let place = place();
    tune(&place, "tuned", &set(&["training.learning_rate=0.002", "training.schedule=inverse_sqrt"]));
    let training = config(&place, "tuned").training;
    assert_eq!((training.schedule, training.learning_rate), (Schedule::InverseSqrt, 0.002));
    assert_eq!(training.warmup_steps, 100);
}

/// Its factor is no rate: 0.0001 times the paper's rates would train nothing.
#[test]
fn noam_keeps_its_own_defaults() {
    let place = place();
    tune(&place, "tuned", &set(&["training.schedule=noam"]));
    let training = config(&place, "tuned").training;
    assert_eq!((training.schedule, training.learning_rate, training.warmup_steps), (Schedule::Noam, 1.0, 4000));
}

#[test]
fn a_key_that_is_removed_keeps_the_value_of_the_resumed_run() {
    let place = place();
    tune(&place, "tuned", &set(&["model.dropout=0.3", "training.learning_rate=0.002", "decoding.beam=2"]));
    let before = place.snapshot();
    tune(&place, "tuned", &["--resume"]);
    assert!(before == place.snapshot());
}

#[test]
fn a_fine_tuned_run_resumes_without_its_origin() {
    let place = place();
    tune(&place, "whole", &[]);
    place.copy("whole", "resumed");
    ["step-10", "step-15", "step-20"].iter().for_each(|step| place.remove(&format!("resumed/checkpoints/{step}")));
    place.remove("base");
    tune(&place, "resumed", &["--resume"]);
    place.assert_same_run("whole", "resumed");
}

#[test]
fn a_resumed_run_needs_the_name_of_its_origin() {
    let place = place();
    tune(&place, "tuned", &[]);
    let ran = place.call(&["--config", "mine.toml", "--output", "tuned", "--resume", "--quiet"]);
    let parts =
        ["training.init_from = nothing: expected \"base\"", "the run tuned was started", "give --init-from base"];
    ran.assert_rejected(&parts);
}

#[test]
fn frozen_weights_keep_their_bytes() {
    let place = place();
    let fast = set(&["training.learning_rate=0.01", "training.warmup_steps=1"]);
    let averages: [&[&str]; 3] = [
        &[],
        &["training.ema=0.9", "training.final_weights=ema"],
        &["training.final_weights=average", "training.average={ of = \"last\", count = 2 }"],
    ];
    for (i, average) in averages.iter().enumerate() {
        let run = format!("tuned-{i}");
        let freeze = ["--freeze", "embeddings,decoder.layers.0.self_attention"];
        tune(&place, &run, &[&fast[..], &set(average), &freeze].concat());
        let (before, after) = (tensors(&place, "base"), tensors(&place, &run));
        assert!(before.keys().eq(after.keys()));
        for (name, values) in &before {
            let frozen = name.starts_with("embeddings.") || name.starts_with("decoder.layers.0.self_attention.");
            assert_eq!(after[name] == *values, frozen, "{name}, averages {average:?}");
        }
        assert!(before.keys().any(|name| name.starts_with("decoder.layers.0.self_attention.")));

        let resumed = format!("resumed-{i}");
        place.copy(&run, &resumed);
        ["step-10", "step-15", "step-20"]
            .iter()
            .for_each(|step| place.remove(&format!("{resumed}/checkpoints/{step}")));
        tune(&place, &resumed, &[&fast[..], &set(average), &freeze, &["--resume"]].concat());
        place.assert_same_run(&run, &resumed);
    }
}

/// Derivatives stop at frozen weights, and pass through frozen layers.
#[test]
fn freezing_the_decoder_keeps_the_encoders_update() {
    let place = place();
    let once = set(&["training.steps=1", "training.warmup_steps=1", "model.dropout=0.1"]);
    tune(&place, "all", &once);
    tune(&place, "encoder", &[&once[..], &["--freeze", "embeddings,decoder"]].concat());
    let (all, encoder, base) = (tensors(&place, "all"), tensors(&place, "encoder"), tensors(&place, "base"));
    for (name, values) in &encoder {
        let expected = if name.starts_with("encoder.") { &all[name] } else { &base[name] };
        assert_eq!(values, expected, "{name}");
    }
}

#[test]
fn weights_that_are_not_numbers_are_rejected() {
    let place = place();
    let (mut tensors, note) = weights::from_safetensors(&place.weights("base")).unwrap();
    tensors[0].values[3] = f32::NAN;
    place.write("base/model.safetensors", weights::to_safetensors(&tensors, &note.unwrap()).unwrap());
    place.assert_rejects("run", &["--init-from", "base"], &["base/model.safetensors", "is not a number (NaN)"]);
}

#[test]
fn freezing_nothing_or_everything_is_rejected() {
    let place = place();
    for (freeze, parts) in [
        (
            "encoders",
            &["tiny.toml: training.freeze = \"encoders\"", "names in model.safetensors", "decoder", "encoder"][..],
        ),
        ("encoder.layers.1", &["training.freeze = \"encoder.layers.1\""]),
        ("encoder.layers.0.self", &["training.freeze = \"encoder.layers.0.self\""]),
        ("embeddings,encoder,decoder", &["training.freeze = all weights", "at least one weight", "remove a name"]),
    ] {
        place.assert_rejects("run", &["--init-from", "base", "--freeze", freeze], parts);
    }
}

/// The merged matrices are W + alpha / rank · B·A of the stored factors; all other weights keep their bytes.
#[test]
fn lora_trains_only_what_it_adapts() {
    let place = place();
    let lora = "training.lora={ rank = 3, alpha = 6.0, matrices = [\"cross_attention.query\", \"encoder.layers.0\"] }";
    let fast = set(&["training.learning_rate=0.03", "training.warmup_steps=1", "training.clip_norm=1.0", lora]);
    for (i, average) in [&[][..], &["training.ema=0.9", "training.final_weights=ema"]].iter().enumerate() {
        let (run, resumed) = (format!("tuned-{i}"), format!("resumed-{i}"));
        let arguments = [&fast[..], &set(average)].concat();
        tune(&place, &run, &arguments);
        let losses: Vec<f64> = place.metrics(&run).iter().filter_map(|line| line["loss"].as_f64()).collect();
        assert!(losses.last() < losses.first(), "{losses:?}");
        let (before, after) = (tensors(&place, "base"), tensors(&place, &run));
        assert!(before.keys().eq(after.keys()));
        for (name, values) in &before {
            let adapted = name.ends_with(".weight")
                && (name.contains("cross_attention.query") || name.starts_with("encoder.layers.0."));
            assert_eq!(after[name] != *values, adapted, "{name}");
        }

        let checkpoint = format!("{run}/checkpoints/step-20");
        let (factors, _) = weights::from_safetensors(&place.read(&format!("{checkpoint}/lora.safetensors"))).unwrap();
        let (merged, _) = weights::from_safetensors(&place.read(&format!("{checkpoint}/model.safetensors"))).unwrap();
        assert_eq!(factors.len(), 3 * before.iter().filter(|(name, values)| after[*name] != **values).count());
        for [base, a, b] in factors.as_chunks::<3>().0 {
            let name = base.name.replace(".base", ".weight");
            assert_eq!(
                (&base.values, &a.shape[..], &b.shape[..]),
                (&before[&name], &[3, base.shape[1]][..], &[base.shape[0], 3][..])
            );
            let found = &merged.iter().find(|tensor| tensor.name == name).expect("a merged matrix").values;
            for (at, value) in found.iter().enumerate() {
                let (row, column) = (at / base.shape[1], at % base.shape[1]);
                let product: f32 = (0..3).map(|k| b.values[3 * row + k] * a.values[k * base.shape[1] + column]).sum();
                assert!((value - base.values[at] - 2.0 * product).abs() < 1e-5, "{name}, {at}");
            }
        }

        place.copy(&run, &resumed);
        ["step-10", "step-15", "step-20"]
            .iter()
            .for_each(|step| place.remove(&format!("{resumed}/checkpoints/{step}")));
        tune(&place, &resumed, &[&arguments[..], &["--resume", "--threads", "1"]].concat());
        place.assert_same_run(&run, &resumed);
    }

    place.remove("tuned-0/checkpoints/step-20/lora.safetensors");
    let from = ["--config", "mine.toml", "--output", "tuned-0", "--init-from", "base", "--quiet", "--resume"];
    let longer = set(&["training.steps=30"]);
    place.call(&[&from[..], &fast, &longer].concat()).assert_failed(&["cannot read lora.safetensors"]);
}

#[test]
fn lora_without_effect_is_rejected() {
    let place = place();
    for (settings, parts) in [
        (&["training.lora={ rank = 0 }"][..], &["training.lora.rank = 0", "at least 1"][..]),
        (&["training.lora={ alpha = -1.0 }"], &["training.lora.alpha = -1", "a positive number"]),
        (&["training.lora={ matrices = [] }"], &["training.lora.matrices = []", "at least one name"]),
        (
            &["training.lora={ matrices = [\"query\", \"embeddings\"] }"],
            &["tiny.toml: training.lora.matrices = \"embeddings\"", "choose query, key"],
        ),
        (&["training.lora={ rnk = 8 }"], &["unknown field `rnk`"]),
        (
            &["training.lora={ rank = 8 }", "training.freeze=[\"encoder\"]"],
            &["training.freeze = a list", "since training.lora trains no weight but its own"],
        ),
    ] {
        place.assert_rejects("run", &[&["--init-from", "base"][..], &set(settings)].concat(), parts);
    }
    let parts = ["training.lora = a table", "training.init_from too"];
    place.assert_rejects("run", &set(&["training.lora={ rank = 8 }"]), &parts);
}
