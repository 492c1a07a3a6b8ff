//! An imported folder has the ids, logits and outputs of transformers.

use std::fs;

use decode::TrainedModel;
use model::weights;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use testing::marian_fixture::huggingface_fixture;

use super::folder::{Expected, NAMES, copy, imported, languages};
use crate::folder::{LOGITS_TOLERANCE, answers_in, device};

/// Checks ids, logits and outputs of a run.
pub fn assert_equal(name: &str, trained: &TrainedModel) {
    let expected = Expected::of(name, &trained.source_tokenizer);
    let texts = expected.texts();
    assert!(texts.len() > 200, "{name}: {} texts", texts.len());
    for (text, ids) in texts.iter().zip(expected.ids()) {
        assert_eq!(trained.source_tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
    }
    assert_same_function(name, trained);
}

/// Checks logits and outputs of a run.
pub fn assert_same_function(name: &str, trained: &TrainedModel) {
    let expected = Expected::of(name, &trained.source_tokenizer);
    for (at, (source, target)) in expected.pairs().iter().enumerate() {
        let logits = trained.engine.record_from(expected.start(), source, target).unwrap().logits.concat();
        let theirs = expected.logits(at);
        assert_eq!(logits.len(), theirs.len());
        let difference = logits.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
        let max = difference.fold(0f32, |a, b| if b.is_nan() { f32::INFINITY } else { a.max(b) });
        assert!(max < LOGITS_TOLERANCE, "{name}: {max}");
    }
    for beam in [1, 4] {
        let ours = answers_in(trained, &expected.sources(), languages(name), beam);
        let mut compared = 0;
        for (at, ((ids, text, _), (theirs, ended))) in ours.iter().zip(expected.outputs(beam)).enumerate() {
            if !ended {
                continue;
            }
            compared += 1;
            assert_eq!(*ids, theirs, "{name}, beam {beam}, {at}");
            if beam == 4 {
                assert_eq!(*text, expected.output_texts()[at].trim(), "{name}");
            }
        }
        assert!(compared >= 5, "{name}, beam {beam}: only {compared} ended");
    }
}

#[test]
fn labels_with_a_character_for_each_byte_stand_for_these_bytes() {
    for name in ["bart", "byt5"] {
        let tokenizer = imported(&copy(name), "run").saved.source_tokenizer;
        let expected = Expected::of(name, &tokenizer);
        let spaces = |text: &str| text.matches(|character: char| character.is_ascii_whitespace()).count();
        let is_plain = |text: &&str| text.chars().all(|one| one.is_ascii_whitespace() || !one.is_whitespace());
        let texts = expected.texts();
        for text in texts.iter().map(|text| &text[..]).filter(is_plain) {
            let ids = tokenizer.encode(text).unwrap();
            let bytes: Option<usize> = ids.iter().map(|&id| tokenizer.text_bytes(tokenizer.token(id)?)).sum();
            assert_eq!(bytes, Some(text.len() - spaces(text)), "{name}: {text:?}");
        }
    }
}

#[test]
fn families_equal_transformers() {
    for name in NAMES {
        let copy = copy(name);
        assert_equal(name, &imported(&copy, "run"));
    }
}

/// `tokenizer.json` alone gives the ids of the SentencePiece model.
#[test]
fn tokenizer_json_gives_the_same_run() {
    assert!(huggingface_fixture("t5").join("tokenizer.json").is_file());
    let copy = copy("t5");
    let before = imported(&copy, "run");
    copy.remove("spiece.model");
    let after = imported(&copy, "run-2");
    assert_eq!(before.source_tokenizer.to_json(), after.source_tokenizer.to_json());
}

/// `tokenizer.json` alone gives the ids of the `tokenizers` library, and the same network.
#[test]
fn tokenizer_files_of_the_library_are_read() {
    for name in ["bart", "mbart", "mbart50", "nllb", "pegasus"] {
        let copy = copy(name);
        for file in ["sentencepiece.bpe.model", "spiece.model", "vocab.json", "merges.txt"] {
            if copy.marian().join(file).is_file() {
                copy.remove(file);
            }
        }
        let trained = imported(&copy, "run");
        let expected = Expected::of(name, &trained.source_tokenizer);
        // Spelled out in a text, special tokens are text here, and pieces for the library.
        let is_text = |text: &str| !["</s>", "<unk>", "<pad>", "<s>"].iter().any(|label| text.contains(label));
        for (text, ids) in expected.texts().iter().zip(expected.file_ids()).filter(|(text, _)| is_text(text)) {
            assert_eq!(trained.source_tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
        }
        // transformers 5 puts `<mask>` before the languages of a new NLLB file; published ones have it after them.
        let same_ids = name != "nllb";
        if same_ids {
            assert_same_function(name, &trained);
        }
        // The same file is exported.
        let (run, output) = (copy.path("run"), copy.path("export"));
        let (weights, _) = weights::from_safetensors(&fs::read(run.join("model.safetensors")).unwrap()).unwrap();
        let format = interchange::recognise(&copy.marian()).unwrap();
        interchange::export(format, &trained.saved, weights, &trained.decoding, &run, &output).unwrap();
        interchange::import(format, &output, &copy.path("again"), &device()).unwrap();
        let again = TrainedModel::open(&copy.path("again"), &device()).unwrap();
        for (text, ids) in expected.texts().iter().zip(expected.file_ids()).filter(|(text, _)| is_text(text)) {
            assert_eq!(again.source_tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
        }
        if same_ids {
            assert_same_function(name, &again);
        }
    }
}

/// BART's first files: a list of tokens, and merges.
#[test]
fn a_list_with_merges_gives_the_same_ids() {
    let copy = copy("bart");
    copy.remove("tokenizer.json");
    assert_equal("bart", &imported(&copy, "run"));
}

/// The ids of words stand in the vocabulary alone (OpenNMT/CTranslate2#1415).
#[test]
fn added_tokens_beside_the_vocabulary_change_nothing() {
    let copy = copy("t5");
    let before = imported(&copy, "run");
    copy.write("added_tokens.json", r#"{ "<extra>": 368 }"#);
    let after = imported(&copy, "run-2");
    assert_eq!(before.source_tokenizer.to_json(), after.source_tokenizer.to_json());
}

/// Names of the matrices differ between versions of transformers: here that of the inputs is the decoder's alone
/// (huggingface/transformers#48154).
#[test]
fn the_input_matrix_may_have_the_decoders_name() {
    let copy = copy("t5");
    copy.edit("config.json", |file| {
        file.as_object_mut().unwrap().remove("scale_decoder_outputs");
        file["tie_word_embeddings"] = false.into();
    });
    let path = copy.marian().join("model.safetensors");
    let (shared, name) = ("shared.weight", "decoder.embed_tokens.weight");
    let write = |input: &str| {
        let bytes = fs::read(huggingface_fixture("t5").join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors = file.tensors();
        let matrix = file.tensor(shared).unwrap();
        let halves: Vec<u8> = matrix.data().as_chunks::<4>().0.iter().flat_map(halved).collect();
        tensors.iter_mut().filter(|(name, _)| name == shared).for_each(|(name, _)| *name = input.to_string());
        let output = TensorView::new(matrix.dtype(), matrix.shape().to_vec(), &halves).unwrap();
        tensors.push(("lm_head.weight".to_string(), output));
        fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    };
    write(shared);
    drop(imported(&copy, "run"));
    write(name);
    drop(imported(&copy, "run-2"));
    let weights = |run: &str| fs::read(copy.path(run).join("model.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("run-2"));
}

/// Half of a number in little-endian bytes.
fn halved(bytes: &[u8; 4]) -> [u8; 4] {
    (f32::from_le_bytes(*bytes) / 2.0).to_le_bytes()
}
