//! Whatever is wrong with the configuration or the command line: one message that says where, what was found, what was
//! expected and what to do, exit code 1 (or 2 for wrong usage), no panic, and nothing left on disk.

use crate::common::samples::{COPY, TRANSLATE};
use crate::common::{WorkFolder, set};

/// `tiny.toml` with one line replaced is refused, naming the file and that line.
fn refuses_line(config: &str, line: &str, replacement: &str, told: &[&str]) {
    assert!(config.contains(line), "{line}");
    let text = config.replacen(line, replacement, 1);
    let number = 1 + text.lines().position(|line| line == replacement).expect("the line");
    let place = format!("tiny.toml: TOML parse error at line {number},");
    // Overrides that have nothing to do with it hide nothing of it.
    for arguments in [&[][..], &["--seed", "7", "--set", "training.keep_checkpoints=3"]] {
        WorkFolder::with(&text).assert_rejects("run", arguments, &[&[place.as_str()], told].concat());
    }
}

/// A setting of the copy task is refused, naming the field and what was found.
fn refuses_setting(setting: &str, told: &[&str]) {
    let place = WorkFolder::new();
    place.assert_rejects("run", &["--set", setting], told);
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
fn an_unknown_key_is_shown_with_its_line_and_the_known_ones() {
    refuses_line(COPY, "d_model = 16", "d_modell = 16", &["unknown field `d_modell`", "`d_model`"]);
    refuses_line(COPY, "steps = 20", "step = 20", &["unknown field `step`", "`steps`"]);
    refuses_line(COPY, "sentences = 20", "sentence = 20", &["unknown field `sentence`", "`sentences`"]);
    refuses_line(COPY, "symbols = 4", "symbol = 4", &["unknown field `symbol`", "`symbols`"]);
    refuses_line(COPY, "[model]", "[modell]", &["unknown field `modell`", "`model`"]);
    refuses_line(TRANSLATE, "vocab_size = 40", "vocabulary = 40", &["unknown field `vocabulary`", "`vocab_size`"]);
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_its_line() {
    refuses_line(COPY, "d_model = 16", "d_model = \"big\"", &["string \"big\""]);
    refuses_line(COPY, "d_model = 16", "d_model = 16.5", &["floating point `16.5`"]);
    refuses_line(COPY, "dropout = 0.0", "dropout = true", &["boolean `true`"]);
    refuses_line(COPY, "steps = 20", "steps = -20", &["integer `-20`"]);
    refuses_line(COPY, "symbols = 4", "symbols = \"four\"", &["string \"four\""]);
    refuses_line(COPY, "kind = \"copy\"", "kind = \"paint\"", &["`paint`", "`copy`", "`translate`"]);
    refuses_line(TRANSLATE, "train = \"train.tsv\"", "train = 5", &["integer `5`", "the path of a TSV file"]);
    refuses_line(TRANSLATE, "kind = \"word\"", "kind = \"letters\"", &["`letters`", "`bpe`", "`unigram`", "`word`"]);
}

#[test]
fn what_is_no_toml_is_shown_with_its_line() {
    refuses_line(COPY, "d_model = 16", "d_model 16", &["d_model 16", "expected `=`"]);
}

#[test]
fn a_key_of_another_kind_of_task_is_refused() {
    refuses_setting("task.train=train.tsv", &["task.train=train.tsv", "`train`", "copy"]);
    let place = WorkFolder::translating();
    place.assert_rejects("run", &["--set", "task.symbols=4"], &["task.symbols=4", "`symbols`", "translate"]);
    let place = WorkFolder::with(&TRANSLATE.replace("validation = \"validation.tsv\"\n", ""));
    place.assert_rejects("run", &[], &["tiny.toml", "missing field `validation`"]);
}

#[test]
fn heads_that_do_not_divide_the_width_are_refused_with_those_that_do() {
    let told = ["model.n_heads = 3", "tiny.toml", "a divisor of model.d_model = 16", "choose one of 1, 2, 4, 8, 16"];
    refuses_setting("model.n_heads=3", &told);
}

#[test]
fn zero_sizes_are_refused() {
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
        refuses_setting(&format!("{key}=0"), &[&found, "tiny.toml", "at least 1", "choose a positive number"]);
    }
    refuses_setting("model.max_length=0", &["model.max_length = 0", "at least 2"]);
    refuses_setting("task.max_length=0", &["task.max_length = 0", "at least task.min_length = 1"]);
    refuses_setting("decoding.max_length=0", &["decoding.max_length = 0", "1 to model.max_length = 16"]);
}

#[test]
fn negative_infinite_and_undefined_numbers_are_refused() {
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
            let told = format!("{key} = {found}");
            refuses_setting(&format!("{key}={written}"), &[&told, "tiny.toml", "expected"]);
        }
    }
    refuses_setting("training.label_smoothing=1.0", &["training.label_smoothing = 1", "below 1"]);
    for key in ["model.d_model", "training.steps", "training.seed", "validation.every"] {
        refuses_setting(&format!("{key}=-1"), &["integer `-1`", &format!("--set {key}=-1"), &format!("`{key}`")]);
    }
}

#[test]
fn sizes_beyond_any_machine_are_refused() {
    for key in ["model.d_model", "model.d_ff", "model.max_length", "task.symbols"] {
        refuses_setting(&format!("{key}=4611686018427387904"), &[&format!("{key} = 4611686018427387904"), "at most"]);
    }
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let told = ["model.d_model = 15", "even", "\"learned\""];
    WorkFolder::new().assert_rejects("run", &set(&["model.d_model=15", "model.n_heads=5"]), &told);
    refuses_setting("task.min_length=5", &["task.max_length = 4", "at least task.min_length = 5"]);
    refuses_setting(
        "training.micro_batches=500",
        &["training.micro_batches = 500", "at most training.max_tokens = 128"],
    );
    refuses_setting("decoding.max_length=99", &["decoding.max_length = 99", "1 to model.max_length = 16"]);
    refuses_setting("task.max_length=40", &["task.max_length = 40", "below model.max_length = 16", "at least 41"]);
    refuses_setting("task.symbols=1", &["too few sequences", "raise task.symbols or task.max_length"]);
    let cosine = ["training.schedule=cosine", "training.learning_rate=0.01", "training.warmup_steps=20"];
    let told = ["training.warmup_steps = 20", "below training.steps = 20", "5 to 10 % of training.steps"];
    WorkFolder::new().assert_rejects("run", &set(&cosine), &told);
    refuses_setting("tokenizer.kind=bpe", &["generated tasks", "tokenizer", "remove the [tokenizer] table"]);
}

#[test]
fn an_override_that_makes_no_sense_is_quoted() {
    let form = "expected table.key=value, for example training.steps=500";
    refuses_setting("training.steps", &["--set training.steps:", form]);
    refuses_setting("steps=5", &["--set steps=5:", form]);
    refuses_setting("training.stepz=5", &["unknown field `stepz`", "--set training.stepz=5", "`steps`"]);
    refuses_setting("training.steps=many", &["string \"many\"", "--set training.steps=many", "training.steps"]);
    refuses_setting("model.d_model.x=1", &["--set model.d_model.x=1:", "`d_model` is a value, not a table"]);
    refuses_setting("nonsense.x=1", &["unknown field `nonsense`", "`training`"]);
}

#[test]
fn an_override_may_mend_the_file_and_is_quoted_where_it_spoils_it_again() {
    let place = WorkFolder::with(&COPY.replace("d_model = 16", "d_model = \"big\""));
    place.assert_rejects("run", &set(&["model.d_model=16", "model.n_heads=3"]), &["model.n_heads = 3", "d_model = 16"]);
    let again = set(&["model.d_model=16", "model.d_model=big"]);
    place.assert_rejects("run", &again, &["--set model.d_model=big:", "string \"big\""]);
    let before = set(&["training.steps=many", "model.d_model=16"]);
    place.assert_rejects("run", &before, &["--set training.steps=many:", "string \"many\""]);
}

#[test]
fn a_value_where_a_table_belongs_is_the_files_fault_whatever_is_overridden() {
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
fn no_threads_are_too_few() {
    WorkFolder::new().assert_rejects("run", &["--threads", "0"], &["--threads = 0", "at least 1"]);
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_device_that_is_not_compiled_in_names_the_feature_to_build_with() {
    let told = ["device `wgpu` is not in this build", "which has", "flex", "--features wgpu"];
    WorkFolder::new().assert_rejects("run", &["--device", "wgpu"], &told);
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_that_is_not_there_is_told_with_the_way_to_the_cpu() {
    let place = WorkFolder::new();
    let ran = place.call_without_gpu(&["--config", "tiny.toml", "--output", "run", "--device", "wgpu"]);
    ran.assert_rejected(&["device `wgpu` cannot be opened", "--device flex"]);
    assert_eq!(place.names("."), ["tiny.toml"]);
}

#[test]
fn an_unknown_device_is_told_the_known_ones() {
    WorkFolder::new().assert_rejects("run", &["--device", "tpu"], &["`tpu`", "cuda, vulkan, wgpu, ndarray, flex"]);
}
