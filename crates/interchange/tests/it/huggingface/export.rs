//! An exported folder has the weights, to the bit, and the answers of the folder that was imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use interchange::huggingface::{self, Family};
use model::config::{Activation, NormKind, NormOrder, PositionKind, Tie};
use model::weights;
use model::{ModelConfig, Transformer, VocabularySizes};
use runs::SavedModel;
use temp_dir::TempDir;
use testing::variants::variants;
use text::Tokenizer;

use super::folder::{NAMES, copy, imported};
use super::import::{assert_equal, assert_same_function};
use crate::folder::{device, json};

/// The tensors of a safetensors file, by name.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect()
}

#[test]
fn an_export_equals_what_was_imported() {
    for name in NAMES {
        let copy = copy(name);
        let trained = imported(&copy, "run");
        let run = copy.path("run");
        let (weights, _) = weights::from_safetensors(&fs::read(run.join("model.safetensors")).unwrap()).unwrap();
        let original = copy.marian().join("model.safetensors");
        let before = original.is_file().then(|| tensors(&original));
        let output = copy.path("export");
        let format = interchange::recognise(&copy.marian()).unwrap();
        interchange::export(format, &trained.saved, weights, &trained.decoding, &run, &output).unwrap();
        if let Some(mut before) = before {
            let width = 4 * trained.config.d_model;
            before.retain(|name, values| match (name.contains("embed_positions"), trained.config.positions) {
                // No position has the first two rows.
                (true, PositionKind::Learned) => {
                    values[..2 * width].fill(0);
                    true
                }
                (of_positions, _) => !of_positions,
            });
            assert_eq!(tensors(&output.join("model.safetensors")), before, "{name}");
        }
        let (old, new) = (json(&copy.marian().join("config.json")), json(&output.join("config.json")));
        for (key, value) in new.as_object().unwrap() {
            const NEW: [&str; 7] = [
                "n_positions",
                "torch_dtype",
                "tokenizer_class",
                "tie_word_embeddings",
                "forced_bos_token_id",
                "encoder_layerdrop",
                "decoder_layerdrop",
            ];
            assert!(NEW.contains(&key.as_str()) || *value == old[key], "{name}: {key} = {value}, was {}", old[key]);
        }

        // Over the copy, so that it is imported again.
        fs::remove_dir_all(copy.marian()).unwrap();
        fs::rename(&output, copy.marian()).unwrap();
        let again = imported(&copy, "run-2");
        assert_equal(name, &again);
        assert_same_function(name, &again);
        assert_eq!(again.config, trained.config);
        assert_eq!(again.decoding, trained.decoding);
        assert_eq!(again.source_tokenizer.to_json(), trained.source_tokenizer.to_json());
    }
}

/// Each variant is exported with its options, or rejected by the name of one.
#[test]
fn variants_are_exported_or_rejected_by_name() {
    let copy = copy("t5");
    let saved = imported(&copy, "run").saved;
    let size = saved.sizes;
    let base = ModelConfig {
        norm: NormOrder::Pre,
        norm_kind: NormKind::Rms,
        positions: PositionKind::Relative,
        bias: false,
        scale_attention: false,
        scale_embeddings: false,
        scale_logits: true,
        ..saved.config.clone()
    };
    let mut survivors = 0;
    for variant in variants(&base) {
        if variant.config.validate().is_err() {
            continue;
        }
        let folder = TempDir::new().unwrap();
        let network = Transformer::new(&variant.config, size, 1, &device()).unwrap();
        let saved = SavedModel { config: variant.config.clone(), ..saved.clone() };
        let (tensors, output) = (weights::collect(&network), folder.child("t5"));
        let decoding = saved.decoding.clone();
        match huggingface::export(Family::T5, &saved, tensors, &decoding, Path::new("runs/x"), &output) {
            Ok(()) => {
                survivors += 1;
                let run = folder.child("run");
                let read = huggingface::import(Family::T5, &output, &run, &device()).unwrap().config;
                let rates = ModelConfig {
                    attention_dropout: read.dropout,
                    ff_dropout: read.dropout,
                    stack_dropout: read.dropout,
                    head_size: Some(variant.config.head_size()),
                    decoder_heads: None,
                    decoder_d_ff: None,
                    ..variant.config.clone()
                };
                assert_eq!(read, rates, "{}", variant.name());
            }
            Err(error) => {
                let error = error.to_string();
                let named = variant.changes.iter().any(|(option, _)| error.contains(&format!("model.{option} = ")));
                assert!(named, "{}: {error}", variant.name());
                assert!(!output.exists());
            }
        }
    }
    assert!(survivors > 5, "{survivors}");
    let gated = ModelConfig { activation: Activation::GegluTanh, tie: Tie::Inputs, ..base };
    assert!(gated.validate().is_ok());
}

/// By the ids of the folder, transformers finds the languages of NLLB where the matrix has them.
#[test]
fn languages_are_exported_with_their_ids() {
    let copy = copy("nllb");
    let trained = imported(&copy, "run");
    let run = copy.path("run");
    let (weights, _) = weights::from_safetensors(&fs::read(run.join("model.safetensors")).unwrap()).unwrap();
    let output = copy.path("export");
    huggingface::export(Family::M2m100, &trained.saved, weights, &trained.decoding, &run, &output).unwrap();
    let by_id = json(&output.join("tokenizer_config.json"))["added_tokens_decoder"].take();
    let labels = by_id.as_object().unwrap().iter().map(|(id, token)| (id.as_str(), token["content"].as_str().unwrap()));
    let expected = [
        ("0", "<s>"),
        ("1", "<pad>"),
        ("2", "</s>"),
        ("3", "<unk>"),
        ("301", "eng_Latn"),
        ("302", "deu_Latn"),
        ("303", "fra_Latn"),
        ("304", "<mask>"),
    ];
    assert_eq!(labels.collect::<BTreeMap<_, _>>(), BTreeMap::from(expected));
}

/// The table of positions of M2M100 has a row for `<pad>`, so that its id is bounded by the number of positions.
#[test]
fn padding_beyond_the_positions_of_m2m100_is_rejected() {
    let copy = copy("nllb");
    let mut saved = imported(&copy, "run").saved;
    saved.config.max_length = 4;
    let export = |saved: &SavedModel, output: &str| {
        let network = Transformer::new(&saved.config, saved.sizes, 1, &device()).unwrap();
        let tensors = weights::collect(&network);
        huggingface::export(Family::M2m100, saved, tensors, &saved.decoding, Path::new("x"), &copy.path(output))
    };
    export(&saved, "four").unwrap();
    // The `<pad>` of a vocabulary that is trained here is its last token.
    saved.target_tokenizer = Tokenizer::from_words(&["0", "1", "2"]).into();
    saved.source_tokenizer = saved.target_tokenizer.clone();
    saved.sizes = VocabularySizes::joint(saved.target_tokenizer.vocab_size());
    saved.config.position_offset = saved.target_tokenizer.pad_id() as usize + 1;
    (saved.config.max_length, saved.decoding) = (2, Default::default());
    let error = export(&saved, "two").unwrap_err().to_string();
    assert!(error.contains("model.max_length = 2: expected at least 4, one less than the id of <pad>"), "{error}");
}

/// Each variant of BART's relatives is exported with its options, or rejected by the name of one.
#[test]
fn variants_of_bart_are_exported_or_rejected_by_name() {
    for (name, family) in
        [("bart", Family::Bart), ("mbart", Family::MBart), ("nllb", Family::M2m100), ("pegasus", Family::Pegasus)]
    {
        let copy = copy(name);
        let saved = imported(&copy, "run").saved;
        let mut survivors = 0;
        for variant in variants(&saved.config) {
            if variant.config.validate().is_err() {
                continue;
            }
            let folder = TempDir::new().unwrap();
            let network = Transformer::new(&variant.config, saved.sizes, 1, &device()).unwrap();
            let saved = SavedModel { config: variant.config.clone(), ..saved.clone() };
            let (mut tensors, output) = (weights::collect(&network), folder.child("out"));
            // A bias of zeros is none.
            let bias = tensors.iter_mut().filter(|tensor| tensor.name == "embeddings.output_bias");
            bias.for_each(|bias| bias.values.fill(0.5));
            match huggingface::export(family, &saved, tensors, &saved.decoding, Path::new("runs/x"), &output) {
                Ok(()) => {
                    survivors += 1;
                    let read = huggingface::import(family, &output, &folder.child("run"), &device()).unwrap().config;
                    assert_eq!(read, variant.config, "{name}: {}", variant.name());
                }
                Err(error) => {
                    let error = error.to_string();
                    let named = variant.changes.iter().any(|(option, _)| error.contains(&format!("model.{option} = ")));
                    assert!(named, "{name}, {}: {error}", variant.name());
                    assert!(!output.exists());
                }
            }
        }
        assert!(survivors > 4, "{name}: {survivors}");
    }
}
