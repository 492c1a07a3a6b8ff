//! Folders that cannot be imported, each with one clear message.

use serde_json::{Value, json};

use super::folder::{copy, rejection};

/// Returns the message of a folder whose `config.json` has another value.
fn configured(name: &str, key: &str, value: Value) -> String {
    let copy = copy(name);
    copy.edit("config.json", |file| file[key] = value);
    rejection(&copy)
}

#[test]
fn settings_of_t5_that_are_not_supported() {
    for (key, value, expected) in [
        ("new_option", json!(3), "config.json: new_option = 3: expected keys of a t5 model"),
        ("feed_forward_proj", json!("tanh"), "config.json: feed_forward_proj = tanh: expected one of relu"),
        ("feed_forward_proj", json!("gated-gelu"), "config.json: is_gated_act = false: expected true"),
        ("dense_act_fn", json!("gelu"), "config.json: dense_act_fn = \"gelu\": expected \"relu\""),
        ("decoder_start_token_id", json!(1), "config.json: decoder_start_token_id = 1: expected pad_token_id = 0"),
        ("pad_token_id", json!(900), "config.json: pad_token_id = 900: expected an id below"),
        ("eos_token_id", json!([1, 2]), "config.json: eos_token_id = [1,2]: expected a number"),
        ("is_encoder_decoder", json!(false), "config.json: is_encoder_decoder = false: expected true"),
        ("quantization_config", json!({"bits": 8}), "config.json: quantization_config = "),
        (
            "model_type",
            json!("led"),
            "config.json: model_type = led: expected one of marian, t5, mt5, umt5, bart, mbart, m2m_100, pegasus; translate",
        ),
        ("num_heads", json!("3"), "config.json: num_heads = \"3\": expected a number"),
        ("relative_attention_num_buckets", json!(6), "config.json: model.relative_buckets = 6"),
        ("d_model", json!(17), "model.safetensors: tensor `"),
        ("num_layers", json!(3), "model.safetensors: tensor `encoder.block.2."),
        ("num_layers", json!(1), "model.safetensors: tensor `encoder.block.1."),
        (
            "vocab_size",
            json!(10_000_000_000_000_u64),
            "config.json: vocab_size = 10000000000000: expected at most 1048576",
        ),
        ("feed_forward_proj", json!(3), "config.json: feed_forward_proj = 3: expected a text"),
        ("prefix", json!(5), "config.json: prefix = 5: expected a text"),
        ("vocab_size", json!(100), "spiece.model: found 260 entries, expected at most vocab_size = 100"),
        ("eos_token_id", json!(2), "spiece.model: found \"<unk>\" at id 2, expected \"</s>\""),
    ] {
        let error = configured("t5", key, value);
        assert!(error.starts_with(expected), "{key}: {error}");
    }
}

#[test]
fn settings_of_bart_that_are_not_supported() {
    for (name, key, value, expected) in [
        ("bart", "new_option", json!(3), "config.json: new_option = 3: expected keys of a bart model"),
        (
            "bart",
            "decoder_start_token_id",
            json!(0),
            "config.json: decoder_start_token_id = 0: expected 2, eos_token_id",
        ),
        (
            "pegasus",
            "decoder_start_token_id",
            json!(1),
            "config.json: decoder_start_token_id = 1: expected 0, pad_token_id",
        ),
        (
            "nllb",
            "decoder_start_token_id",
            json!(1),
            "config.json: decoder_start_token_id = 1: expected 2, eos_token_id",
        ),
        ("bart", "forced_bos_token_id", json!(9999), "config.json: forced_bos_token_id = 9999: expected an id below"),
        ("bart", "tie_word_embeddings", json!(false), "config.json: tie_word_embeddings = false: expected true"),
        ("bart", "normalize_before", json!(true), "config.json: normalize_before = true: expected false"),
        ("mbart", "normalize_before", json!(false), "config.json: normalize_before = false: expected true"),
        ("bart", "activation_function", json!("tanh"), "config.json: activation_function = tanh: expected one of gelu"),
        ("bart", "activation_function", json!(3), "config.json: activation_function = 3: expected a text"),
        ("bart", "encoder_attention_heads", json!(5), "config.json: model.n_heads = 5: expected a divisor"),
        ("bart", "is_decoder", json!(true), "config.json: is_decoder = true: expected false"),
        (
            "bart",
            "max_position_embeddings",
            json!(50),
            "model.safetensors: tensor `model.encoder.embed_positions.weight`: found shape [66, 16], expected [52, 16]",
        ),
        (
            "pegasus",
            "max_position_embeddings",
            json!(32),
            "model.safetensors: tensor `model.encoder.embed_positions.weight`: found shape [64, 16]",
        ),
        ("bart", "encoder_layers", json!(3), "model.safetensors: tensor `model.encoder.layers.2."),
        ("bart", "vocab_size", json!(100), "tokenizer.json: found 360 entries, expected at most vocab_size = 100"),
        ("m2m100", "pad_token_id", json!(5), "vocab.json: found "),
        ("mbart", "eos_token_id", json!(3), "sentencepiece.bpe.model: found \"<unk>\" at id 3, expected \"</s>\""),
        ("nllb", "d_model", json!(24), "model.safetensors: tensor `"),
    ] {
        let error = configured(name, key, value);
        assert!(error.starts_with(expected), "{name}, {key}: {error}");
    }
}

#[test]
fn vocabularies_of_bart_that_are_not_supported() {
    let languages = copy("nllb");
    languages.edit("tokenizer_config.json", |file| file["additional_special_tokens"] = json!([]));
    languages.remove("tokenizer.json");
    let error = rejection(&languages);
    assert!(error.starts_with("config.json: additional_special_tokens = none: expected language tokens"), "{error}");

    let merges = copy("bart");
    merges.remove("tokenizer.json");
    merges.write("merges.txt", "#version: 0.2\nab\n");
    let error = rejection(&merges);
    assert!(error.starts_with("merges.txt: found \"ab\" in line 2, expected two tokens"), "{error}");
    merges.write("merges.txt", "#version: 0.2\nqq zz\n");
    let error = rejection(&merges);
    assert!(error.contains("contents that the tokenizers crate rejects"), "{error}");
    merges.write("vocab.json", "[1, 2]");
    assert!(rejection(&merges).starts_with("vocab.json: found "));
    merges.remove("merges.txt");
    let error = rejection(&merges);
    assert!(
        error.starts_with("FOLDER: found no tokenizer, expected tokenizer.json, or vocab.json and merges.txt"),
        "{error}"
    );

    for (change, expected) in [
        (
            (|file: &mut Value| file["model"]["type"] = json!("WordPiece")) as fn(&mut Value),
            "tokenizer.json: found a vocabulary of the type WordPiece, expected BPE or Unigram",
        ),
        (|file| file["model"]["vocab"]["a"] = json!(7), "tokenizer.json: found an id of two tokens"),
        (|file| file["model"]["vocab"]["a"] = json!(-1), "tokenizer.json: found a malformed vocabulary"),
        (|file| file["model"]["vocab"] = json!(3), "tokenizer.json: found a malformed vocabulary"),
        (|file| file["added_tokens"][4]["id"] = json!(9999), "tokenizer.json: found the id 9999 after"),
        (|file| file["added_tokens"][4]["content"] = json!(1), "tokenizer.json: found the added token "),
        (|file| file["added_tokens"][0]["content"] = json!("<x>"), "tokenizer.json: found the id 0 for"),
    ] {
        let copy = copy("bart");
        copy.edit("tokenizer.json", change);
        let error = rejection(&copy);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn folders_that_lack_a_file() {
    for (name, files, expected) in [
        ("t5", &["spiece.model", "tokenizer.json"][..], "FOLDER: found no tokenizer, expected spiece.model"),
        ("t5", &["model.safetensors"], "FOLDER is not a Hugging Face"),
        ("t5", &["config.json"], "FOLDER holds no model of a known format"),
    ] {
        let copy = copy(name);
        files.iter().for_each(|file| copy.remove(file));
        let error = rejection(&copy);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn folders_that_are_not_downloaded() {
    let missing = interchange::recognise("google/t5-small".as_ref()).expect_err("no folder").to_string();
    assert_eq!(missing, "google/t5-small: found no such folder; download the model, and give the folder that holds it");
    let copy = copy("t5");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    std::fs::write(copy.marian().join("model.safetensors"), pointer).unwrap();
    let error = rejection(&copy);
    assert!(error.starts_with("model.safetensors: found a pointer of Git LFS, expected the contents"), "{error}");
}

#[test]
fn files_that_are_cut_short() {
    for (name, file) in [
        ("t5", "config.json"),
        ("t5", "generation_config.json"),
        ("t5", "model.safetensors"),
        ("t5", "spiece.model"),
        ("t5", "tokenizer_config.json"),
        ("umt5", "pytorch_model.bin"),
    ] {
        let copy = copy(name);
        let bytes = std::fs::read(copy.marian().join(file)).unwrap();
        copy.write(file, &bytes[..bytes.len() / 2]);
        let error = rejection(&copy);
        assert!(error.starts_with(&format!("{file}: ")), "{file}: {error}");
    }
}

#[test]
fn vocabularies_that_are_not_supported() {
    let changed = |change: fn(&mut Value)| {
        let copy = copy("t5");
        copy.remove("spiece.model");
        copy.edit("tokenizer.json", change);
        rejection(&copy)
    };
    let kind = changed(|file| file["model"]["type"] = json!("WordPiece"));
    assert!(kind.starts_with("tokenizer.json: found a vocabulary of the type WordPiece, expected"), "{kind}");
    let step = changed(|file| file["normalizer"] = json!({"type": "Lowercase"}));
    assert!(step.starts_with("tokenizer.json: found the normalizer \"Lowercase\""), "{step}");
    let spaces = changed(|file| file["pre_tokenizer"] = json!({"type": "Whitespace"}));
    assert!(spaces.starts_with("tokenizer.json: found the pre_tokenizer {\"type\":\"Whitespace\"}"), "{spaces}");
    let gap = changed(|file| file["added_tokens"][3]["id"] = json!(9999));
    assert!(gap.starts_with("tokenizer.json: found the id "), "{gap}");
    let table = changed(|file| file["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "?"}));
    assert!(table.contains("a malformed table of replacements"), "{table}");
}

/// A file that ties its matrices in `config.json` and holds another one for the output.
#[test]
fn an_output_matrix_beside_a_tied_one() {
    let copy = copy("umt5");
    copy.edit("config.json", |file| {
        file.as_object_mut().unwrap().remove("scale_decoder_outputs");
        file["tie_word_embeddings"] = json!(true);
    });
    let error = rejection(&copy);
    assert!(error.starts_with("pytorch_model.bin: tensor `lm_head.weight`: found other values"), "{error}");
}
