//! Bad run folders, texts and options: one message with place, found, expected and remedy; exit code 1, or 2 for wrong
//! usage; no panic.

#[cfg(not(feature = "mpi"))]
use std::process::Command;
use std::process::Stdio;

use model::{ModelConfig, VocabularySizes, weights};
use testing::run::{MAX_LENGTH, Run, config, random_weights, tokenizer};
#[cfg(not(feature = "mpi"))]
use testing::{ProcessOutput, binary};
use text::Tokenizer;

const FILES: [&str; 4] = ["config.toml", "source.tokenizer.json", "target.tokenizer.json", "model.safetensors"];

/// Asserts that weights of another configuration or vocabulary are rejected.
fn rejects_weights(change: impl FnOnce(&mut ModelConfig, &mut VocabularySizes), message: &[&str]) {
    let run = Run::new();
    let (mut config, mut sizes) = (config(), VocabularySizes::joint(tokenizer().vocab_size()));
    change(&mut config, &mut sizes);
    run.write("model.safetensors", random_weights(&config, sizes));
    run.assert_rejects(&["1"], &[&["model.safetensors: tensor"], message].concat());
}

#[test]
fn a_missing_file_is_named() {
    let run = Run::new();
    for file in FILES {
        let bytes = run.read(file);
        run.remove(file);
        let message = format!("{file} is missing");
        run.assert_rejects(&["1"], &[&message, "is not a run folder", "give the folder that `train` wrote"]);
        run.write(file, bytes);
    }
    assert_eq!(run.infer(&["1"]).code, Some(0), "all are there again");
}

#[test]
fn a_missing_folder_is_named() {
    let run = Run::new();
    std::fs::remove_dir_all(run.path()).unwrap();
    let name = run.path().display().to_string();
    run.assert_rejects(&["1"], &["is not a run folder", &name, "wait for its first validation"]);
    std::fs::write(run.path(), "a file").unwrap();
    run.assert_rejects(&["1"], &["is not a run folder", &name]);
}

#[test]
fn truncated_files_are_named() {
    for (file, message) in [
        ("source.tokenizer.json", "use the file that training wrote"),
        ("target.tokenizer.json", "use the file that training wrote"),
        ("model.safetensors", "damaged"),
    ] {
        let run = Run::new();
        let bytes = run.read(file);
        run.write(file, &bytes[..bytes.len() / 2]);
        run.assert_rejects(&["1"], &[file, message]);
        run.write(file, "");
        run.assert_rejects(&["1"], &[file, message]);
    }
}

/// Offsets whose sum exceeds 64 bits.
#[test]
fn overflowing_offsets_are_damage() {
    let values = (1u64 << 59) - 2;
    let mut header = String::from(r#"{"__metadata__":{"attend":"{}"}"#);
    for i in 0..8 {
        let (from, to) = (i * 4 * values, (i + 1) * 4 * values);
        header += &format!(r#","t{i}":{{"dtype":"F32","shape":[{values}],"data_offsets":[{from},{to}]}}"#);
    }
    let from = 32 * values;
    header += &format!(r#","u":{{"dtype":"U8","shape":[60],"data_offsets":[{from},{}]}}}}"#, from + 60);
    let run = Run::new();
    run.write("model.safetensors", [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat());
    run.assert_rejects(&["1"], &["model.safetensors", "damaged"]);
}

#[test]
fn files_of_another_kind_are_named() {
    for file in FILES {
        let run = Run::new();
        run.write(file, b"\xFF\xFE\x00\x01 a picture, say");
        run.assert_rejects(&["1"], &[file]);
    }
}

#[test]
fn foreign_tokenizers_are_rejected() {
    let run = Run::new();
    run.write("source.tokenizer.json", r#"{ "model": { "type": "WordPiece", "vocab": {} } }"#);
    run.assert_rejects(&["1"], &["source.tokenizer.json", "WordPiece", "WordLevel"]);
    run.write("source.tokenizer.json", tokenizer().to_json().replace("\"0\"", "\"</s>\""));
    run.assert_rejects(&["1"], &["source.tokenizer.json", "expected"]);
}

#[test]
fn weights_of_another_shape_are_rejected() {
    rejects_weights(|config, _| config.d_model = 32, &["[13, 32]", "[13, 16]", "embeddings.shared"]);
    rejects_weights(|config, _| config.d_ff = 8, &["shape [8]", "expects [32]", "feed_forward"]);
    rejects_weights(|_, sizes| *sizes = VocabularySizes::joint(20), &["[20, 16]", "[13, 16]", "embeddings.shared"]);
}

#[test]
fn missing_and_extra_weights_are_rejected() {
    rejects_weights(|config, _| config.bias = false, &["bias` is missing", "another configuration"]);
    rejects_weights(
        |config, _| config.decoder_layers = 2,
        &["`decoder.layers.1.", "is not in this model", "another configuration"],
    );
}

#[test]
fn weights_that_are_not_finite_are_rejected() {
    let run = Run::new();
    let (mut tensors, _) = weights::from_safetensors(&run.read("model.safetensors")).unwrap();
    tensors.iter_mut().for_each(|tensor| tensor.values.fill(f32::NAN));
    run.write("model.safetensors", weights::to_safetensors(&tensors, "{}").unwrap());
    for options in [&["1 2"][..], &["1 2", "--beam", "2"], &["1 2", "--sample"]] {
        run.assert_rejects(options, &["the model's numbers are not finite", "its weights are damaged"]);
    }
    let given = run.attend(&["1 2", "--target", "3", "--output", "-"]);
    given.assert_rejected(&["the model's numbers are not finite"]);
}

#[test]
fn weights_of_another_program_are_rejected() {
    let run = Run::new();
    let bytes = run.read("model.safetensors");
    let at = bytes.windows(8).position(|window| window == b"\"attend\"").unwrap();
    run.write("model.safetensors", [&bytes[..at], b"\"format\"", &bytes[at + 8..]].concat());
    run.assert_rejects(&["1"], &["model.safetensors", "`attend`", "not written by this program"]);
}

#[test]
fn a_vocabulary_of_another_size_is_rejected() {
    let run = Run::new();
    run.write("target.tokenizer.json", Tokenizer::from_words(&["one", "two"]).to_json());
    run.assert_rejects(&["1"], &["model.tie = \"all\"", "config.toml", "the source has 13 entries and the target 5"]);
}

#[test]
fn invalid_configurations_name_line_or_field() {
    let line = |line: &str, replacement: &str, message: &[&str]| {
        let run = Run::new();
        let place = format!("config.toml: TOML parse error at line {},", run.configure(line, replacement));
        run.assert_rejects(&["1"], &[&[place.as_str()], message].concat());
    };
    line("d_model = 16", "d_modell = 16", &["unknown field `d_modell`", "`d_model`"]);
    line("d_model = 16", "d_model = \"big\"", &["string \"big\""]);
    line("[decoding]", "[decoding]\nbeams = 4", &["unknown field `beams`"]);
    line("[model]", "[network]", &["missing field `model`"]);

    let field = |line: &str, replacement: &str, message: &[&str]| {
        let run = Run::new();
        run.configure(line, replacement);
        run.assert_rejects(&["1"], &[message, &["config.toml"]].concat());
    };
    field("n_heads = 2", "n_heads = 3", &["model.n_heads = 3", "a divisor of model.d_model = 16", "choose one of"]);
    field("n_heads = 2", "", &["model.n_heads = nothing", "every key", "restore the file"]);
    field("d_ff = 32", "d_ff = 0", &["model.d_ff = 0", "at least 1"]);
    field("dropout = 0.1", "dropout = nan", &["model.dropout = NaN", "below 1"]);
    field("[decoding]", "[decoding]\nmax_length = 99", &["decoding.max_length = 99", "1 to model.max_length = 24"]);
}

#[test]
fn texts_that_are_too_long_are_named() {
    let run = Run::new();
    let fits = "1 ".repeat(MAX_LENGTH - 1);
    let long = "1 ".repeat(MAX_LENGTH);
    assert_eq!(run.translations(&[&fits], &[]).len(), 1);
    let message = ["25 tokens", "text 2", "24 (model.max_length)", "split the text"];
    run.infer(&["--too-long", "fail", "1", &long]).assert_failed(&message);
}

#[test]
fn lines_before_a_too_long_one_are_translated() {
    let run = Run::new();
    let answers = run.translations(&["1 2", "3"], &[]);
    let ran =
        run.infer_with_stdin(format!("1 2\n3\n{}\n4\n", "1 ".repeat(MAX_LENGTH)), &["--too-long", "fail", "--quiet"]);
    ran.assert_failed(&["25 tokens", "text 3", "24 (model.max_length)"]);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), answers);
}

#[test]
fn options_out_of_range_name_the_range() {
    let run = Run::new();
    run.assert_rejects(&["--max-length", "0", "1"], &["--max-length", "= 0", "1 to model.max_length = 24"]);
    run.assert_rejects(&["--max-length", "25", "1"], &["--max-length", "= 25", "1 to model.max_length = 24"]);
    run.assert_rejects(&["--batch-tokens", "0", "1"], &["--batch-tokens = 0", "at least 1"]);
    run.assert_rejects(&["--threads", "0", "1"], &["--threads = 0", "at least 1"]);
    run.assert_rejects(&["--threads", "5000", "1"], &["--threads = 5000", "at most 1024", "omit it"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    let run = Run::new();
    for (arguments, message) in [
        (&["--format", "xml", "1"], &["xml", "text, jsonl"]),
        (&["--threads", "many", "1"], &["many", "--threads"]),
        (&["--max-length", "-1", "1"], &["-1", "--model"]),
        (&["--modle", "x", "1"], &["--modle", "--model"]),
        (&["--quiet", "--alignment", "1"], &["--alignment", "--format jsonl"]),
    ] {
        let ran = run.infer(arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.assert_stderr_contains(message);
        assert_eq!(ran.stdout, "");
    }
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_device_not_compiled_in_names_its_feature() {
    let message = ["device `wgpu` is not in this build", "which has", "flex", "--features wgpu"];
    Run::new().assert_rejects(&["--device", "wgpu", "1"], &message);
}

#[cfg(feature = "wgpu")]
#[test]
fn a_missing_gpu_names_the_cpu_as_remedy() {
    let ran = Run::new().infer_without_gpu(&["--device", "wgpu", "1"]);
    ran.assert_failed(&["device `wgpu` cannot be opened", "--device flex"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn an_unknown_device_lists_the_known_ones() {
    Run::new().assert_rejects(&["--device", "tpu", "1"], &["`tpu`", "cuda, vulkan, wgpu, ndarray, flex"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Run::new().infer_into(Stdio::from(full), &["--quiet", "1"]);
    ran.assert_failed(&["standard output", "No space left"]);
}

#[cfg(unix)]
#[test]
fn an_unreadable_input_is_an_error() {
    let run = Run::new();
    let folder = std::fs::File::open(run.path()).unwrap();
    let ran = run.infer_from(Stdio::from(folder), &["--quiet"]);
    ran.assert_failed(&["standard input", "directory"]);
}

#[cfg(not(feature = "mpi"))]
#[test]
fn a_build_without_mpi_rejects_lines_of_a_job() {
    let run = Run::new();
    let infer = |arguments: &[&str]| {
        let mut command = Command::new(binary("infer"));
        command.args(["--device", "flex", "--model"]).arg(run.path()).args(arguments).stdin(Stdio::null());
        ProcessOutput::from(command.env("OMPI_COMM_WORLD_SIZE", "2").output().expect("a binary that starts"))
    };
    infer(&[]).assert_failed(&["OMPI_COMM_WORLD_SIZE = 2", "without MPI", "--features mpi", "unset"]);
    assert_eq!(infer(&["1 2"]).code, Some(0), "each process translates texts by itself");
}
