//! Published models become one's own: import, fine-tune, export, import again. Small models of every family.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::{WorkFolder, decode};
use interchange::huggingface::Family;
use interchange::{Format, export, import, recognise};
use model::weights::{self, NamedTensor};
use runs::SavedModel;
use testing::marian_fixture::{fixture, huggingface_fixture, json, marian_nmt_fixture};
use testing::samples;

/// Every family, with its folder and the format of its export.
fn families() -> Vec<(&'static str, PathBuf, Option<Format>)> {
    let t5 = Some(Format::HuggingFace(Family::T5));
    vec![
        ("marian", fixture("swish"), Some(Format::Marian)),
        ("marian-bytes", fixture("gelu-bytes"), Some(Format::Marian)),
        ("t5", huggingface_fixture("t5"), t5),
        ("umt5", huggingface_fixture("umt5"), t5),
        ("byt5", huggingface_fixture("byt5"), t5),
        ("bart", huggingface_fixture("bart"), Some(Format::HuggingFace(Family::Bart))),
        ("pegasus", huggingface_fixture("pegasus"), Some(Format::HuggingFace(Family::Pegasus))),
        ("student", marian_nmt_fixture("student"), None),
    ]
}

/// A configuration that names only data and training, with a learning rate for tiny models.
const MINE: &str = r#"[task]
kind = "translate"
train = "train.tsv"
validation = "validation.tsv"

[training]
steps = 40
max_tokens = 1024
learning_rate = 0.003
warmup_steps = 10
log_every = 10

[validation]
every = 40
sentences = 4
"#;

fn place() -> WorkFolder {
    let place = WorkFolder::translating();
    place.write("mine.toml", MINE);
    place
}

fn imported(place: &WorkFolder, folder: &Path, run: &str) {
    let device = model::backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let format = recognise(folder).expect("a format");
    import(format, folder, &place.path(run), &device).expect("an import");
}

fn tuned(place: &WorkFolder, config: &str, origin: &str, run: &str) {
    let ran = place.call(&["--config", config, "--init-from", origin, "--output", run, "--quiet"]);
    assert_eq!(ran.code, Some(0), "{origin}: {}", ran.stderr);
}

fn exported(place: &WorkFolder, run: &str, format: Format, folder: &str) {
    let saved = SavedModel::open(&place.path(run)).expect("a run");
    let tensors = collected(place, run);
    export(format, &saved, tensors, &saved.decoding, &place.path(run), &place.path(folder)).expect("an export");
}

fn collected(place: &WorkFolder, run: &str) -> Vec<NamedTensor> {
    weights::from_safetensors(&place.weights(run)).expect("weights").0
}

/// The weights of a run by name.
fn tensors(place: &WorkFolder, run: &str) -> BTreeMap<String, Vec<f32>> {
    collected(place, run).into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
}

fn losses(place: &WorkFolder, run: &str) -> Vec<f64> {
    place.metrics(run).iter().filter_map(|line| line["loss"].as_f64()).collect()
}

/// The weights and answers of a fine-tuned model survive its export to the bit, and its loss falls.
#[test]
fn every_family_is_fine_tuned_and_exported() {
    let sources: Vec<String> = samples::pairs(30).into_iter().map(|(source, _)| source).collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    for (name, folder, format) in families() {
        let place = place();
        imported(&place, &folder, "imported");
        tuned(&place, "mine.toml", "imported", "tuned");
        let losses = losses(&place, "tuned");
        assert!(losses.len() == 4 && losses[3] < 0.9 * losses[0], "{name}: {losses:?}");
        let (before, after) = (tensors(&place, "imported"), tensors(&place, "tuned"));
        assert!(before.keys().eq(after.keys()), "{name}");
        let same: Vec<&String> = before.keys().filter(|name| before[*name] == after[*name]).collect();
        assert!(same.is_empty(), "{name}: not trained: {same:?}");

        let Some(format) = format else { continue };
        exported(&place, "tuned", format, "export");
        imported(&place, &place.path("export"), "again");
        assert_eq!(tensors(&place, "again"), after, "{name}");
        let answers = |run: &str| decode(&place.path(run), &sources);
        assert_eq!(answers("again"), answers("tuned"), "{name}");
        assert_ne!(answers("imported"), answers("tuned"), "{name}");
    }
}

/// Models of several languages are trained from one to another.
#[test]
fn languages_are_those_of_the_configuration() {
    for (name, source, target) in [
        ("nllb", "eng_Latn", "deu_Latn"),
        ("m2m100", "en", "de"),
        ("mbart", "en_XX", "de_DE"),
        ("mbart50", "en_XX", "de_DE"),
    ] {
        let place = place();
        imported(&place, &huggingface_fixture(name), "imported");
        let languages = format!("[decoding]\nsource_lang = \"{source}\"\ntarget_lang = \"{target}\"\n");
        place.write("languages.toml", format!("{MINE}\n{languages}"));
        tuned(&place, "languages.toml", "imported", "tuned");
        let losses = losses(&place, "tuned");
        assert!(losses.len() == 4 && losses[3] < 0.9 * losses[0], "{name}: {losses:?}");
        assert!(place.text("tuned/config.toml").contains(&languages[11..]), "{name}");
    }
}

/// Imported vocabularies have no merges to skip.
#[test]
fn dropout_of_an_imported_vocabulary_is_rejected() {
    let place = place();
    imported(&place, &huggingface_fixture("bart"), "imported");
    let arguments =
        ["--config", "mine.toml", "--init-from", "imported", "--output", "run", "--set", "tokenizer.dropout=0.1"];
    place.call(&arguments).assert_rejected(&["tokenizer.dropout = 0.1: expected 0", "training.init_from = imported"]);
}

/// Imported models have no `[tokenizer]` table: its keys may name what the vocabularies are, and are not recorded.
#[test]
fn keys_of_an_imported_vocabulary_are_compared_with_it() {
    let place = place();
    imported(&place, &huggingface_fixture("t5"), "imported");
    let call = |more: &[&str]| {
        let from = ["--config", "mine.toml", "--init-from", "imported", "--output", "run", "--set", "training.steps=1"];
        place.call(&[&from[..], more].concat())
    };
    for (setting, expected) in [
        ("tokenizer.lowercase=true", "mine.toml: tokenizer.lowercase = true: expected nothing, since the vocabularies"),
        ("tokenizer.kind=word", "mine.toml: tokenizer.kind = \"word\": expected \"unigram\", as the vocabularies"),
        ("tokenizer.joint=false", "mine.toml: tokenizer.joint = false: expected true, as the vocabularies"),
    ] {
        call(&["--set", setting]).assert_rejected(&[expected, "of training.init_from = imported", "remove tokenizer."]);
    }
    for resume in [&[][..], &["--resume"]] {
        let ran = call(&[&["--set", "tokenizer.kind=unigram"], resume].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(!place.text("run/config.toml").contains("[tokenizer]"));
    }
}

/// T5 has a trained vector for `<pad>`, from which its decoder starts; Marian's is zero.
#[test]
fn a_start_vector_with_values_is_trained() {
    for (name, folder, trained) in [("t5", huggingface_fixture("t5"), true), ("marian", fixture("swish"), false)] {
        let place = place();
        imported(&place, &folder, "imported");
        place.write("mine.toml", MINE.replace("steps = 40", "steps = 2"));
        tuned(&place, "mine.toml", "imported", "tuned");
        let start = |run: &str| {
            let table = collected(&place, run).into_iter().find(|tensor| tensor.name == "embeddings.shared");
            let table = table.expect("embeddings");
            table.values[table.values.len() - table.shape[1]..].to_vec()
        };
        let (before, after) = (start("imported"), start("tuned"));
        assert_eq!(before.iter().any(|value| *value != 0.0), trained, "{name}");
        assert_eq!(before != after, trained, "{name}");
    }
}

/// A prefix in the configuration is the same as one in every line of the corpus, and stays with the model.
#[test]
fn a_source_prefix_is_read_before_every_source() {
    const PREFIX: &str = "translate English to German: ";
    let place = place();
    imported(&place, &huggingface_fixture("t5"), "imported");
    place.write("prefix.toml", format!("{MINE}\n[decoding]\nsource_prefix = \"{PREFIX}\"\n"));
    tuned(&place, "prefix.toml", "imported", "by-key");
    for file in ["train.tsv", "validation.tsv"] {
        let lines: String = place.text(file).lines().map(|line| format!("{PREFIX}{line}\n")).collect();
        place.write(file, lines);
    }
    tuned(&place, "mine.toml", "imported", "by-line");
    assert!(place.weights("by-key") == place.weights("by-line"));
    assert!(place.weights("by-key") != place.weights("imported"));

    exported(&place, "by-key", Format::HuggingFace(Family::T5), "export");
    assert_eq!(json(&place.path("export/config.json"))["prefix"], PREFIX);
    imported(&place, &place.path("export"), "again");
    let (plain, prefixed) = (["the small cat", " "], ["translate English to German: the small cat", " "]);
    let expected = decode(&place.path("by-line"), &prefixed);
    assert!(!expected[0].is_empty() && expected[1].is_empty(), "{expected:?}");
    for run in ["by-key", "again"] {
        assert_eq!(decode(&place.path(run), &plain), expected, "{run}");
    }
    tuned(&place, "mine.toml", "again", "tuned-again");
    assert!(place.text("tuned-again/config.toml").contains(PREFIX));
}
