//! Imports of Marian's own files: ids, logits and outputs equal those of its equations.

use std::fs;
use std::path::{Path, PathBuf};

use decode::TrainedModel;
use interchange::Format;
use model::config::{DecoderSelf, PositionKind, Tie};
use model::safetensors_reader::{SafetensorsReader, StoredValues};
use model::weights;
use runs::config::DecodingPrecision;
use serde_json::Value;
use temp_dir::TempDir;

use crate::folder::{LOGITS_TOLERANCE, answers, device, json};

pub const NAMES: [&str; 3] = ["student", "quantised", "transformer"];

/// A copy of a fixture that a test may change.
pub struct NmtFolder {
    folder: TempDir,
}

impl NmtFolder {
    pub fn new(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.child("nmt")).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/marian_nmt").join(name);
        for entry in fs::read_dir(fixture).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.child("nmt").join(path.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child("nmt").join(name)
    }

    fn imported(&self) -> TrainedModel {
        let run = self.folder.child("run");
        interchange::marian_nmt::import(&self.path(""), &run, &device()).expect("an import");
        TrainedModel::open(&run, &device()).expect("a run")
    }

    /// The error message of an import; no file is left behind.
    pub fn rejection(&self) -> String {
        let run = self.folder.child("rejected");
        let error = interchange::marian_nmt::import(&self.path(""), &run, &device()).expect_err("an error").to_string();
        assert!(!run.exists(), "{error}");
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 1, "{error}");
        error.replace(&format!("{}/", self.folder.child("nmt").display()), "")
    }
}

fn expected(folder: &NmtFolder) -> Value {
    json(&folder.path("expected.json"))
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn ids_are_those_of_sentencepiece() {
    for name in NAMES {
        let folder = NmtFolder::new(name);
        let (trained, expected) = (folder.imported(), expected(&folder));
        for (text, theirs) in
            expected["texts"].as_array().unwrap().iter().zip(expected["source_ids"].as_array().unwrap())
        {
            let text = text.as_str().unwrap();
            assert_eq!(trained.source_tokenizer.encode(text).unwrap(), ids(theirs), "{name}: {text:?}");
        }
    }
}

/// In int8 the integers of the file are kept: what they stand for are the weights of an import in float32.
#[test]
fn int8_keeps_the_integers_of_the_file() {
    let folder = NmtFolder::new("quantised");
    folder.imported();
    let run = folder.folder.child("run-int8");
    interchange::marian_nmt::import_in(DecodingPrecision::Int8, &folder.path(""), &run, &device()).expect("an import");
    let int8 = TrainedModel::open(&run, &device()).expect("a run");
    assert_eq!(int8.engine.precision(), DecodingPrecision::Int8);
    let bytes = fs::read(folder.folder.child("run").join("model.safetensors")).expect("weights");
    let (tensors, _) = weights::from_safetensors(&bytes).expect("float32");
    let mut file = SafetensorsReader::open(&run.join("model.safetensors")).expect("weights");
    let mut kept = 0;
    for tensor in tensors {
        let stored = file.read_stored(&tensor.name, &tensor.shape).expect("a tensor");
        // A matrix of 8-bit integers has one scale in the file; others are quantised row by row.
        if matches!(&stored, StoredValues::Int8(rows) if rows.scales.iter().all(|&scale| scale == rows.scales[0])) {
            kept += 1;
            let pairs = stored.into_float32().into_iter().zip(&tensor.values);
            pairs.for_each(|(found, value)| assert!((found - value).abs() <= 1e-6 * value.abs(), "{}", tensor.name));
        }
    }
    assert!(kept > 0, "the file has matrices of 8-bit integers");
}

#[test]
fn logits_are_those_of_the_equations() {
    for name in NAMES {
        let folder = NmtFolder::new(name);
        let (trained, expected) = (folder.imported(), expected(&folder));
        let source = [ids(&expected["source_ids"][0]), vec![0]].concat();
        let found = trained.engine.record(&source, &ids(&expected["target_ids"])).unwrap().logits;
        let theirs: Vec<Vec<f32>> = serde_json::from_value(expected["logits"].clone()).unwrap();
        assert_eq!(found.len(), theirs.len(), "{name}");
        for (found, theirs) in found.iter().zip(&theirs) {
            // `<pad>` is added as the last entry.
            assert_eq!(found.len(), theirs.len() + 1, "{name}");
            let furthest = found.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < LOGITS_TOLERANCE, "{name}: {furthest}");
        }
    }
}

#[test]
fn outputs_are_those_of_the_equations() {
    for name in NAMES {
        let folder = NmtFolder::new(name);
        let (trained, expected) = (folder.imported(), expected(&folder));
        let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
        let found = answers(&trained, &texts, 1);
        for ((found, _, finished), theirs) in found.iter().zip(expected["outputs"].as_array().unwrap()) {
            let Some(theirs) = theirs.as_array().map(|_| ids(theirs)) else { continue };
            match theirs.split_last() {
                Some((0, theirs)) => assert!(*finished && found == theirs, "{name}: {found:?}, expected {theirs:?}"),
                _ => assert_eq!(found[..theirs.len()], theirs, "{name}"),
            }
        }
    }
}

#[test]
fn options_and_settings_come_along() {
    let trained = NmtFolder::new("quantised").imported();
    assert_eq!((trained.decoding.beam, trained.decoding.length_penalty.alpha), (2, 1.0));
    assert_eq!((trained.config.decoder_self, trained.config.tie), (DecoderSelf::Ssru, Tie::All));
    assert_eq!(trained.config.positions, PositionKind::SinusoidalFairseq);
    let trained = NmtFolder::new("transformer").imported();
    assert_eq!((trained.config.decoder_self, trained.config.tie), (DecoderSelf::Attention, Tie::None));
    assert_eq!(trained.decoding.beam, 1);

    let folder = NmtFolder::new("quantised");
    let imported = interchange::marian_nmt::import(&folder.path(""), &folder.path("run"), &device()).unwrap();
    assert_eq!(imported.skipped, ["shortlist = lex.bin false"]);
}

#[test]
fn formats_are_recognised() {
    for name in NAMES {
        assert_eq!(interchange::recognise(&NmtFolder::new(name).path("")).unwrap(), Format::MarianNmt);
    }
    assert_eq!(interchange::recognise(&crate::folder::fixture("swish")).unwrap(), Format::Marian);
    let empty = TempDir::new().unwrap();
    let error = interchange::recognise(empty.path()).unwrap_err().to_string();
    assert!(error.contains("holds no model of a known format; give a Hugging Face folder"), "{error}");
}

/// OPUS-MT's own releases have a vocabulary in YAML beside SentencePiece models of each side.
#[test]
fn yaml_vocabularies_give_the_same_run() {
    let folder = NmtFolder::new("student");
    let before = folder.imported();
    let labels = before.source_tokenizer.labels();
    let lines: String =
        labels[..labels.len() - 1].iter().enumerate().map(|(id, label)| format!("{label:?}: {id}\n")).collect();
    fs::write(folder.path("opus.vocab.yml"), lines).unwrap();
    fs::copy(folder.path("vocab.xxyy.spm"), folder.path("source.spm")).unwrap();
    fs::rename(folder.path("vocab.xxyy.spm"), folder.path("target.spm")).unwrap();
    let run = folder.folder.child("yaml");
    interchange::marian_nmt::import(&folder.path(""), &run, &device()).unwrap();
    for name in ["model.safetensors", "source.tokenizer.json", "target.tokenizer.json"] {
        assert_eq!(
            fs::read(run.join(name)).unwrap(),
            fs::read(folder.folder.child("run").join(name)).unwrap(),
            "{name}"
        );
    }
}
