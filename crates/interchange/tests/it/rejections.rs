//! Imports reject unsupported options and damaged files by name.

use std::fs;

use serde_json::{Value, json};

use crate::folder::{Copy, Import as _, fixture};

/// The error message after changing a key of a JSON file.
fn with_key(file: &str, key: &str, value: Value) -> String {
    let copy = Copy::new("swish");
    copy.edit(file, |contents| contents[key] = value);
    copy.rejection()
}

#[test]
fn networks_of_another_kind() {
    for (key, value, message) in [
        ("model_type", json!("bart"), "model_type = \"bart\": expected \"marian\""),
        ("normalize_before", json!(true), "normalize_before = true: expected false"),
        ("normalize_embedding", json!(true), "normalize_embedding = true: expected false"),
        ("static_position_embeddings", json!(false), "static_position_embeddings = false: expected true"),
        ("scale_embedding", json!("root"), "scale_embedding = \"root\": expected true or false"),
        (
            "activation_function",
            json!("gelu_fast"),
            "activation_function = gelu_fast: expected one of relu, gelu, swish, silu, gelu_new",
        ),
        ("decoder_attention_heads", json!(3), "model.decoder_heads = 3: expected a divisor of model.d_model = 16"),
        ("quantization_config", json!({"bits": 8}), "quantization_config = {\"bits\":8}: expected nothing"),
        ("eos_token_id", json!(-1), "eos_token_id = -1: expected a number"),
        (
            "eos_token_id",
            json!(1_099_511_627_776_u64),
            "eos_token_id = 1099511627776: expected an id below the vocabulary's size, ",
        ),
        ("pad_token_id", json!(5), "expected pad_token_id = 5"),
        ("decoder_start_token_id", json!(0), "decoder_start_token_id = 0: expected pad_token_id = "),
        ("tie_word_embeddings", json!(false), "tie_word_embeddings = false: expected true, as embeddings are shared"),
        ("d_model", json!("wide"), "d_model = \"wide\": expected a number"),
        ("encoder_attention_heads", json!(3), "model.n_heads = 3: expected a divisor of model.d_model = 16"),
        ("dropout", json!(2.0), "model.dropout = 2: expected a rate"),
    ] {
        let error = with_key("config.json", key, value);
        assert!(error.starts_with("config.json: ") && error.contains(message), "{key}: {error}");
    }
}

#[test]
fn settings_that_cannot_be_used() {
    let error = with_key("generation_config.json", "length_penalty", json!(-1.0));
    assert!(
        error.starts_with("generation_config.json: length_penalty = -1: expected a number of at least 0"),
        "{error}"
    );
    let error = with_key("tokenizer_config.json", "sp_model_kwargs", json!({"enable_sampling": true}));
    assert!(error.starts_with("tokenizer_config.json: sp_model_kwargs = "), "{error}");
}

#[test]
fn files_that_are_missing() {
    for (file, message) in [
        ("config.json", "is not a Hugging Face Marian folder: config.json is missing"),
        ("model.safetensors", "is not a Hugging Face Marian folder: model.safetensors is missing"),
        ("source.spm", "is not a Hugging Face Marian folder: source.spm is missing"),
        ("target.spm", "cannot read target.spm"),
        ("vocab.json", "cannot read vocab.json"),
    ] {
        let copy = Copy::new("swish");
        copy.remove(file);
        let error = copy.rejection();
        assert!(error.contains(message), "{file}: {error}");
    }
}

#[test]
fn vocabularies_that_do_not_fit() {
    let with = |change: fn(&mut Value)| {
        let copy = Copy::new("swish");
        copy.edit("vocab.json", change);
        copy.rejection()
    };
    let error = with(|labels| labels["more"] = json!(9999));
    assert!(error.starts_with("vocab.json: found ") && error.contains("entries, expected vocab_size = "), "{error}");
    let error = with(|labels| labels["<unk>"] = json!(0));
    assert!(error.contains("found the id 0 for "), "{error}");
    let error = with(|labels| labels["<unk>"] = json!(99999));
    assert!(error.contains("found the id 99999 for \"<unk>\""), "{error}");
    let error = with(|labels| (labels["<unk>"], labels["</s>"]) = (json!(0), json!(1)));
    assert!(error.contains("expected \"</s>\""), "{error}");
    let error = with(|labels| {
        let unknown = labels.as_object_mut().unwrap().remove("<unk>").unwrap();
        labels["unknown"] = unknown;
    });
    assert!(error.starts_with("vocab.json: found no entry \"<unk>\", expected one"), "{error}");
    let error = with_key("config.json", "eos_token_id", json!(2));
    assert!(error.starts_with("vocab.json: found ") && error.contains(" at id 2, expected \"</s>\""), "{error}");
    // A folder without SentencePiece has a `tokenizer.json`.
    let copy = Copy::new("swish");
    copy.remove("source.spm");
    for other in ["[]", "7", "null", "\"text\""] {
        copy.write("tokenizer.json", other);
        let error = copy.rejection();
        assert!(error.starts_with("tokenizer.json: found no object, expected an object"), "{other}: {error}");
    }
    let copy = Copy::new("swish");
    copy.write("vocab.json", "[");
    assert!(copy.rejection().starts_with("vocab.json: malformed JSON"));
}

#[test]
fn sentencepiece_models_of_another_kind() {
    let with = |file: &str| {
        let copy = Copy::new("swish");
        copy.write("source.spm", fs::read(fixture("rejected").join(format!("{file}.spm"))).unwrap());
        copy
    };
    let error = with("suffix").rejection();
    assert!(
        error.starts_with("source.spm: found treat_whitespace_as_suffix, expected spaces in front of words"),
        "{error}"
    );
    for file in ["bpe", "symbols"] {
        drop(with(file).imported("run"));
    }
    let copy = Copy::new("swish");
    copy.write("source.spm", b"no model");
    assert!(copy.rejection().starts_with("source.spm: found bytes that do not decode"));
    copy.write("source.spm", b"");
    assert!(copy.rejection().contains("found 0 pieces, and no settings after them"));
    // Cut short between two pieces, so that the rest is a message, too.
    let whole = fs::read(copy.marian().join("target.spm")).unwrap();
    let end = (0..3).fold(0, |at, _| at + 2 + usize::from(whole[at + 1]));
    copy.write("source.spm", &whole[..end]);
    assert!(copy.rejection().contains("found 3 pieces, and no settings after them"));
}

#[test]
fn damaged_or_other_pytorch_files() {
    let copy = Copy::new("swish");
    copy.remove("model.safetensors");
    let with = |bytes: &[u8]| {
        copy.write("pytorch_model.bin", bytes);
        copy.rejection()
    };
    let bytes = |form: &str| fs::read(fixture("swish").join(format!("{form}.bin"))).unwrap();
    let (zip, pickles) = (bytes("bin"), bytes("legacy"));
    assert!(with(&zip[..zip.len() - 100]).contains("found a truncated or damaged zip archive"));
    assert!(with(&pickles[..pickles.len() - 5]).contains("found a truncated file, expected all storages"));
    assert!(with(b"<html>").contains("found neither a zip archive nor PyTorch's series of pickles"));
    // Damage at any place gives an error or other numbers, never a panic.
    for at in (0..zip.len()).step_by(997) {
        for mut damaged in [zip.clone(), pickles.clone()] {
            let at = at.min(damaged.len() - 1);
            damaged[at] ^= 0x55;
            copy.write("pytorch_model.bin", &damaged);
            let run = copy.path("damaged.run");
            drop(interchange::marian::import(&copy.marian(), &run, &crate::folder::device()));
            drop(fs::remove_dir_all(run));
        }
    }
}

/// PyTorch's series of pickles: these instructions for the dictionary, then `rest`.
fn series(state: &[u8], rest: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let system = [&b"}"[..], &text("little_endian"), b"\x88s."].concat();
    [&magic[..], b"M\xe9\x03.", &system, state, b".", rest].concat()
}

/// The instruction for a text.
fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// The error message of importing such a file.
fn series_rejection(state: &[u8], rest: &[u8]) -> String {
    let copy = Copy::new("swish");
    copy.remove("model.safetensors");
    copy.write("pytorch_model.bin", series(state, rest));
    copy.rejection()
}

#[test]
fn deeply_nested_pytorch_files() {
    const DEEP: usize = 1_000_000;
    for (what, state) in [
        ("references", [&b"N"[..], &b"Q".repeat(DEEP)].concat()),
        ("tuples", [&b"N"[..], &b"\x85".repeat(DEEP)].concat()),
        ("lists", [&b"]".repeat(DEEP)[..], &b"a".repeat(DEEP - 1)].concat()),
        ("dictionaries", [&b"}N".repeat(DEEP)[..], b"N", &b"s".repeat(DEEP)].concat()),
    ] {
        let error = series_rejection(&state, b"");
        assert!(error.starts_with("pytorch_model.bin: found values nested more than 64 deep"), "{what}: {error}");
    }
}

/// Each file requests far more memory than it has bytes.
#[test]
fn pytorch_files_with_excessive_sizes() {
    // A list that is stored in the memo many times.
    let mut state = [&b"]("[..], &b"N".repeat(20_000), b"e"].concat();
    (0..20_000u32).for_each(|place| state.extend([&b"r"[..], &place.to_le_bytes()].concat()));
    let error = series_rejection(&state, b"].");
    assert!(error.contains("found a list of 20000 at the top, expected a dictionary of tensors"), "{error}");

    // A hundred names for one storage of a thousand numbers.
    let reference =
        [&b"("[..], &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"M\xe8\x03tQ"].concat();
    let tensor = |name: String, shape: &[u8]| {
        let function = b"ctorch._utils\n_rebuild_tensor_v2\n(";
        [&text(&name)[..], function, &reference, b"K\x00", shape, b"\x89}tR"].concat()
    };
    let tensors = |count: usize, shape: &[u8]| -> Vec<u8> {
        let all: Vec<u8> = (0..count).flat_map(|at| tensor(format!("t{at}"), shape)).collect();
        [&b"}("[..], &all, b"u"].concat()
    };
    let numbers = [&b"]("[..], &text("0"), b"e.", &1000u64.to_le_bytes(), &[0; 4000]].concat();
    let error = series_rejection(&tensors(100, b"M\xe8\x03\x85K\x01\x85"), &numbers);
    assert!(
        error.contains(": more numbers than ") && error.contains("at most 4 names for the same numbers"),
        "{error}"
    );
    // Four names for a matrix are allowed: the file is read, and rejected as another model's.
    let error = series_rejection(&tensors(4, b"M\xe8\x03\x85K\x01\x85"), &numbers);
    assert!(error.contains("tensor `"), "{error}");

    // More axes than a weight has.
    let axes = [&b"("[..], &b"K\x01".repeat(9), b"t"].concat().repeat(2);
    let error = series_rejection(&tensors(1, &axes), &numbers);
    assert!(error.contains("t0: torch._utils._rebuild_tensor_v2, expected a tensor"), "{error}");
}
