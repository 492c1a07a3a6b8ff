//! Invalid configurations and command lines: one message with place, found, expected and remedy; exit code 1, or 2 for
//! wrong usage; no panic, no file written.

use crate::common::samples::{COPY, TRANSLATE};
use crate::common::{WorkFolder, set};

/// Asserts that `tiny.toml` with one line replaced is rejected with the file and the line.
fn rejects_line(config: &str, line: &str, replacement: &str, parts: &[&str]) {
    assert!(config.contains(line), "{line}");
    let text = config.replacen(line, replacement, 1);
    let number = 1 + text.lines().position(|line| line == replacement).expect("the line");
    let place = format!("tiny.toml: TOML parse error at line {number},");
    // Unrelated overrides do not change the message.
    for arguments in [&[][..], &["--seed", "7", "--set", "training.keep_checkpoints=3"]] {
        WorkFolder::with(&text).assert_rejects("run", arguments, &[&[place.as_str()], parts].concat());
    }
}

/// Asserts that a setting of the copy task is rejected with a message that contains `parts`.
fn rejects_setting(setting: &str, parts: &[&str]) {
    let place = WorkFolder::new();
    place.assert_rejects("run", &["--set", setting], parts);
}

#[test]
fn a_missing_configuration_is_named() {
    let ran = WorkFolder::new().call(&["--config", "absent.toml"]);
    ran.assert_rejected(&["absent.toml", "No such file", "give an existing configuration"]);
}

#[test]
fn a_configuration_that_is_not_text_is_named() {
    let place = WorkFolder::new();
    place.write("tiny.toml", b"[model]\n# caf\xE9\n");
    place.assert_rejects("run", &[], &["cannot read tiny.toml", "UTF-8"]);
}

#[test]
fn an_empty_configuration_lacks_its_task() {
    WorkFolder::with("").assert_rejects("run", &[], &["tiny.toml", "missing field `task`"]);
}

#[test]
fn an_unknown_key_is_shown_with_the_known_ones() {
    rejects_line(COPY, "d_model = 16", "d_modell = 16", &["unknown field `d_modell`", "`d_model`"]);
    rejects_line(COPY, "steps = 20", "step = 20", &["unknown field `step`", "`steps`"]);
    rejects_line(COPY, "sentences = 20", "sentence = 20", &["unknown field `sentence`", "`sentences`"]);
    rejects_line(COPY, "symbols = 4", "symbol = 4", &["unknown field `symbol`", "`symbols`"]);
    rejects_line(COPY, "[model]", "[modell]", &["unknown field `modell`", "`model`"]);
    rejects_line(TRANSLATE, "vocab_size = 40", "vocabulary = 40", &["unknown field `vocabulary`", "`vocab_size`"]);
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_its_line() {
    rejects_line(COPY, "d_model = 16", "d_model = \"big\"", &["string \"big\""]);
    rejects_line(COPY, "d_model = 16", "d_model = 16.5", &["floating point `16.5`"]);
    rejects_line(COPY, "dropout = 0.0", "dropout = true", &["boolean `true`"]);
    rejects_line(COPY, "steps = 20", "steps = -20", &["integer `-20`"]);
    rejects_line(COPY, "symbols = 4", "symbols = \"four\"", &["string \"four\""]);
    rejects_line(COPY, "kind = \"copy\"", "kind = \"paint\"", &["`paint`", "`copy`", "`translate`"]);
    rejects_line(TRANSLATE, "train = \"train.tsv\"", "train = 5", &["integer `5`", "the path of a TSV file"]);
    rejects_line(TRANSLATE, "kind = \"word\"", "kind = \"letters\"", &["`letters`", "`bpe`", "`unigram`", "`word`"]);
}

#[test]
fn invalid_toml_is_shown_with_its_line() {
    rejects_line(COPY, "d_model = 16", "d_model 16", &["d_model 16", "expected `=`"]);
}

#[test]
fn a_key_of_another_kind_of_task_is_rejected() {
    rejects_setting("task.train=train.tsv", &["task.train=train.tsv", "`train`", "copy"]);
    let place = WorkFolder::translating();
    place.assert_rejects("run", &["--set", "task.symbols=4"], &["task.symbols=4", "`symbols`", "translate"]);
    let place = WorkFolder::with(&TRANSLATE.replace("validation = \"validation.tsv\"\n", ""));
    place.assert_rejects("run", &[], &["tiny.toml", "missing field `validation`"]);
}

#[test]
fn heads_must_divide_d_model() {
    let parts = ["model.n_heads = 3", "tiny.toml", "a divisor of model.d_model = 16", "choose one of 1, 2, 4, 8, 16"];
    rejects_setting("model.n_heads=3", &parts);
}

#[test]
fn zero_sizes_are_rejected() {
    for key in [
        "model.d_model",
        "model.n_heads",
        "model.d_ff",
        "model.encoder_layers",
        "model.decoder_layers",
        "task.symbols",
        "task.min_length",
        "training.steps",
        "training.max_tokens",
        "training.micro_batches",
        "training.warmup_steps",
        "training.log_every",
        "training.checkpoint_every",
        "training.keep_checkpoints",
        "validation.every",
        "validation.sentences",
        "validation.beam",
    ] {
        let found = format!("{key} = 0");
        rejects_setting(&format!("{key}=0"), &[&found, "tiny.toml", "at least 1", "choose a positive number"]);
    }
    rejects_setting("model.max_length=0", &["model.max_length = 0", "at least 2"]);
    rejects_setting("task.max_length=0", &["task.max_length = 0", "at least task.min_length = 1"]);
    rejects_setting("decoding.max_length=0", &["decoding.max_length = 0", "1 to model.max_length = 16"]);
}

#[test]
fn negative_and_infinite_numbers_are_rejected() {
    for key in [
        "model.dropout",
        "model.attention_dropout",
        "model.ff_dropout",
        "training.learning_rate",
        "training.label_smoothing",
        "training.clip_norm",
        "training.weight_decay",
        "training.ema",
    ] {
        for (written, found) in [("-0.5", "-0.5"), ("nan", "NaN"), ("inf", "inf")] {
            let parts = format!("{key} = {found}");
            rejects_setting(&format!("{key}={written}"), &[&parts, "tiny.toml", "expected"]);
        }
    }
    rejects_setting("training.label_smoothing=1.0", &["training.label_smoothing = 1", "below 1"]);
    for key in ["model.d_model", "training.steps", "training.seed", "validation.every"] {
        rejects_setting(&format!("{key}=-1"), &["integer `-1`", &format!("--set {key}=-1"), &format!("`{key}`")]);
    }
}

#[test]
fn absurd_sizes_are_rejected() {
    for key in ["model.d_model", "model.d_ff", "model.max_length", "task.symbols"] {
        rejects_setting(&format!("{key}=4611686018427387904"), &[&format!("{key} = 4611686018427387904"), "at most"]);
    }
}

#[test]
fn contradicting_values_are_rejected() {
    let parts = ["model.d_model = 15", "even", "\"learned\""];
    WorkFolder::new().assert_rejects("run", &set(&["model.d_model=15", "model.n_heads=5"]), &parts);
    rejects_setting("task.min_length=5", &["task.max_length = 4", "at least task.min_length = 5"]);
    rejects_setting(
        "training.micro_batches=500",
        &["training.micro_batches = 500", "at most training.max_tokens = 128"],
    );
    rejects_setting("decoding.max_length=99", &["decoding.max_length = 99", "1 to model.max_length = 16"]);
    rejects_setting("task.max_length=40", &["task.max_length = 40", "below model.max_length = 16", "at least 41"]);
    rejects_setting("task.symbols=1", &["too few sequences", "raise task.symbols or task.max_length"]);
    let cosine = ["training.schedule=cosine", "training.learning_rate=0.01", "training.warmup_steps=20"];
    let parts = ["training.warmup_steps = 20", "below training.steps = 20", "5 to 10 % of training.steps"];
    WorkFolder::new().assert_rejects("run", &set(&cosine), &parts);
    rejects_setting("tokenizer.kind=bpe", &["generated tasks", "tokenizer", "remove the [tokenizer] table"]);
    let parts = ["tiny.toml: decoding.source_prefix = \"9 \"", "generated tasks", "remove decoding.source_prefix"];
    rejects_setting("decoding.source_prefix=\"9 \"", &parts);
}

#[test]
fn a_value_in_place_of_a_small_table_shows_one() {
    for (key, table) in [
        ("training.r_drop", "{ alpha = 5.0, after = 0 }"),
        ("training.anneal_dropout", "{ to = 0.2, after = 0 }"),
        ("training.average", "{ of = \"last\", count = 5 }"),
        ("training.lora", "{ rank = 8, alpha = 16 }"),
        ("decoding.length_penalty", "{ form = \"wu\", alpha = 0.6 }"),
    ] {
        let setting = format!("{key}=3");
        rejects_setting(&setting, &[&format!("--set {setting}: "), &format!("expected a table such as {table}")]);
    }
}

#[test]
fn a_malformed_override_is_quoted() {
    let form = "expected table.key=value, for example training.steps=500";
    rejects_setting("training.steps", &["--set training.steps:", form]);
    rejects_setting("steps=5", &["--set steps=5:", form]);
    rejects_setting("training.stepz=5", &["unknown field `stepz`", "--set training.stepz=5", "`steps`"]);
    rejects_setting("training.steps=many", &["string \"many\"", "--set training.steps=many", "training.steps"]);
    rejects_setting("model.d_model.x=1", &["--set model.d_model.x=1:", "`d_model` is a value, not a table"]);
    rejects_setting("nonsense.x=1", &["unknown field `nonsense`", "`training`"]);
}

#[test]
fn an_override_can_correct_the_file() {
    let place = WorkFolder::with(&COPY.replace("d_model = 16", "d_model = \"big\""));
    place.assert_rejects("run", &set(&["model.d_model=16", "model.n_heads=3"]), &["model.n_heads = 3", "d_model = 16"]);
    let again = set(&["model.d_model=16", "model.d_model=big"]);
    place.assert_rejects("run", &again, &["--set model.d_model=big:", "string \"big\""]);
    let before = set(&["training.steps=many", "model.d_model=16"]);
    place.assert_rejects("run", &before, &["--set training.steps=many:", "string \"many\""]);
}

#[test]
fn a_value_in_place_of_a_table_is_the_files_error() {
    for arguments in [&[][..], &["--seed", "7"]] {
        let place = WorkFolder::with("training = 5\n[task]\nkind = \"copy\"\n");
        place.assert_rejects("run", arguments, &["tiny.toml: TOML parse error at line 1,", "integer `5`"]);
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let place = WorkFolder::new();
    place.assert_usage_error(&[], &["--config"]);
    place.assert_usage_error(&["--config", "tiny.toml", "--resume", "--overwrite"], &["--resume", "--overwrite"]);
    place.assert_usage_error(&["--config", "tiny.toml", "--threads", "many"], &["--threads", "many"]);
    place.assert_usage_error(&["--config", "tiny.toml", "--seed", "1.5"], &["--seed", "1.5"]);
    place.assert_usage_error(&["--config", "tiny.toml", "--seed", "9223372036854775808"], &["0..=9223372036854775807"]);
    place.assert_usage_error(&["--config", "tiny.toml", "--sed", "1"], &["--sed"]);
}

#[test]
fn zero_threads_are_rejected() {
    WorkFolder::new().assert_rejects("run", &["--threads", "0"], &["--threads = 0", "at least 1"]);
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_device_not_compiled_in_names_its_feature() {
    let parts = ["device `wgpu` is not in this build", "which has", "flex", "--features wgpu"];
    WorkFolder::new().assert_rejects("run", &["--device", "wgpu"], &parts);
}

#[cfg(feature = "wgpu")]
#[test]
fn a_missing_gpu_names_the_cpu_as_remedy() {
    let place = WorkFolder::new();
    let ran = place.call_without_gpu(&["--config", "tiny.toml", "--output", "run", "--device", "wgpu"]);
    ran.assert_rejected(&["device `wgpu` cannot be opened", "--device flex"]);
    assert_eq!(place.names("."), ["tiny.toml"]);
}

#[test]
fn an_unknown_device_lists_the_known_ones() {
    WorkFolder::new().assert_rejects("run", &["--device", "tpu"], &["`tpu`", "cuda, vulkan, wgpu, ndarray, flex"]);
}
