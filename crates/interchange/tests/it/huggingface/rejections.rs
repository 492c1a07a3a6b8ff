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
        ("vocab_size", json!(100), "spiece.model: found 260 entries, expected at most vocab_size = 100"),
        ("eos_token_id", json!(2), "spiece.model: found \"<unk>\" at id 2, expected \"</s>\""),
    ] {
        let error = configured("t5", key, value);
        assert!(error.starts_with(expected), "{key}: {error}");
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
