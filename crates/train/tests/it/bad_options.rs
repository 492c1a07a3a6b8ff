//! Invalid settings of options beyond the paper: one message with place, found, expected and remedy; exit code 1, no panic,
//! no file written.

#[cfg(not(feature = "mpi"))]
use crate::common::ProcessOutput;
use crate::common::{WorkFolder, set};

/// Asserts that a setting of the copy task is rejected with a message that contains `parts`.
fn rejects_setting(setting: &str, parts: &[&str]) {
    WorkFolder::new().assert_rejects("run", &["--set", setting], parts);
}

#[test]
fn final_weights_and_their_options_belong_together() {
    let last = "training.average={ of = \"last\", count = 3 }";
    let rejects = |settings: &[&str], parts: &[&str]| WorkFolder::new().assert_rejects("run", &set(settings), parts);
    let only = |export: &str| format!("nothing, since only training.final_weights = \"{export}\" uses it");
    for (settings, export) in
        [(&["training.ema=0.9"][..], "ema"), (&["training.ema=0.9", "training.final_weights=average", last], "ema")]
    {
        rejects(settings, &["training.ema = a value", &only(export), "remove it", "tiny.toml"]);
    }
    for settings in [&[last][..], &[last, "training.final_weights=ema", "training.ema=0.9"]] {
        rejects(settings, &["training.average = a value", &only("average"), "remove it", "tiny.toml"]);
    }
    rejects(&["training.final_weights=ema"], &["training.ema = nothing", "a decay", "set training.ema = 0.999"]);
    let parts =
        ["training.average = nothing", "which validations", "set training.average = { of = \"last\", count = 5 }"];
    rejects(&["training.final_weights=average"], &parts);
    rejects(&["training.final_weights=ema", "training.ema=1.0"], &["training.ema = 1:", "below 1", "0.999 is usual"]);
    let none = ["training.final_weights=average", "training.average={ of = \"best\", count = 0 }"];
    rejects(&none, &["training.average.count = 0", "at least 1"]);
    let unknown = ["training.final_weights=average", "training.average={ of = \"first\", count = 2 }"];
    rejects(&unknown, &["unknown variant `first`", "`last`", "`best`"]);
    rejects(&["training.final_weights=middle"], &["unknown variant `middle`", "`best`", "`average`", "`ema`"]);
}

#[test]
fn weight_decay_needs_adamw() {
    let parts = ["training.weight_decay = 0.1", "training.optimizer = \"adam\" has none", "\"adamw\", or remove it"];
    rejects_setting("training.weight_decay=0.1", &parts);
    rejects_setting("training.optimizer=sgd", &["unknown variant `sgd`", "`adam`", "`adamw`"]);
}

#[test]
fn r_drop_out_of_range_is_rejected() {
    for (alpha, found) in [("-1.0", "-1"), ("inf", "inf"), ("nan", "NaN")] {
        let found = format!("training.r_drop.alpha = {found}");
        rejects_setting(&format!("training.r_drop={{ alpha = {alpha} }}"), &[&found, "at least 0", "1 to 5 is usual"]);
    }
    rejects_setting("training.r_drop={ after = 5 }", &["missing field `alpha`", "--set training.r_drop"]);
    rejects_setting("training.r_drop=2", &["invalid type", "--set training.r_drop=2"]);
}

#[test]
fn annealed_dropout_out_of_range_is_rejected() {
    for (to, found) in [("1.5", "1.5"), ("-0.1", "-0.1"), ("nan", "NaN")] {
        let found = format!("training.anneal_dropout.to = {found}");
        rejects_setting(&format!("training.anneal_dropout={{ to = {to} }}"), &[&found, "from 0 to 1"]);
    }
    let late = "training.anneal_dropout={ to = 0.5, after = 100000000 }";
    rejects_setting(late, &["training.anneal_dropout.after = 100000000", "less than training.steps"]);
}

#[test]
fn options_that_need_dropout_are_rejected_without() {
    for (field, value) in [("training.r_drop", "{ alpha = 5.0 }"), ("training.anneal_dropout", "{ to = 0.2 }")] {
        let (setting, found) = (format!("{field}={value}"), format!("{field} = a value"));
        let parts = [found.as_str(), "all dropout rates of [model] are 0", "set model.dropout = 0.1, or remove it"];
        rejects_setting(&setting, &parts);
        let any = set(&["model.ff_dropout=0.1", "training.steps=2", &setting]);
        WorkFolder::new().trained("run", &any);
    }
    let off = set(&["training.steps=2", "training.r_drop={ alpha = 0.0, after = 9 }"]);
    WorkFolder::new().trained("run", &off);
}

#[test]
fn r_drop_after_the_last_step_is_rejected() {
    let late = set(&["model.dropout=0.1", "training.r_drop={ alpha = 5.0, after = 20 }"]);
    let parts = ["training.r_drop.after = 20", "less than training.steps = 20", "half of it is usual", "tiny.toml"];
    WorkFolder::new().assert_rejects("run", &late, &parts);
}

#[test]
fn data_settings_out_of_range_are_rejected() {
    let rejects = |setting: &str, parts: &[&str]| {
        WorkFolder::translating().assert_rejects("run", &["--set", setting], &[parts, &["tiny.toml"]].concat());
    };
    rejects("data.shuffle_buffer=0", &["data.shuffle_buffer = 0", "at least 1"]);
    for length in ["0", "1", "65"] {
        let parts = [&format!("data.max_length = {length}"), "2 to model.max_length = 64", "or remove it"];
        rejects(&format!("data.max_length={length}"), &parts);
    }
    for (ratio, found) in [("0.5", "0.5"), ("-3", "-3"), ("nan", "NaN"), ("inf", "inf")] {
        let parts = [&format!("data.max_ratio = {found}"), "0, or a number of at least 1", "0 keeps every pair"];
        rejects(&format!("data.max_ratio={ratio}"), &parts);
    }
    let parts = ["unknown field `buffer`", "`max_length`, `max_ratio`, `shuffle_buffer`"];
    WorkFolder::translating().assert_rejects("run", &["--set", "data.buffer=5"], &parts);
    rejects_setting(
        "data.max_ratio=3",
        &["data = a table", "generated tasks make their own", "remove the [data] table"],
    );
}

#[test]
fn beams_and_penalties_out_of_range_are_rejected() {
    rejects_setting("decoding.beam=0", &["decoding.beam = 0", "1 to 1000", "1 is greedy"]);
    for key in ["decoding.beam", "validation.beam"] {
        rejects_setting(&format!("{key}=1001"), &[&format!("{key} = 1001"), "1 to 1000", "1 is greedy"]);
    }
    let penalty = |value: &str| format!("decoding.length_penalty={{ {value} }}");
    for (alpha, found) in [("-0.5", "-0.5"), ("nan", "NaN"), ("inf", "inf")] {
        let found = format!("decoding.length_penalty.alpha = {found}");
        rejects_setting(
            &penalty(&format!("form = \"wu\", alpha = {alpha}")),
            &[&found, "at least 0", "0.6 for \"wu\""],
        );
    }
    rejects_setting(&penalty("form = \"log\", alpha = 1"), &["unknown variant `log`", "`power`", "`wu`"]);
    rejects_setting(&penalty("form = \"wu\""), &["missing field `alpha`"]);
    rejects_setting("decoding.length_penalty=1.0", &["decoding.length_penalty=1.0", "invalid type"]);
}

#[test]
fn missing_or_different_origins_are_rejected() {
    let place = WorkFolder::new();
    place.trained("base", &["--quiet"]);
    let from = ["--init-from", "base"];
    for arguments in [&["--init-from", "nowhere"][..], &["--set", "training.init_from=nowhere"]] {
        place.assert_rejects("run", arguments, &["training.init_from: ", "nowhere", "No such file"]);
    }
    for (setting, difference) in [
        ("model.d_model=32", "(model.d_model: 16 there, 32 now)"),
        ("model.encoder_layers=2", "(model.encoder_layers: 1 there, 2 now)"),
        // Options that change no shape.
        ("model.n_heads=4", "(model.n_heads: 2 there, 4 now)"),
        ("model.activation=gelu", "(model.activation: \"relu\" there, \"gelu\" now)"),
        ("model.positions=sinusoidal_halves", "(model.positions: \"sinusoidal\" there, \"sinusoidal_halves\" now)"),
    ] {
        let parts = ["training.init_from = base", difference, "[model] as in that run's config.toml"];
        place.assert_rejects("run", &[&from[..], &["--set", setting]].concat(), &parts);
    }
    let other = [&from[..], &["--set", "task.symbols=5"]].concat();
    place.assert_rejects(
        "run",
        &other,
        &["tiny.toml: training.init_from = base", "the vocabularies of this task", "a run of the same task"],
    );
    place.remove("base/model.safetensors");
    place.assert_rejects("run", &from, &["training.init_from: ", "base", "model.safetensors is missing"]);
}

#[test]
fn learned_positions_must_equal_those_of_the_origin() {
    let place = WorkFolder::new();
    let learned = set(&["model.positions=learned"]);
    place.trained("base", &[&learned[..], &["--quiet"]].concat());
    let shorter = [&learned[..], &["--init-from", "base", "--set", "model.max_length=12"]].concat();
    place.assert_rejects("run", &shorter, &["training.init_from = base", "(model.max_length: 16 there, 12 now)"]);
}

#[test]
fn the_tokenizer_kind_must_equal_that_of_the_origin() {
    let place = WorkFolder::translating();
    place.trained("words", &["--quiet"]);
    let unigrams = set(&["tokenizer.kind=unigram", "tokenizer.vocab_size=290"]);
    place.trained("unigrams", &[&unigrams[..], &["--quiet"]].concat());
    let byte_pairs = ["tokenizer.kind=bpe", "tokenizer.vocab_size=290"];
    for (base, kind) in [("words", "word"), ("unigrams", "unigram")] {
        let parts = [
            "tokenizer.kind = \"bpe\"",
            &format!("expected \"{kind}\", as the vocabularies of training.init_from = {base} are"),
            "remove tokenizer.kind, or train a model of its own",
        ];
        for dropout in [&[][..], &["tokenizer.dropout=0.1"]] {
            let settings = set(&[&byte_pairs[..], dropout].concat());
            place.assert_rejects("run", &[&settings[..], &["--init-from", base]].concat(), &parts);
        }
    }
}

#[cfg(not(feature = "mpi"))]
#[test]
fn a_job_of_several_processes_needs_mpi() {
    let place = WorkFolder::new();
    let before = place.snapshot();
    let mut command = place.command(&["--config", "tiny.toml", "--output", "run"]);
    let ran = ProcessOutput::from(command.env("OMPI_COMM_WORLD_SIZE", "2").output().expect("a binary that starts"));
    ran.assert_rejected(&["OMPI_COMM_WORLD_SIZE = 2", "without MPI", "--features mpi"]);
    assert!(before == place.snapshot(), "nothing is written");
}
